"""How minutes are added to a view item: replaced while open, folded in once."""

import itertools

from ledger.folds.spend import Spend
from ledger.outcomes import Outcome
from ledger.views import ViewItem, ViewKey, advance, derive, minute_sks
from tests.ledger.make import MINUTE, NOW, fact, traffic

ITEM = ViewItem(ViewKey("spend#all#2026-11", "all#2026-11-20"), "spend")


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
    minutes = {key.sk for view, key in derive(facts) if view.name == "routes"}
    assert minutes == {"minute#2026-11-20T13:18#acme|small|", "minute#2026-11-20T13:18#acme|a%7Cb|"}
    first, last = minute_sks("2026-11-20T13:17", "2026-11-20T13:18")
    assert all(first < sk < last for sk in minutes)
    assert not any(a <= sk <= b for sk in minutes for a, b in [minute_sks("2026-11-20T13:17", "2026-11-20T13:17")])
    assert not any(a <= sk <= b for sk in minutes for a, b in [minute_sks("2026-11-20T13:19", "2026-11-20T13:20")])


def test_a_fact_without_a_session_has_no_session_view() -> None:
    """And one with a session is under its caller and day."""
    anonymous = fact(origin=fact().origin.__class__("amy", "t", "chat"))
    assert {view.name for view, _ in derive([anonymous])} == {"routes", "spend"}
    assert ViewKey("session#amy#s1", "2026-11-20") in {key for _, key in derive([fact()])}
