"""Whatever else a provider offers under `/v1`, passed through: bytes out as they came, bytes back as they come.

It goes to the profile's first provider of the vendor whose dialect the request speaks. The router reads nothing of
it but a model's name, so it cannot hold a caller to models, nor count tokens: it is written down as one attempt of
unknown cost. There is no second provider to try, since what is stored at one is nothing to another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from string import punctuation
from urllib.parse import quote

from yarl import URL

from ledger.ids import new_inference_id
from ledger.items import PASSTHROUGH, ApiKey, Fact, Inference, Origin, Started
from ledger.moments import iso, now_ms, period_end_ms
from ledger.money import ZERO
from ledger.money import text as money
from ledger.outcomes import Ending, Kind, Outcome
from ledger.prices import CostBasis
from ledger.routes import route_key
from ledger.snapshot import Snapshot
from route.capture import Capture
from route.classify import Verdict, classify
from route.config import Config, ModelConfig, ProfileConfig, ProviderConfig
from route.dialects.base import Dialect, Document, dump, text
from route.errors import (
    ApiError,
    BadRequest,
    BudgetExceeded,
    ChainExhausted,
    Forbidden,
    NotFound,
    StoreUnavailable,
)
from route.exchange import JSON, RESERVE_S, Incoming, Router, refuse, send_whole
from route.paths import VERSION, check_path, shape_of
from route.providers import KINDS
from route.providers.base import PASSED_ON, Outgoing, Refused, Unreachable
from route.receipts import answer_headers
from route.relay import Relay
from route.request import choose, origin_of_refused, parse_body, storable
from route.sink import CallerGone, Sink
from route.wire import PROFILE_HEADER

_ABOUT_THE_BODY = ("content-type", "accept")
_OURS = {"accept-encoding": "identity", "user-agent": "warmroute"}
_COSTS_NOTHING = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, slots=True)
class Passing:
    """A request as it came. Its dialect is the vendor's main one; `path` has its escapes."""

    incoming: Incoming
    method: str
    path: str

    @property
    def vendor(self) -> Dialect:
        return self.incoming.dialect

    @property
    def headers(self) -> dict[str, str]:
        """Those of the caller's that go along: what belongs to the request or describes its body."""
        names = (*PASSED_ON[self.vendor.name], *_ABOUT_THE_BODY)
        return {name: self.incoming.headers[name] for name in names if name in self.incoming.headers}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where it goes, by whose limits, and as what body. `model`: the one that it names, if that is one of ours."""

    provider: ProviderConfig
    model: ModelConfig | None
    wire_model: str
    profile: ProfileConfig
    body: bytes

    @property
    def model_name(self) -> str:
        return self.model.model if self.model else ""


async def pass_through(router: Router, passing: Passing, key: ApiKey, sink: Sink) -> None:
    """Answers one request that no dialect of ours reads. Raises ApiError for what has not been answered yet."""
    arrived, incoming, config = now_ms(), passing.incoming, router.config
    check_path(passing.method, passing.path, incoming.query)
    if not config.pass_through:
        raise NotFound("not_found", f"There is no {passing.method} {passing.path} here: pass_through is off.")
    if not all(value.isprintable() for value in passing.headers.values()):
        raise BadRequest("invalid_header", "A header has characters that none can have.")
    document = _json_of(incoming)
    origin = replace(
        origin_of_refused(passing.vendor, {}, incoming.headers, key),
        dialect=PASSTHROUGH,
        requested_model=storable(shape_of(passing.path)),
        stream=document.get("stream") is True,
    )
    try:
        _check_key(key)
        profile, destination = _destination(passing, document, config)
        origin = replace(origin, profile=profile)
        _check(destination.provider, config, await router.fleet.snapshot(arrived), arrived)
    except ApiError as error:
        await refuse(router, passing.vendor, origin, b"", error, sink)
        return
    await _Exchange(router, passing, destination, origin, sink, arrived).run()


def _json_of(incoming: Incoming) -> Document:
    """The body, where it is a JSON object; an empty one where it is none, which is the provider's to judge."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or not incoming.body:
        return {}
    try:
        return parse_body(incoming.body)
    except BadRequest:
        return {}


def _check_key(key: ApiKey) -> None:
    if key.models or key.profiles:
        message = "This API key is limited to models or profiles, to which such a request cannot be held."
        raise Forbidden("pass_through_not_allowed", message)


def _check(provider: ProviderConfig, config: Config, snapshot: Snapshot, now: int) -> None:
    """Raises Forbidden or BudgetExceeded for a provider that may not be called."""
    if not provider.enabled:
        raise Forbidden("provider_disabled", f"The provider {provider.name} is disabled in this router.")
    for budget in config.budgets:
        spent = snapshot.spent_usd(budget.provider, budget.period, now)
        if budget.provider == provider.name and budget.action == "skip" and spent >= budget.limit_usd:
            told = {"scope": budget.scope, "period": budget.period, "spent_usd": money(spent)}
            resets_at = iso(period_end_ms(budget.period, now))
            raise BudgetExceeded(told | {"limit_usd": money(budget.limit_usd), "resets_at": resets_at})


