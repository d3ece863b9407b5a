"""The one loop over a plan's routes, for every dialect, unary and streamed."""

import logging
from dataclasses import dataclass

from ledger.items import Started
from ledger.outcomes import Ending, FaultKind
from route.calling.attempt import Attempt
from route.calling.attempt_fact import fact_of
from route.calling.call import AttemptContext, HeadersOf, conclude, run_attempt
from route.calling.chain_error import ChainOutcome, chain_outcome, own_words
from route.config.routes import Route
from route.errors import StoreUnavailable
from route.planning.plan import Plan
from route.providers.error_body import read_error_body
from route.request.translation import Translation

log = logging.getLogger("warmroute.route")

NO_SUCH_PATH = (404, 405, 501)
MIN_ATTEMPT_S = 1.0
"""With less than this left of the whole request no further attempt is begun."""


async def attempt_all(plan: Plan, context: AttemptContext, headers_of: HeadersOf) -> ChainOutcome:
    """Tries the routes in order until one serves, or none can any more. Every call leaves its fact behind.

    A stream's head goes to the caller with its first content; everything else is the caller's of this function.
    """
    waiting = [_Try(route, _translation(plan, route, context)) for route in plan.routes]
    number, most = 0, context.request.choice.profile.max_attempts
    while True:
        number += 1
        attempt = _begin(number, waiting.pop(0), plan, context)
        await _run(attempt, context, headers_of)
        waiting = _worth_trying(attempt, waiting, context, plan)[: most - number]
        _learn(attempt, context)
        fact = fact_of(attempt, context.inference.id, context.request)
        context.inference.end(fact, answered=attempt.error is None or context.sink.started)
        if not waiting:
            return chain_outcome(attempt, _ending(attempt, context), context)


@dataclass(frozen=True, slots=True)
class _Try:
    """A route, and how the request is said to it. `instead_of`: the dialect in which it was not understood."""

    route: Route
    translation: Translation
    instead_of: str = ""


def _translation(plan: Plan, route: Route, context: AttemptContext) -> Translation:
    translation = plan.translator.to(route.provider, route.model, route.capabilities)
    assert translation is not None  # noqa: S101 - no route is planned that cannot be told
    if translation.dialect.name not in context.providers[route.provider.name].unspoken:
        return translation
    return plan.translator.instead(translation, route.provider, route.model, route.capabilities) or translation


def _begin(number: int, to_try: _Try, plan: Plan, context: AttemptContext) -> Attempt:
    now = context.clock()
    reader = plan.translator.reader(to_try.translation, now // 1000)
    return Attempt(number, to_try.route, to_try.translation, reader, now, instead_of=to_try.instead_of)


async def _run(attempt: Attempt, context: AttemptContext, headers_of: HeadersOf) -> None:
    """The attempt from the moment it is written down to its end."""
    route = attempt.route
    started = Started(attempt.n, route.provider.name, route.model.model, attempt.started_at)
    try:
        await context.inference.start(started)
    except StoreUnavailable as error:
        attempt.error = error
        conclude(attempt, context.clock())
    else:
        await run_attempt(attempt, context, headers_of)


def _learn(attempt: Attempt, context: AttemptContext) -> None:
    """A provider that did not speak the dialect in which it was asked first need not be asked so again."""
    if attempt.error is None and attempt.instead_of:
        context.providers[attempt.route.provider.name].unspoken.add(attempt.instead_of)


def _worth_trying(attempt: Attempt, waiting: list[_Try], context: AttemptContext, plan: Plan) -> list[_Try]:
    """The routes that may still do better; none after a success, or once the caller has seen content."""
    failure = attempt.failure
    if failure is None or context.sink.started or context.sink.gone or context.time_left_s < MIN_ATTEMPT_S:
        return []
    if failure.kind is FaultKind.CONTEXT_OVERFLOW:
        return [each for each in waiting if _is_larger(each.route, attempt.route)]
    if again := _in_another_dialect(attempt, plan):
        return [again, *waiting]
    is_filtered = failure.kind is FaultKind.CONTENT_FILTER
    goes_on = is_filtered and context.request.choice.profile.content_filter == "next"
    return waiting if failure.next or goes_on else []


def _in_another_dialect(attempt: Attempt, plan: Plan) -> _Try | None:
    """The same route once more, where it may only be the path that the provider does not know.

    That is so where the config does not say which dialects it speaks.
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
    """Whether the provider knows the path, and not the model: it would say so in another dialect too."""
    words = read_error_body(own_words(attempt.error))
    return words.code == "model_not_found" or attempt.route.model.on_wire in words.message


def _is_larger(route: Route, than: Route) -> bool:
    """A larger context, or one that nobody knows."""
    ours, theirs = route.capabilities.context_tokens, than.capabilities.context_tokens
    return ours is None or theirs is None or ours > theirs


def _ending(attempt: Attempt, context: AttemptContext) -> Ending:
    if attempt.error is not None:
        return Ending.CANCELLED if context.sink.gone else Ending.ERROR
    return Ending.OK if attempt.n == 1 else Ending.FALLBACK
