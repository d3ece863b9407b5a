"""What a router knows: the fleet's snapshot, and its own newest facts on top."""

import random
import zlib
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import Fold, fold_facts
from ledger.folds.adaptive import Pace
from ledger.folds.cooldown import Cooldowns
from ledger.folds.health import Health
from ledger.folds.route_stats import WINDOW_MS, RouteStats
from ledger.folds.spend import Spend
from ledger.folds.tools import ToolEvidence
from ledger.items import Fact
from ledger.moments import day_of, minute_start_ms, month_of
from ledger.snapshot import EMPTY, Snapshot, SpendByPeriod, add_facts, add_spend, with_own
from tests.ledger.make import CALLS, FACTS, NOW, fact, in_order

APRIL_END = minute_start_ms("2026-04-30T23:59")


PARTS: dict[str, type[Fold]] = {
    "routes": RouteStats,
    "tools": ToolEvidence,
    "health": Health,
    "cooldowns": Cooldowns,
    "pace": Pace,
}


def of(facts: list[Fact], as_of: int) -> Snapshot:
    """The snapshot that holds these facts, all of them at `as_of` or before."""
    parts: dict[str, Any] = {name: fold_facts(fold, in_order(facts)) for name, fold in PARTS.items()}
    spend: SpendByPeriod = {}
    for one in facts:
        for period in (day_of(one.at), month_of(one.at)) if one.provider else ():
            spend = add_spend(spend, one.provider, period, Spend.of(one))
    return Snapshot(as_of, spend=spend, **parts)


def test_every_part_is_looked_at() -> None:
    """A new part of the snapshot must be held to the rules here."""
    assert {f.name for f in fields(Snapshot)} == {"as_of", "spend", *PARTS}


@given(st.lists(FACTS | CALLS, max_size=12), st.integers(0, 10**13))
def test_a_snapshot_comes_back_as_it_was(facts: list[Fact], as_of: int) -> None:
    """Every part, and money to the last digit, whatever the names contain."""
    snapshot = of(facts, as_of)
    assert Snapshot.unpack(snapshot.pack()) == snapshot
    assert Snapshot.unpack(Snapshot.unpack(snapshot.pack()).pack()) == snapshot
    assert Snapshot.unpack(EMPTY.pack()) == EMPTY


def test_what_an_older_writer_did_not_write_is_empty() -> None:
    """While a deployment is under way a router may read what an older rollup wrote."""
    packed = zlib.compress(orjson.dumps({"as_of": 7, "spend": {}, "mood": "good"}))
    assert Snapshot.unpack(packed) == Snapshot(as_of=7)


@given(st.lists(CALLS, max_size=16), st.integers(-200_000, 200_000), st.randoms())
def test_own_facts_are_counted_once(facts: list[Fact], after: int, rng: random.Random) -> None:
    """A router that hands over all it has, in any order, knows in each part what one fold over all facts says."""
    as_of, now = NOW + after, NOW + 200_000
    fleet = of([f for f in facts if f.at <= as_of], as_of)
    rng.shuffle(facts)
    for read in (fleet, Snapshot.unpack(fleet.pack())):
        assert with_own(read, facts, now) == replace(of(facts, now), as_of=as_of)


@given(st.lists(CALLS, max_size=12))
def test_facts_that_come_one_by_one_are_the_same_as_all_at_once(facts: list[Fact]) -> None:
    """As long as each is newer than those before it."""
    known, ordered = Snapshot(as_of=5), in_order(facts)
    for one in ordered:
        known = add_facts(known, [one])
    assert known == add_facts(Snapshot(as_of=5), facts) == of(facts, 5)


def test_one_at_the_snapshots_instant_is_in_it_already() -> None:
    """`at <= as_of` is the fleet's, the next ms is the router's own."""
    fleet = Snapshot(as_of=NOW)
    assert with_own(fleet, [fact(NOW)], NOW).routes == RouteStats()
    assert with_own(fleet, [fact(NOW + 1)], NOW + 1).routes.aggregate().count == 1


def test_statistics_age_out() -> None:
    """A snapshot older than the window, and own facts older than it, are no statistics any more, but health."""
    fleet = of([fact(NOW)], NOW)
    assert with_own(fleet, [], NOW + WINDOW_MS).routes.aggregate().count == 1
    assert with_own(fleet, [], NOW + WINDOW_MS + 1).routes.aggregate().count == 0
    own = [fact(NOW + 1)]
    assert with_own(fleet, own, NOW + 9 * WINDOW_MS).health == of([fact(NOW), fact(NOW + 1)], NOW).health
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
