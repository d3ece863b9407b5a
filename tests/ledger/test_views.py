"""How minutes are added to a view item: replaced while open, folded in once."""

import itertools
from dataclasses import replace

import pytest

from ledger.folds.health import Health
from ledger.folds.spend import Spend
from ledger.folds.wasted import Wasted
from ledger.outcomes import Outcome
from ledger.views import VIEWS, SpendDay, ViewItem, ViewKey, advance, day_sks, derive, minute_sks
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact, traffic

ITEM = ViewItem(ViewKey("p", "s"), "none of those that are kept")


def calls(count: int) -> Spend:
    return Spend(attempts=count)


def test_an_open_minute_is_replaced_and_not_added() -> None:
    """Derived again with more facts it says more; derived again with the same nothing is written."""
    once = advance(ITEM, Spend, {"m1": calls(1)}, seal="", as_of=1)
    more = advance(once, Spend, {"m1": calls(2)}, seal="", as_of=2)
    assert (once.state(Spend), more.state(Spend)) == (calls(1), calls(2))
    assert advance(more, Spend, {"m1": calls(2)}, seal="", as_of=3) is more
    assert (more.version, more.as_of) == (2, 2)


def test_a_minute_is_sealed_once() -> None:
    """Sealed, and passed over however often it comes again."""
    sealed = advance(ITEM, Spend, {"m1": calls(2)}, seal="m1", as_of=1)
    assert (sealed.through, sealed.open) == ("m1", {})
    assert advance(sealed, Spend, {"m1": calls(2)}, seal="m1", as_of=2) is sealed
    assert advance(sealed, Spend, {"m1": calls(9)}, seal="m9", as_of=2) is sealed
    assert sealed.state(Spend) == calls(2)


def test_an_earlier_look_does_not_undo_a_later_one() -> None:
    """A slow pass leaves open minutes as the later pass saw them, but what it may seal is complete."""
    later = advance(ITEM, Spend, {"m1": calls(2), "m2": calls(5)}, seal="", as_of=9)
    slow = advance(later, Spend, {"m1": calls(2), "m2": calls(1)}, seal="m1", as_of=8)
    assert (slow.through, slow.state(Spend), slow.as_of) == ("m1", calls(7), 9)
    assert advance(later, Spend, {"m2": calls(1)}, seal="", as_of=8) is later


def test_every_order_of_passes_ends_in_the_same_state() -> None:
    """Three looks at three minutes, each as complete as its instant allows, in every order, with repeats."""
    looks = [
        ({"m1": calls(1)}, "", 1),
        ({"m1": calls(2), "m2": calls(3)}, "", 2),
        ({"m1": calls(2), "m2": calls(4), "m3": calls(1)}, "m2", 3),
    ]
    for order in itertools.permutations([*looks, looks[0], looks[2]]):
        item = ITEM
        for minutes, seal, as_of in order:
            item = advance(item, Spend, minutes, seal=seal, as_of=as_of)
        assert (item.state(Spend), item.through, set(item.open)) == (calls(7), "m2", {"m3"})


def test_deriving_does_not_depend_on_the_order_of_the_facts() -> None:
    """The index gives them shard by shard."""
    facts = traffic(1, NOW, NOW + 5 * MINUTE, 30)
    assert derive(facts) == derive(reversed(facts))


