"""What the folds say, and that it does not matter how the facts were split."""

from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import Fold, fold_facts, merge_all
from ledger.folds.activity import Activity
from ledger.folds.adaptive import Pace
from ledger.folds.blocks.bounded import OTHERS
from ledger.folds.blocks.sketch import Durations
from ledger.folds.cache import CacheOutcomes
from ledger.folds.cooldown import Cooldowns
from ledger.folds.daily import DailyUsage
from ledger.folds.health import Health
from ledger.folds.route_stats import BACKENDS, RouteStats, route_stats
from ledger.folds.session import CACHE_ALIVE_1H_MS, CACHE_ALIVE_MS, Session
from ledger.folds.spend import Spend
from ledger.folds.tools import ToolEvidence
from ledger.folds.wasted import Wasted
from ledger.items import COUNT_TOKENS, PASSTHROUGH, Fact
from ledger.outcomes import NO_FAULT_OF_THE_ROUTE, Ending, FaultKind, Outcome
from ledger.routes import parse_route_key
from ledger.snapshot import Snapshot
from ledger.store.records import attempt_item
from ledger.usage import Usage
from ledger.views import VIEWS, RouteDay, RouteMinute, SpendDay, derive
from tests.ledger.make import CALLS, FACTS, MINUTE, NOW, ORIGIN, fact, in_order

FOLDS = [
    *(RouteStats, Session, Spend, ToolEvidence, Health, Cooldowns, Pace, CacheOutcomes, DailyUsage, Wasted),
    *(Activity, RouteMinute, RouteDay, SpendDay),
]
EVERY_FOLD = pytest.mark.parametrize("fold", FOLDS)
MANY = st.lists(FACTS | CALLS | CALLS, max_size=16).map(in_order)


def test_no_kept_fold_is_forgotten() -> None:
    """Whatever is kept, or part of the snapshot, is held to the rules of folds here."""
    assert {view.fold for view in VIEWS} <= set(FOLDS)
    assert set(snapshot_folds()) <= set(FOLDS)


def snapshot_folds() -> list[type]:
    return [f.type for f in fields(Snapshot) if f.name not in {"as_of", "spend"} and isinstance(f.type, type)]


@EVERY_FOLD
@given(facts=MANY, cut=st.integers(0, 16), second=st.integers(0, 16))
def test_any_split_gives_the_same_state(fold: type[Fold], facts: list[Fact], cut: int, second: int) -> None:
    """In order, fold(all) = merge(fold(a), fold(b)); of three parts it does not matter which two come first."""
    first, last = sorted((min(cut, len(facts)), min(second, len(facts))))
    a, b, c = (fold_facts(fold, part) for part in (facts[:first], facts[first:last], facts[last:]))
    whole = fold_facts(fold, facts)
    assert a.merge(b).merge(c) == whole
    assert a.merge(b.merge(c)) == whole
    assert fold().merge(whole) == whole == whole.merge(fold())
    assert reduce(lambda state, one: state.merge(fold.of(one)), facts, fold()) == whole


@EVERY_FOLD
@given(facts=MANY, more=MANY)
def test_what_was_packed_merges_like_what_was_not(fold: type[Fold], facts: list[Fact], more: list[Fact]) -> None:
    """On either side, and packed again it is the same to the last value: else each pass would write it anew."""
    a, b = fold_facts(fold, facts), fold_facts(fold, more)
    packed_a, packed_b = fold.unpack(a.pack()), fold.unpack(b.pack())
    assert packed_a.merge(b) == a.merge(packed_b) == packed_a.merge(packed_b) == a.merge(b)
    assert packed_a.merge(packed_b).pack() == a.merge(b).pack()
    assert packed_a == a, "merging changes neither part"
    assert packed_b == b


@EVERY_FOLD
@given(facts=MANY)
def test_a_state_comes_back_as_it_was(fold: type[Fold], facts: list[Fact]) -> None:
    """Packed and unpacked is the same state, so that a minute can be sealed onto a stored one."""
    state = fold_facts(fold, facts)
    assert fold.unpack(state.pack()) == state
    assert fold.unpack(state.pack()).pack() == state.pack()
    assert fold.unpack({}) == fold()


