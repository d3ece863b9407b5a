"""A router on this machine, with its rollup beside it, until it is stopped."""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import uvicorn
from aiodynamo.errors import AIODynamoError
from aiodynamo.models import RetryTimeout

from ledger.items import ApiKey
from ledger.moments import now_ms
from ledger.store.connection import StoreError
from ledger.store.facts import FACTS_TABLE
from ledger.store.opened import Store, open_store
from ledger.store.views import VIEWS_TABLE
from local.stack import ROOT, create_tables, embedded_aws, free_port
from rollup.handler import run_forever
from rollup.passes import run_pass
from route.app import create_app
from route.config.file import ConfigError, load_config
from route.request.auth import OPERATOR, digest_of
from route.settings import RouterSettings, configure_logging, read_secrets

EXAMPLES = """examples:
  scripts/dev                                   an embedded store, warmroute.yaml, a key made up on the spot
  scripts/dev --config my.yaml --caller-key alice=sk-alice --caller-key bob=sk-bob --port 9000
  scripts/dev --dynamodb-url http://127.0.0.1:4566 --rollup-every 2

then, as an application:
  WARMROUTE_URL=http://127.0.0.1:8787 WARMROUTE_API_KEY=sk-alice python app.py
"""
LAG_MS = 250
"""The embedded store's indexes are never behind; this leaves time for a write that is under way."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parse = argparse.ArgumentParser(
        "scripts/dev", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parse.add_argument
    add("--port", type=_port, default=8787, help="port on 127.0.0.1 (default 8787; 0 takes a free one)")
    add("--config", type=Path, help="the YAML file (default warmroute.yaml, else warmroute.example.yaml)")
    add("--dynamodb-url", metavar="URL", help="a DynamoDB that runs already (default: an embedded one, in memory)")
    add("--facts-table", default=FACTS_TABLE, metavar="NAME")
    add("--views-table", default=VIEWS_TABLE, metavar="NAME")
    add("--caller-key", action="append", default=[], metavar="NAME=KEY", help="a caller and its API key; repeat")
    add("--operator-key", metavar="KEY", help="an API key with the role operator, for the paths under /x")
    add("--rollup-every", type=float, default=2, metavar="S", help="seconds between passes (default 2; 0: none)")
    add(
        "--lost-after", type=float, default=960, metavar="S", help="an inference open for longer is closed as lost"
    )
    add("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return parse


def _port(given: str) -> int:
    port = int(given)
    if not 0 <= port < 65_536:
        raise argparse.ArgumentTypeError(f"{given} is no TCP port")
    return port


def caller_keys(arguments: argparse.Namespace) -> list[ApiKey]:
    """The keys to write; one is made up, and printed, when none is given. ValueError for a malformed one."""
    keys: list[ApiKey] = []
    for given in arguments.caller_key or [f"dev={_made_up()}"]:
        name, separator, key = given.partition("=")
        if not (separator and name and key):
            raise ValueError(f"--caller-key takes NAME=KEY, not {name!r}")
        if any(known.digest == digest_of(key) for known in keys):
            raise ValueError(f"--caller-key {name}: another caller has this key already")
        keys.append(ApiKey(digest_of(key), caller=name, tenant=name))
    if arguments.operator_key:
        keys.append(ApiKey(digest_of(arguments.operator_key), caller=OPERATOR, tenant=OPERATOR, role=OPERATOR))
    return keys


def _made_up() -> str:
    key = f"sk-warmroute-{secrets.token_hex(12)}"
    print(f"caller dev has the API key {key}", file=sys.stderr, flush=True)
    return key


def find_config(given: Path | None) -> Path:
    """The given file, or the user's own, or the example."""
    own = ROOT / "warmroute.yaml"
    return given or (own if own.exists() else ROOT / "warmroute.example.yaml")


async def run(arguments: argparse.Namespace, dynamodb_url: str) -> None:
    """Serves until a signal. Raises ConfigError, ValueError or StoreError before it serves."""
    config = load_config(find_config(arguments.config))
    read = read_secrets(provider.api_key for provider in config.providers if provider.api_key)
    keys = caller_keys(arguments)
    tables = (arguments.facts_table, arguments.views_table)
    async with open_store(*tables, endpoint_url=dynamodb_url, retry_s=10) as store:
        await _prepare(store, keys)
        settings = RouterSettings(config, read, *tables, dynamodb_url=dynamodb_url, views_refresh_ms=200)
        port = arguments.port or free_port()
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(settings),
                host="127.0.0.1",
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )
        stop = asyncio.Event()
        ready = asyncio.create_task(_announce(server, port))
        rollup = asyncio.create_task(_roll(store, arguments, stop))
        try:
            await server.serve()
        finally:
            stop.set()
            ready.cancel()
            await rollup


async def _prepare(store: Store, keys: Sequence[ApiKey]) -> None:
    try:
        await create_tables(store.client, store.facts.name, store.views.name)
    except (AIODynamoError, RetryTimeout, aiohttp.ClientError, OSError) as error:
        raise RuntimeError(f"no DynamoDB answers there: {type(error).__name__}: {error}") from error
    for key in keys:
        await store.views.put_api_key(key)
    # What an earlier router wrote into this store counts from the first request on.
    await run_pass(store, now=now_ms(), lag_ms=0)


async def _announce(server: uvicorn.Server, port: int) -> None:
    """Prints one line once the router serves, for other programs to wait for."""
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for this
        await asyncio.sleep(0.01)
    print(f"ready http://127.0.0.1:{port}", flush=True)


async def _roll(store: Store, arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    if arguments.rollup_every > 0:
        lost_after_ms = round(arguments.lost_after * 1000)
        await run_forever(store, arguments.rollup_every, LAG_MS, stop, lost_after_ms=lost_after_ms)


def main() -> int:
    """The exit status: 0 after a signal, 2 when something in the arguments or the config is wrong."""
    arguments = parser().parse_args()
    # uvicorn raises a signal again once it has stopped: without this, SIGTERM would leave the store behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure_logging(arguments.log_level)
    rollup = logging.getLogger("rollup")
    rollup.setLevel(arguments.log_level)
    for handler in rollup.handlers:
        # On Lambda it logs to stdout; here that is for the one line that other programs wait for.
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    try:
        with ExitStack() as stack:
            url = arguments.dynamodb_url or stack.enter_context(embedded_aws())
            os.environ.setdefault("AWS_REGION", "us-east-1")
            asyncio.run(run(arguments, url))
    except (ConfigError, ValueError, StoreError, RuntimeError) as error:
        print(f"scripts/dev: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
