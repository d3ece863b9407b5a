"""A small HTTP server that answers as a router does on the wire: both dialects, headers, receipts, faults.

The model name of a request says how to answer: `routed` with headers and receipt, `headers-only` with the
headers alone, `plain` like a provider without a router, `status-429` and the like with an error, `cut` with
a stream that ends in an error event.
"""

import itertools
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.client import bodies


@dataclass(frozen=True)
class Seen:
    """One request as the server got it; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class StandIn:
    """The server's address, what it was asked, and how many further requests it answers with a 503."""

    origin: str
    seen: list[Seen] = field(default_factory=list)
    failing: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def answer(self, request: Request) -> Response:
        body = await request.json() if request.method == "POST" else {}
        self.seen.append(Seen(request.url.path, dict(request.headers), body))
        inference_id = f"inf_{next(self.numbers):04d}"
        session = request.headers.get("x-warmroute-session")
        mode = body.get("model", "plain")
        headers = {} if mode == "plain" else bodies.router_headers(inference_id)
        if self.failing:
            self.failing -= 1
            return JSONResponse(bodies.error(503), 503, headers={**headers, "retry-after-ms": "1"})
        if mode.startswith("status-"):
            status = int(mode.removeprefix("status-"))
            return JSONResponse(bodies.error(status), status, headers={**headers, "x-should-retry": "false"})
        receipt = bodies.receipt(inference_id, session) if mode == "routed" else None
        if not body.get("stream"):
            return JSONResponse(bodies.unary(request.url.path, body, receipt), headers=headers)
        asked = request.headers.get("x-warmroute-receipt") == "1"
        events = bodies.stream(request.url.path, body, receipt if asked else None)
        return StreamingResponse(_chunks(events), headers=headers, media_type="text/event-stream")


async def _chunks(events: list[tuple[str | None, Any]]) -> AsyncIterator[bytes]:
    for name, data in events:
        text = data if isinstance(data, str) else json.dumps(data)
        yield (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


@contextmanager
def serving() -> Iterator[StandIn]:
    """A stand-in on a free port of 127.0.0.1, in a thread of its own."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    stand_in = StandIn(f"http://127.0.0.1:{listener.getsockname()[1]}")
    app = Starlette(routes=[Route("/{path:path}", stand_in.answer, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield stand_in
    finally:
        server.should_exit = True
        thread.join(5)
        listener.close()
