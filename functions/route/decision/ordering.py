"""In which order routes are tried: the profile's own, and what moves them within it. Pure, on plain values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from route.decision import estimates
from route.decision.inputs import Candidate, DecisionInputs


@dataclass(frozen=True, slots=True)
class WarmRoute:
    """The session's warm route, and both figures of what to do about it."""

    route: str
    stay_usd: Decimal | None
    leave_usd: Decimal | None

    @property
    def is_worth_staying(self) -> bool:
        """What nobody can price is stayed with: a warm cache is at least quicker."""
        return self.stay_usd is None or self.leave_usd is None or self.stay_usd <= self.leave_usd


Order = Callable[[Iterable[Candidate]], list[Candidate]]


def base_order(inputs: DecisionInputs) -> Order:
    """The profile's own order. Ties: the higher quality, then the route key."""
    if inputs.rules.order == "static":
        return list

    def key(candidate: Candidate) -> tuple[Fraction, float, str]:
        figure = FIGURES[inputs.rules.order](candidate, inputs)
        return (
            estimates.UNKNOWN_IS_LAST if figure is None else figure,
            -(candidate.quality or 0.0),
            candidate.route,
        )

    return lambda some: sorted(some, key=key)


def expected_usd(candidate: Candidate, inputs: DecisionInputs) -> Fraction | None:
    """What an answer of this candidate costs on the average, with what is cached there at the cache price."""
    return estimates.expected_usd(candidate, inputs.needs, _cached(candidate, inputs))


def _latency(candidate: Candidate, _survey: DecisionInputs) -> Fraction | None:
    """Who is unknown is last, and would stay so: whose turn it is to be measured is first instead."""
    if candidate.latency_ms is None:
        return Fraction(-1) if candidate.probe else None
    return Fraction(candidate.latency_ms)


FIGURES: dict[str, Callable[[Candidate, DecisionInputs], Fraction | None]] = {
    "cheapest": lambda candidate, _: estimates.price_sum(candidate),
    "expected_cost": expected_usd,
    "fastest": _latency,
}
"""By order: the figure that a candidate is sorted by, the smallest first; None is unknown and comes last."""


def _cached(candidate: Candidate, inputs: DecisionInputs) -> int:
    """Tokens that the candidate's prompt cache probably still holds of this conversation."""
    return candidate.cached_tokens if inputs.now < candidate.warm_until else 0


def arranged(inputs: DecisionInputs, base: list[Candidate]) -> tuple[list[Candidate], list[str], WarmRoute | None]:
    """The base order after all that speaks for another one, each a stable sort, what weighs most last.

    With the names of those rules: `warm` where the session's route is stayed with, of the others those that moved
    something. And what was found about the warm route.
    """
    warm = _warm_of(inputs, base)
    rules: list[str] = []
    order = base
    if warm and warm.is_worth_staying:
        rules.append("warm")
        order = sorted(order, key=lambda candidate: candidate.route != warm.route)
    for name, demoted in DEMOTIONS:
        moved = demoted(order, inputs)
        if moved != order:
            rules.append(name)
        order = moved
    return order, rules, warm


def _thinking_first(order: list[Candidate], inputs: DecisionInputs) -> list[Candidate]:
    return sorted(order, key=lambda candidate: inputs.needs.thinks and not candidate.thinks)


def _adaptive_last(order: list[Candidate], inputs: DecisionInputs) -> list[Candidate]:
    return sorted(
        order, key=lambda candidate: candidate.demotion if inputs.rules.adaptive and not candidate.probe else 0
    )


def _sick_last(order: list[Candidate], inputs: DecisionInputs) -> list[Candidate]:
    """Who rests is last. Who has rested has its place again, but is not first unless this request is its probe:
    as a fallback it costs one request an attempt, in the first place it would cost them all one.
    """
    if inputs.rules.health != "skip":
        return order
    healthy = next((place for place, candidate in enumerate(order) if candidate.health == "healthy"), 0)
    leading = {candidate.route for candidate in order[:healthy]}

    def level(candidate: Candidate) -> int:
        if candidate.health == "healthy" or candidate.probe:
            return 0
        return 2 if inputs.now < candidate.rest_until else int(candidate.route in leading)

    return sorted(order, key=level)


Demotion = Callable[[list[Candidate], DecisionInputs], list[Candidate]]
DEMOTIONS: tuple[tuple[str, Demotion], ...] = (
    ("thinking", _thinking_first),
    ("adaptive", _adaptive_last),
    ("health", _sick_last),
)
"""What moves routes back, each a stable sort; the last one weighs most."""


def _warm_of(inputs: DecisionInputs, base: Sequence[Candidate]) -> WarmRoute | None:
    """The open route that last served the session, while its prompt cache is probably alive."""
    alive = [candidate for candidate in base if inputs.now < candidate.warm_until]
    if not alive:
        return None
    hot = max(alive, key=lambda candidate: (candidate.warm_at, candidate.route))
    others = [candidate for candidate in base if candidate is not hot]
    for _name, demoted in DEMOTIONS:
        others = demoted(others, inputs)
    leave = estimates.cost_usd(others[0], inputs.needs) if others else None
    return WarmRoute(hot.route, estimates.cost_usd(hot, inputs.needs, hot.cached_tokens), leave)