def test_each_destination_has_an_item_of_its_own() -> None:
    """So that no number of providers fills one; backends share it; what says nothing about a route has none."""
    facts = [
        fact(served_by="east"),
        fact(served_by="west"),
        fact(model="a|b"),
        fact(provider="other", n=0, outcome=Outcome.REFUSED),
    ]
    minutes, days = (
        {key.sk for view, key in derive(facts) if view.name == name} for name in ("routes", "route_days")
    )
    assert days == {"day#2026-11-20#acme|small|", "day#2026-11-20#acme|a%7Cb|"}
    first, last = day_sks("2026-11-19", "2026-11-20")
    assert all(first < sk < last for sk in days)
    for day in ("2026-11-19", "2026-11-21"):
        assert not any(a <= sk <= b for sk in days for a, b in [day_sks(day, day)])
    assert minutes == {"minute#2026-11-20T13:18#acme|small|", "minute#2026-11-20T13:18#acme|a%7Cb|"}
    first, last = minute_sks("2026-11-20T13:17", "2026-11-20T13:18")
    assert all(first < sk < last for sk in minutes)
    assert not any(a <= sk <= b for sk in minutes for a, b in [minute_sks("2026-11-20T13:17", "2026-11-20T13:17")])
    assert not any(a <= sk <= b for sk in minutes for a, b in [minute_sks("2026-11-20T13:19", "2026-11-20T13:20")])


def test_a_fact_without_a_session_has_no_session_view() -> None:
    """And one with a session is under its caller and day."""
    anonymous = fact(origin=fact().origin.__class__("amy", "t", "chat"))
    assert {view.name for view, _ in derive([anonymous])} == {"routes", "route_days", "spend", "activity"}
    assert ViewKey("session#amy#s1", "2026-11-20") in {key for _, key in derive([fact()])}


def test_a_part_of_what_is_kept_together_can_be_read_alone() -> None:
    """An item of several folds as a whole, or one of them; where it says nothing of that one, it is empty."""
    place, minutes = next(
        (p, m) for p, m in derive([fact(NOW), fact(NOW + MINUTE)]).items() if p[0].name == "spend"
    )
    item = advance(ViewItem(place[1], "spend"), SpendDay, minutes, seal=min(minutes), as_of=1)
    assert item.state(SpendDay).spend == item.state(Spend) == Spend(attempts=2, unpriced=2)
    assert item.state(Wasted) == Wasted()
    assert "wasted" not in item.sealed, "what is empty is not stored"
    with pytest.raises(LookupError, match="SpendDay has no Health"):
        item.state(Health)


def test_open_minutes_are_merged_in_their_order() -> None:
    """A table gives back a map in any order; whether a success clears faults depends on theirs."""
    facts = [fact(NOW, ok=False), fact(NOW + MINUTE), fact(NOW + 2 * MINUTE, ok=False)]
    place, minutes = next((p, m) for p, m in derive(facts).items() if p[0].name == "route_days")
    item = advance(ViewItem(place[1], "route_days"), place[0].fold, minutes, seal="", as_of=1)
    for order in itertools.permutations(item.open.items()):
        faults = replace(item, open=dict(order)).state(Health).get("acme|small|")
        assert faults.first == (NOW + 2 * MINUTE,)


def test_whose_activity_is_kept_by_the_hour() -> None:
    """A tenant's and its agent's, under names that stay apart whatever they contain."""
    one = fact(origin=replace(ORIGIN, tenant="a#b", agent="c/d"))
    keys = {key for view, key in derive([one]) if view.name == "activity"}
    assert keys == {
        ("activity#tenant#a%23b", "2026-11-20T13"),
        ("activity#agent#a%23b/c%252Fd", "2026-11-20T13"),
    }


@pytest.mark.parametrize("minute", ["2026-11-20T13:00", "2026-11-20T13:18", "2026-11-20T13:59"])
def test_when_an_item_expires_does_not_depend_on_which_minute_came_first(minute: str) -> None:
    """By what its key names, so that a rebuild sets the same instant: the minute, the day, the hour."""
    start = NOW // MINUTE * MINUTE
    hour, day = start - 18 * MINUTE, start - (13 * 60 + 18) * MINUTE
    ends = {view.name: view.expires_at(minute) for view in VIEWS}
    assert ends == {
        "routes": (hour + int(minute[-2:]) * MINUTE) // 1000 + 86_400,
        "route_days": day // 1000 + 40 * 86_400,
        "session": None,
        "spend": None,
        "activity": hour // 1000 + 3 * 86_400,
    }
