"""One request being answered: the writes, and the ways in which a connection can be broken."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from tests.fakes.records import Record
from tests.fakes.steps import Fail, Json
from tests.fakes.texts import dumps
from tests.fakes.wire import Event, Wire

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
SETTLE_S = 0.03
"""The pause before a connection is broken, in which the caller reads what was sent until then."""

UNTYPED = web.ResponseKey("untyped", bool)
"""Marks a response that goes out without a content type."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 seconds: the kernel sends a RST instead of a FIN."""


async def strip_filled_in(_: web.Request, response: web.StreamResponse) -> None:
    """A response-prepare hook: takes out the content type that aiohttp fills in where none was given."""
    if response.get(UNTYPED):
        del response.headers["content-type"]


class Dropped(asyncio.CancelledError):
    """The stand-in itself broke the connection. A cancellation, since aiohttp logs any other exception."""


@dataclass
class Exchange:
    """A request, the record of it, and the vendor's wire format."""

    request: web.Request
    record: Record
    wire: Wire

    async def whole(self, status: int, document: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
        """A response of known length. It has no content type unless ``headers`` has one."""
        response = await self.open(status, {"content-length": str(len(document)), **headers})
        if status < 400:
            self.record.first_content_at = time.monotonic()
        if document:
            await response.write(document)
        return await self.close(response)

    async def json(
        self, body: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Answer with a JSON document."""
        return await self.whole(status, dumps(body), {"content-type": JSON, **(headers or {})})

    async def fail(self, fail: Fail) -> web.StreamResponse:
        """Answer with an HTTP error; a body that is text is sent as the HTML page of some proxy."""
        body: Json | Mapping[str, object] | str | bytes | None = fail.body
        if body is None:
            body = self.wire.error_body(fail, self.record.request_id)
        if isinstance(body, str | bytes):
            page = body.encode() if isinstance(body, str) else body
            return await self.whole(fail.status, page, {"content-type": "text/html", **fail.headers})
        return await self.json(body, fail.status, fail.headers)

    async def open(self, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
        """Send the head. Without a content length the body goes out in chunks, one per write."""
        named = {self.wire.request_id_header: self.record.request_id}
        named.update({name.lower(): value for name, value in headers.items()})
        response = web.StreamResponse(status=status, headers=named)
        response[UNTYPED] = "content-type" not in named
        self.record.status = status
        await response.prepare(self.request)
        return response

    async def send(self, response: web.StreamResponse, events: Sequence[Event], gap_ms: float = 0) -> None:
        """Write events one by one, with a pause before every content delta but the first."""
        for event in events:
            if event.content:
                if self.record.content_sent:
                    await asyncio.sleep(gap_ms / 1000)
                self.record.first_content_at = self.record.first_content_at or time.monotonic()
                self.record.content_sent += 1
            await response.write(event.data)

    async def close(self, response: web.StreamResponse) -> web.StreamResponse:
        """End the body as HTTP wants it."""
        self.record.sent_last_at = time.monotonic()
        await response.write_eof()
        return response

    async def drop(self, *, reset: bool) -> NoReturn:
        """Break the connection, with a TCP reset or with a FIN where more was promised."""
        await asyncio.sleep(SETTLE_S)
        if (transport := self.request.transport) is not None:
            if reset:
                sock: socket.socket = transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                transport.abort()
            else:
                transport.close()
        raise Dropped("the stand-in broke the connection")
