"""What a router knows of its fleet: the views, the index, and its own newest facts, each counted once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.route_stats import WINDOW_MS
from ledger.folds.session import Session, add_facts
from ledger.items import Fact, Origin
from ledger.moments import minute_of, minute_start_ms
from ledger.outcomes import Ending
from ledger.snapshot import Snapshot, with_own
from ledger.snapshot import add_facts as add_to_snapshot
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.store.records import Item
from ledger.views import ViewKey
from rollup.marks import SEALED, read_watermark
from rollup.passes import run_pass
from route.fleet import overlay as module
from route.fleet.fleet import Fleet, unsealed_after
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact
from tests.ledger.store.tables import Writes, beside, dying_client
from tests.rollup.known import ask_known_minutes

MIDNIGHT = minute_start_ms("2026-11-20T00:00")
CALL: dict[str, Any] = {"closes": Ending.OK, "cost_usd": Decimal("0.5")}


async def totals(store: Store, fleet: Fleet | None = None) -> Session | None:
    return await (fleet or Fleet(store, 0)).session("amy", "s1")


@pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
async def test_totals_are_exact_wherever_a_pass_dies_at_midnight(
    dynamodb_url: str, store: Store, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    """Whichever of two days' items was written last: the same totals before, between and after."""
    facts = [fact(MIDNIGHT + at, **CALL) for at in (-70_000, -1, 0)]
    await asyncio.gather(*map(store.facts.put_fact, facts))
    ask_known_minutes(monkeypatch, facts)
    exact, later = fold_facts(Session, facts), MIDNIGHT + 6 * MINUTE
    dies_at, died = 0, True
    while died:
        client = dying_client(Writes(dies_at, lands))
        views = f"{store.views.name}-{dies_at}"
        async with beside(dynamodb_url, store, views=views) as own, beside(dynamodb_url, own, client) as doomed:
            await read_watermark(own, SEALED, start=minute_of(MIDNIGHT - 10 * MINUTE))
            assert await totals(own) == exact
            try:
                await run_pass(doomed, now=later, lag_ms=0)
                died = False
            except StoreError:
                dies_at += 1
            assert await totals(own) == exact
            await run_pass(own, now=later, lag_ms=0)
            assert await totals(own) == exact
    assert dies_at > 5


async def test_a_day_that_a_killed_pass_left_out_is_in_the_totals(dynamodb_url: str, store: Store) -> None:
    """The new day's item is sealed, the old day's is not, or is not there at all; nothing is counted twice."""
    facts = [fact(MIDNIGHT - 30_000, **CALL), fact(MIDNIGHT + 30_000, **CALL)]
    await asyncio.gather(*map(store.facts.put_fact, facts))
    async with beside(dynamodb_url, store, views=f"{store.views.name}-b") as done:
        for at in (store, done):
            await read_watermark(at, SEALED, start=minute_of(MIDNIGHT - 2 * MINUTE))
        await run_pass(done, now=MIDNIGHT + 4 * MINUTE, lag_ms=0)
        stored = await done.views.get_view_item(ViewKey("session#amy#s1", "2026-11-20"))
    assert stored is not None
    await store.views.put_view_item(stored)
    assert await totals(store) == fold_facts(Session, facts)


N, BEFORE = "2026-11-20", "2026-11-19"


def end(minute: str) -> int:
    return minute_start_ms(minute) + MINUTE - 1


@pytest.mark.parametrize(
    ("through", "after"),
    [
        ({}, -1),
        ({N: f"{N}T13:18"}, end(f"{N}T13:18")),
        ({N: f"{N}T13:18", BEFORE: f"{BEFORE}T23:10"}, end(f"{N}T13:18")),
        ({N: f"{N}T00:59"}, end(f"{N}T00:59")),
        ({N: f"{N}T00:58"}, end(f"{BEFORE}T23:58")),
        ({N: f"{N}T00:00", BEFORE: f"{BEFORE}T23:58"}, end(f"{BEFORE}T23:58")),
        ({N: f"{N}T00:00", BEFORE: f"{BEFORE}T12:00"}, end(f"{BEFORE}T23:00")),
        ({N: f"{N}T00:00", BEFORE: ""}, end(f"{BEFORE}T23:00")),
        ({N: "", BEFORE: f"{BEFORE}T23:58"}, end(f"{BEFORE}T23:58")),
        ({N: ""}, end(f"{BEFORE}T22:59")),
        ({BEFORE: f"{BEFORE}T12:00", "2026-11-01": "2026-11-01T03:00"}, end(f"{BEFORE}T12:00")),
    ],
)
def test_the_index_is_read_from_where_something_may_be_unsealed(through: dict[str, str], after: int) -> None:
    """The end of what is sealed; soon after midnight also the day before, by one step of a pass at most."""
    assert unsealed_after(through) == after


