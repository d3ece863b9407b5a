"""A stand-in as a process of its own: ``python -m tests.fakes --kind openai --port 9101``.

Prints one line, ``ready http://127.0.0.1:9101``, and serves until it is interrupted. Control endpoints:
``POST /__plan`` (a list of steps, or one), ``POST /__default`` (a step), ``POST /__release``
(``{"event": "go"}``, or nothing), ``GET /__requests``, ``POST /__clear``.
With an agent for a real client: ``--always '{"agent": {"tool": "Bash", "arguments": {"command": "ls"}}}'``.
A step that does not exist is a 400.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from typing import Any

from aiohttp import web

from tests.fakes.background import HOST, listen
from tests.fakes.provider import wires_of
from tests.fakes.server import StandIn
from tests.fakes.steps import Step, step_from_json
from tests.fakes.texts import dumps


class Control:
    """The endpoints that steer a running stand-in."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in

    def routes(self) -> list[web.RouteDef]:
        """Paths that no vendor has."""
        return [
            web.post("/__plan", self.plan),
            web.post("/__default", self.default),
            web.post("/__release", self.release),
            web.post("/__clear", self.clear),
            web.get("/__requests", self.requests),
        ]

    async def plan(self, request: web.Request) -> web.Response:
        """Queue one step or several."""
        self.stand_in.planned.extend(_steps(await request.text()))
        return _json({"planned": len(self.stand_in.planned)})

    async def default(self, request: web.Request) -> web.Response:
        """Set what happens when nothing is planned."""
        [self.stand_in.default] = _steps(await request.text())
        return _json({})

    async def release(self, request: web.Request) -> web.Response:
        """Open the gate at which a stream waits."""
        text = await request.text()
        name = (json.loads(text) if text else {}).get("event", "go")
        self.stand_in.release(name)
        return _json({"released": name})

    async def clear(self, request: web.Request) -> web.Response:
        """Forget plans, requests, releases and cached prefixes."""
        self.stand_in.clear()
        return _json({})

    async def requests(self, request: web.Request) -> web.Response:
        """Report every request so far."""
        return _json([record.as_json() for record in self.stand_in.requests])


def _steps(text: str) -> list[Step]:
    try:
        data: Any = json.loads(text)
        return [step_from_json(one) for one in (data if isinstance(data, list) else [data])]
    except (ValueError, TypeError, AttributeError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(data: Any) -> web.Response:
    return web.Response(body=dumps(data), content_type="application/json")


async def serve(stand_in: StandIn, port: int) -> None:
    """Listen until SIGINT or SIGTERM."""
    runner, bound = await listen([*Control(stand_in).routes(), *stand_in.routes()], port)
    print(f"ready http://{HOST}:{bound}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.fakes", description=__doc__)
    parser.add_argument("--kind", choices=["openai", "anthropic"], required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", help="sent as OpenRouter's top-level `provider`")
    parser.add_argument("--always", type=json.loads, help="the default step, e.g. '{\"fail\": 500}'")
    parser.add_argument("--model", action="append", default=[], help="served model; none: any")
    parser.add_argument("--key", action="append", default=[], help="accepted API key; none: any")
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--signer", help="whose seals reasoning carries; default: the kind")
    strictness = parser.add_mutually_exclusive_group()
    strictness.add_argument("--strict", action="store_const", const=True, help="fields that the SDK lacks: 400")
    strictness.add_argument("--lax", dest="strict", action="store_const", const=False, help="none of the rules")
    given = parser.parse_args()
    stand_in = StandIn(
        wires_of(given.kind, given.signer),
        models=given.model,
        cache=not given.no_cache,
        keys=given.key,
        strict=given.strict,
        served_by=given.name,
    )
    if given.always:
        stand_in.default = step_from_json(given.always)
    asyncio.run(serve(stand_in, given.port))


if __name__ == "__main__":
    main()
