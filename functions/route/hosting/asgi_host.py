"""Hosts one ASGI app: its lifespan once, then any number of requests, each into a sink.

Knows nothing of Lambda, so that the streaming runtime and the buffered handler share it.
"""

import asyncio
import contextlib
from typing import Any, Protocol

from starlette.types import ASGIApp, Message


class PlatformSink(Protocol):
    """Where an answer goes. `start` and `end` are called once each, `write` in between."""

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None: ...
    async def write(self, chunk: bytes) -> None: ...
    async def end(self) -> None: ...


class IncompleteAnswer(Exception):
    """The app returned before the last part of its answer."""


class StartFailed(Exception):
    """The app said that it cannot start, and why."""


class AsgiHost:
    """Call `start` once, then `run` for each request, also several at a time, then `stop`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Errors: `StartFailed`. An app that knows no lifespan is started by its first request."""
        self._lifespan = asyncio.create_task(self._run_lifespan())
        answer = await self._tell({"type": "lifespan.startup"})
        if answer["type"] == "lifespan.startup.failed":
            self._lifespan.cancel()
            raise StartFailed(answer.get("message", ""))

    async def stop(self) -> None:
        await self._tell({"type": "lifespan.shutdown"})
        if self._lifespan:
            await self._lifespan

    async def _tell(self, message: Message) -> Message:
        await self._to_app.put(message)
        return await self._from_app.get()

    async def _run_lifespan(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        # ASGI: an app that raises here knows no lifespan and is served all the same; a failure is a message.
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await self._app(scope, self._to_app.get, self._from_app.put)
        # Both questions have an answer, also when the app has no lifespan or leaves its own early.
        self._from_app.put_nowait({"type": "lifespan.ended"})
        self._from_app.put_nowait({"type": "lifespan.ended"})

    async def run(self, scope: dict[str, Any], body: bytes, sink: PlatformSink) -> None:
        """One request, until the app returns. Errors: the app's, and `IncompleteAnswer`."""
        exchange = _AppCall(body, sink, is_head=scope["method"] == "HEAD")
        await self._app(scope | {"state": self._state.copy()}, exchange.receive, exchange.send)
        if not exchange.ended.is_set():
            raise IncompleteAnswer


class _AppCall:
    def __init__(self, body: bytes, sink: PlatformSink, *, is_head: bool) -> None:
        self._body: bytes | None = body
        self._sink = sink
        self._is_head = is_head
        self.ended = asyncio.Event()

    async def receive(self) -> Message:
        """The whole body, then, after the answer's end, the disconnect: Lambda tells of no earlier one."""
        if self._body is None:
            await self.ended.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._sink.start(message["status"], list(message.get("headers", ())))
        elif message["type"] == "http.response.body" and not self.ended.is_set():
            if not self._is_head:
                await self._sink.write(message.get("body", b""))
            if not message.get("more_body", False):
                await self._sink.end()
                self.ended.set()