def _destination(passing: Passing, document: Document, config: Config) -> tuple[str, Destination]:
    """The profile's name, and its first route of the vendor. Raises BadRequest or NotFound."""
    headers, vendor = passing.incoming.headers, passing.vendor
    named = _named(text(document.get("model")), config)
    name, profile = named or _profile(headers, config)
    routes = (config.routes[route] for route in profile.routes)
    found = next(((p, m) for p, m in routes if _root(p.kind, vendor) is not None), None)
    if found is None:
        kinds = " or ".join(kind for kind in KINDS if _root(kind, vendor) is not None)
        where = f"the profile {name!r}" if name else "what its model names"
        message = f"{passing.method} {passing.path} goes to a provider of kind {kinds}, and {where} has none."
        raise NotFound("no_provider", message)
    provider, model = found
    said = text(document.get("model"))
    if not named:
        return name, Destination(provider, None, said, profile, passing.incoming.body)
    body = dump(document | {"model": model.on_wire})
    return name, Destination(provider, model, model.on_wire, profile, body)


def _named(model: str, config: Config) -> tuple[str, ProfileConfig] | None:
    """What a body's model names, where that is a profile, an alias, a route or a model of ours."""
    try:
        choice = choose({}, {}, model, config)
    except NotFound:
        return None
    return None if choice.rule == "default" else (choice.name, choice.profile)


def _profile(headers: Mapping[str, str], config: Config) -> tuple[str, ProfileConfig]:
    """The profile that the header names, or the default one. Raises BadRequest."""
    if PROFILE_HEADER not in headers:
        return config.default_profile, config.profiles[config.default_profile]
    choice = choose({}, headers, "", config)
    return choice.name, choice.profile


def _root(kind: str, vendor: Dialect) -> str | None:
    """What stands between a provider's base URL and the part behind `/v1`; None: it is not such a vendor."""
    path, end = KINDS[kind].paths.get(vendor.name, ""), vendor.path.removeprefix(VERSION)
    return path.removesuffix(end) if path.endswith(end) else None


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
        capture = Capture(self.router.table, inference, strict=self.to.profile.ledger == "strict")
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
        verdict, ending = _verdict(relay), _ending(relay)
        fact = self._fact(relay, verdict, ending, inference.inference_id)
        await capture.finish(fact)
        self.router.fleet.add([fact])
        error = _error(relay, verdict, fact)
        status = relay.status if relay.status or error is None else error.status
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

    def _fact(self, relay: Relay, verdict: Verdict | None, ending: Ending, inference_id: str) -> Fact:
        is_gone = isinstance(relay.error, CallerGone)
        cost_usd, basis = self._cost(relay)
        return Fact(
            inference_id=inference_id,
            n=1,
            at=relay.ended_at,
            outcome=_outcome(relay, verdict),
            origin=self.origin,
            started_at=relay.started_at,
            provider=self.to.provider.name,
            model=self.to.model_name,
            wire_model=storable(self.to.wire_model),
            kind=Kind.CANCELLED if is_gone else verdict.kind if verdict else None,
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
        if status is None:
            is_free = isinstance(error, StoreUnavailable) or (
                isinstance(error, Unreachable) and not error.accepted
            )
        else:
            is_free = status >= 400
        return (ZERO if is_free or self.passing.method in _COSTS_NOTHING else None), None

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


def _verdict(relay: Relay) -> Verdict | None:
    """What it means; None when all is well, or when the caller has left."""
    error, status = relay.error, relay.status
    if isinstance(error, CallerGone):
        return None
    if isinstance(error, ApiError):
        return Verdict(Kind.INTERNAL, next=False, status=error.status)
    if error is not None:
        return classify(error, relay.ended_at)
    if status is None or status < 400:
        return None
    verdict = classify(Refused(status, {}, b""), relay.ended_at)
    # What is not there need be no model.
    return replace(verdict, kind=Kind.INVALID_REQUEST) if verdict.kind is Kind.MODEL_NOT_FOUND else verdict


def _ending(relay: Relay) -> Ending:
    if isinstance(relay.error, CallerGone):
        return Ending.CANCELLED
    return Ending.ERROR if _verdict(relay) else Ending.OK


def _outcome(relay: Relay, verdict: Verdict | None) -> Outcome:
    if isinstance(relay.error, CallerGone):
        return Outcome.CANCELLED
    if verdict is None:
        return Outcome.OK
    return Outcome.STREAM_INTERRUPTED if relay.error is not None and relay.sink.started else Outcome.ERROR


def _error(relay: Relay, verdict: Verdict | None, fact: Fact) -> ApiError | None:
    """What the caller is told, where the provider's own answer does not say it."""
    if relay.error is None or isinstance(relay.error, ApiError):
        return relay.error
    if verdict is None:
        return ApiError(499, "cancelled", "The caller has left.")
    told = {
        "n": 1,
        "route": fact.route,
        "outcome": str(fact.outcome),
        "kind": str(verdict.kind),
        "http_status": fact.http_status,
    }
    return ChainExhausted(verdict.status, str(verdict.kind), [told], None)
