"""Whatever else a provider offers under `/v1`, passed through: bytes out as they came, bytes back as they come.

It goes to the profile's first provider of the vendor whose dialect the request speaks. The router reads nothing of
it but a model's name, so it cannot hold a caller to models, nor count tokens: it is written down as one attempt of
unknown cost. There is no second provider to try, since what is stored at one is nothing to another.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from string import punctuation
from urllib.parse import quote

from yarl import URL

from ledger.ids import new_inference_id
from ledger.items import PASSTHROUGH, ApiKey, Fact, Inference, Origin, Started
from ledger.moments import now_ms
from ledger.money import ZERO
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.prices import CostBasis
from ledger.routes import route_key
from route.answering.sink import CallerGone, Sink
from route.calling.classify import Failure, classify
from route.dialects.base import dump
from route.errors import ApiError, BadRequest, ChainExhausted, NotFound, StoreUnavailable
from route.inference.handler import JSON, RESERVE_S, Router, refuse, send_whole
from route.inference.receipts import answer_headers
from route.passthrough.destination import Destination, Passing, check_key, check_provider, destination_of, json_of
from route.passthrough.paths import VERSION, check_path, shape_of
from route.passthrough.relay import Relay
from route.providers.base import Outgoing, Refused, Unreachable
from route.recording.recorder import Capture
from route.request.parse import MAX_LABEL, origin_of_refused, storable

_OURS = {"accept-encoding": "identity", "user-agent": "warmroute"}
_COSTS_NOTHING = frozenset({"GET", "HEAD", "DELETE"})


async def pass_through(router: Router, passing: Passing, key: ApiKey, sink: Sink) -> None:
    """Answers one request that no dialect of ours reads. Raises ApiError for what has not been answered yet."""
    arrived, incoming, config = now_ms(), passing.incoming, router.config
    check_path(passing.method, passing.path, incoming.query)
    if not config.pass_through:
        asked = f"{passing.method} {passing.path[:MAX_LABEL]}"
        raise NotFound("not_found", f"There is no {asked} here: pass_through is off.")
    if not all(value.isprintable() for value in passing.headers.values()):
        raise BadRequest("invalid_header", "A header has characters that none can have.")
    document = json_of(incoming)
    origin = replace(
        origin_of_refused(passing.vendor, {}, incoming.headers, key),
        dialect=PASSTHROUGH,
        requested_model=storable(shape_of(passing.path)),
        stream=document.get("stream") is True,
    )
    try:
        check_key(key)
        destination = destination_of(passing, document, config)
        origin = replace(origin, profile=destination.profile_name)
        check_provider(destination.provider, config, await router.fleet.snapshot(arrived), arrived)
    except ApiError as error:
        await refuse(router, passing.vendor, origin, b"", error, sink)
        return
    await _Exchange(router, passing, destination, origin, sink, arrived).run()


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One call, its trail, and what the caller gets."""

    router: Router
    passing: Passing
    to: Destination
    origin: Origin
    sink: Sink
    arrived: int

    async def run(self) -> None:
        inference = Inference(new_inference_id(self.arrived), self.origin, self.arrived)
        capture = Capture(
            self.router.store, inference, strict=self.to.profile.ledger == "strict", seen=self.router.fleet.add
        )
        relay = Relay(self.router.http, capture, self.sink)
        relay.ours = self._headers(inference.inference_id, relay.started_at)
        try:
            await capture.start(Started(1, self.to.provider.name, self.to.model_name, relay.started_at))
        except StoreUnavailable as fault:
            relay.error, relay.ended_at = fault, now_ms()
        else:
            left_s = self.passing.incoming.time_left_s - RESERVE_S - (now_ms() - self.arrived) / 1000
            limits = self.to.profile.deadlines
            await relay.run(self._outgoing, limits, stream=self.origin.stream, left_s=left_s)
        failure, ending = _failure(relay), _ending(relay)
        fact = self._fact(relay, failure, ending, inference.inference_id)
        await capture.finish(fact)
        error = _error(relay, failure, fact)
        status = error.status if error and not self.sink.started else relay.status
        await capture.close(at=now_ms(), ending=ending, status=None if ending is Ending.CANCELLED else status)
        await self._finish(relay, error)

    def _outgoing(self) -> Outgoing:
        """The caller's bytes under our name, with our key."""
        provider, vendor = self.router.providers[self.to.provider.name], self.passing.vendor
        incoming = self.passing.incoming
        call = provider.addressed(vendor.name, {}, self.passing.headers, "")
        base = str(URL(call.url)).removesuffix(vendor.path.removeprefix(VERSION))
        configured = {name.lower(): value for name, value in self.to.provider.headers.items()}
        call = replace(
            call,
            method=self.passing.method,
            url=base + self.passing.path.removeprefix(VERSION) + (f"?{incoming.query}" if incoming.query else ""),
            is_encoded=True,
            headers={**_OURS, **call.headers, **configured},
            body=self.to.body,
        )
        return replace(call, headers={**call.headers, **provider.auth_headers(call), **configured})

    def _headers(self, inference_id: str, started_at: int) -> dict[str, str]:
        route = quote(route_key(self.to.provider.name, self.to.model_name), safe=punctuation)
        return answer_headers(inference_id, route, 1, max(0, started_at - self.arrived))

    def _fact(self, relay: Relay, failure: Failure | None, ending: Ending, inference_id: str) -> Fact:
        is_gone = isinstance(relay.error, CallerGone)
        cost_usd, basis = self._cost(relay)
        return Fact(
            inference_id=inference_id,
            n=1,
            at=relay.ended_at,
            outcome=_outcome(relay, failure),
            origin=self.origin,
            started_at=relay.started_at,
            provider=self.to.provider.name,
            model=self.to.model_name,
            wire_model=storable(self.to.wire_model),
            kind=FaultKind.CANCELLED if is_gone else failure.kind if failure else None,
            http_status=relay.status,
            latency_ms=relay.ended_at - relay.started_at,
            ttft_ms=relay.ttft_ms,
            cost_usd=cost_usd,
            cost_basis=basis,
            closes=ending,
        )

    def _cost(self, relay: Relay) -> tuple[Decimal | None, CostBasis | None]:
        """Nobody bills what is only read or deleted, was refused, or never arrived. The rest is unknown."""
        if self.to.provider.subscription:
            return ZERO, CostBasis.SUBSCRIPTION
        error, status = relay.error, relay.status
        is_refused = status is not None and status >= 400
        never_sent = status is None and isinstance(error, StoreUnavailable)
        never_arrived = status is None and isinstance(error, Unreachable) and not error.accepted
        is_free = is_refused or never_sent or never_arrived or self.passing.method in _COSTS_NOTHING
        return (ZERO if is_free else None), None

    async def _finish(self, relay: Relay, error: ApiError | None) -> None:
        """The last bytes, or the error. What broke off is cut off: nothing else tells it from a whole answer."""
        if error is None:
            await relay.finish()
        elif self.sink.started or self.sink.gone:
            self.sink.close()
        else:
            inference_id = relay.capture.inference.inference_id
            body = dump(self.passing.vendor.error_document(error, inference_id))
            await send_whole(
                self.sink, error.status, {**relay.ours, **error.headers(), "content-type": JSON}, body
            )


