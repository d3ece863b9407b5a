"""From config, request and views to a survey: what is known of each candidate, as plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.folds import adaptive
from ledger.folds.session import Warm
from ledger.money import text
from ledger.snapshot import Snapshot
from route.config.auto_rules import AUTO
from route.config.file import Config
from route.config.profiles import ProfileConfig
from route.config.routes import Route, is_allowed
from route.decision.estimates import RESERVED_OUTPUT_TOKENS
from route.decision.inputs import Budget, Candidate, DecisionInputs, RequestNeeds, Rules
from route.dialects.neutral import Audio, File
from route.digests import canonical, digest
from route.planning.budgets import BudgetStatus
from route.request.parse import Request
from route.request.translation import Translator


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What a survey is taken from."""

    request: Request
    translator: Translator
    config: Config
    snapshot: Snapshot
    now: int

    @property
    def profile(self) -> ProfileConfig:
        return self.request.choice.profile

    @property
    def budget_status(self) -> BudgetStatus:
        return BudgetStatus(self.config.budgets, self.snapshot, self.now)


def gather_inputs(context: PlanContext, routes: Sequence[Route], warm: dict[str, Warm]) -> DecisionInputs:
    """All that the decision depends on. `routes`: the candidates; `warm`: the session's warm routes, by model."""
    candidates = tuple(_known(context, routes, warm))
    return DecisionInputs(
        context.now, _rules(context), _needs(context, routes), candidates, context.snapshot.as_of
    )


def _rules(context: PlanContext) -> Rules:
    profile, preference = context.profile, context.request.preference
    # In any other order but the listed one it does not matter how a chain is listed.
    numbers: list[Any] = [
        profile.model_dump(mode="json", exclude=set() if profile.order == "static" else {"routes"})
    ]
    if context.request.choice.rule.startswith(f"{AUTO}:"):
        auto = context.config.auto_router
        rules = [rule.model_dump(mode="json") for rule in auto.effective(context.config.profiles)]
        numbers += [rules, auto.default]
    allow_paid = context.config.allow_paid if profile.allow_paid is None else profile.allow_paid
    budgets = sorted(canonical(b.model_dump(mode="json")).decode() for b in context.config.budgets)
    return Rules(
        fired=context.request.choice.rule,
        profile=digest(numbers),
        budgets=digest(budgets) if budgets else "",
        order=profile.order,
        dial=preference.dial,
        min_quality=preference.min_quality,
        quality_floor=profile.quality_floor,
        floor_bounds=profile.floor_bounds,
        request_cap_usd=text(profile.request_cap_usd),
        latency_slo_ms=profile.latency_slo_ms,
        paid_allowed=allow_paid,
        memory_pressure=profile.memory_pressure.action,
        health=profile.health.action,
        adaptive=profile.adaptive,
    )


def _needs(context: PlanContext, routes: Iterable[Route]) -> RequestNeeds:
    request, limit = context.request, context.request.features.output_limit
    # Only a route that cannot think makes it matter, and to know it a body has to be read.
    thinks = any(route.capabilities.thinking == "none" for route in routes) and context.translator.thinks
    answers = request.origin.is_inference and request.dialect.name != "embeddings"
    return RequestNeeds(
        input_tokens=request.input_tokens,
        output_tokens=(limit or RESERVED_OUTPUT_TOKENS) * request.features.answers if answers else 0,
        thinks=thinks,
        one_route=request.dialect.builds_on_a_store(request.body),
    )


def _known(context: PlanContext, routes: Sequence[Route], warm: dict[str, Warm]) -> Iterable[Candidate]:
    """Every candidate's row of the survey."""
    levels: dict[str, int] = {}
    if context.profile.adaptive:
        levels = adaptive.levels(context.snapshot.pace, [route.key for route in routes], context.now)
    for route in routes:
        of_configured = _configured(route, context)
        of_request = _of_request(route, context)
        of_views = _of_views(route, context)
        of_session = _of_session(route, warm.get(route.model.model))
        yield Candidate(
            route=route.key,
            **of_configured,
            **of_request,
            **of_views,
            **of_session,
            demotion=levels.get(route.key, 0),
            budget=_budget(route.provider.name, context),
        )


def _configured(route: Route, context: PlanContext) -> dict[str, Any]:
    provider, model = route.provider, route.model
    price = route.price
    return {
        "setup": route.setup,
        "enabled": provider.enabled,
        "paid": provider.paid,
        "hard_budget": any(b.provider == provider.name and b.mode == "hard" for b in context.config.budgets),
        "context_tokens": route.capabilities.context_tokens,
        "thinks": route.capabilities.thinking != "none",
        **(price.as_text if price else {}),
        "quality": model.quality,
    }


def _of_request(route: Route, context: PlanContext) -> dict[str, Any]:
    """What of this request the route may not see, cannot do, or cannot be told."""
    return {
        "allowed": is_allowed(context.request.key, route),
        "lacks": tuple(_lacks(route, context)),
        "refused": _refused(route, context),
    }


def _lacks(route: Route, context: PlanContext) -> Iterable[str]:
    capabilities, features, translator = route.capabilities, context.request.features, context.translator
    if capabilities.tools is False and features.tools_requested:
        yield "tools"
    if capabilities.images is False and features.images:
        yield "images"
    if capabilities.documents is False and translator.holds(File):
        yield "documents"
    if capabilities.audio is False and translator.holds(Audio):
        yield "audio"
    if capabilities.structured_output is False and translator.is_structured:
        yield "structured_output"
    if capabilities.thinking == "none" and translator.has_sealed_thinking:
        yield "thinking"


def _refused(route: Route, context: PlanContext) -> tuple[str, ...]:
    translation = context.translator.to(route.provider, route.model, route.capabilities)
    return translation.refused if translation else ("another dialect",)


def _of_views(route: Route, context: PlanContext) -> dict[str, Any]:
    views, profile, now, origin = context.snapshot, context.profile, context.now, context.request.origin
    stat = views.routes.of_destination(route.provider.name, route.model.model)
    health, pause = profile.health.standing(views.health.get(route.key)), views.cooldowns.get(route.key)
    out_of_memory_until = pause.out_of_memory_until(profile.memory_pressure.cooldown_s * 1000)
    return {
        "count": stat.count,
        "successes": stat.successes,
        "latency_ms": stat.like(origin.stream, origin.size).latency_ms,
        "tool_incapable": origin.tools_requested and views.tools.is_incapable(route.key, now),
        "out_of_memory_until": out_of_memory_until if out_of_memory_until > now else 0,
        "wait_until": pause.wait_until if pause.wait_until > now else 0,
        "health": str(health.state),
        "rest_until": health.rest_until,
    }


def _of_session(route: Route, warm: Warm | None) -> dict[str, Any]:
    if warm is None or warm.provider != route.provider.name:
        return {}
    return {"warm_at": warm.last_at, "warm_until": warm.warm_until, "cached_tokens": warm.cached_tokens}


def _budget(provider: str, context: PlanContext) -> Budget | None:
    """Of a provider's skipping budgets the one that has the least left, in whatever order they are listed."""
    budget_status = context.budget_status
    budgets = budget_status.of(provider, "skip")
    if not budgets:
        return None
    tightest = min(budgets, key=lambda b: (b.limit_usd - budget_status.spent_usd(b), b.period, b.limit_usd))
    limit, spent = str(text(tightest.limit_usd)), str(text(budget_status.spent_usd(tightest)))
    return Budget(tightest.scope, tightest.period, limit, spent, budget_status.is_reached(tightest))
