"""Which destinations stand back for a while, being slow or faulty just now."""

from collections.abc import Iterable
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.adaptive import KEPT_S, Pace, levels
from ledger.items import Fact
from ledger.moments import SECOND_MS
from tests.ledger.make import MINUTE, NOW, fact, in_order

START = NOW - NOW % MINUTE
SECOND = SECOND_MS


def on(provider: str, at: int, *latencies: int, failures: int = 0) -> list[Fact]:
    """Attempts at one instant."""
    given: dict[str, Any] = {"provider": provider}
    ok = [fact(at, latency_ms=ms, **given) for ms in latencies]
    return ok + [fact(at, ok=False, latency_ms=99_999, **given) for _ in range(failures)]


def told(facts: Iterable[Fact], now: int, among: str = "abc") -> dict[str, int]:
    keys = {f"{provider}|small|": provider for provider in among}
    found = levels(fold_facts(Pace, in_order(facts)), keys, now)
    return {keys[key]: level for key, level in found.items()}


def one_slow(at: int, slow: int = 1000) -> list[Fact]:
    return [*on("a", at, *[slow] * 3), *on("b", at, *[100] * 3), *on("c", at, *[100] * 3)]


@pytest.mark.case("C15")
@pytest.mark.parametrize("second", [0, 1, 29, 30, 31, 58, 59])
def test_a_slow_route_stands_back_at_once_and_for_half_a_minute(second: int) -> None:
    """a 1000 ms, b and c 100: a at 1, a second later too; after 31 s with a fast one each at 0. At any second."""
    at = START + second * SECOND
    facts = one_slow(at)
    assert told(facts, at) == told(facts, at + SECOND) == {"a": 1, "b": 0, "c": 0}
    for n in range(1, 32):
        facts += on("a", at + n * SECOND, 100)
        assert told(facts, at + n * SECOND)["a"] == int(n < 30)


@pytest.mark.case("C15")
def test_failures_are_outside_the_median() -> None:
    """However long they took."""
    at = START
    facts = [*on("a", at, 100, 100, 100), *on("b", at, *[100] * 3), *on("c", at, *[100] * 3)]
    assert told([*facts, *on("a", at, *[100] * 50, failures=5)], at)["a"] == 0


@pytest.mark.parametrize(("ms", "level"), [(149, 0), (150, 1)])
def test_half_as_slow_again_as_the_median_of_the_medians(ms: int, level: int) -> None:
    """At exactly 1.5 times, and not below."""
    assert told(one_slow(START, ms), START)["a"] == level


@pytest.mark.parametrize(("count", "level"), [(2, 0), (3, 1)])
def test_a_route_is_compared_with_three_latencies(count: int, level: int) -> None:
    """With two it neither stands back, nor does anybody because of it."""
    others = [*on("b", START, *[100] * 3), *on("c", START, *[100] * 3)]
    assert told([*on("a", START, *[1000] * count), *others], START)["a"] == level
    few = [*on("a", START, *[1000] * 3), *on("b", START, *[10] * count), *on("c", START, *[1000] * 3)]
    assert told(few, START, "abc") == {"a": 0, "b": 0, "c": 0}


def test_an_even_count_has_the_mean_of_the_middle_two() -> None:
    """a: 100, 100, 200, 200 is 150, which is 1.5 times 100; one ms less is not."""
    others = [*on("b", START, *[100] * 3), *on("c", START, *[100] * 3)]
    assert told([*on("a", START, 100, 100, 200, 200), *others], START)["a"] == 1
    assert told([*on("a", START, 100, 100, 199, 200), *others], START)["a"] == 0
    # Of the routes too: 300 against (100 + 300) / 2 = 200 is exactly half as slow again.
    assert told([*on("a", START, *[300] * 3), *on("b", START, *[100] * 3)], START, "ab") == {"a": 1, "b": 0}
    assert told([*on("a", START, *[299] * 3), *on("b", START, *[100] * 3)], START, "ab") == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("good", "bad", "level"), [(3, 1, 0), (4, 1, 2), (0, 5, 2), (0, 4, 0), (9, 1, 2), (10, 1, 0)]
)
def test_a_tenth_of_at_least_five_attempts(good: int, bad: int, level: int) -> None:
    """Four attempts are too few whatever became of them; 1 of 10 is a tenth, 1 of 11 is not."""
    facts = [one for n in range(good) for one in on("a", START + n, 100)] + on("a", START, failures=bad)
    assert told(facts, START + 999, "a") == {"a": level}


