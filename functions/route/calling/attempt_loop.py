"""The one loop over a plan's routes, for every dialect, unary and streamed."""

import logging
from dataclasses import dataclass

from ledger.items import Fact, Started
from ledger.moments import now_ms
from ledger.outcomes import Ending, FaultKind
from route.calling.attempt import Attempt
from route.calling.attempt_fact import fact_of
from route.calling.call import Exchange, HeadersOf, conclude, run_attempt
from route.config.routes import Route
from route.dialects.base import BadAnswer, ErrorInAnswer, dump
from route.errors import ApiError, ChainExhausted, StoreUnavailable
from route.planning.plan import Plan
from route.providers.base import Refused, Unreachable
from route.providers.error_body import ErrorBody, read_error_body
from route.request.translation import Translation

log = logging.getLogger("warmroute.route")

MAX_MESSAGE = 500
NO_SUCH_PATH = (404, 405, 501)
MIN_ATTEMPT_S = 1.0
"""With less than this left of the whole request no further attempt is begun."""


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """What came of a plan: the last attempt, how the inference ended, and the error for the caller, if any.

    `own_words`: the provider's own error body, which goes to the caller as it came.
    """

    last: Attempt
    ending: Ending
    error: ApiError | None = None
    own_words: bytes | None = None


async def attempt_all(plan: Plan, exchange: Exchange, headers_of: HeadersOf) -> ChainOutcome:
    """Tries the routes in order until one serves, or none can any more. Every call leaves its fact behind.

    A stream's head goes to the caller with its first content; everything else is the caller's of this function.
    """
    request, capture = exchange.request, exchange.capture
    waiting = [_Try(route, _translation(plan, route, exchange)) for route in plan.routes]
    number, most = 0, request.choice.profile.max_attempts
    while True:
        number += 1
        attempt = _begin(number, waiting.pop(0), plan)
        route = attempt.route
        try:
            await capture.start(Started(number, route.provider.name, route.model.model, attempt.started_at))
        except StoreUnavailable as error:
            attempt.error = error
            conclude(attempt)
        else:
            await run_attempt(attempt, exchange, headers_of)
        waiting = _worth_trying(attempt, waiting, exchange, plan)[: most - number]
        ending = None if waiting else _ending(attempt, exchange)
        _learn(attempt, exchange)
        await capture.finish(fact_of(attempt, capture.inference.inference_id, request, ending))
        if ending is not None:
            return _served(attempt, ending, exchange)


@dataclass(frozen=True, slots=True)
class _Try:
    """A route, and how the request is said to it. `instead_of`: the dialect in which it was not understood."""

    route: Route
    translation: Translation
    instead_of: str = ""


def _translation(plan: Plan, route: Route, exchange: Exchange) -> Translation:
    translation = plan.translator.to(route.provider, route.model, route.capabilities)
    assert translation is not None  # noqa: S101 - no route is planned that cannot be told
    if translation.dialect.name not in exchange.providers[route.provider.name].unspoken:
        return translation
    return plan.translator.instead(translation, route.provider, route.model, route.capabilities) or translation


