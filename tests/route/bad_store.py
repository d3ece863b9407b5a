"""A DynamoDB that misbehaves on purpose: what no emulator does, done on the way to one."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

Behaviour = str | float
"""`pass`; `fail`: a 500 and nothing done; `lose`: done, but answered with a 500; a number: done so many s late."""

Rule = Callable[[str, dict[str, Any]], Behaviour]
"""From an operation (`PutItem`) and its payload to what happens."""


class BadStore:
    """A proxy before an emulator. `rule` may be changed at any time; `seen`: operations that came, by table."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.url = ""
        self.rule: Rule = lambda _operation, _payload: "pass"
        self.seen: set[tuple[str, str]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        payload = json.loads(body or b"{}")
        tables = [payload["TableName"]] if "TableName" in payload else list(payload.get("RequestItems", {}))
        self.seen |= {(operation, store) for store in tables}
        behaviour = self.rule(operation, payload)
        if behaviour == "fail":
            return web.Response(status=500)
        if isinstance(behaviour, int | float):
            await asyncio.sleep(behaviour)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.origin, data=body, headers=headers) as answer,
        ):
            content = await answer.read()
            if behaviour == "lose":
                return web.Response(status=500)
            return web.Response(status=answer.status, body=content, content_type="application/x-amz-json-1.0")


@contextmanager
def bad_store(origin: str) -> Iterator[BadStore]:
    """Runs one on a free port of loopback, in a thread of its own."""
    store, ready, stop = BadStore(origin), threading.Event(), threading.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", store.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await asyncio.to_thread(stop.wait)
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield store
    finally:
        stop.set()
        thread.join()
