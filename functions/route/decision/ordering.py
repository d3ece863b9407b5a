"""In which order routes are tried: the profile's own, and what moves them within it. Pure, on plain values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from route.decision import estimates
from route.decision.inputs import Known, Survey


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


Order = Callable[[Iterable[Known]], list[Known]]


def base_order(survey: Survey) -> Order:
    """The profile's own order. Ties: the higher quality, then the route key."""
    if survey.rules.order == "static":
        return list

    def key(known: Known) -> tuple[Fraction, float, str]:
        figure = FIGURES[survey.rules.order](known, survey)
        return (estimates.UNKNOWN_IS_LAST if figure is None else figure, -(known.quality or 0.0), known.route)

    return lambda some: sorted(some, key=key)


def expected_usd(known: Known, survey: Survey) -> Fraction | None:
    """What an answer of this candidate costs on the average, with what is cached there at the cache price."""
    return estimates.expected_usd(known, survey.asked, _cached(known, survey))


def _latency(known: Known, _survey: Survey) -> Fraction | None:
    """Who is unknown is last, and would stay so: whose turn it is to be measured is first instead."""
    if known.latency_ms is None:
        return Fraction(-1) if known.probe else None
    return Fraction(known.latency_ms)


FIGURES: dict[str, Callable[[Known, Survey], Fraction | None]] = {
    "cheapest": lambda known, _: estimates.price_sum(known),
    "expected_cost": expected_usd,
    "fastest": _latency,
}
"""By order: the figure that a candidate is sorted by, the smallest first; None is unknown and comes last."""


def _cached(known: Known, survey: Survey) -> int:
    """Tokens that the candidate's prompt cache probably still holds of this conversation."""
    return known.cached_tokens if survey.now < known.warm_until else 0


def arranged(survey: Survey, base: list[Known]) -> tuple[list[Known], list[str], WarmRoute | None]:
    """The base order after all that speaks for another one, each a stable sort, what weighs most last.

    With the names of those rules: `warm` where the session's route is stayed with, of the others those that moved
    something. And what was found about the warm route.
    """
    warm = _warm_of(survey, base)
    rules: list[str] = []
    order = base
    if warm and warm.is_worth_staying:
        rules.append("warm")
        order = sorted(order, key=lambda known: known.route != warm.route)
    for name, demoted in DEMOTIONS:
        moved = demoted(order, survey)
        if moved != order:
            rules.append(name)
        order = moved
    return order, rules, warm


def _thinking_first(order: list[Known], survey: Survey) -> list[Known]:
    return sorted(order, key=lambda known: survey.asked.thinks and not known.thinks)


def _adaptive_last(order: list[Known], survey: Survey) -> list[Known]:
    return sorted(order, key=lambda known: known.demotion if survey.rules.adaptive and not known.probe else 0)


def _sick_last(order: list[Known], survey: Survey) -> list[Known]:
    """Who rests is last. Who has rested has its place again, but is not first unless this request is its probe:
    as a fallback it costs one request an attempt, in the first place it would cost them all one.
    """
    if survey.rules.health != "skip":
        return order
    healthy = next((place for place, known in enumerate(order) if known.health == "healthy"), 0)
    leading = {known.route for known in order[:healthy]}

    def level(known: Known) -> int:
        if known.health == "healthy" or known.probe:
            return 0
        return 2 if survey.now < known.rest_until else int(known.route in leading)

    return sorted(order, key=level)


Demotion = Callable[[list[Known], Survey], list[Known]]
DEMOTIONS: tuple[tuple[str, Demotion], ...] = (
    ("thinking", _thinking_first),
    ("adaptive", _adaptive_last),
    ("health", _sick_last),
)
"""What moves routes back, each a stable sort; the last one weighs most."""


def _warm_of(survey: Survey, base: Sequence[Known]) -> WarmRoute | None:
    """The open route that last served the session, while its prompt cache is probably alive."""
    alive = [known for known in base if survey.now < known.warm_until]
    if not alive:
        return None
    hot = max(alive, key=lambda known: (known.warm_at, known.route))
    others = [known for known in base if known is not hot]
    for _name, demoted in DEMOTIONS:
        others = demoted(others, survey)
    leave = estimates.cost_usd(others[0], survey.asked) if others else None
    return WarmRoute(hot.route, estimates.cost_usd(hot, survey.asked, hot.cached_tokens), leave)