@pytest.mark.case("U3")
def test_success_and_latency_of_each_route() -> None:
    """Latency is of successes only; a route without attempts is absent."""
    facts = [fact(model="a", latency_ms=ms) for ms in (100, 100, 100, 300)]
    facts += [fact(model="a", ok=False, latency_ms=9999), fact(model="b", latency_ms=50)]
    routes = route_stats(facts, NOW).routes
    a, b = routes["acme|a|"], routes["acme|b|"]
    assert (a.success_rate, a.latency_ms, a.count, a.latency_count) == (Fraction(4, 5), 150, 5, 4)
    assert (b.success_rate, b.latency_ms) == (Fraction(1), 50)
    assert set(routes) == {"acme|a|", "acme|b|"}


@pytest.mark.case("U3")
def test_the_window_begins_exactly_at_its_cutoff() -> None:
    """Now and 20 minutes ago: one in 15 minutes, both in 30; at the cutoff counts, one ms earlier does not."""
    facts = [fact(NOW), fact(NOW - 20 * MINUTE)]
    assert route_stats(facts, NOW).aggregate().count == 1
    assert route_stats(facts, NOW, 30 * MINUTE).aggregate().count == 2
    edge = [fact(NOW - 15 * MINUTE), fact(NOW - 15 * MINUTE - 1)]
    assert route_stats(edge, NOW).aggregate().count == 1


@pytest.mark.case("U4")
def test_routes_together_are_weighted_by_their_own_counts() -> None:
    """X: 1 ok at 100 ms, 9 failed; Y: 10 ok at 1000 ms. Together 918 ms and 11/20, not 550 ms."""
    x = [fact(model="x", latency_ms=100), *(fact(model="x", ok=False, latency_ms=1) for _ in range(9))]
    y = [fact(model="y", latency_ms=1000) for _ in range(10)]
    both = route_stats([*x, *y], NOW).aggregate()
    assert (both.latency_ms, both.success_rate, both.latency_count) == (918, Fraction(11, 20), 11)


@pytest.mark.case("U5")
def test_a_destination_is_all_its_backends_and_nothing_else() -> None:
    """`served_by` splits a route's statistics; the plan asks for provider and model."""
    facts = [
        fact(served_by="east"),
        fact(served_by="west|"),
        fact(model="small|"),
        fact(provider="acme|small", model=""),
    ]
    stats = route_stats(facts, NOW)
    assert len(stats.routes) == 4
    assert stats.of_destination("acme", "small").count == 2


@pytest.mark.parametrize("kind", list(FaultKind))
def test_which_failures_count_against_a_route(kind: FaultKind) -> None:
    """The caller's faults, a departure and a lost attempt are no evidence about the route."""
    failed = fact(outcome=Outcome.ERROR, kind=kind)
    assert route_stats([failed], NOW).aggregate().count == int(kind not in NO_FAULT_OF_THE_ROUTE)


@pytest.mark.case("U2")
def test_a_broken_stream_is_no_success_anywhere() -> None:
    """Failed after its first token: an error of the route, of the session, and not warm."""
    broken = fact(
        outcome=Outcome.STREAM_INTERRUPTED,
        kind=FaultKind.NETWORK,
        http_status=200,
        ttft_ms=5,
        latency_ms=9,
        usage=Usage(10, output=3),
        cost_usd=Decimal("0.1"),
        closes=Ending.ERROR,
    )
    stat = route_stats([broken], NOW).aggregate()
    assert (stat.count, stat.successes, stat.latency_ms, stat.ttft_ms) == (1, 0, None, None)
    session = Session.of(broken)
    assert (session.calls, session.errors, dict(session.warm), session.cost_usd) == (1, 1, {}, Decimal("0.1"))


