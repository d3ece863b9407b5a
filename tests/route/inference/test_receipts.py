"""What the caller is told about its inference: costs that add up, and never a 0 that nobody knows."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds.session import Session, add_facts
from ledger.items import Fact
from ledger.moments import iso
from ledger.outcomes import Ending, Outcome
from ledger.prices import CostBasis, Price, cost_of
from ledger.snapshot import Snapshot
from ledger.usage import Usage
from route.answering.send import answer_headers
from route.fleet.sessions import session_document
from route.inference.receipts import make_receipt, usage_document
from route.planning.plan import Plan
from tests.ledger.make import FACTS, NOW, fact, inference
from tests.route.build import Json, body, plan, request

PLAN: Plan = plan(request())


def receipt(*facts: Fact, session: Session | None = None, now: int = NOW, decided: Plan = PLAN) -> Json:
    return make_receipt(inference(), facts, decided, session, now)


def saving(usd: str | None, **more: Any) -> Fact:
    return fact(usage=Usage(1), saved_usd=None if usd is None else Decimal(usd), **more)


def priced(usd: str | None, basis: CostBasis | None = CostBasis.COMPUTED, **more: Any) -> Fact:
    amount = None if usd is None else Decimal(usd)
    return fact(cost_usd=amount, cost_basis=basis if usd else None, saved_usd=None if usd is None else 0, **more)


FAILED: Json = {"ok": False, "usage": Usage(1)}


def billed(n: int, usage: Usage, *, ok: bool = True) -> Fact:
    """An attempt at 3/15 dollars per million tokens."""
    cost = cost_of(usage, Price(Decimal(3), Decimal(15)))
    return fact(n=n, ok=ok, usage=usage, cost_usd=cost.usd, saved_usd=cost.saved_usd, cost_basis=cost.basis)


@pytest.mark.case("U14", "C10")
def test_failed_attempts_cost_too() -> None:
    """An interrupted attempt's cost is in the inference's, and is what was wasted; tokens add up alike."""
    told = receipt(billed(1, Usage(100, cache_read=90), ok=False), billed(2, Usage(1000, 200, 100, output=500)))
    assert told["wasted_usd"] == "0.000327"
    assert told["cost_usd"] == "0.011262"
    assert told["saved_usd"] == "0.000783"
    assert told["usage"] == usage_document(Usage(1100, 290, 100, output=500))


def test_what_served_is_not_wasted() -> None:
    """Nothing wasted is an exact 0, not an unknown."""
    assert receipt(priced("0.01"))["wasted_usd"] == "0"


@pytest.mark.parametrize(
    ("facts", "cost", "wasted"),
    [
        ([priced("0.01")], "0.01", "0"),
        ([priced(None)], None, "0"),
        ([priced(None, **FAILED), priced("0.01", n=2)], None, None),
        ([priced("0.02", **FAILED), priced(None, n=2)], None, "0.02"),
        ([priced("0.02", **FAILED), priced("0.03", n=2)], "0.05", "0.02"),
    ],
)
@pytest.mark.case("U16")
def test_an_unknown_cost_stays_unknown(facts: list[Fact], cost: str | None, wasted: str | None) -> None:
    """A sum with one part that nobody knows is null, never the sum of the rest."""
    told = receipt(*facts)
    assert (told["cost_usd"], told["wasted_usd"]) == (cost, wasted)
    if cost is None:
        assert told["cost_basis"] is None


@pytest.mark.parametrize(
    ("facts", "saved"),
    [
        ([saving("0.01")], "0.01"),
        ([saving("0")], "0"),
        ([saving(None)], None),
        ([saving(None, ok=False), saving("0.01", n=2)], None),
        ([saving("0.02", ok=False), saving("0.01", n=2)], "0.03"),
        ([fact(ok=False, cost_usd=Decimal(0), saved_usd=Decimal(0)), saving("0.01", n=2)], "0.01"),
        ([fact(cost_usd=None, saved_usd=None)], None),
    ],
)
@pytest.mark.case("U16")
def test_an_unknown_saving_stays_unknown(facts: list[Fact], saved: str | None) -> None:
    """Null as soon as one part is not known, never 0; a refused attempt saved exactly nothing."""
    assert receipt(*facts)["saved_usd"] == saved


@pytest.mark.parametrize(
    ("bases", "weakest"),
    [
        (["subscription"], "subscription"),
        (["subscription", "reported"], "reported"),
        (["reported", "computed"], "computed"),
        (["computed", "subscription", "reported"], "computed"),
    ],
)
@pytest.mark.case("U16")
def test_a_sum_is_as_well_founded_as_its_weakest_part(bases: list[str], weakest: str) -> None:
    """Computed is weaker than reported is weaker than a subscription, in any order of the attempts."""
    facts = [priced("0.01", CostBasis(basis), n=n) for n, basis in enumerate(bases, 1)]
    assert receipt(*facts)["cost_basis"] == receipt(*reversed(facts))["cost_basis"] == weakest


def test_a_refused_attempt_has_no_basis_and_weakens_none() -> None:
    """It cost nothing because nothing was taken, on no basis at all."""
    free = fact(ok=False, cost_usd=Decimal(0), saved_usd=Decimal(0))
    told = receipt(free, priced("0.01", CostBasis.REPORTED, n=2))
    assert (told["cost_usd"], told["cost_basis"], told["wasted_usd"]) == ("0.01", "reported", "0")


def test_amounts_are_plain_text() -> None:
    """No exponents and no floats, whatever the size."""
    assert receipt(priced("1E-7"))["cost_usd"] == "0.0000001"


@pytest.mark.parametrize(
    ("more", "served_model", "served_by"),
    [
        ({}, "small-2026-01", "acme"),
        ({"served_model": "small-2026-02"}, "small-2026-02", "acme"),
        ({"served_by": "backend"}, "small-2026-01", "backend"),
    ],
)
def test_who_served(more: Json, served_model: str, served_by: str) -> None:
    """The backend and the model that the provider reports, else its own name and the model that we asked for."""
    told = receipt(fact(ok=False, provider="other"), fact(n=2, wire_model="small-2026-01", **more))
    assert (told["provider"], told["model"]) == ("acme", "small")
    assert (told["served_model"], told["served_by"]) == (served_model, served_by)


@pytest.mark.case("U1")
def test_every_attempt_has_a_row() -> None:
    """In order, with route, outcome, kind, times and cost."""
    failed = fact(ok=False, latency_ms=12, cost_usd=Decimal(0))
    served = fact(n=2, provider="other", served_by="x", latency_ms=340, ttft_ms=90, cost_usd=Decimal("0.010"))
    assert receipt(failed, served)["attempts"] == [
        {"n": 1, "route": "acme|small|", "outcome": "error", "kind": "server_error", "latency_ms": 12}
        | {"ttft_ms": None, "cost_usd": "0"},
        {"n": 2, "route": "other|small|x", "outcome": "ok", "kind": None, "latency_ms": 340}
        | {"ttft_ms": 90, "cost_usd": "0.01"},
    ]


def test_an_estimate_is_called_one() -> None:
    """One estimated attempt makes the sum an estimate."""
    assert receipt(fact(estimated=True, ok=False), fact(n=2))["estimated"] is True
    assert receipt(fact(), fact(n=2))["estimated"] is False


@pytest.mark.parametrize(("as_of", "age"), [(0, None), (NOW, 0.0), (NOW - 4_460, 4.5)])
def test_the_views_age_is_told(as_of: int, age: float | None) -> None:
    """In seconds; null before the first rollup. Beside it the rule, and what became of the dial."""
    decided = plan(request(body(routing_hint="cost")), snapshot=Snapshot(as_of=as_of))
    assert receipt(fact(), decided=decided)["plan"] == {
        "rule_fired": "default",
        "ruleset_hash": decided.ruleset_hash,
        "views_age_s": age,
        "tool_loop": None,
        "dial": "cost",
        "quality_floor": None,
        "dial_stopped_by": "no_quality_floor",
    }


def test_without_a_session_there_are_no_totals() -> None:
    """Null, not zeros."""
    assert receipt(fact())["session"] is None


@pytest.mark.case("U8", "U9")
def test_a_session_s_totals() -> None:
    """2 ok, a failed stream and a failed unary are 4 calls and 2 errors; one warm row per model, by name."""
    cached = Usage(100, cache_read=40, output=7)
    facts = [
        fact(closes=Ending.OK, usage=cached, cost_usd=Decimal("0.01"), saved_usd=Decimal("0.001")),
        fact(NOW + 1, closes=Ending.OK, model="large", provider="other", served_by="x", cost_usd=Decimal(0)),
        fact(NOW + 2, ok=False, closes=Ending.ERROR),
        fact(NOW + 3, outcome=Outcome.STREAM_INTERRUPTED, closes=Ending.ERROR),
    ]
    totals = session_document("s1", add_facts(Session(), facts))
    assert totals == {
        "session": "s1",
        "calls": 4,
        "errors": 2,
        "tokens_in": 140,
        "tokens_out": 7,
        "tokens_cached": 40,
        "cost_usd": "0.01",
        "saved_usd": "0.001",
        "unpriced": 0,
        "warm": [
            {"model": "large", "provider": "other", "served_by": "x"}
            | {"warm_until": iso(NOW + 300_001), "cached_tokens": 0},
            {"model": "small", "provider": "acme", "served_by": "acme"}
            | {"warm_until": iso(NOW + 300_000), "cached_tokens": 40},
        ],
    }
    assert receipt(fact(), session=add_facts(Session(), facts))["session"]["calls"] == 4


@given(st.lists(FACTS, min_size=1, max_size=6))
def test_the_whole_is_the_sum_of_its_parts(facts: list[Fact]) -> None:
    """For any attempts: cost is the rows' sum or unknown, tokens add up, wasted is no more than all."""
    told = receipt(*facts)
    costs = [row["cost_usd"] for row in told["attempts"]]
    assert told["cost_usd"] is None if None in costs else Decimal(told["cost_usd"]) == sum(map(Decimal, costs))
    assert told["usage"]["output"] == sum(f.usage.output for f in facts if f.usage)
    if told["cost_usd"] is not None:
        assert Decimal(told["wasted_usd"]) <= Decimal(told["cost_usd"])


@given(st.lists(FACTS, max_size=6), st.integers(0, 6))
def test_totals_do_not_depend_on_when_they_are_added(facts: list[Fact], at: int) -> None:
    """Before and during the inference, or all at once: the same totals."""
    before = add_facts(Session(), facts[:at])
    assert add_facts(before, facts[at:]) == add_facts(Session(), facts)


def test_the_headers_of_every_answer() -> None:
    """Our names, and our id where each vendor's SDK reads a request id."""
    assert answer_headers("inf_1", "acme|small|", 2, 7) == {
        "x-request-id": "inf_1",
        "request-id": "inf_1",
        "x-warmroute-inference-id": "inf_1",
        "x-warmroute-route": "acme|small|",
        "x-warmroute-attempts": "2",
        "x-warmroute-overhead-ms": "7",
    }
