"""The decision: which routes, in which order, and why not the others. No I/O, no clock, no randomness.

A pure function of a `Survey`, so that a decision can be made again from what was stored, byte for byte.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ledger.folds import adaptive, cooldown, health, route_stats, tools
from ledger.folds.session import CACHE_ALIVE_1H_MS, CACHE_ALIVE_MS
from ledger.money import text
from ledger.prices import CACHE_READ_FACTOR
from route import dollars
from route.digests import digest
from route.gates import DIAL_STEP, GATES, SOFT, Floor, floor_of, reasons_of
from route.survey import Known, Survey, packed

NUMBERS: dict[str, Any] = {
    "dial_step": DIAL_STEP,
    "reserved_output_tokens": dollars.RESERVED_OUTPUT_TOKENS,
    "enough_attempts": dollars.ENOUGH_ATTEMPTS,
    "cache_read_factor": str(CACHE_READ_FACTOR),
    "cache_alive_ms": [CACHE_ALIVE_MS, CACHE_ALIVE_1H_MS],
    "statistics": [route_stats.WINDOW_MS, route_stats.ENOUGH],
    "tool_evidence": [tools.WINDOW_MS, tools.MIN_SAMPLES],
    "adaptive": adaptive.NUMBERS,
    "degraded_rest_ms": health.DEGRADED_REST_MS,
    "longest_wait_ms": cooldown.MAX_WAIT_MS,
}
"""The rules' own numbers, which no config sets."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided of one candidate. Amounts are exact dollars.

    `set_aside`: the soft reason of a route that is tried all the same, for want of any other.
    `stay_usd` and `leave_usd` stand at the session's warm route: this request there, with what is cached read
    from the
    cache, and at the first other route, where nothing is.
    """

    reason: str | None = None
    set_aside: str | None = None
    projected_usd: str | None = None
    expected_usd: str | None = None
    stay_usd: str | None = None
    leave_usd: str | None = None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`order`: places in the survey's candidates, best first, and behind them those that only soft reasons speak
    against: the last resort. `verdicts`: one per candidate, in the survey's order.
    """

    order: tuple[int, ...]
    verdicts: tuple[Verdict, ...]
    rule_fired: str
    ruleset_hash: str
    floor: Floor


def decide(survey: Survey) -> Decision:
    """The decision that follows from a survey."""
    candidates = survey.candidates
    reasons = [reasons_of(known, survey) for known in candidates]
    open_ = [known for known, why in zip(candidates, reasons, strict=True) if not why]
    soft = [known for known, why in zip(candidates, reasons, strict=True) if why and SOFT.issuperset(why)]
    base = _base_order(survey)
    if open_:
        first, rules, warm = _arranged(survey, base(open_))
        order = [*first, *base(soft)]
    else:
        # Evidence alone refuses no request: all that it spoke against are tried as if it had not.
        order, rules, warm = base(soft), ["set_aside"] if soft else [], None
    if survey.asked.one_route:
        order = order[:1]  # the next would say that it knows nothing of it, and hide what the first has said
    aside = not open_
    verdicts = tuple(
        _verdict(known, why[0] if why else None, survey, warm, aside=aside and known in soft)
        for known, why in zip(candidates, reasons, strict=True)
    )
    places = {known.route: place for place, known in enumerate(candidates)}
    return Decision(
        tuple(places[known.route] for known in order),
        verdicts,
        "+".join((survey.rules.fired, *rules)),
        ruleset_hash(survey),
        floor_of(survey.rules),
    )


@dataclass(frozen=True, slots=True)
class _Warm:
    """The session's warm route, and both figures of what to do about it."""

    route: str
    stay_usd: Decimal | None
    leave_usd: Decimal | None

    @property
    def is_worth_staying(self) -> bool:
        """What nobody can price is stayed with: a warm cache is at least quicker."""
        return self.stay_usd is None or self.leave_usd is None or self.stay_usd <= self.leave_usd


Order = Callable[[Iterable[Known]], list[Known]]


def _base_order(survey: Survey) -> Order:
    """The profile's own order. Ties: the higher quality, then the route key."""
    if survey.rules.order == "static":
        return list

    def key(known: Known) -> tuple[Fraction, float, str]:
        figure = FIGURES[survey.rules.order](known, survey)
        return (dollars.UNKNOWN_IS_LAST if figure is None else figure, -(known.quality or 0.0), known.route)

    return lambda some: sorted(some, key=key)


def _expected(known: Known, survey: Survey) -> Fraction | None:
    return dollars.expected_usd(known, survey.asked, _cached(known, survey))


