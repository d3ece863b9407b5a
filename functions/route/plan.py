"""The decision: which routes, in which order, and why not the others. No I/O, no clock, no randomness."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from ledger.folds.route_stats import RouteStat
from ledger.folds.session import Warm
from ledger.items import ApiKey
from ledger.moments import iso, period_end_ms
from ledger.money import text
from ledger.routes import route_key
from ledger.snapshot import Snapshot
from route.config import BudgetConfig, Config, ModelConfig, ProviderConfig
from route.errors import ApiError, BudgetExceeded
from route.providers import KINDS
from route.request import Request


@dataclass(frozen=True, slots=True)
class Route:
    """A destination with what is configured of it."""

    provider: ProviderConfig
    model: ModelConfig

    @property
    def key(self) -> str:
        return route_key(self.provider.name, self.model.model)

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.model}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of the decision. Prices are dollars per million tokens as text; None is unknown."""

    route: str
    eligible: bool
    chosen: bool = False
    rejection_reason: str | None = None
    input_per_mtok: str | None = None
    output_per_mtok: str | None = None
    quality: float | None = None
    success_rate: float | None = None
    latency_ms: int | None = None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The routes to try, best first, and the row of every candidate.

    `warnings` are for the log alone: `{"scope", "period", "spent_usd", "limit_usd"}`, amounts as text, of each
    budget with `action: warn` whose limit is reached and whose provider is among the routes.
    """

    routes: tuple[Route, ...]
    candidates: tuple[Candidate, ...]
    rule_fired: str
    ruleset_hash: str
    views_as_of: int
    refusal: ApiError | None = None
    warnings: tuple[dict[str, str | None], ...] = ()

    def pack(self) -> bytes:
        """The decision as it is stored with the inference: compressed JSON, the same bytes for the same plan."""
        rows = [{k: v for k, v in asdict(c).items() if v is not None} for c in self.candidates]
        document = {
            "candidates": rows,
            "order": [route.key for route in self.routes],
            "rule_fired": self.rule_fired,
            "ruleset_hash": self.ruleset_hash,
            "views_as_of": self.views_as_of,
        }
        return zlib.compress(_canonical(document), 9)


def unpack_plan(packed: bytes) -> dict[str, Any]:
    """The stored decision as plain values."""
    document: dict[str, Any] = json.loads(zlib.decompress(packed))
    return document


@dataclass(frozen=True, slots=True)
class _Context:
    """What the gates look at."""

    request: Request
    budgets: Sequence[BudgetConfig]
    snapshot: Snapshot
    now: int

    def spent_out(self, provider: str) -> BudgetConfig | None:
        """The first skipping budget of a provider whose limit the spend has reached."""
        return next((b for b in self.reached("skip") if b.provider == provider), None)

    def reached(self, action: str) -> Iterable[BudgetConfig]:
        """The budgets with this action whose limit the spend has reached: 5.00 of 5 has."""
        return (b for b in self.budgets if b.action == action and self.spent_usd(b) >= b.limit_usd)

    def spent_usd(self, budget: BudgetConfig) -> Decimal:
        return self.snapshot.spent_usd(budget.provider, budget.period, self.now)

    def told(self, budget: BudgetConfig) -> dict[str, str | None]:
        """A budget as callers and the log see it."""
        figures = {"spent_usd": text(self.spent_usd(budget)), "limit_usd": text(budget.limit_usd)}
        return {"scope": budget.scope, "period": budget.period, **figures}


Gate = Callable[[Route, _Context], bool]


def _not_allowed(route: Route, context: _Context) -> bool:
    return not is_allowed(context.request.key, route)


def is_allowed(key: ApiKey, route: Route) -> bool:
    """Whether a key may use a route: its models list, where it has one, names the model or the route."""
    return not key.models or route.model.model in key.models or route.name in key.models


def _other_dialect(route: Route, context: _Context) -> bool:
    return context.request.dialect.name not in KINDS[route.provider.kind].paths


def _too_small(route: Route, context: _Context) -> bool:
    limit = route.model.context_tokens
    return limit is not None and context.request.input_tokens > limit


GATES: tuple[tuple[str, Gate], ...] = (
    ("disabled", lambda route, _: not route.provider.enabled),
    ("not_allowed_for_caller", _not_allowed),
    ("lossy_translation", _other_dialect),
    (
        "lacks_tools",
        lambda route, c: c.request.features.tools_requested and not route.model.capabilities.tools,
    ),
    ("lacks_images", lambda route, c: c.request.features.images and not route.model.capabilities.images),
    ("context_too_small", _too_small),
    ("budget_exhausted", lambda route, c: c.spent_out(route.provider.name) is not None),
)
"""Reason and test, in order; the first that holds is the candidate's reason. All of these are hard."""


