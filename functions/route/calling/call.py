"""One call of one route, from the request that goes out to the last byte that comes back.

A unary answer is a stream without content before its end: the reader holds everything back, so nothing is
sent to the caller until it is whole. That is the only difference, and it is the reader's.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import aiohttp

from ledger.moments import now_ms
from ledger.outcomes import FaultKind
from route.answering.sink import CallerGone, Sink
from route.calling.attempt import Attempt
from route.calling.classify import FAULTS, Failure, classify
from route.calling.upstream import call
from route.dialects.sse import KEEPALIVE
from route.errors import ApiError, place_of
from route.providers.base import PASSED_BACK, Provider, Refused, TooSlow
from route.recording.lifecycle import Clock, RunningInference
from route.request.parse import Request

log = logging.getLogger("warmroute.route")

KEEPALIVE_S = 15.0
DRAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What an attempt needs besides its route: the request, the inference that it is part of, and who waits.

    `deadline_s`: on the event loop's clock, for the whole request. `clock`: ms since the epoch.
    """

    http: aiohttp.ClientSession
    providers: Mapping[str, Provider]
    request: Request
    inference: RunningInference
    sink: Sink
    deadline_s: float
    clock: Clock = now_ms

    @property
    def time_left_s(self) -> float:
        return self.deadline_s - asyncio.get_running_loop().time()


HeadersOf = Callable[[Attempt], dict[str, str]]
"""Makes the headers of an answer, given the attempt that it comes from."""


async def run_attempt(attempt: Attempt, context: AttemptContext, headers_of: HeadersOf) -> None:
    """One call, to its end. Never raises: `attempt.error` says what happened, `attempt.failure` what it means."""
    attempt_s = _attempt_s(attempt, context.request)
    talk = _converse(attempt, context, headers_of)
    attempt.error = await fault_of(talk, context.sink, attempt_s, context.time_left_s)
    conclude(attempt, context.clock())


async def fault_of(
    talk: Coroutine[None, None, None], sink: Sink, attempt_s: float, left_s: float
) -> Exception | None:
    """Lets a talk with a provider run to its end, and gives what went wrong, if anything did. Never raises."""
    fault: Exception
    try:
        async with asyncio.timeout(min(attempt_s, left_s)) as scope:
            with sink.interrupts(scope):
                await talk
    except TimeoutError:
        fault = TooSlow("attempt" if attempt_s < left_s else "request")
    except (*FAULTS, ApiError) as error:
        fault = error
    except asyncio.CancelledError:
        # Only a server that stops cancels us. What follows is short: the row, the closing, the caller's error.
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        fault = ApiError(503, "shutting_down", "The router is stopping. Please try again.")
    except Exception as error:  # noqa: BLE001 - bytes of strangers come in here: our own bug must leave a row too
        where = {"error": type(error).__name__, "where": place_of(error)}
        log.error("attempt-failed-inside", extra=where)  # noqa: TRY400 - a traceback may quote a request
        fault = ApiError(500, "internal_error", "The router failed. It has been logged.", should_retry=False)
    else:
        return None
    return CallerGone() if sink.gone else fault


def _attempt_s(attempt: Attempt, request: Request) -> float:
    """The profile's deadline for an attempt, or the route's own where that is sooner."""
    profile_s = request.choice.profile.deadlines.attempt_s
    return min(profile_s, attempt.route.model.timeout_s or profile_s)


def conclude(attempt: Attempt, now: int) -> None:
    """Notes the end of an attempt, and what its error means. `now`: ms since the epoch."""
    attempt.ended_at = now
    if isinstance(attempt.error, Refused):
        attempt.http_status = attempt.error.status
    if isinstance(attempt.error, ApiError):
        attempt.failure = Failure(FaultKind.INTERNAL, next=False, status=attempt.error.status)
    elif attempt.error is not None and not isinstance(attempt.error, CallerGone):
        attempt.failure = classify(attempt.error, attempt.ended_at)


async def _converse(attempt: Attempt, context: AttemptContext, headers_of: HeadersOf) -> None:
    """Sends the request, and passes the answer on as it comes, until the dialect says that it is whole."""
    request, told = context.request, attempt.translation
    provider = context.providers[attempt.route.provider.name]
    # A query belongs to the path that it came with.
    query = request.query if told.dialect is request.dialect else ""
    outgoing = provider.outgoing(told.dialect.name, told.body, request.headers, query)
    attempt.unsent = outgoing.dropped
    limits = request.choice.profile.deadlines
    clock = asyncio.get_running_loop().time
    # A whole answer has no first token that we could see: its attempt's deadline is the only one.
    first_s = limits.first_token_s if request.features.stream else _attempt_s(attempt, request)
    pace = _Pace(clock, first_due=clock() + first_s, gap_s=limits.gap_s)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout_at(pace.first_due):
                response = await stack.enter_async_context(call(context.http, outgoing))
        except TimeoutError:
            raise TooSlow("first_token") from None
        except Refused as refused:
            raise provider.refusal(told.dialect.name, refused) from None
        decode = provider.decoder(response.headers.get("content-type", ""))
        attempt.http_status = response.status
        attempt.headers = {k.lower(): v for k, v in response.headers.items() if k.lower().startswith(PASSED_BACK)}
        written_at = clock()
        while chunk := await _next_chunk(response.content, pace, context.sink):
            ready = attempt.reader.feed(decode(chunk))
            pace.heard(content=attempt.reader.content_came)
            if ready:
                await _pass_on(ready, attempt, context, headers_of)
                pace.heard(content=True)  # a caller who reads slowly is no silence of the provider
                written_at = clock()
            elif context.sink.started and clock() - written_at >= KEEPALIVE_S:
                # The provider speaks, and a filter keeps it back: the caller waits all the same.
                await context.sink.write(KEEPALIVE)
                written_at = clock()
            if attempt.reader.done:
                await _drain(response.content)
                break
        attempt.reader.end()


async def _drain(content: aiohttp.StreamReader) -> None:
    """Reads the end of an HTTP answer that is whole, so that its connection can be used again; no longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while await content.readany():
                pass


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


async def _pass_on(ready: bytes, attempt: Attempt, context: AttemptContext, headers_of: HeadersOf) -> None:
    """To the caller; before the first bytes the ledger must have acknowledged this inference."""
    if attempt.ttft_ms is None:
        attempt.ttft_ms = context.clock() - attempt.started_at
        await context.inference.acknowledged()
        await context.sink.start(200, headers_of(attempt))
    await context.sink.write(ready)