def _latency(known: Known, _survey: Survey) -> Fraction | None:
    """Who is unknown is last, and would stay so: whose turn it is to be measured is first instead."""
    if known.latency_ms is None:
        return Fraction(-1) if known.probe else None
    return Fraction(known.latency_ms)


FIGURES: dict[str, Callable[[Known, Survey], Fraction | None]] = {
    "cheapest": lambda known, _: dollars.price_sum(known),
    "expected_cost": _expected,
    "fastest": _latency,
}
"""By order: the figure that a candidate is sorted by, the smallest first; None is unknown and comes last."""


def _cached(known: Known, survey: Survey) -> int:
    """Tokens that the candidate's prompt cache probably still holds of this conversation."""
    return known.cached_tokens if survey.now < known.warm_until else 0


def _arranged(survey: Survey, base: list[Known]) -> tuple[list[Known], list[str], _Warm | None]:
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
    proven = next((place for place, known in enumerate(order) if _is_proven(known)), 0)
    leading = {known.route for known in order[:proven]}

    def level(known: Known) -> int:
        if _is_proven(known):
            return 0
        return 2 if survey.now < known.rest_until else int(known.route in leading)

    return sorted(order, key=level)


def _is_proven(known: Known) -> bool:
    """Whether it may be first: it is healthy, or this request is to find out."""
    return known.health == "healthy" or known.probe


Demotion = Callable[[list[Known], Survey], list[Known]]
DEMOTIONS: tuple[tuple[str, Demotion], ...] = (
    ("thinking", _thinking_first),
    ("adaptive", _adaptive_last),
    ("health", _sick_last),
)
"""What moves routes back, each a stable sort; the last one weighs most."""


def _warm_of(survey: Survey, base: Sequence[Known]) -> _Warm | None:
    """The open route that last served the session, while its prompt cache is probably alive."""
    alive = [known for known in base if survey.now < known.warm_until]
    if not alive:
        return None
    hot = max(alive, key=lambda known: (known.warm_at, known.route))
    others = [known for known in base if known is not hot]
    for _name, demoted in DEMOTIONS:
        others = demoted(others, survey)
    leave = dollars.cost_usd(others[0], survey.asked) if others else None
    return _Warm(hot.route, dollars.cost_usd(hot, survey.asked, hot.cached_tokens), leave)


def _verdict(known: Known, reason: str | None, survey: Survey, warm: _Warm | None, *, aside: bool) -> Verdict:
    is_warm = warm is not None and warm.route == known.route
    expected = _expected(known, survey)
    return Verdict(
        reason=None if aside else reason,
        set_aside=reason if aside else None,
        projected_usd=text(dollars.cost_usd(known, survey.asked)),
        expected_usd=None if expected is None else text(_rounded(expected)),
        stay_usd=text(warm.stay_usd) if is_warm and warm else None,
        leave_usd=text(warm.leave_usd) if is_warm and warm else None,
        warm=is_warm and warm is not None and warm.is_worth_staying,
    )


def _rounded(amount: Fraction) -> Decimal:
    """To a trillionth of a dollar, half to even: shown, never compared."""
    return Decimal(round(amount * 10**12)).scaleb(-12)


def ruleset_hash(survey: Survey) -> str:
    """Over every rule and number that took part: two decisions with one hash were made by the same rules.

    The request, the views and the clock are no rules: they are stored beside it.
    """
    routes = [[known.route, known.setup] for known in survey.candidates]
    ruleset = {
        "gates": [reason for reason, _ in GATES],
        "soft": sorted(SOFT),
        "numbers": NUMBERS,
        "rules": packed(survey.rules),
        "routes": routes if survey.rules.order == "static" else sorted(routes),
    }
    return digest(ruleset, 16)


def with_probe(survey: Survey, route: str) -> Survey:
    """The same, where this request may probe a route that has rested."""
    candidates = tuple(replace(k, probe=k.route == route) for k in survey.candidates)
    return replace(survey, candidates=candidates)


def to_be_tried(survey: Survey) -> list[str]:
    """Routes that one request at a time may try in the first place: those that have rested long enough, and in the
    order `fastest` those that nobody has measured lately. None for a request that only one route can serve.
    """
    if survey.asked.one_route:
        return []
    return [known.route for known in survey.candidates if _is_untried(known, survey)]


def _is_untried(known: Known, survey: Survey) -> bool:
    if survey.now < max(known.wait_until, known.rest_until):
        return False
    is_rested = survey.rules.health == "skip" and known.health != "healthy"
    return is_rested or (survey.rules.order == "fastest" and known.latency_ms is None)
