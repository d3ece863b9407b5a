"""States that are read from a table are unpacked one by one, when somebody asks for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.blocks.bounded import bounded
from ledger.folds.blocks.keyed import Packed
from ledger.folds.health import Faults, Health
from tests.ledger.make import NOW, fact


def faults(provider: str, at: int = NOW) -> Health:
    return Health.of(fact(at, provider=provider, ok=False))


def test_only_what_is_asked_for_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, also after something was merged in; what is not asked for is packed again as it was."""
    packed = fold_facts(Health, [fact(NOW, provider=p, ok=False) for p in "abc"]).pack()
    unpacked: list[object] = []

    def unpack(one: dict[str, object]) -> Faults:
        unpacked.append(one)
        return Faults(first=(NOW,), last=NOW)

    monkeypatch.setattr(Faults, "unpack", unpack)
    health = Health.unpack(packed)
    assert (len(health.states), "a|small|" in health.states, "x" in health.states) == (3, True, False)
    assert unpacked == []
    assert health.get("a|small|") is health.get("a|small|")
    assert health.get("x") == Faults()
    merged = health.merge(faults("b", NOW + 1)).merge(faults("new"))
    assert merged.get("b|small|").first == (NOW, NOW + 1)
    assert merged.get("a|small|") is health.get("a|small|")
    assert unpacked == [packed["a|small|"], packed["b|small|"]]
    assert merged.pack().keys() == packed.keys() | {"new|small|"}
    assert merged.pack()["c|small|"] is packed["c|small|"]
    assert len(unpacked) == 2
    assert (health.get("b|small|").first, health.get("new|small|")) == ((NOW,), Faults()), (
        "what was merged is as it was"
    )


def test_packed_states_are_equal_to_the_same_states() -> None:
    """From either side, and not to others."""
    plain = fold_facts(Health, [fact(NOW, provider=p, ok=False) for p in "ab"])
    packed = Health.unpack(plain.pack())
    assert isinstance(packed.states, Packed)
    assert packed == plain == packed
    assert packed != faults("a")
    assert faults("a") != packed
    assert repr(packed) == repr(plain)


def test_what_says_nothing_has_no_key() -> None:
    """So a state without evidence is the empty state, and no view item is written for it."""
    assert Health.of(fact(n=0)) == Health() == Health.unpack({})
    assert Health().pack() == {}


@given(st.dictionaries(st.text("ab*", max_size=3), st.integers(1, 9), max_size=12), st.integers(1, 5))
def test_a_bound_keeps_the_first_names_and_loses_nothing(counts: dict[str, int], most: int) -> None:
    """The sum stays; the rest is under `*`, which is no name itself; within the bound nothing changes."""
    kept = bounded(counts, most, int.__add__)
    names = sorted(counts.keys() - {"*"})
    assert sum(kept.values()) == sum(counts.values())
    assert {name: n for name, n in kept.items() if name != "*"} == {name: counts[name] for name in names[:most]}
    assert len(names) > most or kept == counts
