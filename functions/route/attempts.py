"""The one loop over a plan's routes, for every dialect, unary and streamed.

A unary answer is a stream without content before its end: the reader holds everything back, so nothing is
sent to the caller until it is whole. That is the only difference, and it is the reader's.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal

import aiohttp

from ledger.items import Fact, Started
from ledger.moments import now_ms
from ledger.money import ZERO, usd
from ledger.outcomes import Ending, Kind, Outcome
from ledger.prices import UNKNOWN_COST, Cost, cost_of
from ledger.usage import Usage
from route.capture import Capture
from route.classify import FAULTS, Verdict, classify
from route.dialects.base import BadAnswer, Reader, parse_object
from route.dialects.sse import KEEPALIVE
from route.errors import ApiError, ChainExhausted
from route.plan import Plan, Route
from route.providers.base import PASSED_BACK, Outgoing, Provider, Refused, TooSlow, Unreachable, call
from route.request import Request
from route.sink import CallerGone, Sink

log = logging.getLogger("warmroute.route")

KEEPALIVE_S = 15.0
MIN_ATTEMPT_S = 1.0
"""With less than this left of the whole request no further attempt is begun."""


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
class Served:
    """What came of a plan: the last attempt, how the inference ended, and the error for the caller, if any.

    `own_words`: the provider's own error body, which goes to the caller as it came.
    """

    last: Attempt
    ending: Ending
    error: ApiError | None = None
    own_words: bytes | None = None


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


async def attempt_all(plan: Plan, exchange: Exchange, headers_of: HeadersOf) -> Served:
    """Tries the routes in order until one serves, or none can any more. Every call leaves its fact behind.

    A stream's head goes to the caller with its first content; everything else is the caller's of this function.
    """
    request, capture = exchange.request, exchange.capture
    waiting = list(plan.routes[: request.choice.profile.max_attempts])
    number = 0
    while True:
        number += 1
        attempt = Attempt(number, waiting.pop(0), request.dialect.reader(request.features), now_ms())
        route = attempt.route
        await capture.start(Started(number, route.provider.name, route.model.model, attempt.started_at))
        await _attempt(attempt, exchange, headers_of)
        waiting = _worth_trying(attempt, waiting, exchange)
        ending = None if waiting else _ending(attempt)
        await capture.finish(_fact(attempt, capture.inference.inference_id, request, ending))
        if ending is not None:
            return _served(attempt, ending, exchange)


async def _attempt(attempt: Attempt, exchange: Exchange, headers_of: HeadersOf) -> None:
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


def _worth_trying(attempt: Attempt, waiting: list[Route], exchange: Exchange) -> list[Route]:
    """The routes that may still do better; none after a success, or once the caller has seen content."""
    verdict = attempt.verdict
    if verdict is None or exchange.sink.started or exchange.time_left_s < MIN_ATTEMPT_S:
        return []
    if verdict.kind is Kind.CONTEXT_OVERFLOW:
        return [route for route in waiting if _is_larger(route, attempt.route)]
    filtered_on = verdict.kind is Kind.CONTENT_FILTER and exchange.request.choice.profile.content_filter == "next"
    return waiting if verdict.next or filtered_on else []


def _is_larger(route: Route, than: Route) -> bool:
    """A larger context, or one that nobody has configured."""
    ours, theirs = route.model.context_tokens, than.model.context_tokens
    return ours is None or theirs is None or ours > theirs


def _ending(attempt: Attempt) -> Ending:
    if isinstance(attempt.error, CallerGone):
        return Ending.CANCELLED
    if attempt.error is not None:
        return Ending.ERROR
    return Ending.OK if attempt.n == 1 else Ending.FALLBACK


def _outcome(attempt: Attempt, *, streamed: bool) -> Outcome:
    if attempt.error is None:
        return Outcome.OK
    if isinstance(attempt.error, CallerGone):
        return Outcome.CANCELLED
    return Outcome.STREAM_INTERRUPTED if streamed and attempt.reader.began else Outcome.ERROR


def _fact(attempt: Attempt, inference_id: str, request: Request, ending: Ending | None) -> Fact:
    reader, model = attempt.reader, attempt.route.model
    usage, estimated, cost = _bill(attempt, request)
    kind = attempt.verdict.kind if attempt.verdict else None
    return Fact(
        inference_id=inference_id,
        n=attempt.n,
        at=attempt.ended_at,
        outcome=_outcome(attempt, streamed=request.features.stream),
        origin=request.origin,
        started_at=attempt.started_at,
        provider=attempt.route.provider.name,
        model=model.model,
        served_by=reader.served_by,
        wire_model=model.on_wire,
        served_model=reader.served_model,
        kind=Kind.CANCELLED if isinstance(attempt.error, CallerGone) else kind,
        http_status=attempt.http_status,
        latency_ms=attempt.latency_ms,
        ttft_ms=attempt.ttft_ms,
        usage=usage,
        estimated=estimated,
        tool_calls=reader.tool_calls,
        cost_usd=cost.usd,
        saved_usd=cost.saved_usd,
        cost_basis=cost.basis,
        price_version=model.price.price().version if model.price else "",
        closes=ending,
    )


def _bill(attempt: Attempt, request: Request) -> tuple[Usage | None, bool, Cost]:
    """Usage, whether it is an estimate, and the cost. A call that was refused or never arrived costs nothing."""
    error = attempt.error
    if isinstance(error, Refused) or (isinstance(error, Unreachable) and not error.accepted):
        return None, False, Cost(ZERO, ZERO, None)
    usage = attempt.reader.usage
    estimated = usage is None or error is not None
    if estimated:
        # What was sent will be billed whether or not the provider got to say so.
        unseen_input = Usage() if usage else Usage(input=request.input_tokens)
        usage = attempt.reader.seen_usage + unseen_input
    model, provider = attempt.route.model, attempt.route.provider
    price = model.price.price() if model.price else None
    cost = cost_of(usage, price, reported_usd=_reported(attempt.reader), subscription=provider.subscription)
    return usage, estimated, cost if usage is not None else UNKNOWN_COST


def _reported(reader: Reader) -> Decimal | None:
    """The provider's own figure, where it said one that is an amount of money."""
    try:
        return None if reader.reported_usd is None else usd(reader.reported_usd)
    except ValueError:
        return None


