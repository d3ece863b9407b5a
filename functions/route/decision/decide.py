"""The decision: which routes, in which order, and why not the others. No I/O, no clock, no randomness.

A pure function of a `Survey`, so that a decision can be made again from what was stored, byte for byte.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ledger.folds import adaptive, cooldown, health, route_stats, tools
from ledger.folds.session import CACHE_ALIVE_1H_MS, CACHE_ALIVE_MS
from ledger.money import text
from ledger.packing import packed
from ledger.prices import CACHE_READ_FACTOR
from route.decision import estimates
from route.decision.gates import DIAL_STEP, GATES, SOFT, Floor, floor_of, reasons_of
from route.decision.inputs import Candidate, DecisionInputs
from route.decision.ordering import WarmRoute, arranged, base_order, expected_usd
from route.digests import digest

NUMBERS: dict[str, Any] = {
    "dial_step": DIAL_STEP,
    "reserved_output_tokens": estimates.RESERVED_OUTPUT_TOKENS,
    "enough_attempts": estimates.ENOUGH_ATTEMPTS,
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
class CandidateVerdict:
    """What was decided of one candidate. Amounts are exact dollars.

    `set_aside`: the soft reason of a route that is tried all the same, for want of any other.
    `stay_usd` and `leave_usd` stand at the session's warm route: this request there, with what is cached read from
    the cache, and at the first other route, where nothing is.
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
    verdicts: tuple[CandidateVerdict, ...]
    rule_fired: str
    ruleset_hash: str
    floor: Floor


def decide(inputs: DecisionInputs) -> Decision:
    """The decision that follows from a survey."""
    candidates, floor = inputs.candidates, floor_of(inputs.rules)
    reasons = [reasons_of(candidate, inputs, floor) for candidate in candidates]
    open_ = [candidate for candidate, why in zip(candidates, reasons, strict=True) if not why]
    soft = [candidate for candidate, why in zip(candidates, reasons, strict=True) if why and SOFT.issuperset(why)]
    base = base_order(inputs)
    if open_:
        first, rules, warm = arranged(inputs, base(open_))
        order = [*first, *base(soft)]
    else:
        # Evidence alone refuses no request: all that it spoke against are tried as if it had not.
        order, rules, warm = base(soft), ["set_aside"] if soft else [], None
    if inputs.needs.one_route:
        order = order[:1]  # the next would say that it knows nothing of it, and hide what the first has said
    if any(candidate.probe for candidate in candidates):
        rules.append("probe")
    aside = not open_
    verdicts = tuple(
        _verdict(candidate, why[0] if why else None, inputs, warm, aside=aside and candidate in soft)
        for candidate, why in zip(candidates, reasons, strict=True)
    )
    places = {candidate.route: place for place, candidate in enumerate(candidates)}
    return Decision(
        tuple(places[candidate.route] for candidate in order),
        verdicts,
        "+".join((inputs.rules.fired, *rules)),
        ruleset_hash(inputs),
        floor,
    )


def _verdict(
    candidate: Candidate, reason: str | None, inputs: DecisionInputs, warm: WarmRoute | None, *, aside: bool
) -> CandidateVerdict:
    hot = warm if warm and warm.route == candidate.route else None
    expected = expected_usd(candidate, inputs)
    return CandidateVerdict(
        reason=None if aside else reason,
        set_aside=reason if aside else None,
        projected_usd=text(estimates.cost_usd(candidate, inputs.needs)),
        expected_usd=None if expected is None else text(_rounded(expected)),
        stay_usd=text(hot.stay_usd) if hot else None,
        leave_usd=text(hot.leave_usd) if hot else None,
        warm=hot is not None and hot.is_worth_staying,
    )


def _rounded(amount: Fraction) -> Decimal:
    """To a trillionth of a dollar, half to even: shown, never compared."""
    return Decimal(round(amount * 10**12)).scaleb(-12)


def ruleset_hash(inputs: DecisionInputs) -> str:
    """Over every rule and number that took part: two decisions with one hash were made by the same rules.

    The request, the views and the clock are no rules: they are stored beside it.
    """
    routes = [[candidate.route, candidate.setup] for candidate in inputs.candidates]
    ruleset = {
        "gates": [reason for reason, _ in GATES],
        "soft": sorted(SOFT),
        "numbers": NUMBERS,
        "rules": packed(inputs.rules),
        "routes": routes if inputs.rules.order == "static" else sorted(routes),
    }
    return digest(ruleset, 16)


def with_probe(inputs: DecisionInputs, route: str) -> DecisionInputs:
    """The same, where this request may probe a route that has rested."""
    candidates = tuple(replace(k, probe=k.route == route) for k in inputs.candidates)
    return replace(inputs, candidates=candidates)


def to_be_tried(inputs: DecisionInputs) -> list[str]:
    """Routes that one request at a time may try in the first place: those that have rested long enough, and in the
    order `fastest` those that nobody has measured lately. None for a request that only one route can serve.
    """
    if inputs.needs.one_route:
        return []
    return [candidate.route for candidate in inputs.candidates if _is_untried(candidate, inputs)]


def _is_untried(candidate: Candidate, inputs: DecisionInputs) -> bool:
    if inputs.now < max(candidate.wait_until, candidate.rest_until):
        return False
    is_rested = inputs.rules.health == "skip" and candidate.health != "healthy"
    return is_rested or (inputs.rules.order == "fastest" and candidate.latency_ms is None)
