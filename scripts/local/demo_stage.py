"""Everything that the demo runs against, on loopback: an embedded AWS, six stand-ins, a real router.

The stand-ins speak the vendors' wire formats over HTTP; the router is `local.dev` in a process of its own, with
a config file as a user would write it. Whatever is started here is ended here.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.stack import ROOT, START_TIMEOUT_S, embedded_aws, stop
from tests.fakes import Answer, Fail, Provider, Step

CALLER = "demo"
LIMIT_USD = "0.01"
PRICE = {"input_per_mtok": 2, "output_per_mtok": 10}
ROLLUP_EVERY_S = 0.5
PROVIDER_KEY = "sk-of-the-stand-ins"
KINDS = {"openai": "openai_compat", "anthropic": "anthropic"}

PLAIN = Answer(delay_ms=30, gap_ms=5)
"""An echo of the last user message: the first word after 30 ms, the others 5 ms apart."""

DEAR = Answer(delay_ms=30, gap_ms=5, usage={"prompt": 1000, "completion": 500})
"""1000 tokens in, 500 out: $0.007 at the price above, so the second call goes over the limit."""

PROFILES = {
    "chat": ["acme/mini", "bolt/mini"],
    "claude": ["coda/mini"],
    "gpt": ["acme/mini"],
    "unlucky": ["down/mini", "bolt/mini"],
    "frugal": ["dime/mini", "bolt/mini"],
    "steady": ["moody/mini", "bolt/mini"],
}
THRESHOLD, REST_S = 2, 3
HEALTH = {"steady": {"health": {"threshold": THRESHOLD, "cooldown_s": REST_S}}}
"""Quicker than the numbers that a profile has without saying any: three faults, and a minute.

The rest is longer than the next call takes on almost any machine, and most of it is used for other calls.
"""

Progress = Callable[[str], AbstractContextManager[object]]
"""Shows a text while its block runs."""


class DemoFault(Exception):
    """Something did not happen as it should; the message says what."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running. `key` is the caller's API key; `log` is the router's, one JSON object per line."""

    url: str
    key: str
    dynamodb_url: str
    providers: Mapping[str, Provider]
    config: Path
    log: Path
    router: "subprocess.Popen[bytes]"


@contextmanager
def open_stage(progress: Progress, meanwhile: Callable[[], object]) -> Iterator[Stage]:
    """Starts all parts, yields them, ends them. DemoFault or RuntimeError when one does not start.

    `meanwhile` is called while the router starts: what takes time as well and needs none of it.
    """
    _reach_loopback_directly()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmroute-demo-")))
        with progress("Starting an embedded AWS (DynamoDB, in memory)"):
            dynamodb_url = stack.enter_context(embedded_aws(home / "aws.log"))
        with progress("Starting six provider stand-ins"):
            providers = {p.name: stack.enter_context(p) for p in _stand_ins()}
        config = home / "warmroute.yaml"
        config.write_text(yaml.safe_dump(config_document(providers), sort_keys=False), encoding="utf-8")
        key, log = f"sk-warmroute-{secrets.token_hex(12)}", home / "router.log"
        with progress("Starting the router with its rollup; loading the vendors' SDKs"):
            router = _start_router(config, dynamodb_url, key, log)
            stack.callback(stop, router)
            meanwhile()
            url = _wait_until_ready(router, log)
        yield Stage(url, key, dynamodb_url, providers, config, log, router)


def config_document(providers: Mapping[str, Provider]) -> dict[str, Any]:
    """The router's config file, before it is YAML."""
    return {
        "providers": [
            {"name": name, "kind": KINDS[p.kind], "base_url": p.base_url, "api_key": "env:STAND_IN_KEY"}
            | {"models": [{"model": "mini", "wire_model": f"{name}-mini-2026-01", "price": {**PRICE}}]}
            for name, p in providers.items()
        ],
        "profiles": {name: {"routes": routes, **HEALTH.get(name, {})} for name, routes in PROFILES.items()},
        "budgets": [{"scope": "provider:dime", "period": "month", "limit_usd": LIMIT_USD, "action": "skip"}],
        "default_profile": "chat",
    }


def _stand_ins() -> list[Provider]:
    """Each takes its own key only, so none would answer if the router passed the caller's on."""
    named = [
        Provider("openai", name=name, keys=[PROVIDER_KEY]) for name in ("acme", "bolt", "down", "dime", "moody")
    ]
    providers = [*named, Provider("anthropic", name="coda", keys=[PROVIDER_KEY])]
    behaviour: dict[str, Step] = {"down": Fail(500), "dime": DEAR}
    for provider in providers:
        provider.default = behaviour.get(provider.name, PLAIN)
    return providers


def _start_router(config: Path, dynamodb_url: str, key: str, log: Path) -> "subprocess.Popen[bytes]":
    arguments = ["--port", "0", "--config", str(config), "--dynamodb-url", dynamodb_url]
    arguments += ["--caller-key", f"{CALLER}={key}", "--rollup-every", str(ROLLUP_EVERY_S)]
    environment = os.environ | {"STAND_IN_KEY": PROVIDER_KEY}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "local.dev", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait_until_ready(router: "subprocess.Popen[bytes]", log: Path) -> str:
    """The URL from the router's line `ready http://...`. DemoFault, with the end of its log, when none comes."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and router.poll() is None:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            if line.startswith("ready http") and line.endswith("\n"):
                return line.split()[1]
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace")[-1500:].strip()
    why = (
        f"did not serve within {START_TIMEOUT_S} s"
        if router.poll() is None
        else f"ended with exit code {router.returncode}"
    )
    raise DemoFault(f"the router {why}. The end of its log:\n{said}")


def _reach_loopback_directly() -> None:
    """A proxy that the environment names is for the internet: what runs here is not behind it."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