def _failure(relay: Relay) -> Failure | None:
    """What it means; None when all is well, or when the caller has left."""
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
    return (
        replace(failure, kind=FaultKind.INVALID_REQUEST) if failure.kind is FaultKind.MODEL_NOT_FOUND else failure
    )


def _ending(relay: Relay) -> Ending:
    if isinstance(relay.error, CallerGone):
        return Ending.CANCELLED
    return Ending.ERROR if _failure(relay) else Ending.OK


def _outcome(relay: Relay, failure: Failure | None) -> Outcome:
    if isinstance(relay.error, CallerGone):
        return Outcome.CANCELLED
    if failure is None:
        return Outcome.OK
    return Outcome.STREAM_INTERRUPTED if relay.error is not None and relay.sink.started else Outcome.ERROR


def _error(relay: Relay, failure: Failure | None, fact: Fact) -> ApiError | None:
    """What the caller is told, where the provider's own answer does not say it."""
    if relay.error is None or isinstance(relay.error, ApiError):
        return relay.error
    if failure is None:
        return ApiError(499, "cancelled", "The caller has left.")
    told = {
        "n": 1,
        "route": fact.route,
        "outcome": str(fact.outcome),
        "kind": str(failure.kind),
        "http_status": fact.http_status,
    }
    return ChainExhausted(failure.status, str(failure.kind), [told], None)
