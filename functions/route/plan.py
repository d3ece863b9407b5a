"""The decision: which routes, in which order, and why not the others. No I/O, no clock, no randomness."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from ledger.folds.route_stats import RouteStat
from ledger.folds.session import Warm
from ledger.items import ApiKey
from ledger.moments import iso, period_end_ms
from ledger.money import text
from ledger.routes import route_key
from ledger.snapshot import Snapshot
from route.capabilities import CapabilityRule, Resolved, capabilities_of
from route.config import BudgetConfig, Config, ModelConfig, ProviderConfig
from route.dialects.neutral import Audio, File
from route.errors import ApiError, BadRequest, BudgetExceeded
from route.request import Request
from route.translate import Translator


@dataclass(frozen=True, slots=True)
class Route:
    """A destination with what is configured of it."""

    provider: ProviderConfig
    model: ModelConfig
    able: Resolved = field(default_factory=Resolved)

    @property
    def key(self) -> str:
        return route_key(self.provider.name, self.model.model)

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.model}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of the decision. Prices are dollars per million tokens as text; None is unknown.

    `refused`: what of the request a route of another dialect cannot be told, where that is the reason.
    """

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
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The routes to try, best first, the row of every candidate, and how the request is said to each route.

    `warnings` are for the log alone: `{"scope", "period", "spent_usd", "limit_usd"}`, amounts as text, of each
    budget with `action: warn` whose limit is reached and whose provider is among the routes.
    """

    routes: tuple[Route, ...]
    candidates: tuple[Candidate, ...]
    rule_fired: str
    ruleset_hash: str
    views_as_of: int
    translator: Translator
    refusal: ApiError | None = None
    warnings: tuple[dict[str, str | None], ...] = ()

    def pack(self) -> bytes:
        """The decision as it is stored with the inference: compressed JSON, the same bytes for the same plan."""
        rows = [{k: v for k, v in asdict(c).items() if v is not None and v != ()} for c in self.candidates]
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
    translator: Translator
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


def _lossy(route: Route, context: _Context) -> bool:
    translation = context.translator.to(route.provider, route.model, route.able)
    return translation is None or bool(translation.refused)


def _too_small(route: Route, context: _Context) -> bool:
    limit = route.able.context_tokens
    return limit is not None and context.request.input_tokens > limit


GATES: tuple[tuple[str, Gate], ...] = (
    ("disabled", lambda route, _: not route.provider.enabled),
    ("not_allowed_for_caller", _not_allowed),
    ("lacks_tools", lambda route, c: route.able.tools is False and c.request.features.tools_requested),
    ("lacks_images", lambda route, c: route.able.images is False and c.request.features.images),
    ("lacks_documents", lambda route, c: route.able.documents is False and c.translator.holds(File)),
    ("lacks_audio", lambda route, c: route.able.audio is False and c.translator.holds(Audio)),
    (
        "lacks_structured_output",
        lambda route, c: route.able.structured_output is False and c.translator.is_structured,
    ),
    ("lacks_thinking", lambda route, c: route.able.thinking == "none" and c.translator.has_sealed_thinking),
    ("context_too_small", _too_small),
    ("lossy_translation", _lossy),
    ("budget_exhausted", lambda route, c: c.spent_out(route.provider.name) is not None),
)
"""Reason and test, in order; the first that holds is the candidate's reason. All of these are hard."""


def decide(
    request: Request, config: Config, snapshot: Snapshot, warm: Iterable[tuple[str, Warm]], now: int
) -> Plan:
    """The plan for a request. `warm`: the session's warm routes, by model."""
    translator = Translator(request)
    context = _Context(request, translator, config.budgets, snapshot, now)
    routes = routes_of(request.choice.profile.routes, config)
    reasons = [next((reason for reason, gate in GATES if gate(route, context)), None) for route in routes]
    eligible = [route for route, reason in zip(routes, reasons, strict=True) if reason is None]
    hot = _hot_route(eligible, warm, now)
    # Stable sorts, the one that weighs most last: what they do not part stays as listed.
    ordered = sorted(eligible, key=lambda route: route is not hot)
    ordered = sorted(ordered, key=lambda route: route.able.thinking == "none" and translator.thinks)
    if request.dialect.builds_on_a_store(request.body):
        ordered = ordered[:1]  # the next would say that it knows nothing of it, and hide what the first has said
    first = ordered[0].key if ordered else None
    rows = tuple(
        replace(_row(route, reason, context), chosen=route.key == first, warm=route is hot)
        for route, reason in zip(routes, reasons, strict=True)
    )
    refusal = None if ordered else _refusal(routes, rows, context)
    if len(routes) != 1 or not ordered:
        refusal = request.dialect.kept_by_a_provider(request.body) or refusal
    rule = f"{request.choice.rule}+warm" if hot else request.choice.rule
    ruleset = _ruleset_hash(request, config, routes)
    warnings = _warnings(ordered, context)
    return Plan(tuple(ordered), rows, rule, ruleset, snapshot.as_of, translator, refusal, warnings)


