"""What the router adds to a call: direct calls, a proxy that does nothing, and the router, in turns.

Machines get slower and quicker, so compare figures of one run only, never those of two.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from rich.console import Console
from rich.table import Table as RichTable

from local.stack import ROOT, embedded_aws, free_port, stop, wait_for

KEY = "sk-bench"
TRANSLATED = "translated"
WORDS = " ".join(["word"] * 100)
Sample = tuple[float, float]
"""Milliseconds to the first bytes of the body, and to its end."""


def null_proxy(origin: str, port: int) -> None:
    """A proxy that passes bytes on and looks at nothing: what one more hop costs in this language."""

    async def serve(request: web.Request) -> web.StreamResponse:
        session: aiohttp.ClientSession = request.app["session"]
        headers = {"authorization": request.headers["authorization"], "content-type": "application/json"}
        async with session.post(f"{origin}{request.path}", data=await request.read(), headers=headers) as answer:
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    async def session(app: web.Application) -> Any:
        async with aiohttp.ClientSession() as app["session"]:
            yield

    app = web.Application()
    app.router.add_post("/{path:.*}", serve)
    app.cleanup_ctx.append(session)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


async def one_call(
    http: aiohttp.ClientSession, url: str, *, stream: bool, sid: str = "", model: str = "mini"
) -> Sample:
    """One request. RuntimeError when it does not answer 200."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": WORDS}], "stream": stream}
    headers = {"authorization": f"Bearer {KEY}"} | ({"x-warmroute-session": sid} if sid else {})
    began = time.perf_counter()
    async with http.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
        first = await answer.content.readany()
        at_first = time.perf_counter()
        rest = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status} {(first + rest)[:300]!r}")
    return (at_first - began) * 1000, (time.perf_counter() - began) * 1000


async def in_turns(targets: Mapping[str, str], rounds: int, *, stream: bool) -> dict[str, list[Sample]]:
    """Calls each target once a round, so that a machine that gets slower does so for all of them."""
    samples: dict[str, list[Sample]] = {name: [] for name in targets}
    async with aiohttp.ClientSession() as http:
        for i in range(-20, rounds):
            for name, url in targets.items():
                sid = f"bench-{i % 10}" if name.endswith("session") else ""
                model = TRANSLATED if name.endswith(TRANSLATED) else "mini"
                sample = await one_call(http, url, stream=stream, sid=sid, model=model)
                if i >= 0:  # the first ones only warm up
                    samples[name].append(sample)
    return samples


async def at_once(url: str, calls: int, workers: int) -> float:
    """Calls per second of several callers at a time."""
    connector = aiohttp.TCPConnector(limit=workers)
    async with aiohttp.ClientSession(connector=connector) as http:
        gate = asyncio.Semaphore(workers)

        async def one() -> None:
            async with gate:
                await one_call(http, url, stream=False)

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(calls)))
        return calls / (time.perf_counter() - began)


@contextmanager
def running(command: list[str], url: str, what: str, **environment: str) -> Iterator[str]:
    """A server in a process of its own, from when it serves until the block ends."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(url, process, what)
        yield url
    finally:
        stop(process)


@contextmanager
def all_targets() -> Iterator[dict[str, str]]:
    """The stand-in itself, the null proxy before it, and the router before it: as it is, in another dialect, and
    with a session."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmroute-bench-")))
        python = sys.executable
        origin, proxy, router = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        port: Callable[[str], str] = lambda url: url.rpartition(":")[2]  # noqa: E731 - three uses, one line
        fake = [python, "-m", "tests.fakes", "--kind", "openai", "--port", port(origin)]
        stack.enter_context(running(fake, origin, "the stand-in"))
        null = [python, "-m", "local.bench", "--null-proxy", origin, "--port", port(proxy)]
        stack.enter_context(running(null, proxy, "the null proxy"))
        config = home / "warmroute.yaml"
        price = {"input_per_mtok": 3, "output_per_mtok": 15}
        provider = {
            "name": "acme",
            "kind": "openai_compat",
            "base_url": f"{origin}/v1",
            "api_key": "env:BENCH_KEY",
        }
        document = {
            "providers": [
                provider | {"models": [{"model": "mini", "price": price}]},
                provider
                | {"name": "other", "dialects": ["responses"], "models": [{"model": "mini", "price": price}]},
            ],
            "profiles": {"default": {"routes": ["acme/mini"]}, TRANSLATED: {"routes": ["other/mini"]}},
            "default_profile": "default",
        }
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        dynamodb_url = stack.enter_context(embedded_aws())
        dev = [python, "-m", "local.dev", "--config", str(config), "--port", port(router), "--rollup-every", "10"]
        dev += ["--dynamodb-url", dynamodb_url, "--caller-key", f"bench={KEY}", "--log-level", "WARNING"]
        stack.enter_context(running(dev, router, "the router", BENCH_KEY="sk-bench-provider"))
        targets = {"direct": origin, "null proxy": proxy, "router": router}
        yield targets | {f"router, {TRANSLATED}": router, "router, session": router}


def show(console: Console, title: str, samples: Mapping[str, list[Sample]]) -> None:
    """Medians and 95th percentiles in ms, and what each adds to the direct call's median."""
    table = RichTable(title=title, title_justify="left")
    for heading in ("target", "first bytes p50", "p95", "whole p50", "p95", "added to direct, p50"):
        table.add_column(heading, justify="left" if heading == "target" else "right")
    direct = statistics.median(whole for _, whole in samples["direct"])
    for name, pairs in samples.items():
        figures: list[float] = []
        for column in zip(*pairs, strict=True):
            figures += [statistics.median(column), statistics.quantiles(column, n=20)[-1]]
        table.add_row(name, *(f"{figure:.2f}" for figure in figures), f"{figures[2] - direct:+.2f}")
    console.print(table)


def main() -> int:
    """The exit status, 0."""
    parse = argparse.ArgumentParser("scripts/bench", description=__doc__)
    parse.add_argument("--rounds", type=int, default=300, help="calls of each target (default 300)")
    parse.add_argument("--null-proxy", metavar="ORIGIN", help=argparse.SUPPRESS)
    parse.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parse.parse_args()
    if arguments.null_proxy:
        null_proxy(arguments.null_proxy, arguments.port)
        return 0
    console = Console()
    with all_targets() as targets:
        for stream in (False, True):
            title = f"{'streamed' if stream else 'unary'}, one caller, {arguments.rounds} rounds, ms"
            with console.status(title):
                samples = asyncio.run(in_turns(targets, arguments.rounds, stream=stream))
            show(console, title, samples)
        for name in ("direct", "null proxy", "router"):
            rate = asyncio.run(at_once(targets[name], arguments.rounds * 2, 16))
            console.print(f"16 callers at once, {name}: {rate:.0f} calls/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
