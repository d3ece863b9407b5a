"""The decision from plain values: gates, orders, floors and the dial, warm routes in dollars, what is set
aside.
"""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.moments import iso
from route import decision, dollars
from route.decided import Decided, explain
from route.decision import to_be_tried, with_probe
from route.gates import GATES, SOFT, floor_of
from route.survey import Asked, Known, Rules, Survey
from tests.ledger.make import NOW
from tests.route.surveys import budget, known, order, reasons, rows, survey

FIVE = {
    "e": known("e", (15, 75), quality=0.95),
    "d": known("d", (5, 15), quality=0.93),
    "c": known("c", (1.25, 10), quality=0.90),
    "b": known("b", (5, 15), quality=0.86),
    "a": known("a", (2, 6), quality=0.80),
}


def five(**rules: Any) -> Survey:
    return survey(*FIVE.values(), order="cheapest", **rules)


@pytest.mark.parametrize(("floor", "first"), [(0.80, "a"), (0.801, "c"), (0.90, "c"), (0.91, "d"), (0.95, "e")])
@pytest.mark.case("A9")
def test_the_cheapest_that_clears_the_floor(floor: float, first: str) -> None:
    """A quality equal to the floor clears it; what is below it is told so, whatever its price."""
    assert order(five(min_quality=floor))[0] == first
    below = {name for name, row in FIVE.items() if (row.quality or 0) < floor}
    assert {n for n, why in reasons(five(min_quality=floor)).items() if why == "below_quality_floor"} == below
    assert {n for n, row in rows(five(min_quality=floor)).items() if not row["cleared_floor"]} == below


@pytest.mark.case("A9")
def test_a_floor_that_none_clears_leaves_none() -> None:
    """Five reasons, no order, nothing chosen: knowledge of quality is hard."""
    assert order(five(min_quality=0.96)) == []
    assert set(reasons(five(min_quality=0.96)).values()) == {"below_quality_floor"}
    assert not any(row["chosen"] for row in rows(five(min_quality=0.96)).values())


def test_an_unknown_quality_is_never_invented() -> None:
    """With a floor it is a reason of its own, without one it is none."""
    some = [known("a"), known("b", quality=0.9)]
    assert reasons(survey(*some, min_quality=0.5)) == {"a": "no_quality", "b": None}
    assert reasons(survey(*some)) == {"a": None, "b": None}


@pytest.mark.parametrize(
    ("cap", "left"), [("0.01", ["a"]), ("0.008144", ["a"]), ("0.008143", []), ("1", list("acdbe"))]
)
@pytest.mark.case("A9")
def test_a_request_cap_is_held_against_the_projection(cap: str, left: list[str]) -> None:
    """1000 in and 1024 out at 2/6 is 0.008144, which a cap of as much lets pass and one of less does not."""
    capped = five(request_cap_usd=cap)
    assert order(capped) == left
    assert rows(capped)["a"]["projected_usd"] == "0.008144"
    assert {why for name, why in reasons(capped).items() if name not in left} <= {"exceeds_request_cap"}


def test_an_unknown_price_cannot_be_held_to_a_cap() -> None:
    """It is never $0."""
    assert reasons(survey(known("a", None), request_cap_usd="100")) == {"a": "no_price"}
    assert reasons(survey(known("a", None))) == {"a": None}


@pytest.mark.case("A9")
def test_a_dear_answer_that_succeeds_may_be_the_cheaper_one() -> None:
    """Quality .75 at 4 against .99 at 5, success rates equal to them: cheapest takes 4, expected cost takes 5."""
    some = [
        known("four", (4, 0), quality=0.75, count=100, successes=75),
        known("five", (5, 0), quality=0.99, count=100, successes=99),
    ]
    assert order(survey(*some, order="cheapest")) == ["four", "five"]
    assert order(survey(*some, order="expected_cost")) == ["five", "four"]
    told = rows(survey(*some, order="expected_cost"))
    assert (told["four"]["expected_usd"], told["five"]["expected_usd"]) == ("0.005333333333", "0.005050505051")


