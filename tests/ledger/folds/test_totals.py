"""What is counted for readers: cache outcomes, endings by day, waste by cause, the activity of somebody."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.activity import MODELS, Activity
from ledger.folds.cache import CacheOutcomes, cache_outcome
from ledger.folds.daily import DailyUsage
from ledger.folds.spend import Spend
from ledger.folds.wasted import Wasted
from ledger.items import COUNT_TOKENS, Fact
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.usage import Usage
from tests.ledger.make import CALLS, FACTS, NOW, ORIGIN, fact

HERE = "acme|small|"


@pytest.mark.case("C9")
def test_the_hit_rate_is_of_what_is_known() -> None:
    """Hits 2, written 1, none 1, unknown 2: 1/2 of 6 observations."""
    facts = [
        *(fact(usage=Usage(30, cache_read=2048, output=120)) for _ in range(2)),
        fact(usage=Usage(1, cache_write=7)),
        fact(usage=Usage(1)),
        fact(usage=None),
        fact(usage=Usage(1), estimated=True),
    ]
    counts = fold_facts(CacheOutcomes, facts).get(HERE)
    assert (counts.cache_hit, counts.cache_write, counts.no_cache, counts.unknown) == (2, 1, 1, 2)
    assert (counts.hit_rate, counts.observations) == (Fraction(1, 2), 6)
    assert (counts.tokens_read, counts.tokens_written) == (4096, 7)


@pytest.mark.case("C9")
def test_without_anything_known_there_is_no_hit_rate() -> None:
    """Only unknown: None, and not 0."""
    counts = fold_facts(CacheOutcomes, [fact(usage=None)]).get(HERE)
    assert (counts.hit_rate, counts.observations) == (None, 1)
    assert fold_facts(CacheOutcomes, [fact(usage=Usage(1))]).get(HERE).hit_rate == 0


@pytest.mark.case("C9")
@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"usage": Usage(1, cache_read=1)}, "cache_hit"),
        ({"usage": Usage(1, cache_read=1, cache_write=9)}, "cache_hit"),
        ({"usage": Usage(1, cache_write=1)}, "cache_write"),
        ({"usage": Usage(1, cache_write_1h=1)}, "cache_write"),
        ({"usage": Usage(1)}, "no_cache"),
        ({"usage": Usage()}, "no_cache"),
        ({"usage": None}, "unknown"),
        ({"usage": Usage(1, cache_read=1), "estimated": True}, "unknown"),
        ({"usage": Usage(1, cache_read=1), "ok": False}, None),
        ({"origin": replace(ORIGIN, dialect=COUNT_TOKENS), "usage": Usage(1)}, None),
    ],
)
def test_what_an_attempt_says_about_the_cache(given: dict[str, Any], outcome: str | None) -> None:
    """Reading beats writing, of either tier; an estimate knows nothing; a failure is no observation."""
    assert cache_outcome(fact(**given)) == outcome


@given(st.lists(CALLS | FACTS, max_size=12))
def test_every_success_is_one_observation(facts: list[Fact]) -> None:
    """Streamed or not, on whatever route."""
    counts = fold_facts(CacheOutcomes, facts).states.values()
    assert sum(c.observations for c in counts) == sum(f.ok and f.counts for f in facts)


@pytest.mark.case("A1")
def test_inferences_are_counted_by_how_they_ended() -> None:
    """Each once, by its last fact; served by the second route is a fallback; a refusal is an error."""
    facts = [
        fact(closes=Ending.OK),
        fact(ok=False),
        fact(n=2, closes=Ending.FALLBACK),
        fact(n=0, provider="", outcome=Outcome.REFUSED, closes=Ending.ERROR),
        fact(outcome=Outcome.CANCELLED, kind=FaultKind.CANCELLED, closes=Ending.CANCELLED),
        fact(origin=replace(ORIGIN, dialect=COUNT_TOKENS), closes=Ending.OK),
    ]
    usage = fold_facts(DailyUsage, facts)
    assert usage.by_status == {"ok": 1, "fallback": 1, "error": 1, "cancelled": 1}
    assert sum(usage.by_status.values()) == fold_facts(Spend, facts).calls == 4


def test_waste_is_what_was_paid_for_nothing() -> None:
    """By kind, or by outcome where there is none; successes, refusals, $0 and unknown costs are no waste."""
    paid = Decimal("0.25")
    facts = [
        fact(cost_usd=paid),
        fact(ok=False, cost_usd=paid),
        fact(ok=False, kind=FaultKind.TIMEOUT, cost_usd=paid),
        fact(ok=False, kind=FaultKind.TIMEOUT, cost_usd=2 * paid),
        fact(outcome=Outcome.CANCELLED, kind=FaultKind.CANCELLED, cost_usd=paid),
        fact(outcome=Outcome.STREAM_INTERRUPTED, cost_usd=paid),
        fact(ok=False, kind=FaultKind.AUTH, cost_usd=Decimal(0)),
        fact(ok=False, kind=FaultKind.NETWORK),
    ]
    wasted = fold_facts(Wasted, facts)
    assert wasted.by_cause == {
        "server_error": paid,
        "timeout": 3 * paid,
        "cancelled": paid,
        "stream_interrupted": paid,
    }
    assert wasted.total_usd == 6 * paid


@given(st.lists(CALLS | FACTS, max_size=12))
def test_waste_is_a_part_of_spend(facts: list[Fact]) -> None:
    """What succeeded and what did not add up to all that was spent."""
    ok = sum((f.cost_usd or Decimal(0) for f in facts if f.ok), Decimal(0))
    assert fold_facts(Wasted, facts).total_usd + ok == fold_facts(Spend, facts).cost_usd


def test_activity_is_calls_errors_cost_and_latency() -> None:
    """Latency is of successful attempts, cost of all; attempts are told apart by model."""
    facts = [
        fact(latency_ms=100, cost_usd=Decimal(1), closes=Ending.OK),
        fact(latency_ms=9_000, ok=False, cost_usd=Decimal("0.5")),
        fact(model="large", n=2, latency_ms=300, closes=Ending.FALLBACK),
        fact(n=0, provider="", model="", outcome=Outcome.REFUSED, closes=Ending.ERROR),
    ]
    activity = fold_facts(Activity, facts)
    assert (activity.calls, activity.errors, activity.unpriced) == (3, 1, 1)
    assert activity.cost_usd == Decimal("1.5")
    assert activity.latency.count == 2
    assert activity.latency_p50_ms == pytest.approx(100, rel=0.01)
    assert activity.latency_p95_ms == pytest.approx(300, rel=0.01)
    assert activity.models == {"small": 2, "large": 1}
    assert (Activity().latency_p50_ms, Activity().latency_p95_ms) == (None, None)


@given(st.permutations(range(MODELS + 9)))
def test_models_without_end_fill_no_item(names: list[int]) -> None:
    """The first 50 names are told apart, in whatever order they came; the rest are one, and none is lost."""
    activity = fold_facts(Activity, [fact(model=f"{n:03d}") for n in names])
    assert activity.models == {f"{n:03d}": 1 for n in range(MODELS)} | {"*": 9}


def test_fifty_models_are_all_told_apart() -> None:
    """At the bound nothing is lost in `*`; with one more there is one in it."""
    for count, others in ((MODELS, {}), (MODELS + 1, {"*": 1})):
        models = fold_facts(Activity, [fact(NOW, model=f"{n:03d}") for n in range(count)]).models
        assert {name: n for name, n in models.items() if name == "*"} == others
        assert sum(models.values()) == count
