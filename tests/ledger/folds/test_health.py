"""Faults in a row and what they lead to; when a destination wants to be left alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.cooldown import MAX_WAIT_MS, Cooldown, Cooldowns
from ledger.folds.health import COOLDOWN_MS, MAX_COOLDOWN_MS, Faults, Health, HealthState
from ledger.items import Fact
from ledger.outcomes import FaultKind, Outcome
from tests.ledger.make import MINUTE, NOW, fact

HERE = "acme|small|"
STEP = 1_000


def row(pattern: str, start: int = NOW) -> list[Fact]:
    """`x` a fault, `o` a success, `-` a caller's mistake, one second apart."""
    kinds: dict[str, dict[str, Any]] = {
        "x": {"ok": False},
        "o": {},
        "-": {"outcome": Outcome.ERROR, "kind": FaultKind.INVALID_REQUEST},
    }
    return [fact(start + n * STEP, **kinds[c]) for n, c in enumerate(pattern)]


def faults(pattern: str) -> Faults:
    return fold_facts(Health, row(pattern)).get(HERE)


@pytest.mark.case("C14")
@pytest.mark.parametrize(
    ("pattern", "state"),
    [
        ("", HealthState.HEALTHY),
        ("xx", HealthState.HEALTHY),
        ("xxx", HealthState.DEGRADED),
        ("xxxxx", HealthState.DEGRADED),
        ("xxxxxx", HealthState.UNHEALTHY),
        ("xxxxxxo", HealthState.HEALTHY),
        ("xxxxxxoxx", HealthState.HEALTHY),
        ("xxxxxxoxxx", HealthState.DEGRADED),
        ("xx-x", HealthState.DEGRADED),
        ("xx-", HealthState.HEALTHY),
        ("xxoxxoxxoxx", HealthState.HEALTHY),
    ],
)
def test_faults_in_a_row_decide(pattern: str, state: HealthState) -> None:
    """3: degraded, 6: unhealthy, a success: healthy; what is no fault of the route neither counts nor clears."""
    assert faults(pattern).standing().state is state


@pytest.mark.case("C14")
@pytest.mark.parametrize("threshold", [2, 3, 20])
def test_the_threshold_is_the_callers(threshold: int) -> None:
    """At n - 1, n, 2n - 1 and 2n faults, for the least and the largest n; far more change nothing."""
    states = [faults("x" * n).standing(threshold).state for n in (threshold - 1, threshold)]
    states += [faults("x" * n).standing(threshold).state for n in (2 * threshold - 1, 2 * threshold, 99)]
    assert states == ["healthy", "degraded", "degraded", "unhealthy", "unhealthy"]


def test_a_degraded_route_rests_for_a_minute() -> None:
    """After each further fault anew, or for the cooldown where that is shorter. Since the third fault."""
    assert faults("xxx").standing() == (HealthState.DEGRADED, NOW + 2 * STEP, NOW + 2 * STEP + MINUTE)
    assert faults("xxxx").standing() == (HealthState.DEGRADED, NOW + 2 * STEP, NOW + 3 * STEP + MINUTE)
    assert faults("xxx").standing(cooldown_ms=5_000).rest_until == NOW + 2 * STEP + 5_000
    assert faults("").standing() == (HealthState.HEALTHY, 0, 0)


@pytest.mark.case("C14")
def test_each_failed_probe_doubles_the_rest() -> None:
    """15 minutes, 30, then an hour at most, when each probe fails right when the rest is over."""
    facts, rests = row("xxxxxx"), []
    since = facts[-1].at
    for _ in range(5):
        standing = fold_facts(Health, facts).get(HERE).standing()
        assert (standing.state, standing.since) == (HealthState.UNHEALTHY, since)
        rests.append(standing.rest_until - facts[-1].at)
        facts.append(fact(standing.rest_until, ok=False))
    assert rests == [COOLDOWN_MS, 2 * COOLDOWN_MS, *[MAX_COOLDOWN_MS] * 3]


def test_faults_that_go_on_while_it_rests_make_the_rest_longer_by_their_time() -> None:
    """Two more seconds of faults: two seconds more than 15 minutes after the last one."""
    standing = faults("xxxxxxxx").standing()
    assert standing.rest_until == NOW + 7 * STEP + COOLDOWN_MS + 2 * STEP


def test_what_came_before_a_success_is_gone_but_not_what_came_after() -> None:
    """By the order of the facts and not by that of merging: the state of both parts is that of all facts."""
    a, b = (fold_facts(Health, row(p, start)) for p, start in (("xxx", NOW), ("oxx", NOW + 9_000)))
    assert a.merge(b).get(HERE).first == (NOW + 10_000, NOW + 11_000)
    assert b.get(HERE).ok
    assert not a.get(HERE).ok


@given(st.text("xo-", max_size=100), st.integers(2, 20))
def test_it_is_a_count_of_the_trailing_faults(pattern: str, threshold: int) -> None:
    """Against a plain count, also where more faults are in a row than instants are kept."""
    run = len(pattern.replace("-", "").rpartition("o")[2])
    expected = "unhealthy" if run >= 2 * threshold else "degraded" if run >= threshold else "healthy"
    found = faults(pattern)
    assert found.standing(threshold).state == expected
    instants = [f.at for f in row(pattern) if not f.ok and f.counts][-run:] if run else []
    assert (list(found.first), found.last) == (instants[:40], instants[-1] if run else 0)


def waiting(at: int, retry_after_ms: int | None, **given: Any) -> Fact:
    return fact(at, ok=False, **{"kind": FaultKind.RATE_LIMITED, "retry_after_ms": retry_after_ms} | given)


def cooldown(*facts: Fact) -> Cooldown:
    return fold_facts(Cooldowns, facts).get(HERE)


def test_the_latest_instant_that_a_provider_names_counts() -> None:
    """A later answer that asks for less does not take back what was asked for; a success does not either."""
    facts = [waiting(NOW, 30_000), waiting(NOW + 1_000, 2_000), fact(NOW + 2_000)]
    assert cooldown(*facts).wait_until == NOW + 30_000
    assert cooldown(*facts, waiting(NOW + 3_000, 40_000)).wait_until == NOW + 43_000


def test_no_provider_is_waited_for_longer_than_an_hour() -> None:
    """To the millisecond; and without a word, or after a request's own fault, nothing is waited for."""
    for asked, waited in ((MAX_WAIT_MS - 1, MAX_WAIT_MS - 1), (MAX_WAIT_MS, MAX_WAIT_MS), (10**12, MAX_WAIT_MS)):
        assert cooldown(waiting(NOW, asked)).wait_until == NOW + waited
    assert cooldown(waiting(NOW, None), waiting(NOW, 0)) == Cooldown()
    assert cooldown(waiting(NOW, 9, kind=FaultKind.INVALID_REQUEST)) == Cooldown()
    assert cooldown(fact(NOW, retry_after_ms=9)) == Cooldown()


@pytest.mark.case("C13")
def test_out_of_memory_blocks_for_its_cooldown() -> None:
    """Marked at 100 s for 60 s: 159.9 blocked, 160.0 free; marked again at 130: until 190."""

    def oom(at: int) -> Fact:
        return fact(at, ok=False, kind=FaultKind.OUT_OF_MEMORY)

    once, twice = cooldown(oom(100_000)), cooldown(oom(100_000), oom(130_000))
    assert (once.out_of_memory_until(60_000), twice.out_of_memory_until(60_000)) == (160_000, 190_000)
    assert cooldown(waiting(100_000, None)).out_of_memory_until(60_000) == 0
    assert Cooldown().out_of_memory_until(60_000) == 0