def test_expected_cost_reads_the_cached_prefix_at_the_cache_price() -> None:
    """On the warm route alone, and while its cache is alive: at NOW + 1 it is, at NOW it is not."""
    warm = known("b", (4, 0), cached_tokens=1000, warm_until=NOW + 1, warm_at=1)
    alone = survey(known("a", (1, 0)), warm, order="expected_cost")
    assert rows(alone)["b"]["expected_usd"] == "0.0004"
    assert order(alone) == ["b", "a"]
    cold = replace(alone, now=NOW + 1)
    assert (rows(cold)["b"]["expected_usd"], order(cold)) == ("0.004", ["a", "b"])


def test_what_never_succeeds_or_has_no_price_comes_last() -> None:
    """No success in five tries is no bargain at any price, nor is no price; four failures may be accidents."""
    some = [
        known("a", (1, 1), count=5),
        known("b", None),
        known("c", (9, 9)),
        known("d", (2, 2), count=10, successes=1),
        known("e", (1, 1), count=4),
    ]
    assert order(survey(*some, order="expected_cost")) == ["e", "c", "d", "a", "b"]
    assert order(survey(*some, order="cheapest")) == ["a", "e", "d", "c", "b"]


def test_the_fastest_is_by_latency_and_the_unknown_last() -> None:
    """A latency is a fact, none is no promise."""
    some = [known("a"), known("b", latency_ms=900), known("c", latency_ms=100)]
    assert order(survey(*some, order="fastest")) == ["c", "b", "a"]


def test_static_is_as_listed() -> None:
    """Price, speed and quality do not move it."""
    some = [known("z", (9, 9)), known("a", (1, 1), quality=1.0, latency_ms=1)]
    assert order(survey(*some)) == ["z", "a"]


def test_ties_go_to_quality_and_then_to_the_key() -> None:
    """Of the same price the better one; of the same quality too the first by name, so that any config decides alike."""
    some = [known("z", quality=0.9), known("c"), known("b"), known("y", quality=0.95)]
    assert order(survey(*some, order="cheapest")) == ["y", "z", "b", "c"]


@pytest.mark.parametrize("by", ["cheapest", "expected_cost", "fastest"])
def test_the_order_of_the_config_does_not_matter(by: str) -> None:
    """Except for `static`: any order of the candidates gives the same order of routes and the same hash."""
    some = [known("a", (2, 2)), known("b", (2, 2), latency_ms=5), known("c", (1, 4), quality=0.5)]
    told = {
        (*order(s), Decided.of(s).decision.ruleset_hash)
        for p in permutations(some)
        for s in [survey(*p, order=by)]
    }
    assert len(told) == 1
    hashes = {Decided.of(survey(*p)).decision.ruleset_hash for p in permutations(some)}
    assert len(hashes) == 6


CLOSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "disabled": ({"enabled": False}, {}),
    "paid_not_allowed": ({"paid": True}, {}),
    "not_allowed_for_caller": ({"allowed": False}, {}),
    "no_price": ({"price": None, "hard_budget": True}, {}),
    "lacks_tools": ({"lacks": ("tools",)}, {}),
    "lacks_images": ({"lacks": ("images",)}, {}),
    "lacks_documents": ({"lacks": ("documents",)}, {}),
    "lacks_audio": ({"lacks": ("audio",)}, {}),
    "lacks_structured_output": ({"lacks": ("structured_output",)}, {}),
    "lacks_thinking": ({"lacks": ("thinking",)}, {}),
    "context_too_small": ({"context_tokens": 999}, {}),
    "lossy_translation": ({"refused": ("n",)}, {}),
    "tool_incapable": ({"tool_incapable": True}, {}),
    "no_quality": ({}, {"min_quality": 0.1}),
    "below_quality_floor": ({"quality": 0.4}, {"min_quality": 0.5}),
    "exceeds_request_cap": ({}, {"request_cap_usd": "0.001"}),
    "exceeds_latency_slo": ({"latency_ms": 1001}, {"latency_slo_ms": 1000}),
    "budget_exhausted": ({"budget": budget("5.00")}, {}),
    "memory_pressure": ({"out_of_memory_until": NOW + 1}, {}),
    "cooling_down": ({"wait_until": NOW + 1}, {}),
}
OPEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "paid_not_allowed": ({"paid": True}, {"paid_allowed": True}),
    "no_price": ({"hard_budget": True}, {}),
    "context_too_small": ({"context_tokens": 1000}, {}),
    "no_quality": ({"quality": 0.1}, {"min_quality": 0.1}),
    "below_quality_floor": ({"quality": 0.5}, {"min_quality": 0.5}),
    "exceeds_latency_slo": ({"latency_ms": 1000}, {"latency_slo_ms": 1000}),
    "budget_exhausted": ({"budget": budget("4.99")}, {}),
    "memory_pressure": ({"out_of_memory_until": NOW}, {}),
    "cooling_down": ({"wait_until": NOW}, {}),
}
"""Just on the other side of the same gates."""


