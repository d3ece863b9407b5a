"""Like is compared with like: a route's statistics by streaming and size of prompts."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.route_stats import RouteStat, RouteStats, stratum
from ledger.items import Fact
from tests.ledger.make import CALLS, NOW, ORIGIN, fact, in_order


def calls(count: int, *, stream: bool = False, size: str = "s", ms: int = 100, **given: Any) -> list[Fact]:
    origin = replace(ORIGIN, stream=stream, size=size)
    return [fact(NOW, origin=origin, latency_ms=ms, **given) for _ in range(count)]


def stat_of(facts: list[Fact]) -> RouteStat:
    return fold_facts(RouteStats, facts).of_destination("acme", "small")


@pytest.mark.parametrize(("own", "found"), [(3, 100), (2, 550)])
def test_a_stratum_speaks_for_itself_with_three_latencies(own: int, found: int) -> None:
    """With two, all unary ones together do: here two of 100 ms and two of 1000 ms."""
    stat = stat_of([*calls(own), *calls(2, size="xl", ms=1000), *calls(9, stream=True, ms=7)])
    assert stat.like(False, "s").latency_ms == found


@pytest.mark.parametrize(("unary", "found"), [(3, 1000), (2, 255)])
def test_without_three_of_its_kind_everything_counts(unary: int, found: int) -> None:
    """Streams say something about unary calls only when there are too few of those."""
    stat = stat_of([*calls(unary, size="xl", ms=1000), *calls(6, stream=True, ms=7)])
    assert stat.like(False, "s").latency_ms == found
    assert stat.like(True, "m").latency_ms == 7


def test_failures_are_no_latencies() -> None:
    """Three attempts of which one failed are not enough; what they say about success counts where they are."""
    stat = stat_of([*calls(2), *calls(1, ok=False), *calls(4, size="l", ms=400)])
    assert stat.like(False, "s").latency_ms == 300
    stat = stat_of([*calls(3), *calls(1, ok=False), *calls(4, size="l", ms=400)])
    like = stat.like(False, "s")
    assert (like.latency_ms, like.count, like.successes) == (100, 4, 3)


def test_nothing_is_known_of_an_unknown_route() -> None:
    """No rate, no latency, whatever it is compared with."""
    stat = RouteStats().of_destination("acme", "small").like(True, "m")
    assert (stat.count, stat.success_rate, stat.latency_ms, stat.latency_p95_ms, stat.ttft_p50_ms) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_percentiles_are_over_all_strata() -> None:
    """19 of 100 ms, and a stream of 9,000 ms: the median is 100, the 95th percentile too, the mean is not."""
    stat = stat_of([*calls(19), *calls(1, stream=True, size="xl", ms=9_000, ttft_ms=50)])
    assert stat.latency_p50_ms == pytest.approx(100, rel=0.01)
    assert stat.latency_p95_ms == pytest.approx(100, rel=0.01)
    assert stat.like(False, "s").latency_p95_ms == pytest.approx(100, rel=0.01)
    assert (stat.latency_ms, stat.latency_count, stat.ttft_ms) == (545, 20, 50)
    assert stat.ttft_p50_ms == pytest.approx(50, rel=0.02)
    slower = stat_of([*calls(18), *calls(2, stream=True, ms=9_000)])
    assert slower.latency_p95_ms == pytest.approx(9_000, rel=0.01)


@given(st.lists(CALLS, max_size=20).map(in_order), st.booleans(), st.sampled_from(["s", "m", "xl"]))
def test_totals_do_not_depend_on_how_they_are_told_apart(facts: list[Fact], stream: bool, size: str) -> None:
    """Without backends, without strata: each total is the same, and what is like something is a part of it."""
    stats = fold_facts(RouteStats, facts)
    for other in (stats.by_destination(), stats.without_strata(), RouteStats.unpack(stats.pack())):
        for provider in ("acme", "other"):
            a, b = stats.of_destination(provider, "small"), other.of_destination(provider, "small")
            assert (a.count, a.successes, a.latency, a.ttft) == (b.count, b.successes, b.latency, b.ttft)
            assert (a.latency_ms, a.latency_p50_ms) == (b.latency_ms, b.latency_p50_ms)
    whole = stats.of_destination("acme", "small")
    part = whole.like(stream, size)
    assert part.states.items() <= dict(whole.states).items()
    own = whole.states.get(stratum(stream, size))
    assert part.latency_count >= min(3, whole.latency_count)
    assert own is None or own.latency.count < 3 or dict(part.states) == {stratum(stream, size): own}


def test_the_total_of_a_destination_is_kept() -> None:
    """Each plan asks for it: an attempt on one route leaves what was worked out about the others."""
    stats = fold_facts(RouteStats, [*calls(3), *calls(3, provider="other"), *calls(1, served_by="east")])
    total = stats.of_destination("acme", "small")
    more = stats.merge(RouteStats.of(fact(NOW, provider="other")))
    assert more.of_destination("acme", "small") is total
    assert more.of_destination("other", "small").count == 4
