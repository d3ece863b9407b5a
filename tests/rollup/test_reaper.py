"""What a router left open is closed once, by whoever comes first."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ledger.folds import fold_facts
from ledger.folds.route_stats import RouteStats
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.items import Fact, Inference, InferenceState, Started
from ledger.moments import minute_of
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from rollup.marks import REAPED, move_watermark, read_watermark
from rollup.passes import run_pass
from rollup.reaper import LOOK_BACK_MS, LOST_AFTER_MS, ReapIncomplete, ReapReport, close_lost, reap
from tests.ledger.make import MINUTE, NOW, closed_with, fact, inference
from tests.ledger.store.tables import (
    Writes,
    beside,
    dying_client,
    expected_views,
    facts_of,
    fresh_store,
    interrupted_client,
    merged_views,
)
from tests.rollup.known import refusing_client

LATER = NOW + LOST_AFTER_MS


async def opened(store: Store, *, attempts: int = 1, rows: list[Fact] | None = None) -> Inference:
    """An inference with some attempts started and some of their rows written."""
    one = inference(attempts=attempts)
    await store.facts.open_inference(one)
    for row in rows or []:
        await store.facts.put_attempt(replace(row, inference_id=one.inference_id))
    return one


async def reaped(store: Store, at: int = LATER) -> ReapReport:
    return await reap(store, lambda: at)


async def facts_at(store: Store, *instants: int) -> list[Fact]:
    minutes = {minute_of(at) for at in instants}
    return [one for minute in minutes for one in await store.facts.facts_of_minute(minute)]


@pytest.mark.case("11.2")
async def test_a_crash_before_any_answer_is_lost(store: Store) -> None:
    """One attempt, no row: it becomes unknown, the inference lost, and both are counted once, as an error."""
    one = await opened(store)
    assert await reaped(store) == ReapReport(minutes=5, lost=1)
    closed, [row] = await store.facts.get_inference(one.inference_id)
    assert closed is not None
    assert (closed.state, closed.ending, closed.status, closed.closed_at) == (
        InferenceState.LOST,
        Ending.ERROR,
        None,
        LATER,
    )
    assert (row.outcome, row.kind, row.closes, row.at, row.n) == (Outcome.UNKNOWN, FaultKind.LOST, None, LATER, 1)
    assert (row.latency_ms, row.usage, row.cost_usd, row.route) == (None, None, None, "acme|small|")
    assert row.origin == one.origin
    facts = await facts_at(store, LATER)
    assert fold_facts(Session, facts) == Session(calls=1, errors=1, unpriced=1)
    assert fold_facts(Spend, facts) == Spend(calls=1, attempts=1, unpriced=1)
    assert fold_facts(RouteStats, facts) == RouteStats()


async def test_what_is_younger_stays_open(store: Store) -> None:
    """Exactly the limit is lost, one ms less is not: its router may be at work still."""
    one = await opened(store)
    assert (await reaped(store, LATER - 1)).lost == 0
    assert await store.facts.open_in_minute(minute_of(NOW)) == [one.inference_id]
    assert (await reaped(store, LATER)).lost == 1


async def test_a_second_reaper_finds_nothing(store: Store) -> None:
    """Run twice, the same facts."""
    await opened(store, attempts=2)
    await reaped(store)
    before = await facts_at(store, LATER)
    assert (await reaped(store, LATER + 1)).lost == 0
    assert await facts_at(store, LATER) == before


async def test_only_missing_rows_are_written(store: Store) -> None:
    """The first attempt's row stays, and the second becomes unknown."""
    failed = fact(ok=False, n=1)
    one = await opened(store, attempts=2, rows=[failed])
    await reaped(store)
    _, rows = await store.facts.get_inference(one.inference_id)
    assert rows[0] == replace(failed, inference_id=one.inference_id)
    assert [(row.n, row.kind) for row in rows] == [(1, FaultKind.SERVER_ERROR), (2, FaultKind.LOST)]