@pytest.mark.parametrize("reason", [reason for reason, _ in GATES])
def test_every_gate_closes_with_its_reason(reason: str) -> None:
    """The route has the reason in its row; the other one is chosen. A gate without a case fails here."""
    given, rules = CLOSED[reason]
    decided = survey(known("a", **given), known("b", (0.1, 0.1), quality=1.0), **rules)
    assert reasons(decided) == {"a": reason, "b": None}
    assert [row["chosen"] for row in rows(decided).values()] == [False, True]
    assert order(decided) == (["b", "a"] if reason in SOFT else ["b"])


@pytest.mark.parametrize("reason", OPEN)
def test_every_gate_opens_just_beside_it(reason: str) -> None:
    """At the limit itself, with the permission, or once the time is up."""
    given, rules = OPEN[reason]
    assert order(survey(known("a", **given), **rules)) == ["a"]


def test_the_first_reason_is_told() -> None:
    """Where several gates are closed the row has the first in their order."""
    shut = known("a", lacks=("tools", "images"), budget=budget("9"), wait_until=NOW + 1)
    assert reasons(survey(shut))["a"] == "lacks_tools"


@pytest.mark.parametrize("soft", sorted(SOFT))
def test_no_request_is_refused_for_evidence_alone(soft: str) -> None:
    """All routes set aside: they are tried in their base order, whatever speaks for another, and the rule says
    so.
    """
    given, rules = CLOSED[soft]
    some = [known("a", (9, 9), **given), known("b", (1, 1), warm_until=NOW + 9, **given)]
    decided = survey(*some, **rules)
    assert order(decided) == ["a", "b"]
    told = rows(decided)
    assert [(row["eligible"], row["chosen"], row["set_aside"]) for row in told.values()] == [
        (True, True, soft),
        (True, False, soft),
    ]
    assert Decided.of(decided).decision.rule_fired == "default+set_aside"
    assert order(replace(decided, rules=replace(decided.rules, order="cheapest"))) == ["b", "a"]


@pytest.mark.parametrize("soft", sorted(SOFT))
def test_what_is_set_aside_is_the_last_resort(soft: str) -> None:
    """Behind every route that nothing speaks against, so that a chain whose others fail can still be served."""
    given, rules = CLOSED[soft]
    decided = survey(known("a", **given), known("b"), known("c", enabled=False), **rules)
    assert order(decided) == ["b", "a"]
    assert reasons(decided) == {"a": soft, "b": None, "c": "disabled"}


def test_a_hard_reason_behind_a_soft_one_is_hard() -> None:
    """What lacks the budget is not tried, though its first reason is only evidence."""
    both = known("a", tool_incapable=True, budget=budget("5"))
    assert (order(survey(both)), reasons(survey(both))) == ([], {"a": "tool_incapable"})


def test_guards_that_are_off_say_nothing() -> None:
    """Neither pressure nor health sets a route aside, but what a provider asks for is heeded."""
    oom, ill = known("a", out_of_memory_until=NOW + 9), known("b", health="unhealthy", rest_until=NOW + 9)
    for action in ("off", "warn"):
        assert reasons(survey(oom, memory_pressure=action)) == {"a": None}
    assert order(survey(ill, known("c"), health="off")) == ["b", "c"]
    assert order(survey(known("a", wait_until=NOW + 9), known("c"), health="off")) == ["c", "a"]


UNHEALTHY: dict[str, Any] = {"health": "unhealthy", "rest_until": NOW}
DEGRADED: dict[str, Any] = {"health": "degraded", "rest_until": NOW}
"""Both have rested just now."""


RESTING = {"rest_until": NOW + 1}


