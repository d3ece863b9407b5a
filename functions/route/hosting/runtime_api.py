"""The Lambda Runtime API, spoken over plain asyncio streams.

An answer must be able to end in HTTP trailers, which neither the standard library's client nor aiohttp can
send; h11 can, but costs 9 ms of every cold start for the one request shape that is needed here.

The protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html (response streaming).
Errors: `RuntimeApiError` when the platform refuses what we sent, `OSError` when it hung up.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

PREFIX: Final = "/2018-06-01/runtime"
ERROR_TYPE: Final = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY: Final = "Lambda-Runtime-Function-Error-Body"
STREAMED: Final = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Content-Type": "application/vnd.awslambda.http-integration-response",
    "Transfer-Encoding": "chunked",
    "Trailer": f"{ERROR_TYPE}, {ERROR_BODY}",
}
# A client context travels in a header and may outgrow the 64 KiB that asyncio allows a line by default.
LONGEST_HEADER_BYTES: Final = 1 << 20


class RuntimeApiError(Exception):
    """The platform answered with a status that says that our message was not taken."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event. `deadline_ms` is the instant (epoch milliseconds) at which the platform stops us."""

    request_id: str
    deadline_ms: int
    event: bytes


class RuntimeApi:
    """One connection per message: a streamed answer's must be closed anyway, and loopback is cheap."""

    def __init__(self, address: str) -> None:
        """`address`: host:port, as in AWS_LAMBDA_RUNTIME_API."""
        self._address = address
        self._host, _, port = address.rpartition(":")
        self._port = int(port)

    async def next(self) -> Invocation:
        """Wait for the next event, without limit: the platform freezes us here between two requests."""
        reader, writer = await self._send("GET", "/invocation/next", {})
        try:
            status, headers = await _read_head(reader)
            body = await _read_body(reader, headers)
        finally:
            writer.close()
        if status != 200:
            raise RuntimeApiError(f"no next event: status {status}")
        deadline_ms = int(headers["lambda-runtime-deadline-ms"])
        return Invocation(headers["lambda-runtime-aws-request-id"], deadline_ms, body)

    async def respond(self, request_id: str) -> "StreamedAnswer":
        """Begin a streamed answer; it must be ended with `close` or `fail`."""
        return StreamedAnswer(*await self._send("POST", f"/invocation/{request_id}/response", STREAMED))

    async def fail(self, request_id: str, error_type: str) -> None:
        """Report that an event failed before any of its answer was sent."""
        await self._post_error(f"/invocation/{request_id}/error", error_type)

    async def fail_init(self, error_type: str) -> None:
        """Report that this environment cannot serve; the process must end after it."""
        await self._post_error("/init/error", error_type)

    async def _post_error(self, path: str, error_type: str) -> None:
        body = _error_body(error_type)
        headers = {ERROR_TYPE: error_type, "Content-Length": str(len(body))}
        reader, writer = await self._send("POST", path, headers, body)
        await _expect_accepted(reader, writer)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=LONGEST_HEADER_BYTES)
        lines = [
            f"{method} {PREFIX}{path} HTTP/1.1",
            f"Host: {self._address}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()
        return reader, writer


class StreamedAnswer:
    """The body of one answer, chunk by chunk. Every chunk is on its way when `write` returns."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def write(self, chunk: bytes) -> None:
        if not chunk:
            return  # an empty chunk would end the body
        self._writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await self._writer.drain()

    async def close(self) -> None:
        """End the answer and wait until the platform has taken it."""
        await self._end({})

    async def fail(self, error_type: str) -> None:
        """End the answer as broken: the caller has a part of it already, so only trailers can say so."""
        body = base64.b64encode(_error_body(error_type)).decode("ascii")
        await self._end({ERROR_TYPE: error_type, ERROR_BODY: body})

    async def _end(self, trailers: Mapping[str, str]) -> None:
        lines = ["0", *(f"{name}: {value}" for name, value in trailers.items()), "", ""]
        self._writer.write("\r\n".join(lines).encode("latin-1"))
        await _expect_accepted(self._reader, self._writer)


def _error_body(error_type: str) -> bytes:
    """What the platform keeps: the kind of fault, never its text (it may quote a prompt)."""
    return orjson.dumps({"errorMessage": "the request failed", "errorType": error_type, "stackTrace": []})


async def _expect_accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
        status, _ = await _read_head(reader)
    finally:
        writer.close()
    if status != 202:
        raise RuntimeApiError(f"the platform refused an answer: status {status}")


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers (names in lower case) of an HTTP/1.1 answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("the Runtime API hung up") from None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    return int(status_line.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    chunks = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    return b"".join(chunks)
