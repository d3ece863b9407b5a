"""Why a route is not among those that are tried: one table of reasons, each a pure question about plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from route.decision.estimates import cost_usd
from route.decision.inputs import Candidate, DecisionInputs, Rules

DIAL_STEP = 0.10


@dataclass(frozen=True, slots=True)
class Floor:
    """The least quality that counts, None for any. `stopped_by`: why the dial moved it less than it would have."""

    quality: float | None = None
    stopped_by: str | None = None

    def clears(self, candidate: Candidate) -> bool:
        return self.quality is None or (candidate.quality is not None and candidate.quality >= self.quality)


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


Gate = Callable[[Candidate, DecisionInputs, Floor], bool]
"""Whether something speaks against a candidate. The floor is that of the whole decision."""


def _lacks(what: str) -> Gate:
    return lambda candidate, *_: what in candidate.lacks


def _too_dear(candidate: Candidate, inputs: DecisionInputs, _floor: Floor) -> bool:
    cap = inputs.rules.request_cap_usd
    if cap is None:
        return False
    projected = cost_usd(candidate, inputs.needs)
    return projected is not None and projected > Decimal(cap)


def _no_price(candidate: Candidate, inputs: DecisionInputs, _floor: Floor) -> bool:
    """A price that nobody knows can be held to no limit: it is never $0."""
    return candidate.price is None and (candidate.hard_budget or inputs.rules.request_cap_usd is not None)


def _too_slow(candidate: Candidate, inputs: DecisionInputs, _floor: Floor) -> bool:
    slo = inputs.rules.latency_slo_ms
    return slo is not None and candidate.latency_ms is not None and candidate.latency_ms > slo


def rests_until(candidate: Candidate, rules: Rules) -> int:
    """The instant until which a route is left alone: as long as its provider has asked for, and longer where the
    health guard makes an unhealthy route rest. 0 for a route that nothing keeps waiting. What happens to a route
    that has rested is up to the order of routes and to probing; see `ordering` and `decide.to_be_tried`.
    """
    is_unhealthy = rules.health == "skip" and candidate.health == "unhealthy"
    return max(candidate.wait_until, candidate.rest_until if is_unhealthy else 0)


def _is_resting(candidate: Candidate, inputs: DecisionInputs, _floor: Floor) -> bool:
    return inputs.now < rests_until(candidate, inputs.rules)


GATES: tuple[tuple[str, Gate], ...] = (
    ("disabled", lambda candidate, *_: not candidate.enabled),
    ("paid_not_allowed", lambda candidate, s, _: candidate.paid and not s.rules.paid_allowed),
    ("not_allowed_for_caller", lambda candidate, *_: not candidate.allowed),
    ("no_price", _no_price),
    ("lacks_tools", _lacks("tools")),
    ("lacks_images", _lacks("images")),
    ("lacks_documents", _lacks("documents")),
    ("lacks_audio", _lacks("audio")),
    ("lacks_structured_output", _lacks("structured_output")),
    ("lacks_thinking", _lacks("thinking")),
    (
        "context_too_small",
        lambda candidate, s, _: (
            candidate.context_tokens is not None and s.needs.input_tokens > candidate.context_tokens
        ),
    ),
    ("lossy_translation", lambda candidate, *_: bool(candidate.refused)),
    ("tool_incapable", lambda candidate, *_: candidate.tool_incapable),
    ("no_quality", lambda candidate, _, floor: candidate.quality is None and floor.quality is not None),
    ("below_quality_floor", lambda candidate, _, floor: not floor.clears(candidate)),
    ("exceeds_request_cap", _too_dear),
    ("exceeds_latency_slo", _too_slow),
    ("budget_exhausted", lambda candidate, *_: candidate.budget is not None and candidate.budget.is_spent),
    (
        "memory_pressure",
        lambda candidate, s, _: s.rules.memory_pressure == "skip" and s.now < candidate.out_of_memory_until,
    ),
    ("cooling_down", _is_resting),
)
"""Reason and question, in order; the first that is answered yes is the candidate's reason."""

SOFT = frozenset({"tool_incapable", "exceeds_latency_slo", "memory_pressure", "cooling_down"})
"""What is evidence and not knowledge. It costs a route its place, but no request is refused for it alone."""


def reasons_of(candidate: Candidate, inputs: DecisionInputs, floor: Floor) -> list[str]:
    """Every reason against a candidate, in the gates' order."""
    return [reason for reason, is_closed in GATES if is_closed(candidate, inputs, floor)]