@pytest.mark.case("C14")
def test_health_costs_a_place_and_then_the_turn() -> None:
    """While it rests: degraded, behind the healthy ones, and eligible; unhealthy, set aside."""
    ill = survey(known("a", **DEGRADED | RESTING), known("b"))
    assert (order(ill), reasons(ill)) == (["b", "a"], {"a": None, "b": None})
    assert Decided.of(ill).decision.rule_fired == "default+health"
    down = survey(known("a", **UNHEALTHY | RESTING), known("b"))
    assert (order(down), reasons(down)) == (["b", "a"], {"a": "cooling_down", "b": None})
    assert rows(down)["a"]["last_resort"] is True
    assert "last_resort" not in rows(down)["b"]
    assert order(survey(known("a", **DEGRADED | RESTING), known("b", **DEGRADED | RESTING))) == ["a", "b"]


@pytest.mark.parametrize("ill", [DEGRADED, UNHEALTHY])
@pytest.mark.case("C14")
def test_who_has_rested_is_not_first_but_by_a_probe(ill: dict[str, Any]) -> None:
    """Rested at NOW: this request may try it, if it is the one; a ms earlier nobody may."""
    rested = survey(known("a", **ill), known("b"))
    assert to_be_tried(rested) == ["a|m|"]
    assert order(rested) == ["b", "a"]
    assert order(with_probe(rested, "a|m|")) == ["a", "b"]
    assert rows(with_probe(rested, "a|m|"))["a"]["probe"] is True
    assert Decided.of(with_probe(rested, "a|m|")).decision.rule_fired == "default+probe"
    assert to_be_tried(replace(rested, now=NOW - 1)) == []
    assert to_be_tried(survey(known("a", **ill, wait_until=NOW + 1))) == []
    assert to_be_tried(survey(known("a", **ill), health="off")) == []
    assert to_be_tried(survey(known("a"))) == []


@pytest.mark.parametrize("ill", [DEGRADED, UNHEALTHY])
def test_who_has_rested_is_a_fallback_in_its_own_place(ill: dict[str, Any]) -> None:
    """Behind a healthy one it needs no probe: else one that is never first would be last for ever."""
    assert order(survey(known("a"), known("b", **ill), known("c"))) == ["a", "b", "c"]
    assert order(survey(known("a"), known("b", **ill | RESTING), known("c"))) == ["a", "c", "b"]
    assert order(survey(known("b", **ill), known("a"), known("c"))) == ["a", "c", "b"]


def test_who_has_rested_is_before_who_rests() -> None:
    """Where nobody is healthy."""
    some = [known("a", **DEGRADED | RESTING), known("b", **DEGRADED), known("c", **UNHEALTHY)]
    assert order(survey(*some)) == ["b", "c", "a"]


def test_nobody_is_probed_for_what_one_route_has_stored() -> None:
    """The route that has rested would know nothing of it, and there is no second one to ask."""
    rested = survey(known("a", **DEGRADED), known("b"), asked=Asked(1, 1, one_route=True))
    assert (order(rested), to_be_tried(rested)) == (["b"], [])


def test_who_is_probed_is_taken_at_its_word() -> None:
    """In each order: no latency, no success and a demotion of the last minute say nothing of it any more."""
    sick = known("a", **UNHEALTHY, count=9, demotion=3)
    well = known("b", (99, 99), count=9, successes=9, latency_ms=5)
    for by in ("static", "cheapest", "expected_cost", "fastest"):
        rested = survey(sick, well, order=by, adaptive=True)
        assert order(rested) == ["b", "a"]
        assert order(with_probe(rested, "a|m|")) == ["a", "b"]


@pytest.mark.case("C7")
def test_who_can_think_comes_first_when_asked_to() -> None:
    """Before the warm one, which cannot; without being asked nothing moves."""
    some = [known("a", thinks=False, warm_until=NOW + 9), known("b")]
    asked = Asked(1000, 1024, thinks=True)
    assert order(survey(*some, asked=asked)) == ["b", "a"]
    assert order(survey(*some)) == ["a", "b"]


