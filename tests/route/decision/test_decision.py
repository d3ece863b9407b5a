"""The decision from plain values: gates, floors, caps and the dial, and what is set aside."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.moments import iso
from ledger.prices import Price
from route.decision.gates import GATES, SOFT, floor_of
from route.decision.inputs import Candidate, DecisionInputs, Rules
from route.decision.stored import DecisionRecord
from tests.ledger.make import NOW
from tests.route.decision.made_inputs import UNHEALTHY, budget, candidate, inputs, order, reasons, rows

FIVE = {
    "e": candidate("e", (15, 75), quality=0.95),
    "d": candidate("d", (5, 15), quality=0.93),
    "c": candidate("c", (1.25, 10), quality=0.90),
    "b": candidate("b", (5, 15), quality=0.86),
    "a": candidate("a", (2, 6), quality=0.80),
}


def five(**rules: Any) -> DecisionInputs:
    return inputs(*FIVE.values(), order="cheapest", **rules)


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
    some = [candidate("a"), candidate("b", quality=0.9)]
    assert reasons(inputs(*some, min_quality=0.5)) == {"a": "no_quality", "b": None}
    assert reasons(inputs(*some)) == {"a": None, "b": None}


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
    assert reasons(inputs(candidate("a", None), request_cap_usd="100")) == {"a": "no_price"}
    assert reasons(inputs(candidate("a", None))) == {"a": None}


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
    decided = inputs(candidate("a", **given), candidate("b", (0.1, 0.1), quality=1.0), **rules)
    assert reasons(decided) == {"a": reason, "b": None}
    assert [row["chosen"] for row in rows(decided).values()] == [False, True]
    assert order(decided) == (["b", "a"] if reason in SOFT else ["b"])


@pytest.mark.parametrize("reason", OPEN)
def test_every_gate_opens_just_beside_it(reason: str) -> None:
    """At the limit itself, with the permission, or once the time is up."""
    given, rules = OPEN[reason]
    assert order(inputs(candidate("a", **given), **rules)) == ["a"]


def test_the_first_reason_is_told() -> None:
    """Where several gates are closed the row has the first in their order."""
    shut = candidate("a", lacks=("tools", "images"), budget=budget("9"), wait_until=NOW + 1)
    assert reasons(inputs(shut))["a"] == "lacks_tools"


@pytest.mark.parametrize("soft", sorted(SOFT))
def test_no_request_is_refused_for_evidence_alone(soft: str) -> None:
    """All routes set aside: they are tried in their base order, whatever speaks for another, and the rule says
    so.
    """
    given, rules = CLOSED[soft]
    some = [candidate("a", (9, 9), **given), candidate("b", (1, 1), warm_until=NOW + 9, **given)]
    decided = inputs(*some, **rules)
    assert order(decided) == ["a", "b"]
    told = rows(decided)
    assert [(row["eligible"], row["chosen"], row["set_aside"]) for row in told.values()] == [
        (True, True, soft),
        (True, False, soft),
    ]
    assert DecisionRecord.of(decided).decision.rule_fired == "default+set_aside"
    assert order(replace(decided, rules=replace(decided.rules, order="cheapest"))) == ["b", "a"]


@pytest.mark.parametrize("soft", sorted(SOFT))
def test_what_is_set_aside_is_the_last_resort(soft: str) -> None:
    """Behind every route that nothing speaks against, so that a chain whose others fail can still be served."""
    given, rules = CLOSED[soft]
    decided = inputs(candidate("a", **given), candidate("b"), candidate("c", enabled=False), **rules)
    assert order(decided) == ["b", "a"]
    assert reasons(decided) == {"a": soft, "b": None, "c": "disabled"}


def test_a_hard_reason_behind_a_soft_one_is_hard() -> None:
    """What lacks the budget is not tried, though its first reason is only evidence."""
    both = candidate("a", tool_incapable=True, budget=budget("5"))
    assert (order(inputs(both)), reasons(inputs(both))) == ([], {"a": "tool_incapable"})


def test_guards_that_are_off_say_nothing() -> None:
    """Neither pressure nor health sets a route aside, but what a provider asks for is heeded."""
    oom, ill = candidate("a", out_of_memory_until=NOW + 9), candidate("b", health="unhealthy", rest_until=NOW + 9)
    for action in ("off", "warn"):
        assert reasons(inputs(oom, memory_pressure=action)) == {"a": None}
    assert order(inputs(ill, candidate("c"), health="off")) == ["b", "c"]
    assert order(inputs(candidate("a", wait_until=NOW + 9), candidate("c"), health="off")) == ["c", "a"]


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


def test_until_when_a_soft_reason_holds() -> None:
    """The later of what was asked for and the rest; memory by its own."""
    ill = candidate("a", **UNHEALTHY | {"rest_until": NOW + 9_000}, wait_until=NOW + 1_000)
    full = candidate("b", out_of_memory_until=NOW + 5_000)
    told = rows(inputs(ill, full, candidate("c")))
    assert [told[name].get("free_at") for name in "abc"] == [iso(NOW + 9_000), iso(NOW + 5_000), None]


def test_a_price_is_known_where_input_and_output_are() -> None:
    """Prices come back from their text to the last digit. A cache read that nobody has priced costs what the input
    does; half a price is none.
    """
    known = Candidate("a|m|", input_per_mtok="0.30", output_per_mtok="1e-7", cache_read_per_mtok="0")
    assert known.price == Price(Decimal("0.30"), Decimal("1e-7"), Decimal(0))
    plain = Candidate("a|m|", input_per_mtok="3", output_per_mtok="15")
    assert plain.price == Price(Decimal(3), Decimal(15), Decimal(3))
    assert Candidate("a|m|", input_per_mtok="3").price is None
    assert Candidate("a|m|", output_per_mtok="3").price is None
