"""One call whose answer goes to the caller as it comes, whatever its status and whatever is in it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp

from route.answering.sink import Sink
from route.calling.call import fault_of
from route.calling.classify import retry_after_s
from route.calling.upstream import answer_of
from route.config.profiles import Deadlines
from route.dialects.base import BadAnswer
from route.errors import RETRY_AFTER_CAP_S
from route.providers.base import PASSED_BACK, Outgoing, TooSlow
from route.recording.lifecycle import Clock, RunningInference

_BACK = ("content-type", "content-length", "content-disposition", "location", "x-should-retry")
"""Of the provider's headers: what the bytes are, where to find those that are elsewhere, what an SDK shall do."""


@dataclass(slots=True)
class Relay:
    """One call while it runs and after. `error` None: the answer is whole, and `status` says how it went.

    `ours`: headers on top of the provider's. The last bytes of an answer are held until `finish`, so that one that
    was seen whole is one that was written down.
    """

    http: aiohttp.ClientSession
    inference: RunningInference
    sink: Sink
    clock: Clock
    started_at: int
    ours: Mapping[str, str]
    ended_at: int = 0
    ttft_ms: int | None = None
    status: int | None = None
    error: Exception | None = None
    _head: dict[str, str] = field(default_factory=dict)
    _left: int | None = None
    _held: bytes = b""

    async def run(self, made: Callable[[], Outgoing], limits: Deadlines, *, stream: bool, left_s: float) -> None:
        """The call, to its end. Never raises. `stream`: its first bytes are due soon, not with the rest of it."""
        first_s = limits.first_token_s if stream else limits.attempt_s
        talk = self._talk(made, first_s, limits.gap_s)
        self.error = await fault_of(talk, self.sink, limits.attempt_s, left_s)
        self.ended_at = self.clock()

    async def _talk(self, made: Callable[[], Outgoing], first_s: float, gap_s: float) -> None:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(first_s):
                    response = await stack.enter_async_context(answer_of(self.http, made()))
                    chunk = await response.content.readany()
            except TimeoutError:
                raise TooSlow("first_token") from None
            self.ttft_ms = self.clock() - self.started_at
            self.status = response.status
            self._hear(response)
            while chunk:
                await self._pass_on(chunk)
                try:
                    async with asyncio.timeout(gap_s):
                        chunk = await response.content.readany()
                except TimeoutError:
                    raise TooSlow("gap") from None

    def _hear(self, response: aiohttp.ClientResponse) -> None:
        """The head of the answer: what it is, and how long."""
        if not 200 <= response.status < 600:
            raise BadAnswer("a status that no answer has")
        said = {n.lower(): value for n, value in response.headers.items() if value.isprintable()}
        back = {name: v for name, v in said.items() if name in _BACK or name.startswith(PASSED_BACK)}
        # What was packed all the same has been unpacked on its way here; chunks, and no content, need no length.
        if {"content-encoding", "transfer-encoding"} & set(said) or response.status in (204, 304):
            back.pop("content-length", None)
        self._left = int(length) if (length := back.get("content-length", "")).isdecimal() else None
        self._head = {**back, **_again(response.status, said, self.clock()), **self.ours}

    async def _pass_on(self, chunk: bytes) -> None:
        """An answer of a known length is whole with its last bytes, any other with its end."""
        if self._left is not None:
            self._left -= len(chunk)
            if self._left <= 0:
                self._held += chunk
                return
        if not self.sink.started:
            await self.inference.acknowledged()
            await self._start()
        await self.sink.write(chunk)

    async def _start(self) -> None:
        assert self.status is not None  # noqa: S101 - no head is passed on that was not heard
        await self.sink.start(self.status, self._head)

    async def finish(self) -> None:
        """What makes the answer whole to whoever reads it: its last bytes, or its head where it has no others."""
        if not self.sink.started:
            await self._start()
        await self.sink.write(self._held)
        await self.sink.end()


def _again(status: int, said: Mapping[str, str], now: int) -> dict[str, str]:
    """When to try again, where the provider says so; capped, since an SDK may sleep whatever it is told."""
    is_passing = status == 429 or status >= 500
    if not is_passing or (wait_s := retry_after_s(said, now)) is None:
        return {}
    return {"retry-after": str(min(round(wait_s), RETRY_AFTER_CAP_S))}