@pytest.mark.case("C15")
def test_adaptive_demotion_is_a_stable_sort() -> None:
    """By level, and only where the profile asks for it."""
    some = [known("a", demotion=1), known("b"), known("c", demotion=3), known("d", demotion=1)]
    assert order(survey(*some, adaptive=True)) == ["b", "a", "d", "c"]
    assert order(survey(*some)) == ["a", "b", "c", "d"]
    assert Decided.of(survey(*some, adaptive=True)).decision.rule_fired == "default+adaptive"


WARM: dict[str, Any] = {"warm_until": NOW + 1, "warm_at": NOW - 9}


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
    decided = survey(known("a"), known("b", dear, cached_tokens=cached, **WARM))
    assert order(decided) == (["b", "a"] if stays else ["a", "b"])
    told = rows(decided)["b"]
    assert (told["stay_usd"], told["leave_usd"], told["warm"]) == (stay_usd, leave_usd, stays)
    assert Decided.of(decided).decision.rule_fired == ("default+warm" if stays else "default")
    assert "stay_usd" not in rows(decided)["a"]


def test_leaving_means_going_where_the_request_would_go() -> None:
    """Not to a route that is ill, though it stands first in the list, nor to one that is closed."""
    ill, closed = known("a", (1, 1), **DEGRADED | RESTING), known("c", (1, 1), enabled=False)
    warm = known("w", (3, 15), cached_tokens=1000, **WARM)
    assert rows(survey(ill, closed, known("b", (9, 9)), warm))["w"]["leave_usd"] == "0.018216"


def test_what_nobody_can_price_stays_warm() -> None:
    """On either side, and where there is nowhere else to go."""
    assert order(survey(known("a"), known("b", None, **WARM))) == ["b", "a"]
    assert order(survey(known("a", None), known("b", (99, 99), **WARM))) == ["b", "a"]
    alone = rows(survey(known("b", **WARM)))["b"]
    assert (alone["warm"], alone["stay_usd"], "leave_usd" in alone) == (True, "0.01836", False)


def test_a_cache_holds_no_more_than_the_request() -> None:
    """A conversation that has been cut short is not paid back."""
    told = rows(survey(known("a"), known("b", cached_tokens=10**6, **WARM)))["b"]
    assert told["stay_usd"] == "0.01566"


def test_the_warm_route_is_left_when_it_is_down() -> None:
    """Degraded, it goes behind the others; unhealthy or out of memory, it is set aside."""
    for more in (DEGRADED, UNHEALTHY, {"out_of_memory_until": NOW + 1}):
        assert order(survey(known("a"), known("b", **WARM, **more))) == ["a", "b"]


def test_of_two_warm_routes_the_latest_counts() -> None:
    """A session goes on where it last was, however long another cache lives."""
    some = [known("a"), known("b", warm_until=NOW + 99, warm_at=1), known("c", warm_until=NOW + 1, warm_at=2)]
    assert order(survey(*some)) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("dial", "floor", "stopped"),
    [
        ("balanced", 0.7, None),
        ("quality", 0.8, None),
        ("cost", 0.6, None),
    ],
)
@pytest.mark.case("A8")
def test_the_dial_moves_the_floor_by_a_tenth(dial: str, floor: float, stopped: str | None) -> None:
    """Up for quality, down for cost, and nothing stops it inside the bounds."""
    found = floor_of(Rules(quality_floor=0.7, dial=dial))
    assert (found.quality, found.stopped_by) == (floor, stopped)


@pytest.mark.parametrize(
    ("quality_floor", "dial", "floor", "stopped"),
    [
        (0.85, "quality", 0.85, "floor_bounds"),
        (0.80, "quality", 0.85, "floor_bounds"),
        (0.75, "quality", 0.85, None),
        (0.55, "cost", 0.50, "floor_bounds"),
        (0.60, "cost", 0.50, None),
        (None, "quality", None, "no_quality_floor"),
        (None, "balanced", None, None),
    ],
)
@pytest.mark.case("A8")
def test_the_dial_stops_at_the_bounds_and_says_so(
    quality_floor: float | None, dial: str, floor: float | None, stopped: str | None
) -> None:
    """At a bound, on the way to it, just inside it, and without a floor that it could move."""
    found = floor_of(Rules(quality_floor=quality_floor, dial=dial))
    assert (found.quality, found.stopped_by) == (floor, stopped)


