"""What an attempt comes to: its outcome, its usage, what it cost, as the fact that is written down."""

from decimal import Decimal

from ledger.items import Fact
from ledger.money import ZERO, usd
from ledger.outcomes import FaultKind, Outcome
from ledger.prices import Cost, cost_of
from ledger.usage import Usage
from route.answering.sink import CallerGone
from route.calling.attempt import Attempt
from route.calling.classify import Failure
from route.dialects.base import Reader
from route.providers.base import Refused, Unreachable
from route.request.parse import Request, storable

MAX_REPORTED_USD = 10_000
"""No call costs that much; a provider that says so is wrong, and the computed cost stands."""

MAX_WAIT_S = 86_400
"""Written down of what a provider asks for. Some say a date in a year's time."""

MAX_DROPPED = 24
MAX_DROPPED_CHARS = 600


def fact_of(attempt: Attempt, inference_id: str, request: Request) -> Fact:
    """An attempt that has ended, as it is written down."""
    reader, model = attempt.reader, attempt.route.model
    usage, estimated, cost = _bill(attempt, request)
    return Fact(
        inference_id=inference_id,
        n=attempt.n,
        at=attempt.ended_at,
        outcome=outcome_of(attempt.error, content_came=request.features.stream and attempt.reader.content_came),
        origin=request.origin,
        started_at=attempt.started_at,
        provider=attempt.route.provider.name,
        model=model.model,
        served_by=storable(reader.served_by),
        wire_model=model.on_wire,
        # Said again only where it is another: every byte of a fact is stored three times.
        served_model="" if reader.served_model == model.on_wire else storable(reader.served_model),
        kind=kind_of(attempt.error, attempt.failure),
        http_status=attempt.http_status,
        latency_ms=attempt.latency_ms,
        ttft_ms=attempt.ttft_ms,
        retry_after_ms=_retry_after_ms(attempt),
        usage=usage,
        estimated=estimated,
        tool_calls=reader.tool_calls,
        cost_usd=cost.usd,
        saved_usd=cost.saved_usd,
        cost_basis=cost.basis,
        price_version=price.version if (price := attempt.route.list_price) else "",
        dropped=_few(attempt.dropped),
        repaired=tuple(sorted(reader.repaired)),
    )


def _retry_after_ms(attempt: Attempt) -> int | None:
    """How long the provider asked to be left alone."""
    wait_s = attempt.failure.retry_after_s if attempt.failure else None
    return None if wait_s is None else round(min(wait_s, MAX_WAIT_S) * 1000)


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of what was left out, storable. A body can have any number, and each kilobyte is a write unit."""
    told: list[str] = []
    for name in map(storable, names[:MAX_DROPPED]):
        if sum(map(len, told)) + len(name) > MAX_DROPPED_CHARS:
            break
        told.append(name)
    return tuple(told) if len(told) == len(names) else (*told, f"and {len(names) - len(told)} more")


def outcome_of(error: Exception | None, *, content_came: bool) -> Outcome:
    """How a call ended. `content_came`: the caller was, or could have been, given some of a stream by then."""
    if error is None:
        return Outcome.OK
    if isinstance(error, CallerGone):
        return Outcome.CANCELLED
    return Outcome.STREAM_INTERRUPTED if content_came else Outcome.ERROR


def kind_of(error: Exception | None, failure: Failure | None) -> FaultKind | None:
    """Why it ended so; None when all went well."""
    if isinstance(error, CallerGone):
        return FaultKind.CANCELLED
    return failure.kind if failure else None


def is_never_billed(error: Exception | None) -> bool:
    """Whether no provider bills a call that ended so: it was refused, or it never arrived."""
    return isinstance(error, Refused) or (isinstance(error, Unreachable) and not error.accepted)


def _bill(attempt: Attempt, request: Request) -> tuple[Usage | None, bool, Cost]:
    """Usage, whether it is an estimate, and the cost. A call that was refused or never arrived costs nothing."""
    error = attempt.error
    if request.origin.is_free or is_never_billed(error):
        return None, False, Cost(ZERO, ZERO, None)
    usage = attempt.reader.usage
    estimated = usage is None or error is not None or not attempt.reader.usage_is_sound
    if estimated:
        # What was sent will be billed whether or not the provider got to say so, or said it in numbers.
        unseen_input = Usage() if usage and usage.prompt else Usage(input=request.input_tokens)
        usage = attempt.reader.seen_usage + unseen_input
    route, reported = attempt.route, _reported(attempt.reader)
    cost = cost_of(usage, route.list_price, reported_usd=reported, subscription=route.provider.subscription)
    return usage, estimated, cost


def _reported(reader: Reader) -> Decimal | None:
    """The provider's own figure, where it said one that is an amount of money, to a trillionth of a dollar."""
    try:
        amount = None if reader.reported_usd is None else usd(reader.reported_usd)
    except ValueError:
        return None
    is_sane = amount is not None and amount < MAX_REPORTED_USD
    return amount.quantize(Decimal("1E-12")).normalize() if amount is not None and is_sane else None
