"""What a router knows of its fleet: the snapshot, and its own newest facts on top, each counted once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds.route_stats import WINDOW_MS
from ledger.items import Fact
from ledger.outcomes import Ending
from ledger.snapshot import Snapshot, with_own
from ledger.snapshot import add_facts as add_to_snapshot
from ledger.store.records import Item
from ledger.views import ViewKey
from route.fleet import overlay as module
from route.fleet.fleet import Fleet
from tests.ledger.make import MINUTE, NOW, fact

CALL: dict[str, Any] = {"closes": Ending.OK, "cost_usd": Decimal("0.5")}


def item_of(as_of: int, facts: list[Fact]) -> Item:
    return {"as_of": as_of, "blob": add_to_snapshot(Snapshot(as_of), facts).pack()}


@dataclass
class Replicas:
    """Stands for a views table whose reads are eventually consistent: each is answered by the next `answer`."""

    answers: list[Callable[[], Awaitable[Item | None]]]

    async def get_view_item(self, _key: ViewKey) -> Item | None:
        return await self.answers.pop(0)() if self.answers else None


def replicas(*items: Item | None) -> Any:
    return Replicas([partial(asyncio.sleep, 0, item) for item in items])


async def test_a_snapshot_never_goes_back() -> None:
    """An older read after a newer one changes nothing: the facts that were dropped for the newer are in it."""
    first, second, third = fact(NOW), fact(NOW + 10), fact(NOW + 20)
    fleet = Fleet(replicas(item_of(NOW + 10, [first, second]), item_of(NOW, [first])), 0)
    fleet.add(second, third)
    for _ in range(3):
        known = await fleet.snapshot(NOW + 30)
        assert (known.as_of, known.routes.aggregate().count) == (NOW + 10, 3)


async def test_two_refreshes_out_of_order() -> None:
    """The one that was asked first is answered last: the later snapshot stays."""
    first, second = fact(NOW), fact(NOW + 10)
    answered = asyncio.Event()

    async def slow() -> Item:
        await answered.wait()
        return item_of(NOW, [first])

    store: Any = Replicas([slow, lambda: asyncio.sleep(0, item_of(NOW + 10, [first, second]))])
    fleet = Fleet(store, 0)
    fleet.add(second)
    asked = asyncio.create_task(fleet.snapshot(NOW + 20))
    await asyncio.sleep(0)
    assert (await fleet.snapshot(NOW + 20)).routes.aggregate().count == 2
    answered.set()
    assert (await asked).routes.aggregate().count == 2
    assert (await fleet.snapshot(NOW + 20)).as_of == NOW + 10


async def test_an_own_fact_that_the_snapshot_has_already_is_not_added() -> None:
    """It was written, rolled up and read back before its router got to hand it over."""
    one = fact(NOW)
    fleet = Fleet(replicas(item_of(NOW, [one])), 0)
    await fleet.snapshot(NOW)
    fleet.add(one)
    assert (await fleet.snapshot(NOW)).routes.aggregate().count == 1


STEP = st.one_of(
    st.builds(fact, st.integers(NOW, NOW + 300), latency_ms=st.integers(1, 9), cost_usd=st.just(Decimal(1))),
    st.integers(NOW, NOW + 300),
)


@given(st.lists(STEP, max_size=12))
def test_the_running_fold_is_the_fold(steps: list[Fact | int]) -> None:
    """Facts and snapshots in any order: what is known is `with_own` over the newest one and all own facts."""
    own = [step for step in steps if isinstance(step, Fact)]
    snapshots = {at: item_of(at, [f for f in own if f.at <= at]) for at in steps if isinstance(at, int)}

    async def play() -> Snapshot:
        fleet = Fleet(replicas(), 0)
        known = await fleet.snapshot(NOW + 300)
        for step in steps:
            if isinstance(step, Fact):
                fleet.add(step)
            else:
                fleet._views = replicas(snapshots[step])
            known = await fleet.snapshot(NOW + 300)
        return known

    newest = Snapshot.unpack(snapshots[max(snapshots)]["blob"]) if snapshots else Snapshot()
    assert asyncio.run(play()) == with_own(newest, own, NOW + 300)


async def test_own_facts_are_folded_once_and_not_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 own facts and a rollup that stands still: requests fold nothing anew, one a minute at most does."""
    folds = []

    def counted(*given: Any) -> Snapshot:
        folds.append(given)
        return with_own(*given)

    monkeypatch.setattr(module, "with_own", counted)
    fleet = Fleet(replicas(), 1_000)
    fleet.add(*(fact(NOW + n) for n in range(10_000)))
    for n in range(300):
        assert (await fleet.snapshot(NOW + 10_000 + n * 1_000)).routes.aggregate().count == 10_000
    assert len(folds) == 1
    # From here on something leaves the window all the time.
    for n in range(300):
        await fleet.snapshot(NOW + WINDOW_MS + n * 1_000)
    assert len(folds) <= 1 + 300 // 60


