"""The router on Lambda: an event loop and an app that live as long as the environment.

The managed Python runtime hands answers over whole, so `bootstrap` (named in AWS_LAMBDA_EXEC_WRAPPER) starts
this module in its place and `main` speaks the Runtime API itself: each part of an answer is passed on when
the app sends it. Where the wrapper is unknown (emulators), `handler` gives whole answers from the same parts.

One of the two places with a broad `except`: whatever the app raises must become an answer to the platform.
Only the kind and the place of a fault are logged, never its text: that may quote a request.
"""

import asyncio
import functools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from starlette.types import ASGIApp

from route.hosting.asgi_host import AsgiHost
from route.hosting.function_url import buffered, http_scope, prelude, request_body
from route.hosting.runtime_api import Invocation, RuntimeApi, RuntimeApiError, StreamedAnswer

DEEPEST_FRAMES = 8


def load_app() -> ASGIApp:
    """The router. Imported here, so that a broken import can be reported to the platform."""
    from route.app import create_app  # noqa: PLC0415

    return create_app()


def main() -> int:
    """Serve until SIGTERM. Returns the exit status: 0, or 1 when the app could not start."""
    return asyncio.run(_main())


async def _main() -> int:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    pollers = int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or 1)
    return await serve(RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"]), load_app, pollers, stopping)


async def serve(api: RuntimeApi, load: Callable[[], ASGIApp], pollers: int, stopping: asyncio.Event) -> int:
    """Load and start the app, then serve up to `pollers` events at a time. Returns the exit status."""
    try:
        host = AsgiHost(load())
        await host.start()
    except Exception as fault:  # noqa: BLE001  the entry point
        # No request has been seen yet, so the text is safe, and whoever deployed a wrong config needs it.
        _log("init-failed", fault, detail=str(fault)[:2000])
        await api.fail_init(type(fault).__name__)
        return 1
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(pollers):
                group.create_task(_poll(api, host, stopping))
    finally:
        await host.stop()
    return 0


async def _poll(api: RuntimeApi, host: AsgiHost, stopping: asyncio.Event) -> None:
    """One request after the other. Errors of the Runtime API end the process; the platform starts another."""
    while invocation := await _next(api, stopping):
        await _answer(api, host, invocation)


async def _next(api: RuntimeApi, stopping: asyncio.Event) -> Invocation | None:
    """The next event, or None once we are to stop: a poller that waits is stopped, one that serves is not."""
    coming, stop = asyncio.create_task(api.next()), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()
        stop.cancel()


async def _answer(api: RuntimeApi, host: AsgiHost, invocation: Invocation) -> None:
    sink = _Streamed(api, invocation.request_id)
    try:
        event = orjson.loads(invocation.event)
        scope = http_scope(event, deadline_ms=invocation.deadline_ms, request_id=invocation.request_id)
        await host.run(scope, request_body(event), sink)
    except (Exception, asyncio.CancelledError) as fault:
        if (task := asyncio.current_task()) and task.cancelling():
            raise  # ours; a cancellation that leaks out of the app is a fault like any other
        _log("request-failed", fault, aws_request_id=invocation.request_id)
        await sink.fail(type(fault).__name__)


class _Streamed:
    """Passes an answer on as it comes; until it starts, a fault can still be reported as one."""

    def __init__(self, api: RuntimeApi, request_id: str) -> None:
        self._api = api
        self._request_id = request_id
        self._answer: StreamedAnswer | None = None
        self._ended = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._answer = await self._api.respond(self._request_id)
        await self._answer.write(prelude(status, headers))

    async def write(self, chunk: bytes) -> None:
        if self._answer is None:
            raise RuntimeError("a body before its start")
        await self._answer.write(chunk)

    async def end(self) -> None:
        if self._answer is not None:
            self._ended = True
            await self._answer.close()

    async def fail(self, error_type: str) -> None:
        """Tell the platform, unless the answer went out whole: an app may raise after it, to be logged."""
        if self._ended:
            return
        try:
            if self._answer is None:
                await self._api.fail(self._request_id, error_type)
            else:
                await self._answer.fail(error_type)
        except (OSError, RuntimeApiError) as fault:
            # The platform has given this event up (its deadline, say); the next poll shows whether it is well.
            _log("report-failed", fault, aws_request_id=self._request_id)


class _Buffered:
    """Keeps an answer until it is whole."""

    def __init__(self) -> None:
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self.ended = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._status, self._headers = status, headers

    async def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    async def end(self) -> None:
        self.ended = True

    def answer(self) -> dict[str, Any]:
        return buffered(self._status, self._headers, b"".join(self._chunks))


@functools.cache
def _standing() -> tuple[asyncio.AbstractEventLoop, AsgiHost]:
    """The loop and the started app of the buffered handler, made by its first event. Errors: the app's."""
    loop, host = asyncio.new_event_loop(), AsgiHost(load_app())
    loop.run_until_complete(host.start())
    return loop, host


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The ordinary entry point: one function URL event in, one whole answer out (payload format 2.0)."""
    loop, host = _standing()
    deadline_ms = int(time.time() * 1000) + context.get_remaining_time_in_millis()
    sink = _Buffered()
    try:
        scope = http_scope(event, deadline_ms=deadline_ms, request_id=context.aws_request_id)
        loop.run_until_complete(host.run(scope, request_body(event), sink))
    except Exception as fault:  # noqa: BLE001  the entry point
        _log("request-failed", fault, aws_request_id=context.aws_request_id)
        if sink.ended:
            return sink.answer()  # an app may raise after its answer, which is often the error in its own words
        body = orjson.dumps({"error": {"type": "api_error", "message": "the request failed"}})
        return buffered(500, [(b"content-type", b"application/json")], body)
    return sink.answer()


def _log(event: str, fault: BaseException, **fields: str) -> None:
    """One JSON line: the fault's kind and its innermost frames."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(fault.__traceback__)]
    at = [f"{Path(code.co_filename).name}:{line} {code.co_name}" for code, line in frames[-DEEPEST_FRAMES:]]
    line = {"level": "ERROR", "message": event, "error_type": type(fault).__name__, "at": at, **fields}
    sys.stderr.write(orjson.dumps(line).decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