def _begin(number: int, to_try: _Try, plan: Plan) -> Attempt:
    now = now_ms()
    reader = plan.translator.reader(to_try.translation, now // 1000)
    return Attempt(number, to_try.route, to_try.translation, reader, now, instead_of=to_try.instead_of)


def _learn(attempt: Attempt, exchange: Exchange) -> None:
    """That a provider does not speak the dialect in which it was asked first: it need not be asked so again."""
    if attempt.error is None and attempt.instead_of:
        exchange.providers[attempt.route.provider.name].unspoken.add(attempt.instead_of)


def _worth_trying(attempt: Attempt, waiting: list[_Try], exchange: Exchange, plan: Plan) -> list[_Try]:
    """The routes that may still do better; none after a success, or once the caller has seen content."""
    failure = attempt.failure
    if failure is None or exchange.sink.started or exchange.sink.gone or exchange.time_left_s < MIN_ATTEMPT_S:
        return []
    if failure.kind is FaultKind.CONTEXT_OVERFLOW:
        return [each for each in waiting if _is_larger(each.route, attempt.route)]
    if again := _in_another_dialect(attempt, plan):
        return [again, *waiting]
    filtered_on = (
        failure.kind is FaultKind.CONTENT_FILTER and exchange.request.choice.profile.content_filter == "next"
    )
    return waiting if failure.next or filtered_on else []


def _in_another_dialect(attempt: Attempt, plan: Plan) -> _Try | None:
    """The same route once more, where it may only be the path that the provider does not know.

    Nobody has said which dialects it speaks, so that it was asked in all good faith.
    """
    route, tried = attempt.route, attempt.translation
    if attempt.http_status not in NO_SUCH_PATH or route.model.dialects or route.provider.dialects:
        return None
    if tried.dialect is not plan.translator.request.dialect or _is_about_the_model(attempt):
        return None
    instead = plan.translator.instead(tried, route.provider, route.model, route.capabilities)
    if instead is None:
        return None
    fix = f"dialects: [{instead.dialect.name}]"
    log.warning("dialect-not-spoken", extra={"route": route.name, "dialect": tried.dialect.name, "fix": fix})
    return _Try(route, instead, instead_of=tried.dialect.name)


def _is_about_the_model(attempt: Attempt) -> bool:
    """Whether the provider knows the path, and not the model, which it would say again in another dialect."""
    words = read_error_body(_own_words(attempt.error))
    return words.code == "model_not_found" or attempt.route.model.on_wire in words.message


def _is_larger(route: Route, than: Route) -> bool:
    """A larger context, or one that nobody knows."""
    ours, theirs = route.capabilities.context_tokens, than.capabilities.context_tokens
    return ours is None or theirs is None or ours > theirs


def _ending(attempt: Attempt, exchange: Exchange) -> Ending:
    if attempt.error is not None:
        return Ending.CANCELLED if exchange.sink.gone else Ending.ERROR
    return Ending.OK if attempt.n == 1 else Ending.FALLBACK


def _served(attempt: Attempt, ending: Ending, exchange: Exchange) -> ChainOutcome:
    """With the error that the caller gets: the provider's own words, a broken stream's end, or the whole story."""
    failure, facts = attempt.failure, exchange.capture.facts
    if failure is None or ending is Ending.CANCELLED:
        return ChainOutcome(attempt, ending)
    if isinstance(attempt.error, ApiError):
        return ChainOutcome(attempt, ending, attempt.error)
    if exchange.sink.started:
        why = "the connection to the provider broke" if isinstance(attempt.error, Unreachable) else attempt.error
        message = f"The stream was interrupted: {why}. What came before is incomplete."
        return ChainOutcome(attempt, ending, ApiError(failure.status, "stream_interrupted", message))
    if len(facts) > 1 and all(fact.kind is FaultKind.AUTH for fact in facts):
        log.warning("chain-uniform-auth-failure", extra={"inference_id": exchange.capture.inference.inference_id})
    rows = [_told(fact) for fact in facts]
    error = ChainExhausted(failure.status, str(failure.kind), rows, failure.retry_after_s)
    own_words = _own_words(attempt.error)
    words = read_error_body(own_words)
    # A request that is too long for every route is the request's fault in the end.
    if failure.next and failure.kind is not FaultKind.CONTEXT_OVERFLOW:
        log.warning("chain-exhausted", extra={"inference_id": facts[0].inference_id, "attempts": rows})
        # To the caller only: a provider may quote the request, and no log may.
        fault = str(attempt.error) if isinstance(attempt.error, BadAnswer) else None
        error.detail["provider_message"] = words.message[:MAX_MESSAGE] or fault
        return ChainOutcome(attempt, ending, error)
    if words.in_envelope and attempt.translation.dialect is exchange.request.dialect:
        return ChainOutcome(attempt, ending, error, own_words)
    return ChainOutcome(attempt, ending, _retold(words, error, failure.kind))


_CODES = {FaultKind.CONTEXT_OVERFLOW: "context_length_exceeded", FaultKind.CONTENT_FILTER: "content_filter"}
"""By which agents of one vendor tell what to do next, where the provider is of another that has no codes."""


def _retold(words: ErrorBody, error: ApiError, kind: FaultKind) -> ApiError:
    """The provider's own error in an envelope that the caller's SDK can read."""
    if not words.message:
        return error
    code = words.code or _CODES.get(kind) or words.type or error.code
    return ApiError(error.status, code, words.message, param=words.param, should_retry=False)


def _told(fact: Fact) -> dict[str, object]:
    kind = fact.kind and str(fact.kind)
    return {
        "n": fact.n,
        "route": fact.route,
        "outcome": str(fact.outcome),
        "kind": kind,
        "http_status": fact.http_status,
    }


def _own_words(error: Exception | None) -> bytes:
    """The provider's error body; empty where it said nothing."""
    if isinstance(error, ErrorInAnswer):
        return dump(error.document)
    return error.body if isinstance(error, Refused) else b""
