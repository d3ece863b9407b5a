"""A server of a few lines for what no stand-in has: any path, any bytes, in any pieces; it keeps what it got."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from local.stack import free_port


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it stood on the wire: `target` with its escapes, header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    names: Sequence[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """`pieces` are written one by one, `gap_s` apart. `length`: said in a header; None: in chunks.

    `breaks`: the connection ends before the answer does.
    """

    status: int = 200
    pieces: Sequence[bytes] = (b"{}",)
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    gap_s: float = 0
    delay_s: float = 0
    is_chunked: bool = False
    breaks: bool = False


class LittleServer:
    """On a port of 127.0.0.1 while it is entered; the port is known, and closed, before that."""

    def __init__(self, answer: Callable[[Got], Reply]) -> None:
        self.port = free_port()
        self.got: list[Got] = []
        self.gone = threading.Event()
        """Set once a caller has left in the middle of an answer."""
        self._answer = answer
        self._server: ThreadingHTTPServer | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return lambda: owner.serve(self)
                raise AttributeError(name)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """One request: what it was is kept, then what the test wants is said."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        names = [name.lower() for name in handler.headers]
        got = Got(handler.command, handler.path, headers, names, body)
        self.got.append(got)
        reply = self._answer(got)
        time.sleep(reply.delay_s)
        try:
            self._say(handler, reply)
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()
            handler.close_connection = True

    def _say(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response_only(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.is_chunked:
            handler.send_header("transfer-encoding", "chunked")
        elif "content-length" not in reply.headers and reply.status not in (204, 304):
            size = sum(map(len, reply.pieces)) + (1000 if reply.breaks else 0)
            handler.send_header("content-length", str(size))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        for n, piece in enumerate(reply.pieces):
            if n:
                time.sleep(reply.gap_s)
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.is_chunked else piece)
            handler.wfile.flush()
        if reply.breaks:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif reply.is_chunked:
            handler.wfile.write(b"0\r\n\r\n")