async def test_a_crash_between_two_attempts_is_an_error_without_another_attempt(store: Store) -> None:
    """Every started attempt has its row and none ended the inference: it is one call and one error, no attempt."""
    one = await opened(store, rows=[fact(ok=False)])
    assert (await reaped(store)).lost == 1
    closed, rows = await store.facts.get_inference(one.inference_id)
    assert closed is not None
    assert (closed.state, closed.ending, len(rows)) == (InferenceState.LOST, Ending.ERROR, 1)
    facts = await facts_at(store, NOW, LATER)
    assert fold_facts(Spend, facts) == Spend(calls=1, attempts=1)
    assert [f.n for f in await store.facts.facts_of_session("amy", "s1")] == [0, 1]


@pytest.mark.case("11.2", "S2")
async def test_two_reapers_and_routers_that_come_back_late(any_store_url: str) -> None:
    """All at once over 12 inferences: each is closed once, and each attempt is counted once."""
    async with fresh_store(any_store_url) as store, beside(any_store_url, store) as other:
        left = [await opened(store) for _ in range(12)]

        async def late_router(one: Inference) -> None:
            """As a router does it, whatever the reaper has done meanwhile."""
            await store.facts.put_attempt(fact(LATER, inference_id=one.inference_id, ok=False))
            await store.facts.add_started(one.inference_id, Started(2, "other", "large", LATER))
            await store.facts.close_inference(closed_with(one, fact(LATER, n=2), Ending.FALLBACK))

        await asyncio.gather(reaped(store), *map(late_router, left), reaped(other))
        facts = await facts_at(store, LATER)
        for one in left:
            closed, rows = await store.facts.get_inference(one.inference_id)
            assert closed is not None
            own = [f for f in facts if f.inference_id == one.inference_id]
            assert closed.state is not InferenceState.OPEN
            assert [(r.n, r.outcome) for r in rows] == [(1, Outcome.ERROR), (2, Outcome.OK)]
            assert sum(f.attempts for f in own) == 2
            assert [f.closes for f in own if f.closes] == [closed.ending]


@pytest.mark.case("11.2")
async def test_a_router_begins_another_attempt_just_before_it_is_taken_over(
    dynamodb_url: str, store: Store
) -> None:
    """That attempt is unknown in the end like any other, since the reaper reads again once it has taken over."""
    one = await opened(store, rows=[fact(ok=False)])

    async def begin_another() -> None:
        await store.facts.add_started(one.inference_id, Started(2, "other", "large", LATER))

    client = interrupted_client("UpdateItem", begin_another)
    async with beside(dynamodb_url, store, client) as interrupted:
        assert (await reaped(interrupted)).lost == 1
    assert not await store.facts.add_started(one.inference_id, Started(3, "other", "large", LATER))
    _, rows = await store.facts.get_inference(one.inference_id)
    assert [(row.n, row.kind) for row in rows] == [(1, FaultKind.SERVER_ERROR), (2, FaultKind.LOST)]
    assert [f.closes for f in await facts_at(store, LATER) if f.closes] == [Ending.ERROR]


@pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
async def test_a_reaper_may_be_killed_at_any_write(dynamodb_url: str, store: Store, lands: bool) -> None:
    """Before or after each of its writes: the next one goes on, and the facts are those of one that lived."""
    dies_at, died = 0, True
    while died:
        one = await opened(store, attempts=3, rows=[fact(ok=False, n=2)])
        async with beside(dynamodb_url, store, dying_client(Writes(dies_at, lands))) as doomed:
            try:
                await close_lost(doomed, one.inference_id, lambda: LATER, NOW)
                died = False
            except StoreError:
                dies_at += 1
        await close_lost(store, one.inference_id, lambda: LATER, NOW)
        closed, rows = await store.facts.get_inference(one.inference_id)
        assert closed is not None
        assert (closed.state, closed.ending) == (InferenceState.LOST, Ending.ERROR)
        assert [(row.n, row.kind) for row in rows] == [
            (1, FaultKind.LOST),
            (2, FaultKind.SERVER_ERROR),
            (3, FaultKind.LOST),
        ]
        assert await store.facts.open_in_minute(minute_of(NOW)) == []
    assert dies_at == 4