async def test_what_is_known_is_bounded() -> None:
    """The newest 10,000 own facts are kept; what overflows is out at the next fold."""
    fleet = Fleet(replicas(), 0)
    fleet.add(*(fact(NOW + n) for n in range(module.OWN_FACTS + 5)))
    assert len(fleet._overlay.own) == module.OWN_FACTS


async def test_statistics_leave_the_window() -> None:
    """The fleet's and the router's own, a minute late at most; spend stays under its day."""
    fleet = Fleet(replicas(item_of(NOW, [fact(NOW, **CALL)])), 0)
    await fleet.snapshot(NOW)
    fleet.add(fact(NOW + 1_000, **CALL))
    assert (await fleet.snapshot(NOW + WINDOW_MS)).routes.aggregate().count == 2
    gone = await fleet.snapshot(NOW + WINDOW_MS + MINUTE + 1_001)
    assert gone.routes.aggregate().count == 0
    assert gone.spent_usd("acme", "day", NOW) == 1


async def test_who_comes_at_once_waits_for_the_same_read() -> None:
    """After a pause the view is old: twenty requests read it once, and all decide by the new one."""
    asked = 0

    async def slow() -> Item:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        return item_of(NOW, [fact(NOW)])

    store: Any = Replicas([slow] * 20)
    fleet = Fleet(store, 1_000)
    known = await asyncio.gather(*(fleet.snapshot(NOW + n) for n in range(20)))
    assert asked == 1
    assert {snapshot.as_of for snapshot in known} == {NOW}


async def test_a_read_that_hangs_holds_up_one_request() -> None:
    """The others wait a little and go by what is known. Where nothing is, not even what was spent, they wait."""
    hang = asyncio.Event()

    async def never() -> None:
        await hang.wait()

    store: Any = Replicas([never])
    fleet = Fleet(store, 1_000)
    first = asyncio.create_task(fleet.snapshot(NOW))
    second = asyncio.create_task(fleet.snapshot(NOW + 1))
    await asyncio.wait([first, second], timeout=0.5)
    assert not first.done()
    assert not second.done()
    hang.set()
    await asyncio.gather(first, second)
    hang.clear()
    fleet._views = Replicas([never])  # type: ignore[assignment]
    first = asyncio.create_task(fleet.snapshot(NOW + 2_000))
    await asyncio.sleep(0)
    assert (await asyncio.wait_for(fleet.snapshot(NOW + 2_001), 5)).as_of == 0
    assert not first.done()
    hang.set()
    await first


async def test_own_facts_are_folded_in_their_order() -> None:
    """A success that ended before a fault and was told of after it does not clear that fault."""
    fleet = Fleet(replicas(), 0)
    fault, success = fact(NOW + 10, ok=False), fact(NOW + 5)
    for one in (fault, success):
        fleet.add(one)
    known = await fleet.snapshot(NOW + 20)
    assert known.health.get("acme|small|").first == (NOW + 10,)
    assert known == with_own(Snapshot(), [success, fault], NOW + 20)


async def test_a_snapshot_that_nobody_can_read_is_said_to_be_one(caplog: pytest.LogCaptureFixture) -> None:
    """A newer router's, or half of one: the last one stays in use, and the log says why."""
    good, bad = item_of(NOW, [fact(NOW)]), item_of(NOW + 1, []) | {"blob": b"torn"}
    fleet = Fleet(replicas(good, bad), 0)
    for at in (NOW, NOW + 10):
        assert (await fleet.snapshot(at)).as_of == NOW
    assert [record.message for record in caplog.records] == ["views-unreadable"]
