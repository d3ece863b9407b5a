"""When a destination that never calls a tool counts as incapable of it."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.folds import fold_facts
from ledger.folds.tools import WINDOW_MS, ToolEvidence
from ledger.items import Fact
from ledger.outcomes import FaultKind
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact

ASKED = replace(ORIGIN, tools_requested=True)
HERE = "acme|small|"


def answers(count: int, at: int = NOW, **given: Any) -> list[Fact]:
    return [fact(at, origin=ASKED, **given) for _ in range(count)]


def incapable(facts: list[Fact], now: int = NOW) -> bool:
    return fold_facts(ToolEvidence, facts).is_incapable(HERE, now)


@pytest.mark.case("U6")
def test_the_twentieth_answer_without_a_call_decides() -> None:
    """19 are not enough, and nothing at all is not either."""
    assert not incapable([])
    assert not incapable(answers(19))
    assert incapable(answers(20))


@pytest.mark.case("U6")
def test_one_call_clears_it() -> None:
    """Among 41 answers, whether it came first or last."""
    for call_at in (NOW - 1, NOW + 1):
        assert not incapable([*answers(40), *answers(1, call_at, tool_calls=1)], NOW + 1)
    assert incapable(answers(41))


@pytest.mark.case("U6")
def test_failures_and_requests_without_tools_are_no_evidence() -> None:
    """20 failed with 429; 50 without tools, or with `tool_choice: none`, which the origin does not tell apart."""
    assert not incapable(answers(20, ok=False, kind=FaultKind.RATE_LIMITED))
    assert not incapable([*answers(19), *answers(20, ok=False)])
    assert not incapable([fact(NOW) for _ in range(50)])
    assert not incapable([*answers(19), *(fact(NOW) for _ in range(50))])


@pytest.mark.case("U6")
def test_evidence_ages_out_by_the_minute() -> None:
    """All 31 minutes old: capable. A minute counts until its last instant is the window old, and not after."""
    assert not incapable(answers(20, NOW - 31 * MINUTE))
    start = NOW - NOW % MINUTE
    last_overlap = start + MINUTE - 1 + WINDOW_MS
    assert incapable(answers(20, start), last_overlap)
    assert not incapable(answers(20, start), last_overlap + 1)


def test_a_call_ages_out_too() -> None:
    """A route that called tools once and then for half an hour did not has lost it."""
    facts = [*answers(1, NOW - 31 * MINUTE, tool_calls=1), *answers(20)]
    assert incapable(facts)
    assert not incapable([*answers(1, NOW - 29 * MINUTE, tool_calls=1), *answers(20)])


def test_destinations_are_judged_apart_and_their_backends_together() -> None:
    """20 answers on two models are 10 each; on two backends of one they are 20."""
    assert not incapable([*answers(10), *answers(10, model="large")])
    assert incapable([*answers(10, served_by="east"), *answers(10, served_by="west")])


def test_what_is_kept_is_bounded() -> None:
    """One minute after another for hours: the window's minutes stay, so a view item cannot fill up."""
    facts = [one for n in range(200) for one in answers(1, NOW + n * MINUTE)]
    assert len(fold_facts(ToolEvidence, facts).get(HERE).minutes) == 31