async def test_own_facts_are_in_the_totals_before_the_index_has_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of that caller and session, once, also when the index has them, and not of the inference that runs."""
    mine, other = fact(**CALL), fact(origin=replace(ORIGIN, session="s2"), **CALL)
    theirs = fact(origin=Origin("bob", "acme-inc", "chat", session="s1"), **CALL)
    running = fact(NOW + 1, **CALL)
    fleet = Fleet(store, 0)
    fleet.add(mine, other, theirs, running)
    with monkeypatch.context() as late:
        late.setattr(store, "facts_of_session", lambda *_, **__: asyncio.sleep(0, []))
        assert await fleet.session("amy", "s1", without=running.inference_id) == Session.of(mine)
        assert await totals(store, fleet) == fold_facts(Session, [mine, running])
        assert await fleet.session("amy", "s3") is None
    caught_up = Fleet(store, 0)
    caught_up.add(mine)
    await store.facts.put_fact(mine)
    assert await totals(store, caught_up) == Session.of(mine)
    await run_pass(store, now=NOW + 10 * MINUTE, lag_ms=0)
    assert await totals(store, caught_up) == Session.of(mine), "sealed, and not dropped here yet"


async def test_what_the_store_has_of_a_fact_is_right(store: Store) -> None:
    """The reaper wrote an attempt's row before its router did: that row counts, and no second one."""
    mine = fact(**CALL)
    reaped = fact(NOW, inference_id=mine.inference_id, ok=False, closes=Ending.ERROR)
    await store.facts.put_fact(reaped)
    fleet = Fleet(store, 0)
    fleet.add(mine)
    assert await totals(store, fleet) == Session.of(reaped)


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
                fleet._store = replicas(snapshots[step])
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


def test_add_facts_is_one_fold_over_all() -> None:
    """A session's totals so far and its newest facts."""
    facts = [fact(NOW + n, **CALL) for n in range(4)]
    assert add_facts(fold_facts(Session, facts[:2]), facts[2:]) == fold_facts(Session, facts)


@dataclass
class Claims:
    """A store that grants claims as told; an error is raised."""

    answers: list[bool | StoreError]
    asked: int = 0
    ended: list[tuple[str, int, int]] = field(default_factory=list)

    async def claim_probe(self, _route: str, *, now: int, until: int) -> bool:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    async def end_probe(self, route: str, *, claimed_until: int, until: int) -> bool:
        self.ended.append((route, claimed_until, until))
        return True


async def test_a_probe_is_asked_for_now_and_then() -> None:
    """Once refused, or granted, not again for 5 s, or for as long as the claim is one's own, if that is
    shorter.
    """
    store: Any = Claims([False, True, True])
    fleet = Fleet(store, 0)
    claimed = [await fleet.claim_probe("a|m|", NOW + at, 60_000) for at in (0, 1, 4_999, 5_000, 9_999)]
    assert (claimed, store.asked) == ([None, None, None, NOW + 65_000, None], 2)
    assert await fleet.claim_probe("b|m|", NOW, 1_000) == NOW + 1_000


async def test_a_store_that_is_down_grants_no_probe() -> None:
    """The route rests on, and no request fails for it."""
    store: Any = Claims([StoreError("down"), True])
    fleet = Fleet(store, 0)
    assert await fleet.claim_probe("a|m|", NOW, 1_000) is None
    assert await fleet.claim_probe("a|m|", NOW + 1_000, 1_000) == NOW + 2_000
    assert store.ended == [("a|m|", NOW + 1_000, NOW)], "it may have been granted all the same"


async def test_a_claim_that_comes_late_is_given_back() -> None:
    """Its request has gone elsewhere by then: nobody would try the route for as long as it lasts."""
    store: Any = Claims([])
    granted = asyncio.Event()

    async def late(_route: str, *, now: int, until: int) -> bool:
        await granted.wait()
        return True

    store.claim_probe = late
    fleet = Fleet(store, 0)
    assert await fleet.claim_probe("a|m|", NOW, 60_000) is None
    granted.set()
    assert fleet._late is not None
    await fleet._late
    assert store.ended == [("a|m|", NOW + 60_000, NOW)]


async def test_of_many_routers_one_gets_the_probe(dynamodb_url: str, store: Store) -> None:
    """Twenty at once; when its claim is over, one of the twenty again."""
    fleets = [Fleet(store, 0) for _ in range(20)]
    for at in (NOW, NOW + 1_000, NOW + 2_000):
        claimed = await asyncio.gather(*(fleet.claim_probe("a|m|", at, 1_000) for fleet in fleets))
        assert len([until for until in claimed if until]) == 1


async def test_a_claim_ends_with_its_probe(store: Store) -> None:
    """It lasts as long as a call may, and once that has ended for a pause alone; who has none ends none."""
    one, other = Fleet(store, 0), Fleet(store, 0)
    assert await one.claim_probe("a|m|", NOW, 300_000)
    assert not await other.claim_probe("a|m|", NOW + 10_000, 300_000)
    await other.end_probe("a|m|", NOW + 20_000, NOW + 21_000)
    assert not await other.claim_probe("a|m|", NOW + 30_000, 300_000)
    await one.end_probe("a|m|", NOW + 300_000, NOW + 35_000)
    assert not await other.claim_probe("a|m|", NOW + 35_000 - 1, 300_000)
    assert await Fleet(store, 0).claim_probe("a|m|", NOW + 35_000, 300_000)


async def test_a_claim_that_has_run_out_is_not_ended_for_its_next_holder(store: Store) -> None:
    """A router that comes back late leaves the other's alone."""
    late, next_ = Fleet(store, 0), Fleet(store, 0)
    assert await late.claim_probe("a|m|", NOW, 1_000)
    assert await next_.claim_probe("a|m|", NOW + 1_000, 100_000)
    await late.end_probe("a|m|", NOW + 1_000, NOW + 2_000)
    assert not await Fleet(store, 0).claim_probe("a|m|", NOW + 3_000, 1_000)


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
    fleet._store = Replicas([never])  # type: ignore[assignment]
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
