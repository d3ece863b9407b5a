"""Killed between any two writes, before or after the write took place: the next run ends in the same state."""

from collections.abc import Awaitable, Callable

import pytest

from ledger.items import InferenceState
from ledger.moments import day_of, minute_of
from ledger.outcomes import Ending
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from rollup.marks import SEALED, read_watermark
from rollup.passes import run_pass
from rollup.reaper import LOST_AFTER_MS, reap
from rollup.rebuild import rebuild
from tests.ledger.make import EARLY, MINUTE, NOW, fact, inference, traffic
from tests.ledger.store.tables import Writes, beside, dying_client, expected_views, fresh_store, merged_views
from tests.rollup.test_passes import put_all, snapshot_of

LANDS = pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
LATER = NOW + 6 * MINUTE


async def killed_at_every_write(
    url: str,
    store: Store,
    lands: bool,
    job: Callable[[Store], Awaitable[object]],
    check: Callable[[Store], Awaitable[None]],
) -> int:
    """Kills `job` at its first write, then at its second … until one gets through; `check` after each repeat.

    Every round has views of its own over the same facts. Returns how many rounds were cut off.
    """
    dies_at = 0
    while True:
        writes = Writes(dies_at, lands)
        views = f"{store.views.name}-{dies_at}"
        async with beside(url, store, views=views) as whole, beside(url, whole, dying_client(writes)) as doomed:
            try:
                await job(doomed)
            except StoreError:
                await job(whole)
                await check(whole)
                dies_at += 1
            else:
                return dies_at


@LANDS
@pytest.mark.case("S2")
async def test_a_pass_killed_at_every_write(dynamodb_url: str, store: Store, lands: bool) -> None:
    """Minutes to be sealed, open ones, two chunks: whichever write is the last one, the views are right."""
    facts = traffic(5, LATER - 4 * MINUTE, LATER, 5)
    await put_all(store, facts)

    async def job(at: Store) -> None:
        await read_watermark(at, SEALED, start=minute_of(LATER - 5 * MINUTE))
        await run_pass(at, now=LATER, lag_ms=0, step_minutes=3)

    async def check(at: Store) -> None:
        assert await merged_views(at) == expected_views(facts)
        assert (await snapshot_of(at)).as_of == LATER

    assert await killed_at_every_write(dynamodb_url, store, lands, job, check) > 10


@LANDS
@pytest.mark.case("S2")
async def test_a_rebuild_killed_at_every_write(dynamodb_url: str, store: Store, lands: bool) -> None:
    """The same for a rebuild, which is run again with the same days."""
    facts = traffic(6, EARLY - 3 * MINUTE, EARLY, 4)
    await put_all(store, facts)

    async def job(at: Store) -> None:
        await rebuild(at, day_of(EARLY), day_of(EARLY), now=EARLY + 16 * MINUTE)

    async def check(at: Store) -> None:
        assert await merged_views(at) == expected_views(facts)

    assert await killed_at_every_write(dynamodb_url, store, lands, job, check) > 10


@LANDS
@pytest.mark.case("11.2")
@pytest.mark.parametrize("rows", [0, 1, 2, 3])
async def test_the_reaper_killed_at_every_write(dynamodb_url: str, lands: bool, rows: int) -> None:
    """Three attempts started, the first `rows` of them written: one closed inference, three rows, one ending."""
    later = NOW + LOST_AFTER_MS
    outcomes = set()
    for dies_at in range(7):
        client = dying_client(Writes(dies_at, lands))
        async with fresh_store(dynamodb_url) as store, beside(dynamodb_url, store, client) as doomed:
            lost = inference(attempts=3)
            await store.facts.open_inference(lost)
            for n in range(1, rows + 1):
                await store.facts.put_attempt(fact(NOW, inference_id=lost.inference_id, n=n, ok=False))
            try:
                await reap(doomed, lambda: later)
            except StoreError:
                await reap(store, lambda: later)
            assert await store.facts.open_in_minute(minute_of(NOW)) == []
            closed, attempts = await store.facts.get_inference(lost.inference_id)
            assert closed is not None
            facts = [f for at in (NOW, later) for f in await store.facts.facts_of_minute(minute_of(at))]
            endings = tuple(f.closes for f in facts if f.closes)
            outcomes.add((closed.state, closed.ending, closed.status, len(attempts), endings))
    assert outcomes == {(InferenceState.LOST, Ending.ERROR, None, 3, (Ending.ERROR,))}
