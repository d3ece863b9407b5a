"""The one loop over a plan's routes, for every dialect, unary and streamed."""

import logging
from dataclasses import dataclass

from ledger.items import Fact, Started
from ledger.moments import now_ms
from ledger.outcomes import Ending, Kind
from route.account import fact_of
from route.attempt import Attempt
from route.call import Exchange, HeadersOf, conclude, run_attempt
from route.dialects.base import BadAnswer, ErrorInAnswer, dump, mapping, parse_object, text
from route.errors import ApiError, ChainExhausted, StoreUnavailable
from route.plan import Plan, Route
from route.providers.base import Refused

log = logging.getLogger("warmroute.route")

MAX_MESSAGE = 500
MIN_ATTEMPT_S = 1.0
"""With less than this left of the whole request no further attempt is begun."""


@dataclass(frozen=True, slots=True)
class Served:
    """What came of a plan: the last attempt, how the inference ended, and the error for the caller, if any.

    `own_words`: the provider's own error body, which goes to the caller as it came.
    """

    last: Attempt
    ending: Ending
    error: ApiError | None = None
    own_words: bytes | None = None


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
        try:
            await capture.start(Started(number, route.provider.name, route.model.model, attempt.started_at))
        except StoreUnavailable as error:
            attempt.error = error
            conclude(attempt)
        else:
            await run_attempt(attempt, exchange, headers_of)
        waiting = _worth_trying(attempt, waiting, exchange)
        ending = None if waiting else _ending(attempt, exchange)
        await capture.finish(fact_of(attempt, capture.inference.inference_id, request, ending))
        if ending is not None:
            return _served(attempt, ending, exchange)


def _worth_trying(attempt: Attempt, waiting: list[Route], exchange: Exchange) -> list[Route]:
    """The routes that may still do better; none after a success, or once the caller has seen content."""
    verdict = attempt.verdict
    if verdict is None or exchange.sink.started or exchange.sink.gone or exchange.time_left_s < MIN_ATTEMPT_S:
        return []
    if verdict.kind is Kind.CONTEXT_OVERFLOW:
        return [route for route in waiting if _is_larger(route, attempt.route)]
    filtered_on = verdict.kind is Kind.CONTENT_FILTER and exchange.request.choice.profile.content_filter == "next"
    return waiting if verdict.next or filtered_on else []


def _is_larger(route: Route, than: Route) -> bool:
    """A larger context, or one that nobody has configured."""
    ours, theirs = route.model.context_tokens, than.model.context_tokens
    return ours is None or theirs is None or ours > theirs


def _ending(attempt: Attempt, exchange: Exchange) -> Ending:
    if attempt.error is not None:
        return Ending.CANCELLED if exchange.sink.gone else Ending.ERROR
    return Ending.OK if attempt.n == 1 else Ending.FALLBACK


def _served(attempt: Attempt, ending: Ending, exchange: Exchange) -> Served:
    """With the error that the caller gets: the provider's own words, a broken stream's end, or the whole story."""
    verdict, facts = attempt.verdict, exchange.capture.facts
    if verdict is None or ending is Ending.CANCELLED:
        return Served(attempt, ending)
    if isinstance(attempt.error, ApiError):
        return Served(attempt, ending, attempt.error)
    if exchange.sink.started:
        message = f"The stream was interrupted: {attempt.error}. What came before is incomplete."
        return Served(attempt, ending, ApiError(verdict.status, "stream_interrupted", message))
    if len(facts) > 1 and all(fact.kind is Kind.AUTH for fact in facts):
        log.warning("chain-uniform-auth-failure", extra={"inference_id": exchange.capture.inference.inference_id})
    rows = [_told(fact) for fact in facts]
    error = ChainExhausted(verdict.status, str(verdict.kind), rows, verdict.retry_after_s)
    own_words = _own_words(attempt.error)
    # A request that is too long for every route is the request's fault in the end.
    if verdict.next and verdict.kind is not Kind.CONTEXT_OVERFLOW:
        log.warning("chain-exhausted", extra={"inference_id": facts[0].inference_id, "attempts": rows})
        # To the caller only: a provider may quote the request, and no log may.
        error.detail["provider_message"] = _message(own_words)
        return Served(attempt, ending, error)
    return Served(attempt, ending, error, own_words)


def _message(own_words: bytes | None) -> str | None:
    """What the last provider said, shortened; None when it said nothing in an envelope."""
    said = mapping(parse_object(own_words).get("error")) if own_words else {}
    return text(said.get("message"))[:MAX_MESSAGE] or None


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
    if isinstance(error, ErrorInAnswer):
        return dump(error.document)
    if not isinstance(error, Refused):
        return None
    try:
        document = parse_object(error.body)
    except BadAnswer:
        return None
    return error.body if "error" in document else None
