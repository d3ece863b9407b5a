"""A server that runs beside a test: on a thread of its own, with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from tests.fakes.exchange import strip_filled_in

HOST = "127.0.0.1"
MAX_BODY_BYTES = 64 * 1024 * 1024


async def listen(routes: Sequence[web.AbstractRouteDef], port: int) -> tuple[web.AppRunner, int]:
    """Serve these paths on ``port`` (0 takes any free one). Returns what has to be cleaned up, and the port."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(routes)
    app.on_response_prepare.append(strip_filled_in)
    # A cancelled handler is how a stand-in sees that its caller went away in the middle of a stream.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, reuse_address=True).start()
    return runner, int(runner.addresses[0][1])


class Background:
    """Runs what ``begin`` starts until ``stop``. After a stop it can be started again.

    ``begin`` is called on the new loop and returns what has to be cleaned up there.
    """

    def __init__(self, begin: Callable[[], Awaitable[web.AppRunner]], name: str) -> None:
        self._begin = begin
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Returns once the server listens. Raises OSError when it cannot."""
        ready = threading.Event()
        failed: list[OSError] = []
        self._thread = threading.Thread(target=self._run, args=(ready, failed), daemon=True, name=self._name)
        self._thread.start()
        ready.wait()
        if failed:
            raise failed[0]

    def stop(self) -> None:
        """Close the port. Whatever still hangs is cut off."""
        if self._loop and self._stop and self._thread:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._loop = self._stop = self._thread = None

    def call(self, function: Callable[[str], object], argument: str) -> None:
        """Call something on the server's loop. RuntimeError when the server does not run."""
        if self._loop is None:
            raise RuntimeError("the stand-in is not running")
        self._loop.call_soon_threadsafe(function, argument)

    def _run(self, ready: threading.Event, failed: list[OSError]) -> None:
        async def serve() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            stop = self._stop
            try:
                runner = await self._begin()
            except OSError as error:
                failed.append(error)
                return
            finally:
                ready.set()
            await stop.wait()
            await runner.cleanup()

        asyncio.run(serve())
