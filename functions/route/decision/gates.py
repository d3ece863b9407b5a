"""Why a route is not among those that are tried: one table of reasons, each a pure question about plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from route.decision.estimates import cost_usd
from route.decision.inputs import Known, Rules, Survey

DIAL_STEP = 0.10


@dataclass(frozen=True, slots=True)
class Floor:
    """The least quality that counts, None for any. `stopped_by`: why the dial moved it less than it would have."""

    quality: float | None = None
    stopped_by: str | None = None

    def clears(self, known: Known) -> bool:
        return self.quality is None or (known.quality is not None and known.quality >= self.quality)


def floor_of(rules: Rules) -> Floor:
    """The caller's own floor as it stands; else the profile's, which the dial moves inside its bounds."""
    if rules.min_quality is not None:
        return Floor(rules.min_quality, None if rules.dial == "balanced" else "min_quality")
    if rules.quality_floor is None:
        return Floor(None, None if rules.dial == "balanced" else "no_quality_floor")
    step = {"quality": DIAL_STEP, "cost": -DIAL_STEP}.get(rules.dial, 0.0)
    # Decimal digits, as they were written: 0.7 + 0.1 is 0.8 and nothing beside it.
    moved = round(rules.quality_floor + step, 9)
    low, high = rules.floor_bounds
    held = min(max(moved, low), high)
    return Floor(held, None if held == moved else "floor_bounds")


Gate = Callable[[Known, Survey], bool]


def _lacks(what: str) -> Gate:
    return lambda known, _: what in known.lacks


def _too_dear(known: Known, survey: Survey) -> bool:
    cap = survey.rules.request_cap_usd
    projected = cost_usd(known, survey.asked)
    return cap is not None and projected is not None and projected > Decimal(cap)


def _no_price(known: Known, survey: Survey) -> bool:
    """A price that nobody knows can be held to no limit: it is never $0."""
    return not known.is_priced and (known.hard_budget or survey.rules.request_cap_usd is not None)


def _too_slow(known: Known, survey: Survey) -> bool:
    slo = survey.rules.latency_slo_ms
    return slo is not None and known.latency_ms is not None and known.latency_ms > slo


def _is_resting(known: Known, survey: Survey) -> bool:
    """By its provider's wish, or for its health. Who has rested may be tried again; see `decision` for when."""
    if survey.now < known.wait_until:
        return True
    return survey.rules.health == "skip" and known.health == "unhealthy" and survey.now < known.rest_until


GATES: tuple[tuple[str, Gate], ...] = (
    ("disabled", lambda known, _: not known.enabled),
    ("paid_not_allowed", lambda known, s: known.paid and not s.rules.paid_allowed),
    ("not_allowed_for_caller", lambda known, _: not known.allowed),
    ("no_price", _no_price),
    ("lacks_tools", _lacks("tools")),
    ("lacks_images", _lacks("images")),
    ("lacks_documents", _lacks("documents")),
    ("lacks_audio", _lacks("audio")),
    ("lacks_structured_output", _lacks("structured_output")),
    ("lacks_thinking", _lacks("thinking")),
    (
        "context_too_small",
        lambda known, s: known.context_tokens is not None and s.asked.input_tokens > known.context_tokens,
    ),
    ("lossy_translation", lambda known, _: bool(known.refused)),
    ("tool_incapable", lambda known, _: known.tool_incapable),
    ("no_quality", lambda known, s: known.quality is None and floor_of(s.rules).quality is not None),
    ("below_quality_floor", lambda known, s: not floor_of(s.rules).clears(known)),
    ("exceeds_request_cap", _too_dear),
    ("exceeds_latency_slo", _too_slow),
    ("budget_exhausted", lambda known, _: known.budget is not None and known.budget.is_spent),
    (
        "memory_pressure",
        lambda known, s: s.rules.memory_pressure == "skip" and s.now < known.out_of_memory_until,
    ),
    ("cooling_down", _is_resting),
)
"""Reason and question, in order; the first that is answered yes is the candidate's reason."""

SOFT = frozenset({"tool_incapable", "exceeds_latency_slo", "memory_pressure", "cooling_down"})
"""What is evidence and not knowledge. It costs a route its place, but no request is refused for it alone."""


def reasons_of(known: Known, survey: Survey) -> list[str]:
    """Every reason against a candidate, in the gates' order."""
    return [reason for reason, is_closed in GATES if is_closed(known, survey)]
