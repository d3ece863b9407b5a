"""The caller's end of an exchange: what has been sent, and whether anybody is still there."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.types import Message, Receive, Send

STALLED_S = 60.0
"""A caller who takes nothing for this long is gone, whatever the connection says."""


class CallerGone(Exception):
    """The caller has closed the connection. Platforms that do not say so never raise this."""


class Sink:
    """One ASGI answer. `started`: the status has been sent, so that no other route can take over."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._watcher: asyncio.Task[None] | None = None
        self._scope: asyncio.Timeout | None = None
        self.started = False
        self.gone = False

    def watch(self) -> None:
        """Begins to listen for the caller's leaving. Only once the request's body has been read."""
        self._watcher = asyncio.create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        """Nobody is there any more: whatever runs for the caller ends now."""
        self.gone = True
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())

    @contextmanager
    def interrupts(self, scope: asyncio.Timeout) -> Iterator[None]:
        """Within this, the caller's leaving ends a running `asyncio.timeout` scope at once."""
        self._scope = scope
        try:
            if self.gone:
                scope.reschedule(asyncio.get_running_loop().time())
            yield
        finally:
            self._scope = None

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        pairs = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        self.started = True
        await self._send_quietly({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, data: bytes) -> None:
        if data:
            await self._send_quietly({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Ends the answer and stops watching."""
        await self._send_quietly({"type": "http.response.body", "body": b"", "more_body": False})
        self.close()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()

    async def _send_quietly(self, message: Message) -> None:
        """A caller who has gone is not an error of ours; one who does not read for long counts as gone."""
        if self.gone:
            return
        try:
            with self._off_the_clock():
                async with asyncio.timeout(STALLED_S):
                    await self._send(message)
        except OSError:  # a TimeoutError is one too
            self._leave()

    @contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """The time that the caller takes to read is not the provider's: the running deadline waits for it."""
        scope, clock = self._scope, asyncio.get_running_loop().time
        due = scope.when() if scope else None
        if scope is None or due is None or scope.expired():
            yield
            return
        began = clock()
        scope.reschedule(None)
        try:
            yield
        finally:
            if not self.gone:
                scope.reschedule(due + clock() - began)