def decide(
    request: Request, config: Config, snapshot: Snapshot, warm: Iterable[tuple[str, Warm]], now: int
) -> Plan:
    """The plan for a request. `warm`: the session's warm routes, by model."""
    context = _Context(request, config.budgets, snapshot, now)
    configured = config.routes
    routes = [Route(*configured[name]) for name in request.choice.profile.routes]
    reasons = [next((reason for reason, gate in GATES if gate(route, context)), None) for route in routes]
    eligible = [route for route, reason in zip(routes, reasons, strict=True) if reason is None]
    hot = _hot_route(eligible, warm, now)
    ordered = sorted(eligible, key=lambda route: route is not hot)  # stable: the rest stays as listed
    first = ordered[0].key if ordered else None
    rows = tuple(
        replace(_row(route, reason, snapshot), chosen=route.key == first, warm=route is hot)
        for route, reason in zip(routes, reasons, strict=True)
    )
    refusal = None if ordered else _refusal(routes, reasons, context)
    rule = f"{request.choice.rule}+warm" if hot else request.choice.rule
    ruleset = _ruleset_hash(request, config, routes)
    return Plan(tuple(ordered), rows, rule, ruleset, snapshot.as_of, refusal, _warnings(ordered, context))


def _warnings(routes: Sequence[Route], context: _Context) -> tuple[dict[str, str | None], ...]:
    used = {route.provider.name for route in routes}
    return tuple(context.told(budget) for budget in context.reached("warn") if budget.provider in used)


def _hot_route(eligible: Sequence[Route], warm: Iterable[tuple[str, Warm]], now: int) -> Route | None:
    """The eligible route that last served the session, while its prompt cache is probably alive."""
    alive = sorted((entry for entry in warm if now < entry[1].warm_until), key=lambda e: e[1], reverse=True)
    by_key = {(route.provider.name, route.model.model): route for route in eligible}
    return next((by_key[(w.provider, m)] for m, w in alive if (w.provider, m) in by_key), None)


def _row(route: Route, reason: str | None, snapshot: Snapshot) -> Candidate:
    price = route.model.price
    stat: RouteStat = snapshot.routes.of_destination(route.provider.name, route.model.model)
    rate = stat.success_rate
    return Candidate(
        route=route.key,
        eligible=reason is None,
        rejection_reason=reason,
        input_per_mtok=text(price.input_per_mtok) if price else None,
        output_per_mtok=text(price.output_per_mtok) if price else None,
        quality=route.model.quality,
        success_rate=None if rate is None else round(float(rate), 6),
        latency_ms=stat.latency_ms,
    )


def _refusal(routes: Sequence[Route], reasons: Sequence[str | None], context: _Context) -> ApiError:
    """Why nothing can be tried. A spent budget is 402; a request that no route can take is 400."""
    tried = [route for route, reason in zip(routes, reasons, strict=True) if reason == "budget_exhausted"]
    if tried and (budget := context.spent_out(tried[0].provider.name)):
        return BudgetExceeded(context.told(budget) | {"resets_at": iso(period_end_ms(budget.period, context.now))})
    listed = ", ".join(f"{route.name}: {reason}" for route, reason in zip(routes, reasons, strict=True))
    if all(reason == "lossy_translation" for reason in reasons):
        spoken = {path for route in routes for path in KINDS[route.provider.kind].paths.values()}
        listed += f". These routes speak another dialect: call the path that ends in {' or '.join(sorted(spoken))}"
    return ApiError(400, "no_eligible_route", f"No route can take this request. {listed}.", should_retry=False)


def _ruleset_hash(request: Request, config: Config, routes: Sequence[Route]) -> str:
    """Over every rule and number that took part."""
    ruleset = {
        "gates": [reason for reason, _ in GATES],
        "rule": request.choice.rule,
        "profile": request.choice.profile.model_dump(mode="json"),
        "routes": [
            [r.provider.name, r.provider.kind, r.provider.enabled, r.model.model_dump(mode="json")] for r in routes
        ],
        "budgets": [budget.model_dump(mode="json") for budget in config.budgets],
    }
    return hashlib.sha256(_canonical(ruleset)).hexdigest()[:16]


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
