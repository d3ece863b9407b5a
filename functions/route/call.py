"""One call of one route, from the request that goes out to the last byte that comes back.

A unary answer is a stream without content before its end: the reader holds everything back, so nothing is
sent to the caller until it is whole. That is the only difference, and it is the reader's.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp

from ledger.moments import now_ms
from route.capture import Capture
from route.classify import FAULTS, Verdict, classify
from route.dialects.base import Reader
from route.dialects.sse import KEEPALIVE
from route.plan import Route
from route.providers.base import PASSED_BACK, Outgoing, Provider, Refused, TooSlow
from route.request import Request
from route.sink import CallerGone, Sink
from route.upstream import call

KEEPALIVE_S = 15.0


@dataclass(slots=True)
class Attempt:
    """One call while it runs and after. `error` None: it succeeded."""

    n: int
    route: Route
    reader: Reader
    started_at: int
    ended_at: int = 0
    ttft_ms: int | None = None
    http_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    verdict: Verdict | None = None

    @property
    def latency_ms(self) -> int:
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an attempt needs besides its route. `deadline_s`: on the event loop's clock, for the whole request."""

    http: aiohttp.ClientSession
    providers: Mapping[str, Provider]
    request: Request
    capture: Capture
    sink: Sink
    deadline_s: float

    @property
    def time_left_s(self) -> float:
        return self.deadline_s - asyncio.get_running_loop().time()


HeadersOf = Callable[[Attempt], dict[str, str]]
"""Makes the headers of an answer, given the attempt that it comes from."""


async def run_attempt(attempt: Attempt, exchange: Exchange, headers_of: HeadersOf) -> None:
    """One call, to its end. Never raises what a provider or a caller can cause: that is `attempt.error`."""
    request, sink = exchange.request, exchange.sink
    provider = exchange.providers[attempt.route.provider.name]
    body = request.dialect.upstream_body(request.body, attempt.route.model.on_wire)
    outgoing = provider.outgoing(request.dialect.name, body, request.headers, request.query)
    attempt_s = request.choice.profile.deadlines.attempt_s
    left_s = exchange.time_left_s
    try:
        async with asyncio.timeout(min(attempt_s, left_s)) as scope:
            with sink.interrupts(scope):
                await _converse(attempt, outgoing, exchange, headers_of)
    except TimeoutError:
        attempt.error = CallerGone() if sink.gone else TooSlow("attempt" if attempt_s < left_s else "request")
    except FAULTS as error:
        attempt.error = error
    attempt.ended_at = now_ms()
    if isinstance(attempt.error, Refused):
        attempt.http_status = attempt.error.status
    if attempt.error is not None and not isinstance(attempt.error, CallerGone):
        attempt.verdict = classify(attempt.error, attempt.ended_at)


async def _converse(attempt: Attempt, outgoing: Outgoing, exchange: Exchange, headers_of: HeadersOf) -> None:
    """Sends the request, and passes the answer on as it comes."""
    limits = exchange.request.choice.profile.deadlines
    clock = asyncio.get_running_loop().time
    # A whole answer has no first token that we could see: its attempt's deadline is the only one.
    first_s = limits.first_token_s if exchange.request.features.stream else limits.attempt_s
    pace = _Pace(clock, first_due=clock() + first_s, gap_s=limits.gap_s)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout_at(pace.first_due):
                response = await stack.enter_async_context(call(exchange.http, outgoing))
        except TimeoutError:
            raise TooSlow("first_token") from None
        attempt.http_status = response.status
        attempt.headers = {k.lower(): v for k, v in response.headers.items() if k.lower().startswith(PASSED_BACK)}
        while chunk := await _next_chunk(response.content, pace, exchange.sink):
            ready = attempt.reader.feed(chunk)
            pace.heard(content=attempt.reader.content_seen)
            if ready:
                await _pass_on(ready, attempt, exchange, headers_of)
        attempt.reader.end()


@dataclass(slots=True)
class _Pace:
    """When the next bytes are due: the first content by one deadline, then never a longer gap than another."""

    clock: Callable[[], float]
    first_due: float
    gap_s: float
    content: bool = False
    last: float = 0.0

    def heard(self, *, content: bool) -> None:
        self.content, self.last = content, self.clock()

    @property
    def due(self) -> float:
        return self.last + self.gap_s if self.content else self.first_due

    @property
    def deadline(self) -> str:
        return "gap" if self.content else "first_token"


async def _next_chunk(content: aiohttp.StreamReader, pace: _Pace, sink: Sink) -> bytes:
    """The next bytes, empty at the end. Meanwhile a caller who waits inside a stream is kept alive."""
    while True:
        wake = min(pace.due, pace.clock() + KEEPALIVE_S)
        try:
            async with asyncio.timeout_at(wake):
                return await content.readany()
        except TimeoutError:
            if pace.clock() >= pace.due:
                raise TooSlow(pace.deadline) from None
        if sink.started:
            await sink.write(KEEPALIVE)


async def _pass_on(ready: bytes, attempt: Attempt, exchange: Exchange, headers_of: HeadersOf) -> None:
    """To the caller; before the first bytes the ledger must have acknowledged this inference."""
    if attempt.ttft_ms is None:
        attempt.ttft_ms = now_ms() - attempt.started_at
        await exchange.capture.acknowledged()
        await exchange.sink.start(200, headers_of(attempt))
    await exchange.sink.write(ready)
