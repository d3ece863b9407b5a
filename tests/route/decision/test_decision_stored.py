"""A decision as it is stored and made again, and what its hash is over."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.moments import iso
from route.decision import decide as decision
from route.decision.explanation import explain
from route.decision.gates import GATES, SOFT
from route.decision.inputs import Candidate, DecisionInputs, Rules
from route.decision.stored import DecisionRecord
from tests.ledger.make import NOW
from tests.route.decision.made_inputs import DEGRADED, WARM, budget, candidate, inputs, order, reasons, rows

CANDIDATES = st.builds(
    candidate,
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
    lambda some, rules: inputs(*some, **rules),
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
def test_a_decision_is_whole(surveyed: DecisionInputs) -> None:
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
def test_a_decision_is_made_again_from_what_is_stored(surveyed: DecisionInputs) -> None:
    """Packed, unpacked and decided anew: the same bytes."""
    packed = DecisionRecord.of(surveyed).pack()
    stored = DecisionRecord.unpack(packed)
    assert stored.inputs == surveyed
    assert DecisionRecord.of(stored.inputs).pack() == packed
    assert stored == DecisionRecord.of(surveyed)


@pytest.mark.parametrize("damaged", [b"", b"\x02", b"\x01", b"\x01\xff\xff", b"{}"])
def test_what_is_no_decision_of_ours_is_said_to_be_none(damaged: bytes) -> None:
    """A newer router's, or half of one."""
    with pytest.raises(ValueError, match=r"decision|Expecting"):
        DecisionRecord.unpack(damaged)


def test_explaining_sees_another_decision() -> None:
    """Stored as decided by rules that are no more: it is shown as it was, and is said not to be the same."""
    told = DecisionRecord.of(inputs(candidate("a"), candidate("b")))
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
        candidate(
            f"provider-{n}", (n, n), quality=0.8, count=99, successes=90 + n, latency_ms=800 + n, setup=f"{n:012}"
        )
        for n in range(5)
    ]
    assert len(DecisionRecord.of(inputs(*some, order="cheapest")).pack()) < 300


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
    some = candidate("a", quality=0.9)
    assert (
        DecisionRecord.of(inputs(some, **changed)).decision.ruleset_hash
        != DecisionRecord.of(inputs(some)).decision.ruleset_hash
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
    before = DecisionRecord.of(inputs(candidate("a"))).decision.ruleset_hash
    monkeypatch.setattr(decision, name, value)
    assert DecisionRecord.of(inputs(candidate("a"))).decision.ruleset_hash != before


def test_a_candidate_s_setup_is_in_the_hash_and_its_views_are_not() -> None:
    """What is configured is a rule; what was seen is an input."""
    plain = DecisionRecord.of(inputs(candidate("a"))).decision.ruleset_hash
    assert DecisionRecord.of(inputs(candidate("a", setup="other"))).decision.ruleset_hash != plain
    seen: list[Candidate] = [
        candidate("a", count=9, latency_ms=9),
        candidate("a", **DEGRADED),
        candidate("a", **WARM),
    ]
    assert {DecisionRecord.of(inputs(one)).decision.ruleset_hash for one in seen} == {plain}


def test_a_floor_of_nothing_is_a_floor() -> None:
    """A caller may say 0: whoever has no known quality is out, and the stored decision says so too."""
    told = DecisionRecord.of(inputs(candidate("a"), candidate("b", quality=0.1), min_quality=0.0))
    stored = DecisionRecord.unpack(told.pack())
    assert (stored.document["quality_floor"], stored.document["order"]) == (0.0, ["b|m|"])
    assert stored.document == told.document


def test_a_rest_that_nobody_heeds_holds_nothing_up() -> None:
    """With the guard off only the provider's own wish is told."""
    ill = candidate("a", health="unhealthy", rest_until=NOW + 9_000, wait_until=NOW + 1_000)
    assert rows(inputs(ill, candidate("b"), health="off"))["a"]["free_at"] == iso(NOW + 1_000)