@pytest.mark.case("A8")
def test_nothing_moves_the_caller_s_own_floor() -> None:
    """Neither the dial nor its bounds, and where the dial was turned in vain the receipt can say so."""
    assert floor_of(Rules(quality_floor=0.6, min_quality=0.7, dial="cost")).quality == 0.7
    assert floor_of(Rules(quality_floor=0.6, min_quality=0.99)).quality == 0.99
    assert floor_of(Rules(min_quality=0.7, dial="cost")).stopped_by == "min_quality"


@given(st.decimals("0.5", "0.85", places=2), st.sampled_from(["quality", "cost"]))
@pytest.mark.case("A8")
def test_a_turned_dial_differs_unless_a_bound_stops_it(floor: Any, dial: str) -> None:
    """For any floor within the bounds, in both directions."""
    turned = floor_of(Rules(quality_floor=float(floor), dial=dial))
    assert (turned.quality != float(floor)) or turned.stopped_by == "floor_bounds"
    assert 0.5 <= (turned.quality or 0) <= 0.85


def test_one_route_where_no_other_would_do() -> None:
    """What builds on one provider's store is not tried at a second one."""
    decided = survey(known("a", wait_until=NOW + 1), known("b"), known("c"), asked=Asked(1, 1, one_route=True))
    assert order(decided) == ["b"]


CANDIDATES = st.builds(
    known,
    st.sampled_from("abcdefg"),
    st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
    enabled=st.booleans(),
    quality=st.none() | st.floats(0, 1),
    count=st.just(5),
    successes=st.integers(0, 5),
    latency_ms=st.none() | st.integers(1, 9),
    tool_incapable=st.booleans(),
    health=st.sampled_from(["healthy", "degraded", "unhealthy"]),
    out_of_memory_until=st.sampled_from([0, NOW + 1]),
    warm_until=st.sampled_from([0, NOW + 1]),
    cached_tokens=st.integers(0, 2000),
    demotion=st.integers(0, 3),
    budget=st.sampled_from([None, budget("5"), budget("1")]),
    lacks=st.sampled_from([(), ("tools",)]),
)
SURVEYS = st.builds(
    lambda some, rules: survey(*some, **rules),
    st.lists(CANDIDATES, max_size=5, unique_by=lambda k: k.route),
    st.fixed_dictionaries(
        {
            "order": st.sampled_from(["static", "cheapest", "expected_cost", "fastest"]),
            "min_quality": st.sampled_from([None, 0.5]),
            "adaptive": st.booleans(),
        }
    ),
)


@given(SURVEYS)
@pytest.mark.case("A4")
def test_a_decision_is_whole(surveyed: Survey) -> None:
    """Each candidate is eligible or has a reason; the first of the order is the one chosen; those set aside are
    last; and as long as nothing hard speaks against one of them, something is tried.
    """
    told, tried = rows(surveyed), order(surveyed)
    assert all((row["rejection_reason"] is None) == row["eligible"] for row in map(_with_reason, told.values()))
    assert [name for name, row in told.items() if row["chosen"]] == tried[:1]
    eligible = {name for name, row in told.items() if row["eligible"]}
    assert set(tried[: len(eligible)]) == eligible
    assert {name for name, row in told.items() if row.get("last_resort")} == set(tried[len(eligible) :])
    assert {reasons(surveyed)[name] for name in tried[len(eligible) :]} <= SOFT
    assert len(tried) == len(set(tried))


def _with_reason(row: dict[str, Any]) -> dict[str, Any]:
    return {"rejection_reason": None} | row


@given(SURVEYS)
@pytest.mark.case("A9")
def test_a_decision_is_made_again_from_what_is_stored(surveyed: Survey) -> None:
    """Packed, unpacked and decided anew: the same bytes."""
    packed = Decided.of(surveyed).pack()
    stored = Decided.unpack(packed)
    assert stored.survey == surveyed
    assert Decided.of(stored.survey).pack() == packed
    assert stored == Decided.of(surveyed)


@pytest.mark.parametrize("damaged", [b"", b"\x02", b"\x01", b"\x01\xff\xff", b"{}"])
def test_what_is_no_decision_of_ours_is_said_to_be_none(damaged: bytes) -> None:
    """A newer router's, or half of one."""
    with pytest.raises(ValueError, match=r"decision|Expecting"):
        Decided.unpack(damaged)


