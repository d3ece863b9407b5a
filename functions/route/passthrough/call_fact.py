"""What came of a call that was passed through: its fact, how it ended, and what the caller is told."""

from dataclasses import dataclass, replace

from ledger.items import Fact, Inference
from ledger.money import ZERO
from ledger.outcomes import Ending, FaultKind
from ledger.prices import Cost, cost_of
from route.answering.sink import CallerGone
from route.calling.attempt_fact import is_never_billed, kind_of, outcome_of
from route.calling.classify import Failure, classify
from route.errors import ApiError, ChainExhausted, StoreUnavailable
from route.passthrough.destination import Destination
from route.passthrough.relay import Relay
from route.providers.base import Refused
from route.recording.attempt_rows import IN_ERRORS, attempt_row
from route.request.parse import storable

_COSTS_NOTHING = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, slots=True)
class CallResult:
    """`error`: what the caller is told, where the provider's own answer does not say it. `status`: its status."""

    fact: Fact
    ending: Ending
    error: ApiError | None
    status: int | None


def result_of(relay: Relay, method: str, to: Destination, inference: Inference) -> CallResult:
    """Of a relay that has ended."""
    failure = _failure(relay)
    fact = _fact(relay, failure, method, to, inference)
    error = _error(relay, failure, fact)
    if isinstance(relay.error, CallerGone):
        return CallResult(fact, Ending.CANCELLED, error, None)
    status = error.status if error and not relay.sink.started else relay.status
    return CallResult(fact, Ending.ERROR if failure else Ending.OK, error, status)


def _failure(relay: Relay) -> Failure | None:
    """What went wrong; None when all is well, or when the caller has left."""
    error, status = relay.error, relay.status
    if isinstance(error, CallerGone):
        return None
    if isinstance(error, ApiError):
        return Failure(FaultKind.INTERNAL, next=False, status=error.status)
    if error is not None:
        return classify(error, relay.ended_at)
    if status is None or status < 400:
        return None
    failure = classify(Refused(status, {}, b""), relay.ended_at)
    # What is not there need be no model.
    is_missing = failure.kind is FaultKind.MODEL_NOT_FOUND
    return replace(failure, kind=FaultKind.INVALID_REQUEST) if is_missing else failure


def _fact(relay: Relay, failure: Failure | None, method: str, to: Destination, inference: Inference) -> Fact:
    cost = _cost(relay, method, to)
    # A refusal that was passed on whole is an error like any other that stopped the call.
    refused = Refused(failure.status, {}, b"") if failure and relay.error is None else None
    is_cut = relay.error is not None and relay.sink.started
    return Fact(
        inference_id=inference.inference_id,
        n=1,
        at=relay.ended_at,
        outcome=outcome_of(relay.error or refused, content_came=is_cut),
        origin=inference.origin,
        started_at=relay.started_at,
        provider=to.provider.name,
        model=to.model_name,
        wire_model=storable(to.wire_model),
        kind=kind_of(relay.error, failure),
        http_status=relay.status,
        latency_ms=relay.ended_at - relay.started_at,
        ttft_ms=relay.ttft_ms,
        cost_usd=cost.usd,
        cost_basis=cost.basis,
    )


def _cost(relay: Relay, method: str, to: Destination) -> Cost:
    """Nobody bills what is only read or deleted, was refused, or never arrived. The rest is unknown."""
    error, status = relay.error, relay.status
    is_refused = status is not None and status >= 400
    never_began = status is None and (isinstance(error, StoreUnavailable) or is_never_billed(error))
    if not to.provider.subscription and (is_refused or never_began or method in _COSTS_NOTHING):
        return Cost(ZERO, None, None)
    return cost_of(None, None, subscription=to.provider.subscription)


def _error(relay: Relay, failure: Failure | None, fact: Fact) -> ApiError | None:
    if relay.error is None or isinstance(relay.error, ApiError):
        return relay.error
    if failure is None:
        return ApiError(499, "cancelled", "The caller has left.")
    return ChainExhausted(failure.status, str(failure.kind), [attempt_row(fact, IN_ERRORS)], None)
