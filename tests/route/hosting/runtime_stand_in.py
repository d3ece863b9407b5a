"""A Lambda Runtime API over TCP that records what a runtime sends, byte for byte, with the time of each part.

With small apps to run on it.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Send

from route.hosting import runtime
from route.hosting.runtime_api import RuntimeApi

Scope = MutableMapping[str, Any]

DEADLINE_MS = 1_900_000_000_123


@dataclass
class Sent:
    """One message of the runtime. `chunks`: (seconds, bytes) as they arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return b"".join(chunk for _, chunk in self.chunks)

    @property
    def head(self) -> dict[str, Any]:
        head: dict[str, Any] = json.loads(self.body.split(b"\0" * 8, 1)[0])
        return head

    @property
    def answer(self) -> bytes:
        return self.body.split(b"\0" * 8, 1)[1]


class RuntimeStandIn:
    """`invoke` hands an event to whoever asks for the next one and waits for what comes back."""

    def __init__(self, *, chunked: bool = False, status: int = 202) -> None:
        self.sent: list[Sent] = []
        self.waiting = 0
        self.chunked = chunked
        self.status = status
        self._change = asyncio.Event()
        self._events: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._outcomes: dict[str, asyncio.Future[Sent]] = {}
        self._count = 0

    async def invoke(self, event: Mapping[str, Any] | bytes) -> Sent:
        self._count += 1
        request_id = f"request-{self._count}"
        self._outcomes[request_id] = asyncio.get_running_loop().create_future()
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        await self._events.put((request_id, body))
        return await asyncio.wait_for(self._outcomes[request_id], 30)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until what has been sent, or who is waiting, makes this true; 30 s at most."""
        async with asyncio.timeout(30):
            while not true():
                await self._change.wait()
                self._change.clear()

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            method, path, _ = request_line.split(" ")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            if method == "GET":
                await self._hand_out(reader, writer)
            else:
                await self._take(Sent(method, path, headers), reader, writer)

    async def _hand_out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.waiting += 1
        self._change.set()
        gone, coming = asyncio.ensure_future(reader.read()), asyncio.ensure_future(self._events.get())
        await asyncio.wait({gone, coming}, return_when=asyncio.FIRST_COMPLETED)
        self.waiting -= 1
        if not coming.done():
            coming.cancel()
            return
        gone.cancel()
        request_id, body = coming.result()
        framing = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(body)}"
        writer.write(
            f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {DEADLINE_MS}\r\n{framing}\r\n\r\n".encode()
        )
        half = len(body) // 2
        parts = [body[:half], body[half:]]
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part]
        writer.write(b"".join([*chunks, b"0\r\n\r\n"]) if self.chunked else body)
        await writer.drain()

    async def _take(self, sent: Sent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sent.append(sent)
        if sent.headers.get("transfer-encoding") == "chunked":
            await self._take_chunks(sent, reader)
        else:
            body = await reader.readexactly(int(sent.headers["content-length"]))
            sent.chunks.append((time.monotonic(), body))
        writer.write(f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        if "/invocation/" in sent.path:
            self._outcomes[sent.path.split("/")[-2]].set_result(sent)

    async def _take_chunks(self, sent: Sent, reader: asyncio.StreamReader) -> None:
        while size := int(await reader.readline(), 16):
            sent.chunks.append((time.monotonic(), await reader.readexactly(size)))
            self._change.set()
            assert await reader.readline() == b"\r\n"
        while (line := (await reader.readline()).decode().strip()) != "":
            name, value = line.split(": ", 1)
            sent.trailers[name] = value


@asynccontextmanager
async def listening(stand_in: RuntimeStandIn) -> AsyncIterator[str]:
    """The address (host:port) at which the stand-in answers."""
    server = await asyncio.start_server(stand_in.on_connection, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def url_event(
    path: str = "/v1/messages", *, method: str = "POST", body: str | None = None, **more: Any
) -> dict[str, Any]:
    """What a function URL sends (payload format 2.0), as far as anyone reads it."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "x-forwarded-proto": "https"},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7"},
        },
        "isBase64Encoded": False,
    }
    return event | ({"body": body} if body is not None else {}) | more


def ending(*chunks: bytes, status: int = 200, headers: Any = ()) -> ASGIApp:
    """An app that answers every request with these chunks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    return app


class Echo:
    """Answers with what it saw of the request, as JSON, and counts its starts and ends."""

    def __init__(self) -> None:
        self.lifespans = 0
        self.ended = 0
        self.loops: set[int] = set()
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.loops.add(id(asyncio.get_running_loop()))
        if scope["type"] == "lifespan":
            await receive()
            self.lifespans += 1
            scope["state"]["pool"] = "warm"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.ended += 1
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.scopes.append(scope)
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})


@asynccontextmanager
async def serving(app: ASGIApp, *, pollers: int = 1, **stand_in: Any) -> AsyncIterator[RuntimeStandIn]:
    """The runtime with this app, until the block ends; it must then end cleanly by itself."""
    api = RuntimeStandIn(**stand_in)
    stopping = asyncio.Event()
    async with listening(api) as address:
        task = asyncio.create_task(runtime.serve(RuntimeApi(address), lambda: app, pollers, stopping))
        yield api
        stopping.set()
        assert await asyncio.wait_for(task, 30) == 0