def test_explaining_sees_another_decision() -> None:
    """Stored as decided by rules that are no more: it is shown as it was, and is said not to be the same."""
    told = Decided.of(survey(known("a"), known("b")))
    other = replace(told, decision=replace(told.decision, order=(1, 0)))
    said = explain("inf_1", other.pack())
    assert (said["same"], said["decided"]["order"], said["recomputed"]["order"]) == (
        False,
        ["b|m|", "a|m|"],
        ["a|m|", "b|m|"],
    )
    assert explain("inf_1", told.pack())["same"] is True
    assert explain("inf_1", b"")["same"] is None


def test_a_stored_decision_is_small() -> None:
    """Beside an inference it must fit into one write unit of 1 kB: 300 bytes for five routes with all figures."""
    some = [
        known(
            f"provider-{n}", (n, n), quality=0.8, count=99, successes=90 + n, latency_ms=800 + n, setup=f"{n:012}"
        )
        for n in range(5)
    ]
    assert len(Decided.of(survey(*some, order="cheapest")).pack()) < 300


RULES: list[dict[str, Any]] = [
    {"order": "cheapest"},
    {"dial": "cost"},
    {"min_quality": 0.1},
    {"quality_floor": 0.6},
    {"floor_bounds": (0.4, 0.85)},
    {"request_cap_usd": "1"},
    {"latency_slo_ms": 99_999},
    {"paid_allowed": True},
    {"memory_pressure": "off"},
    {"health": "off"},
    {"adaptive": True},
    {"profile": "other"},
    {"budgets": "other"},
]


@pytest.mark.parametrize("changed", RULES, ids=[next(iter(r)) for r in RULES])
@pytest.mark.case("A9")
def test_every_rule_is_in_the_hash(changed: dict[str, Any]) -> None:
    """Also one that would have made no difference."""
    some = known("a", quality=0.9)
    assert (
        Decided.of(survey(some, **changed)).decision.ruleset_hash != Decided.of(survey(some)).decision.ruleset_hash
    )


def test_every_rule_has_been_changed() -> None:
    """A new rule without a case above fails here."""
    assert {name for each in RULES for name in each} | {"fired"} == set(Rules.__dataclass_fields__)


CHANGED: list[tuple[str, Any]] = [
    *(("NUMBERS", decision.NUMBERS | {name: "other"}) for name in decision.NUMBERS),
    ("GATES", GATES[1:]),
    ("SOFT", SOFT | {"disabled"}),
]


@pytest.mark.parametrize(("name", "value"), CHANGED)
@pytest.mark.case("A9")
def test_what_no_config_says_is_in_the_hash_too(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gates, which of them are soft, and every number of the rules' own."""
    before = Decided.of(survey(known("a"))).decision.ruleset_hash
    monkeypatch.setattr(decision, name, value)
    assert Decided.of(survey(known("a"))).decision.ruleset_hash != before


def test_a_cache_without_a_price_of_its_own_is_no_cheaper() -> None:
    """What is read from it costs what is sent."""
    plain = known("a", (2, 0), cache_read_per_mtok=None)
    assert dollars.cost_usd(plain, Asked(1000, 0), 1000) == dollars.cost_usd(plain, Asked(1000, 0))


def test_until_when_a_soft_reason_holds() -> None:
    """The later of what was asked for and the rest; memory by its own."""
    ill = known("a", **UNHEALTHY | {"rest_until": NOW + 9_000}, wait_until=NOW + 1_000)
    full = known("b", out_of_memory_until=NOW + 5_000)
    told = rows(survey(ill, full, known("c")))
    assert [told[name].get("free_at") for name in "abc"] == [iso(NOW + 9_000), iso(NOW + 5_000), None]


def test_a_candidate_s_setup_is_in_the_hash_and_its_views_are_not() -> None:
    """What is configured is a rule; what was seen is an input."""
    plain = Decided.of(survey(known("a"))).decision.ruleset_hash
    assert Decided.of(survey(known("a", setup="other"))).decision.ruleset_hash != plain
    seen: list[Known] = [known("a", count=9, latency_ms=9), known("a", **DEGRADED), known("a", **WARM)]
    assert {Decided.of(survey(one)).decision.ruleset_hash for one in seen} == {plain}