def test_slow_and_faulty_add_up() -> None:
    """Level 3, behind everything else."""
    assert told([*one_slow(START), *on("a", START, failures=2)], START)["a"] == 3


def test_only_those_that_are_asked_about_are_compared() -> None:
    """Alone, or among equals, nobody is slow; one that nothing is known of is at 0."""
    facts = one_slow(START)
    assert told(facts, START, "a") == {"a": 0}
    assert told(facts, START, "bc") == {"b": 0, "c": 0}
    assert told(facts, START, "abcx") == {"a": 1, "b": 0, "c": 0, "x": 0}
    assert told([*on("a", START, 0, 0, 0), *on("b", START, 0, 0, 0), *on("c", START, 9, 9, 9)], START) == {
        "a": 0,
        "b": 0,
        "c": 1,
    }


def test_the_window_is_a_minute() -> None:
    """What is 59 s old counts, after a minute it does not. The level follows, since half a minute is over."""
    facts = one_slow(START)
    assert told(facts, START + 59 * SECOND)["a"] == 1
    assert told(facts, START + 60 * SECOND)["a"] == 0


def test_a_level_that_fell_does_not_rise_for_half_a_minute() -> None:
    """The debounce is for both directions: slow again right after, it is believed 30 s after it fell."""
    facts = one_slow(START)
    fell = START + 60 * SECOND
    for n in range(61, 100):
        facts += one_slow(START + n * SECOND)
    assert told(facts, fell)["a"] == 0
    assert told(facts, fell + 29 * SECOND)["a"] == 0
    assert told(facts, fell + 30 * SECOND)["a"] == 1


CALL = st.tuples(
    st.sampled_from("abc"), st.integers(-200, 0), st.sampled_from([10, 100, 140, 150, 160, 1000]), st.booleans()
)


@given(st.lists(CALL, max_size=60), st.integers(0, 59))
def test_the_replay_is_that_of_every_second(calls: list[tuple[str, int, int, bool]], second: int) -> None:
    """Against the rule said plainly, evaluated at each second with nothing but the facts."""
    now = START + second * SECOND
    facts = in_order(
        one
        for provider, ago, ms, ok in calls
        for one in on(provider, now + ago * SECOND, *([ms] if ok else []), failures=int(not ok))
    )
    assert told(facts, now) == plainly(facts, now, "abc")


def plainly(facts: list[Fact], now: int, among: str) -> dict[str, int]:
    anchor = START // SECOND - 60
    applied, changed = {}, dict.fromkeys(among, anchor - 30)
    for at in range(anchor, now // SECOND + 1):
        for provider, level in targets(facts, at, among).items():
            if at == anchor:
                applied[provider] = level
            elif level != applied[provider] and at - changed[provider] >= 30:
                applied[provider], changed[provider] = level, at
    return applied


def targets(facts: list[Fact], at: int, among: str) -> dict[str, int]:
    seen = {p: [f for f in facts if f.provider == p and at - 60 < f.at // SECOND <= at] for p in among}
    timed: dict[str, list[int]] = {p: [] for p in among}
    for p, window in seen.items():
        for second in sorted({f.at // SECOND for f in window}):
            of_second = [f.latency_ms or 0 for f in window if f.ok and f.at // SECOND == second]
            timed[p] += of_second[-4:]
    medians = {p: median(ms) for p, ms in timed.items() if len(ms) >= 3}
    middle = median(medians.values()) if medians else 0
    found = {}
    for p, window in seen.items():
        failures = sum(not f.ok for f in window)
        slow = p in medians and medians[p] >= 1.5 * middle
        found[p] = int(slow) + 2 * int(len(window) >= 5 and failures * 10 >= len(window))
    return found


def test_what_is_kept_is_bounded() -> None:
    """Attempts without end, in each second some: the last three minutes, and four latencies of each second."""
    facts = [one for n in range(400) for one in on("a", START + n * SECOND, 1, 2, 3, 4, 5, 6)]
    cells = fold_facts(Pace, facts).get("a|small|").cells
    assert len(cells) == KEPT_S
    assert cells[-1] == (START // SECOND + 399, 6, 0, 3, 4, 5, 6)