def routes_of(names: Iterable[str], config: Config) -> list[Route]:
    """The destinations with these config names, `provider/model`."""
    configured = config.routes
    return [Route(*configured[name], able=_able(*configured[name], config.capabilities)) for name in names]


def _able(provider: ProviderConfig, model: ModelConfig, rules: Sequence[CapabilityRule]) -> Resolved:
    """What is known of a model: what its own entry says weighs most."""
    known = capabilities_of(provider.kind, model.model, model.on_wire, model.capabilities, rules)
    return replace(
        known,
        context_tokens=model.context_tokens or known.context_tokens,
        max_output_tokens=model.max_output_tokens or known.max_output_tokens,
    )


def _warnings(routes: Sequence[Route], context: _Context) -> tuple[dict[str, str | None], ...]:
    used = {route.provider.name for route in routes}
    return tuple(context.told(budget) for budget in context.reached("warn") if budget.provider in used)


def _hot_route(eligible: Sequence[Route], warm: Iterable[tuple[str, Warm]], now: int) -> Route | None:
    """The eligible route that last served the session, while its prompt cache is probably alive."""
    alive = sorted((entry for entry in warm if now < entry[1].warm_until), key=lambda e: e[1], reverse=True)
    by_key = {(route.provider.name, route.model.model): route for route in eligible}
    return next((by_key[(w.provider, m)] for m, w in alive if (w.provider, m) in by_key), None)


def _row(route: Route, reason: str | None, context: _Context) -> Candidate:
    price = route.model.price
    stat: RouteStat = context.snapshot.routes.of_destination(route.provider.name, route.model.model)
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
        refused=_refused(route, context) if reason == "lossy_translation" else (),
    )


def _refused(route: Route, context: _Context) -> tuple[str, ...]:
    translation = context.translator.to(route.provider, route.model, route.able)
    return translation.refused if translation else ("another dialect",)


def _refusal(routes: Sequence[Route], rows: Sequence[Candidate], context: _Context) -> ApiError:
    """Why nothing can be tried. A spent budget is 402; a request that no route can take is 400."""
    told = list(zip(routes, rows, strict=True))
    spent_out = [route for route, row in told if row.rejection_reason == "budget_exhausted"]
    if spent_out and (budget := context.spent_out(spent_out[0].provider.name)):
        return BudgetExceeded(context.told(budget) | {"resets_at": iso(period_end_ms(budget.period, context.now))})
    if all(row.rejection_reason == "context_too_small" for row in rows):
        # Agents go by these words, and by this code, when they decide to compact their conversation.
        about = f"prompt is too long: about {context.request.input_tokens} tokens, for which no route has room"
        return ApiError(400, "context_length_exceeded", about, param="messages", should_retry=False)
    listed = ", ".join(f"{route.name}: {_reason(row)}" for route, row in told)
    fault = context.translator.neutral
    if isinstance(fault, BadRequest) and any(row.rejection_reason == "lossy_translation" for row in rows):
        listed += f". {fault.message}"
    return ApiError(400, "no_eligible_route", f"No route can take this request. {listed}.", should_retry=False)


def _reason(row: Candidate) -> str:
    return f"{row.rejection_reason} ({', '.join(row.refused)})" if row.refused else str(row.rejection_reason)


def _ruleset_hash(request: Request, config: Config, routes: Sequence[Route]) -> str:
    """Over every rule and number that took part."""
    ruleset = {
        "gates": [reason for reason, _ in GATES],
        "rule": request.choice.rule,
        "profile": request.choice.profile.model_dump(mode="json"),
        "routes": [
            [
                r.provider.model_dump(mode="json", include=_PROVIDER_RULES),
                r.model.model_dump(mode="json"),
                asdict(r.able),
            ]
            for r in routes
        ],
        "budgets": [budget.model_dump(mode="json") for budget in config.budgets],
    }
    return hashlib.sha256(_canonical(ruleset)).hexdigest()[:16]


_PROVIDER_RULES = {"name", "kind", "enabled", "dialects"}


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