@pytest.mark.case("U8")
def test_calls_are_endings_and_not_attempts() -> None:
    """Two attempts of one inference are one call; streamed and unary failures are alike."""
    facts = [
        fact(closes=Ending.OK),
        fact(ok=False),
        fact(ok=False),
        fact(closes=Ending.FALLBACK),
        fact(outcome=Outcome.STREAM_INTERRUPTED, kind=FaultKind.NETWORK, closes=Ending.ERROR),
        fact(ok=False, closes=Ending.ERROR),
        fact(n=0, outcome=Outcome.REFUSED, closes=Ending.ERROR),
    ]
    session, spend = fold_facts(Session, facts), fold_facts(Spend, facts)
    assert (session.calls, session.errors) == (5, 3)
    assert (spend.calls, spend.attempts) == (5, 6)


def test_what_may_have_been_used_is_unpriced() -> None:
    """Cost unknown: of a success, of what was counted, of a lost attempt. Not of a lost inference without one."""
    lost: dict[str, Any] = {"outcome": Outcome.UNKNOWN, "kind": FaultKind.LOST}
    facts = [fact(), fact(ok=False, usage=Usage(1)), fact(**lost)]
    known = [fact(ok=False), fact(n=0, **lost), fact(cost_usd=Decimal(0))]
    for fold in (Session, Spend):
        assert [fold.of(one).unpriced for one in facts] == [1, 1, 1]
        assert [fold.of(one).unpriced for one in known] == [0, 0, 0]


@pytest.mark.parametrize("dialect", [COUNT_TOKENS, PASSTHROUGH])
def test_what_is_no_inference_says_nothing_of_a_route(dialect: str) -> None:
    """No statistics, no warm route, no turn of a session, no call; but an attempt, and what it cost whom."""
    one = fact(origin=replace(ORIGIN, dialect=dialect), latency_ms=1, cost_usd=Decimal(2), closes=Ending.OK)
    failed = fact(origin=one.origin, ok=False, cost_usd=Decimal(0), closes=Ending.ERROR)
    assert fold_facts(RouteStats, [one, failed]) == RouteStats()
    assert fold_facts(Session, [one, failed]) == Session()
    assert fold_facts(Spend, [one, failed]) == Spend(cost_usd=Decimal(2), attempts=2)
    assert fold_facts(Activity, [one, failed]) == Activity(cost_usd=Decimal(2))
    assert (one.session, fact().session) == ("", ORIGIN.session)
    assert "by_session" not in attempt_item(one)
    assert {view.name for view, _key in derive([one, failed])} == {"spend", "activity"}


def test_a_count_is_free_and_a_call_passed_through_is_not() -> None:
    """Whatever became of it: even a lost count cost nothing, while nobody knows it of the other."""
    for outcome in (Outcome.OK, Outcome.UNKNOWN):
        unpriced = [
            Spend.of(fact(origin=replace(ORIGIN, dialect=dialect), outcome=outcome)).unpriced
            for dialect in (COUNT_TOKENS, PASSTHROUGH, "chat")
        ]
        assert unpriced == [0, 1, 1]


@EVERY_FOLD
@given(
    facts=MANY,
    place=st.integers(0, 8),
    dialect=st.sampled_from([COUNT_TOKENS, PASSTHROUGH]),
)
def test_no_inference_changes_no_statistic(fold: type[Fold], facts: list[Fact], place: int, dialect: str) -> None:
    """Put anywhere among others, it is as if it were not there; what was spent on it is another matter."""
    extra = fact(origin=replace(ORIGIN, dialect=dialect), closes=Ending.ERROR, served_by="x", latency_ms=5)
    mixed, plain = fold_facts(fold, [*facts[:place], extra, *facts[place:]]), fold_facts(fold, facts)
    if isinstance(mixed, SpendDay) and isinstance(plain, SpendDay):
        assert (mixed.usage, mixed.wasted) == (plain.usage, plain.wasted)
        mixed, plain = mixed.spend, plain.spend
    if isinstance(mixed, Spend) and isinstance(plain, Spend):
        assert (mixed.calls, mixed.attempts) == (plain.calls, plain.attempts + 1)
    elif isinstance(mixed, Activity) and isinstance(plain, Activity):
        assert replace(mixed, unpriced=0) == replace(plain, unpriced=0)
    else:
        assert mixed == plain


