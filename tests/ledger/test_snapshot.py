"""What a router knows: the fleet's snapshot, and its own newest facts on top."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.route_stats import WINDOW_MS, RouteStats
from ledger.folds.spend import Spend
from ledger.items import Fact
from ledger.moments import day_of, minute_start_ms, month_of
from ledger.snapshot import EMPTY, Snapshot, add_spend, with_own
from tests.ledger.make import FACTS, MINUTE, NAME, NOW, fact

APRIL_END = minute_start_ms("2026-04-30T23:59")


def of(facts: list[Fact], as_of: int) -> Snapshot:
    """The snapshot that holds these facts, all of them at `as_of` or before."""
    snapshot = Snapshot(as_of, fold_facts(RouteStats, facts))
    for one in facts:
        for period in (day_of(one.at), month_of(one.at)):
            spend = add_spend(snapshot.spend, one.provider, period, Spend.of(one))
            snapshot = Snapshot(as_of, snapshot.routes, spend)
    return snapshot


@given(st.lists(FACTS, max_size=6), st.integers(0, 10**13))
def test_a_snapshot_comes_back_as_it_was(facts: list[Fact], as_of: int) -> None:
    """Routes and money to the last digit, whatever the names contain."""
    snapshot = of(facts, as_of)
    assert Snapshot.unpack(snapshot.pack()) == snapshot
    assert Snapshot.unpack(EMPTY.pack()) == EMPTY


@given(st.lists(st.builds(fact, st.integers(NOW - 10 * MINUTE, NOW), latency_ms=st.integers(1, 9), provider=NAME)))
def test_own_facts_are_counted_once(facts: list[Fact]) -> None:
    """A router that hands over all it has gets the same as one fold over all: what the fleet has is not added."""
    as_of = NOW - 5 * MINUTE
    fleet = of([f for f in facts if f.at <= as_of], as_of)
    known = with_own(fleet, facts, NOW)
    assert known == Snapshot(as_of, fold_facts(RouteStats, facts), of(facts, NOW).spend)


def test_one_at_the_snapshots_instant_is_in_it_already() -> None:
    """`at <= as_of` is the fleet's, the next ms is the router's own."""
    fleet = Snapshot(as_of=NOW)
    assert with_own(fleet, [fact(NOW)], NOW).routes == RouteStats()
    assert with_own(fleet, [fact(NOW + 1)], NOW + 1).routes.aggregate().count == 1


def test_statistics_age_out() -> None:
    """A snapshot older than the window, and own facts older than it, say nothing about routes any more."""
    fleet = of([fact(NOW)], NOW)
    assert with_own(fleet, [], NOW + WINDOW_MS).routes.aggregate().count == 1
    assert with_own(fleet, [], NOW + WINDOW_MS + 1).routes.aggregate().count == 0
    own = [fact(NOW + 1)]
    assert with_own(fleet, own, NOW + 1 + WINDOW_MS).routes.aggregate().count == 1
    assert with_own(fleet, own, NOW + 2 + WINDOW_MS).routes.aggregate().count == 0


@pytest.mark.case("C11")
def test_a_new_month_begins_at_zero() -> None:
    """30 April 23:59 4.50, 1 May 00:00 0.00, without anything being written in between."""
    fleet = of([fact(APRIL_END, cost_usd=Decimal("4.50"))], APRIL_END + 1)
    for period in ("day", "month"):
        assert fleet.spent_usd("acme", period, APRIL_END + 59_999) == Decimal("4.50")
        assert fleet.spent_usd("acme", period, APRIL_END + 60_000) == 0
    own = fact(APRIL_END + 30_000, cost_usd=Decimal("0.25"))
    known = with_own(fleet, [own], APRIL_END + 60_000)
    assert known.spent_usd("acme", "month", APRIL_END + 60_000) == 0
    assert known.spent_usd("acme", "month", APRIL_END) == Decimal("4.75")
    may = with_own(fleet, [fact(APRIL_END + 60_000, cost_usd=Decimal("0.5"))], APRIL_END + 61_000)
    assert may.spent_usd("acme", "month", APRIL_END + 61_000) == Decimal("0.5")


@pytest.mark.case("C11")
def test_a_new_day_begins_at_zero_and_the_month_goes_on() -> None:
    """Own facts of today and yesterday's total in the snapshot: apart by day, together by month."""
    midnight = minute_start_ms("2026-11-20T00:00")
    fleet = of([fact(midnight - 1, cost_usd=Decimal(3))], midnight - 1)
    known = with_own(fleet, [fact(midnight, cost_usd=Decimal(2))], midnight)
    assert known.spent_usd("acme", "day", midnight) == 2
    assert known.spent_usd("acme", "month", midnight) == 5


def test_spend_of_nobody_is_zero() -> None:
    """An unknown provider, an empty snapshot, and a refusal, which has no provider."""
    assert EMPTY.spent_usd("acme", "day", NOW) == 0
    assert with_own(EMPTY, [fact(n=0, provider="")], NOW).spend == {}