async def test_lost_attempts_are_in_the_next_pass(store: Store) -> None:
    """What the reaper writes is dated when it writes it, so that a rollup that is minutes ahead counts it."""
    one = await opened(store)
    await run_pass(store, now=LATER - 1, lag_ms=0)
    await reaped(store)
    await run_pass(store, now=LATER, lag_ms=0)
    assert await merged_views(store) == expected_views(await facts_of(store, one.inference_id))


async def test_a_pause_is_caught_up(store: Store) -> None:
    """Hours without a reaper: it goes on from where it was, and its mark trails behind what it has read."""
    await reaped(store, NOW)
    await opened(store)
    long_after = NOW + 150 * MINUTE
    assert (await reaped(store, long_after)).lost == 1
    trail = minute_of(long_after - LOST_AFTER_MS - LOOK_BACK_MS)
    assert await read_watermark(store, REAPED, start="") == trail


async def test_an_opening_write_that_came_late_is_found(store: Store) -> None:
    """Written minutes after the instant it is dated at, when the reaper had read that minute already."""
    await reaped(store, LATER)
    await opened(store)
    assert (await reaped(store, LATER + 2 * MINUTE)).lost == 1


async def test_a_short_limit_by_hand_does_not_move_the_mark_ahead(store: Store) -> None:
    """Closing what is open for a second or more, once, leaves the scheduled reaper's work as it was."""
    await opened(store)
    assert (await reap(store, lambda: NOW + 1_000, lost_after_ms=1_000)).lost == 1
    mark = await read_watermark(store, REAPED, start="")
    assert mark == minute_of(NOW + 1_000 - LOST_AFTER_MS - LOOK_BACK_MS)


async def test_a_reaper_can_begin_earlier_than_its_mark(store: Store) -> None:
    """For days whose views are rebuilt: `since` reads on from there and leaves the mark alone."""
    await reaped(store, LATER + 60 * MINUTE)
    mark = await read_watermark(store, REAPED, start="")
    await opened(store)
    assert (await reaped(store, LATER + 60 * MINUTE)).lost == 0
    report = await reap(store, lambda: LATER + 60 * MINUTE, since=minute_of(NOW))
    assert report.lost == 1
    assert await read_watermark(store, REAPED, start="") == mark


async def test_a_mark_only_moves_forward(store: Store) -> None:
    """And many that create it at once agree on one."""
    minutes = ["2026-11-20T13:18", "2026-11-20T13:19"]
    read = await asyncio.gather(*(read_watermark(store, REAPED, start=minutes[n % 2]) for n in range(8)))
    assert len(set(read)) == 1
    moved = await asyncio.gather(*(move_watermark(store, REAPED, "2026-11-20T14:00") for _ in range(8)))
    assert moved.count(True) == 1
    assert not await move_watermark(store, REAPED, "2026-11-20T13:59")
    assert await read_watermark(store, REAPED, start="") == "2026-11-20T14:00"


async def test_one_that_cannot_be_closed_stops_no_other(dynamodb_url: str, store: Store) -> None:
    """The others are closed, then the error names it. The mark stays before it, so it is tried again."""
    await reaped(store, NOW)
    mark = await read_watermark(store, REAPED, start="")
    bad, *others = [await opened(store) for _ in range(4)]

    def refuses(item: Mapping[str, Any]) -> bool:
        return bool(item.get("inference_id", {}).get("S") == bad.inference_id)

    async with beside(dynamodb_url, store, refusing_client(refuses)) as refusing:
        with pytest.raises(ReapIncomplete, match=bad.inference_id) as raised:
            await reaped(refusing, LATER + 30 * MINUTE)
    assert raised.value.report.lost == len(others)
    assert await store.facts.open_in_minute(minute_of(NOW)) == [bad.inference_id]
    assert await read_watermark(store, REAPED, start="") == mark
    assert (await reaped(store, LATER + 60 * MINUTE)).lost == 1