BACKEND = st.builds(
    fact,
    served_by=st.one_of(st.integers(0, 99).map(str), st.just("*"), st.just("")),
    model=st.sampled_from(["small", "small", "small", "large"]),
    latency_ms=st.integers(1, 9),
)


@given(facts=st.lists(BACKEND, min_size=60, max_size=90), cuts=st.lists(st.integers(0, 90), max_size=5))
def test_backends_are_capped_however_the_facts_were_split(facts: list[Fact], cuts: list[int]) -> None:
    """Merged from the left, from the right or two by two, and in any order: the same, and nothing is lost."""
    ends = sorted({0, len(facts), *(min(cut, len(facts)) for cut in cuts)})
    parts = [fold_facts(RouteStats, facts[a:b]) for a, b in pairwise(ends)]
    whole = merge_all(RouteStats, parts)
    assert reduce(lambda late, early: early.merge(late), reversed(parts)) == whole
    assert fold_facts(RouteStats, facts[::-1]) == whole
    assert RouteStats.unpack(whole.pack()).merge(RouteStats()) == whole
    assert whole.aggregate().count == len(facts)
    kept = [parse_route_key(key) for key in whole.routes]
    for model in ("small", "large"):
        assert len([key for key in kept if key.model == model and key.served_by != OTHERS]) <= BACKENDS
        assert whole.of_destination("acme", model).count == sum(f.model == model for f in facts)


def test_a_provider_that_names_a_new_backend_each_time_fills_no_item() -> None:
    """1,700 names in a minute: one item of a few kB, the first names told apart and the rest as a sum."""
    stats = fold_facts(RouteStats, [fact(served_by=f"{n:064}", latency_ms=n) for n in range(1_700)])
    assert len(stats.routes) == BACKENDS + 1
    assert stats.routes["acme|small|*"].count == 1_700 - BACKENDS
    assert len(orjson.dumps(stats.pack())) < 20_000
    assert stats.by_destination().routes == {"acme|small|*": stats.aggregate()}


@pytest.mark.case("U9")
def test_each_model_has_its_own_warm_route() -> None:
    """The latest success per model, whatever the order; an hour after a one-hour cache write, else 5 minutes."""
    facts = [
        fact(NOW, model="a", served_by="new", usage=Usage(1, 20, 300)),
        fact(NOW - 1, model="a", served_by="old"),
        fact(NOW + 1, model="a", served_by="dead", ok=False),
        fact(NOW - 5, model="b", usage=Usage(1, cache_write_1h=4000)),
    ]
    for order in (facts, facts[::-1]):
        warm = fold_facts(Session, order).warm
        assert set(warm) == {"a", "b"}
        assert (warm["a"].served_by, warm["a"].warm_until) == ("new", NOW + CACHE_ALIVE_MS)
        assert warm["a"].cached_tokens == 320
        assert (warm["b"].last_at, warm["b"].warm_until) == (NOW - 5, NOW - 5 + CACHE_ALIVE_1H_MS)


@given(st.lists(st.integers(1, 10**6), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_within_one_percent(durations: list[int], q: float) -> None:
    """Against the nearest rank of the sorted list; half a millisecond is the rounding's."""
    sketch = Durations()
    for ms in durations:
        sketch = sketch.merge(Durations.one(ms))
    exact = sorted(durations)[-(-int(q * 100) * len(durations) // 100) - 1]
    found = sketch.percentile_ms(q)
    assert found is not None
    assert abs(found - exact) <= 0.01 * exact + 0.5 + 1e-6
    assert Durations().percentile_ms(q) is None


def test_a_fold_does_not_change_its_parts() -> None:
    """Merging makes a new state: what was merged can be merged elsewhere."""
    one, other = Session.of(fact(model="a")), Session.of(fact(NOW + 1, model="a"))
    kept = replace(one, warm=dict(one.warm))
    one.merge(other)
    assert one == kept
