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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
BESIDE = "beside"
"""The router of another checkout, in the same run."""

CALLS_A_TURN = 50
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


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    url: str
    pid: int

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    @property
    def cpu_ms(self) -> float:
        """CPU time that the process has used so far, in the kernel too. Linux only."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(command: list[str], url: str, what: str, folder: Path = ROOT, **environment: str) -> Iterator[Server]:
    """From when it serves until the block ends. `folder`: the checkout whose code it runs."""
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(url, process, what)
        yield Server(url, process.pid)
    finally:
        stop(process)


def free_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


def config_document(origin: str) -> dict[str, Any]:
    """Two profiles: one whose provider speaks the caller's dialect, and one whose provider does not."""
    model = {"model": "mini", "price": {"input_per_mtok": 3, "output_per_mtok": 15}}
    acme = {
        "name": "acme",
        "kind": "openai_compat",
        "base_url": f"{origin}/v1",
        "api_key": "env:BENCH_KEY",
        "models": [model],
    }
    return {
        "providers": [acme, acme | {"name": "other", "dialects": ["responses"]}],
        "profiles": {"default": {"routes": ["acme/mini"]}, TRANSLATED: {"routes": ["other/mini"]}},
        "default_profile": "default",
    }


@contextmanager
def all_servers(beside: Path | None) -> Iterator[dict[str, Server]]:
    """The stand-in, the null proxy before it, this router before it, and the router of another checkout."""
    with ExitStack() as stack:
        start = stack.enter_context
        config = Path(start(tempfile.TemporaryDirectory(prefix="warmroute-bench-"))) / "warmroute.yaml"
        fake = [sys.executable, "-m", "tests.fakes", "--kind", "openai", "--port"]
        url = free_url()
        direct = start(running([*fake, url.rpartition(":")[2]], url, "the stand-in"))
        config.write_text(yaml.safe_dump(config_document(direct.url)), encoding="utf-8")
        dynamodb_url = start(embedded_aws())

        def router(folder: Path, tables: str) -> Server:
            url = free_url()
            python = [str(folder / ".venv" / "bin" / "python"), "-m", "local.dev", "--config", str(config)]
            where = ["--port", url.rpartition(":")[2], "--dynamodb-url", dynamodb_url, "--rollup-every", "10"]
            named = ["--facts-table", f"{tables}-facts", "--views-table", f"{tables}-views"]
            quiet = ["--caller-key", f"bench={KEY}", "--log-level", "WARNING"]
            path = os.pathsep.join(str(folder / part) for part in ("functions", "scripts", ""))
            environment = {"BENCH_KEY": "sk-bench-provider", "PYTHONPATH": path}
            command = [*python, *where, *named, *quiet]
            return start(running(command, url, f"the router of {folder}", folder, **environment))

        url = free_url()
        null = [sys.executable, "-m", "local.bench", "--null-proxy", direct.url, "--port", url.rpartition(":")[2]]
        servers = {"direct": direct, "null proxy": start(running(null, url, "the null proxy"))}
        servers["router"] = router(ROOT, "bench")
        if beside:
            servers[BESIDE] = router(beside.resolve(), "beside")
        yield servers


def targets_of(servers: Mapping[str, Server]) -> dict[str, str]:
    """Every server as it is, and routers in another dialect and with a session too."""
    routers = [name for name in servers if name in ("router", BESIDE)]
    more = {f"{name}, {how}": servers[name].url for how in (TRANSLATED, "session") for name in routers}
    return {name: server.url for name, server in servers.items()} | more


async def cpu_of_calls(servers: Mapping[str, Server], rounds: int) -> dict[str, float]:
    """CPU milliseconds of one unary call, each server in turns of fifty calls."""
    used = dict.fromkeys(servers, 0.0)
    turns = max(rounds // CALLS_A_TURN, 1)
    async with aiohttp.ClientSession() as http:
        for _ in range(turns):
            for name, server in servers.items():
                before = server.cpu_ms
                for _ in range(CALLS_A_TURN):
                    await one_call(http, server.url, stream=False)
                used[name] += server.cpu_ms - before
    return {name: ms / (turns * CALLS_A_TURN) for name, ms in used.items()}


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


def show_cpu(console: Console, used: Mapping[str, float]) -> None:
    """CPU of one unary call in ms, and how many times that of the null proxy it is."""
    table = RichTable(title="CPU of the server's process, unary call", title_justify="left")
    for heading in ("target", "ms", "times the null proxy"):
        table.add_column(heading, justify="left" if heading == "target" else "right")
    for name, ms in used.items():
        table.add_row(name, f"{ms:.2f}", f"{ms / used['null proxy']:.2f}" if used["null proxy"] else "")
    console.print(table)


def main() -> int:
    """The exit status, 0."""
    parse = argparse.ArgumentParser("scripts/bench", description=__doc__)
    parse.add_argument("--rounds", type=int, default=300, help="calls of each target (default 300)")
    parse.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="another checkout, set up: its router takes its turns too"
    )
    parse.add_argument("--null-proxy", metavar="ORIGIN", help=argparse.SUPPRESS)
    parse.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parse.parse_args()
    if arguments.null_proxy:
        null_proxy(arguments.null_proxy, arguments.port)
        return 0
    console = Console()
    with all_servers(arguments.beside) as servers:
        targets = targets_of(servers)
        for stream in (False, True):
            title = f"{'streamed' if stream else 'unary'}, one caller, {arguments.rounds} rounds, ms"
            with console.status(title):
                samples = asyncio.run(in_turns(targets, arguments.rounds, stream=stream))
            show(console, title, samples)
        if Path("/proc/self/stat").exists():
            show_cpu(console, asyncio.run(cpu_of_calls(servers, arguments.rounds)))
        for name, server in servers.items():
            rate = asyncio.run(at_once(server.url, arguments.rounds * 2, 16))
            console.print(f"16 callers at once, {name}: {rate:.0f} calls/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
