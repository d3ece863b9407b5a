"""The orders, warm routes in dollars, what moves routes back, and who is probed."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from route.decision import estimates
from route.decision.decide import to_be_tried, with_probe
from route.decision.inputs import RequestNeeds
from route.decision.stored import DecisionRecord
from tests.ledger.make import NOW
from tests.route.decision.made_inputs import (
    DEGRADED,
    RESTING,
    UNHEALTHY,
    WARM,
    candidate,
    inputs,
    order,
    reasons,
    rows,
)


@pytest.mark.case("A9")
def test_a_dear_answer_that_succeeds_may_be_the_cheaper_one() -> None:
    """Quality .75 at 4 against .99 at 5, success rates equal to them: cheapest takes 4, expected cost takes 5."""
    some = [
        candidate("four", (4, 0), quality=0.75, count=100, successes=75),
        candidate("five", (5, 0), quality=0.99, count=100, successes=99),
    ]
    assert order(inputs(*some, order="cheapest")) == ["four", "five"]
    assert order(inputs(*some, order="expected_cost")) == ["five", "four"]
    told = rows(inputs(*some, order="expected_cost"))
    assert (told["four"]["expected_usd"], told["five"]["expected_usd"]) == ("0.005333333333", "0.005050505051")


def test_expected_cost_reads_the_cached_prefix_at_the_cache_price() -> None:
    """On the warm route alone, and while its cache is alive: at NOW + 1 it is, at NOW it is not."""
    warm = candidate("b", (4, 0), cached_tokens=1000, warm_until=NOW + 1, warm_at=1)
    alone = inputs(candidate("a", (1, 0)), warm, order="expected_cost")
    assert rows(alone)["b"]["expected_usd"] == "0.0004"
    assert order(alone) == ["b", "a"]
    cold = replace(alone, now=NOW + 1)
    assert (rows(cold)["b"]["expected_usd"], order(cold)) == ("0.004", ["a", "b"])


def test_what_never_succeeds_or_has_no_price_comes_last() -> None:
    """No success in five tries is no bargain at any price, nor is no price; four failures may be accidents."""
    some = [
        candidate("a", (1, 1), count=5),
        candidate("b", None),
        candidate("c", (9, 9)),
        candidate("d", (2, 2), count=10, successes=1),
        candidate("e", (1, 1), count=4),
    ]
    assert order(inputs(*some, order="expected_cost")) == ["e", "c", "d", "a", "b"]
    assert order(inputs(*some, order="cheapest")) == ["a", "e", "d", "c", "b"]


def test_the_fastest_is_by_latency_and_the_unknown_last() -> None:
    """A latency is a fact, none is no promise."""
    some = [candidate("a"), candidate("b", latency_ms=900), candidate("c", latency_ms=100)]
    assert order(inputs(*some, order="fastest")) == ["c", "b", "a"]


def test_static_is_as_listed() -> None:
    """Price, speed and quality do not move it."""
    some = [candidate("z", (9, 9)), candidate("a", (1, 1), quality=1.0, latency_ms=1)]
    assert order(inputs(*some)) == ["z", "a"]


def test_ties_go_to_quality_and_then_to_the_key() -> None:
    """Of the same price the better one; of the same quality too the first by name, in any config."""
    some = [candidate("z", quality=0.9), candidate("c"), candidate("b"), candidate("y", quality=0.95)]
    assert order(inputs(*some, order="cheapest")) == ["y", "z", "b", "c"]


@pytest.mark.parametrize("by", ["cheapest", "expected_cost", "fastest"])
def test_the_order_of_the_config_does_not_matter(by: str) -> None:
    """Except for `static`: any order of the candidates gives the same order of routes and the same hash."""
    some = [candidate("a", (2, 2)), candidate("b", (2, 2), latency_ms=5), candidate("c", (1, 4), quality=0.5)]
    told = {
        (*order(s), DecisionRecord.of(s).decision.ruleset_hash)
        for p in permutations(some)
        for s in [inputs(*p, order=by)]
    }
    assert len(told) == 1
    hashes = {DecisionRecord.of(inputs(*p)).decision.ruleset_hash for p in permutations(some)}
    assert len(hashes) == 6


@pytest.mark.case("C14")
def test_health_costs_a_place_and_then_the_turn() -> None:
    """While it rests: degraded, behind the healthy ones, and eligible; unhealthy, set aside."""
    ill = inputs(candidate("a", **DEGRADED | RESTING), candidate("b"))
    assert (order(ill), reasons(ill)) == (["b", "a"], {"a": None, "b": None})
    assert DecisionRecord.of(ill).decision.rule_fired == "default+health"
    down = inputs(candidate("a", **UNHEALTHY | RESTING), candidate("b"))
    assert (order(down), reasons(down)) == (["b", "a"], {"a": "cooling_down", "b": None})
    assert rows(down)["a"]["last_resort"] is True
    assert "last_resort" not in rows(down)["b"]
    assert order(inputs(candidate("a", **DEGRADED | RESTING), candidate("b", **DEGRADED | RESTING))) == ["a", "b"]


@pytest.mark.parametrize("ill", [DEGRADED, UNHEALTHY])
@pytest.mark.case("C14")
def test_who_has_rested_is_not_first_but_by_a_probe(ill: dict[str, Any]) -> None:
    """Rested at NOW: this request may try it, if it is the one; a ms earlier nobody may."""
    rested = inputs(candidate("a", **ill), candidate("b"))
    assert to_be_tried(rested) == ["a|m|"]
    assert order(rested) == ["b", "a"]
    assert order(with_probe(rested, "a|m|")) == ["a", "b"]
    assert rows(with_probe(rested, "a|m|"))["a"]["probe"] is True
    assert DecisionRecord.of(with_probe(rested, "a|m|")).decision.rule_fired == "default+probe"
    assert to_be_tried(replace(rested, now=NOW - 1)) == []
    assert to_be_tried(inputs(candidate("a", **ill, wait_until=NOW + 1))) == []
    assert to_be_tried(inputs(candidate("a", **ill), health="off")) == []
    assert to_be_tried(inputs(candidate("a"))) == []


@pytest.mark.parametrize("ill", [DEGRADED, UNHEALTHY])
def test_who_has_rested_is_a_fallback_in_its_own_place(ill: dict[str, Any]) -> None:
    """Behind a healthy one it needs no probe: else one that is never first would be last for ever."""
    assert order(inputs(candidate("a"), candidate("b", **ill), candidate("c"))) == ["a", "b", "c"]
    assert order(inputs(candidate("a"), candidate("b", **ill | RESTING), candidate("c"))) == ["a", "c", "b"]
    assert order(inputs(candidate("b", **ill), candidate("a"), candidate("c"))) == ["a", "c", "b"]


def test_who_has_rested_is_before_who_rests() -> None:
    """Where nobody is healthy."""
    some = [candidate("a", **DEGRADED | RESTING), candidate("b", **DEGRADED), candidate("c", **UNHEALTHY)]
    assert order(inputs(*some)) == ["b", "c", "a"]


def test_nobody_is_probed_for_what_one_route_has_stored() -> None:
    """The route that has rested would know nothing of it, and there is no second one to ask."""
    rested = inputs(candidate("a", **DEGRADED), candidate("b"), needs=RequestNeeds(1, 1, one_route=True))
    assert (order(rested), to_be_tried(rested)) == (["b"], [])


def test_who_is_probed_is_taken_at_its_word() -> None:
    """In each order: no latency, no success and a demotion of the last minute say nothing of it any more."""
    sick = candidate("a", **UNHEALTHY, count=9, demotion=3)
    well = candidate("b", (99, 99), count=9, successes=9, latency_ms=5)
    for by in ("static", "cheapest", "expected_cost", "fastest"):
        rested = inputs(sick, well, order=by, adaptive=True)
        assert order(rested) == ["b", "a"]
        assert order(with_probe(rested, "a|m|")) == ["a", "b"]


@pytest.mark.case("C7")
def test_who_can_think_comes_first_when_asked_to() -> None:
    """Before the warm one, which cannot; without being asked nothing moves."""
    some = [candidate("a", thinks=False, warm_until=NOW + 9), candidate("b")]
    needs = RequestNeeds(1000, 1024, thinks=True)
    assert order(inputs(*some, needs=needs)) == ["b", "a"]
    assert order(inputs(*some)) == ["a", "b"]


@pytest.mark.case("C15")
def test_adaptive_demotion_is_a_stable_sort() -> None:
    """By level, and only where the profile asks for it."""
    some = [candidate("a", demotion=1), candidate("b"), candidate("c", demotion=3), candidate("d", demotion=1)]
    assert order(inputs(*some, adaptive=True)) == ["b", "a", "d", "c"]
    assert order(inputs(*some)) == ["a", "b", "c", "d"]
    assert DecisionRecord.of(inputs(*some, adaptive=True)).decision.rule_fired == "default+adaptive"


@pytest.mark.parametrize(
    ("dear", "cached", "stays", "stay_usd", "leave_usd"),
    [
        ((6, 15), 1000, True, "0.01596", "0.01836"),
        ((6, 15), 556, True, "0.0183576", "0.01836"),
        ((6, 15), 555, False, "0.018363", "0.01836"),
        ((3, 15), 0, True, "0.01836", "0.01836"),
        ((60, 15), 900, False, "0.02676", "0.01836"),
    ],
)
def test_the_warm_route_is_first_while_staying_is_not_dearer(
    dear: tuple[int, int], cached: int, stays: bool, stay_usd: str, leave_usd: str
) -> None:
    """Here with the cached part at the cache price, there all of it fresh; equal is not dearer. Both are shown."""
    decided = inputs(candidate("a"), candidate("b", dear, cached_tokens=cached, **WARM))
    assert order(decided) == (["b", "a"] if stays else ["a", "b"])
    told = rows(decided)["b"]
    assert (told["stay_usd"], told["leave_usd"], told["warm"]) == (stay_usd, leave_usd, stays)
    assert DecisionRecord.of(decided).decision.rule_fired == ("default+warm" if stays else "default")
    assert "stay_usd" not in rows(decided)["a"]


def test_leaving_means_going_where_the_request_would_go() -> None:
    """Not to a route that is ill, though it stands first in the list, nor to one that is closed."""
    ill, closed = candidate("a", (1, 1), **DEGRADED | RESTING), candidate("c", (1, 1), enabled=False)
    warm = candidate("w", (3, 15), cached_tokens=1000, **WARM)
    assert rows(inputs(ill, closed, candidate("b", (9, 9)), warm))["w"]["leave_usd"] == "0.018216"


def test_what_nobody_can_price_stays_warm() -> None:
    """On either side, and where there is nowhere else to go."""
    assert order(inputs(candidate("a"), candidate("b", None, **WARM))) == ["b", "a"]
    assert order(inputs(candidate("a", None), candidate("b", (99, 99), **WARM))) == ["b", "a"]
    alone = rows(inputs(candidate("b", **WARM)))["b"]
    assert (alone["warm"], alone["stay_usd"], "leave_usd" in alone) == (True, "0.01836", False)


def test_a_cache_holds_no_more_than_the_request() -> None:
    """A conversation that has been cut short is not paid back."""
    told = rows(inputs(candidate("a"), candidate("b", cached_tokens=10**6, **WARM)))["b"]
    assert told["stay_usd"] == "0.01566"


def test_the_warm_route_is_left_when_it_is_down() -> None:
    """Degraded, it goes behind the others; unhealthy or out of memory, it is set aside."""
    for more in (DEGRADED, UNHEALTHY, {"out_of_memory_until": NOW + 1}):
        assert order(inputs(candidate("a"), candidate("b", **WARM, **more))) == ["a", "b"]


def test_of_two_warm_routes_the_latest_counts() -> None:
    """A session goes on where it last was, however long another cache lives."""
    some = [
        candidate("a"),
        candidate("b", warm_until=NOW + 99, warm_at=1),
        candidate("c", warm_until=NOW + 1, warm_at=2),
    ]
    assert order(inputs(*some)) == ["c", "a", "b"]


def test_one_route_where_no_other_would_do() -> None:
    """What builds on one provider's store is not tried at a second one."""
    decided = inputs(
        candidate("a", wait_until=NOW + 1),
        candidate("b"),
        candidate("c"),
        needs=RequestNeeds(1, 1, one_route=True),
    )
    assert order(decided) == ["b"]


def test_a_cache_without_a_price_of_its_own_is_no_cheaper() -> None:
    """What is read from it costs what is sent."""
    plain = candidate("a", (2, 0), cache_read_per_mtok=None)
    assert estimates.cost_usd(plain, RequestNeeds(1000, 0), 1000) == estimates.cost_usd(
        plain, RequestNeeds(1000, 0)
    )


def test_a_probe_falls_back_to_who_is_healthy() -> None:
    """Not to the other sick ones that were listed before it: one request probes one route."""
    sick = [candidate(name, **UNHEALTHY) for name in "abcd"]
    rested = inputs(*sick, candidate("h"))
    assert order(rested) == ["h", "a", "b", "c", "d"]
    assert order(with_probe(rested, "a|m|")) == ["a", "h", "b", "c", "d"]