def _served(attempt: Attempt, ending: Ending, exchange: Exchange) -> Served:
    """With the error that the caller gets: the provider's own words, a broken stream's end, or the whole story."""
    verdict, facts = attempt.verdict, exchange.capture.facts
    if verdict is None:
        return Served(attempt, ending)
    if exchange.sink.started:
        message = f"The stream was interrupted: {attempt.error}. What came before is incomplete."
        return Served(attempt, ending, ApiError(verdict.status, "stream_interrupted", message))
    if len(facts) > 1 and all(fact.kind is Kind.AUTH for fact in facts):
        log.warning("chain-uniform-auth-failure", extra={"inference_id": exchange.capture.inference.inference_id})
    rows = [_told(fact) for fact in facts]
    error = ChainExhausted(verdict.status, str(verdict.kind), rows, verdict.retry_after_s)
    if verdict.next:
        log.warning("chain-exhausted", extra={"inference_id": facts[0].inference_id, "attempts": rows})
        return Served(attempt, ending, error)
    return Served(attempt, ending, error, _own_words(attempt.error))


def _told(fact: Fact) -> dict[str, object]:
    kind = fact.kind and str(fact.kind)
    return {
        "n": fact.n,
        "route": fact.route,
        "outcome": str(fact.outcome),
        "kind": kind,
        "http_status": fact.http_status,
    }


def _own_words(error: Exception | None) -> bytes | None:
    """The provider's error body, if it is an error in an envelope and not some gateway's page."""
    if not isinstance(error, Refused):
        return None
    try:
        document = parse_object(error.body)
    except BadAnswer:
        return None
    return error.body if "error" in document else None
