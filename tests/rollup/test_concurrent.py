"""Several rollups at once, in tasks and in processes, while facts keep coming in."""

import asyncio
import sys

import pytest

from ledger.moments import day_of
from ledger.store.opened import Store
from local.stack import ROOT
from rollup.passes import run_pass
from rollup.rebuild import rebuild
from tests.ledger.make import EARLY, MINUTE, NOW, fact, traffic
from tests.ledger.store.tables import beside, expected_views, fresh_store, interrupted_client, merged_views
from tests.rollup.test_passes import put_all

ONE_ROLLUP = """
import asyncio, sys
from ledger.store.opened import open_store
from rollup.passes import run_pass

async def main(url, facts, views, first, last, every):
    async with open_store(facts, views, endpoint_url=url) as table:
        for at in range(int(first), int(last), int(every)):
            await run_pass(table, now=at, lag_ms=0, step_minutes=3)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.case("S2")
async def test_rollups_at_once_at_different_instants(any_store_url: str) -> None:
    """Early and late passes that overtake each other, twice over: every fact is counted once."""
    async with fresh_store(any_store_url) as store, beside(any_store_url, store) as other:
        await run_pass(store, now=NOW, lag_ms=0)
        facts = traffic(7, NOW, NOW + 12 * MINUTE, 40)
        await put_all(store, facts)
        instants = range(NOW + MINUTE, NOW + 16 * MINUTE, 2 * MINUTE)
        await asyncio.gather(
            *(run_pass(t, now=at, lag_ms=0, step_minutes=4) for at in instants for t in (store, other))
        )
        await run_pass(store, now=NOW + 20 * MINUTE, lag_ms=0)
        assert await merged_views(store) == expected_views(facts)


@pytest.mark.case("S2")
async def test_rollups_in_three_processes(dynamodb_url: str, store: Store) -> None:
    """Three processes seal the same minutes while facts of the later, open ones are being written."""
    await run_pass(store, now=NOW, lag_ms=0)
    early = traffic(8, NOW, NOW + 3 * MINUTE, 30)
    late = traffic(9, NOW + 4 * MINUTE, NOW + 6 * MINUTE, 60)
    await put_all(store, early)
    arguments = [dynamodb_url, store.facts.name, store.views.name, str(NOW), str(NOW + 6 * MINUTE), "60000"]
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", ONE_ROLLUP, *arguments, env={"PYTHONPATH": str(ROOT / "functions")}
        )
        for _ in range(3)
    ]
    for one in late:
        await store.facts.put_attempt(one)
    assert [await process.wait() for process in running] == [0, 0, 0]
    await run_pass(store, now=NOW + 20 * MINUTE, lag_ms=0)
    assert await merged_views(store) == expected_views([*early, *late])


@pytest.mark.case("S2")
async def test_a_pass_that_is_overtaken_before_it_writes(dynamodb_url: str, store: Store) -> None:
    """It has read its items; a later pass seals them and moves on; then it writes: nothing of that is undone."""
    await run_pass(store, now=NOW, lag_ms=0)
    facts = traffic(14, NOW, NOW + 5 * MINUTE, 30)
    await put_all(store, facts)

    async def later() -> None:
        await run_pass(store, now=NOW + 9 * MINUTE, lag_ms=0)

    async with beside(dynamodb_url, store, interrupted_client("PutItem", later)) as slow:
        await run_pass(slow, now=NOW + 2 * MINUTE, lag_ms=0)
    assert await merged_views(store) == expected_views(facts)


@pytest.mark.case("S2")
async def test_a_rebuild_that_is_overtaken_reads_on(dynamodb_url: str, store: Store) -> None:
    """After it has read the facts, the live rollup seals a later minute into the same items: both are kept."""
    facts = [fact(EARLY), fact(EARLY + 2 * MINUTE)]
    await put_all(store, facts)
    await run_pass(store, now=EARLY + 3 * MINUTE, lag_ms=0)

    async def live() -> None:
        await run_pass(store, now=EARLY + 6 * MINUTE, lag_ms=0)

    async with beside(dynamodb_url, store, interrupted_client("BatchGetItem", live)) as slow:
        await rebuild(slow, day_of(EARLY), day_of(EARLY), now=EARLY + 3 * MINUTE)
    assert await merged_views(store) == expected_views(facts)
    await run_pass(store, now=EARLY + 9 * MINUTE, lag_ms=0)
    assert await merged_views(store) == expected_views(facts)


@pytest.mark.case("S2")
async def test_a_rebuild_beside_the_live_rollup(any_store_url: str) -> None:
    """Days rebuilt while passes seal further minutes of the same items: nothing is lost, nothing doubled."""
    async with fresh_store(any_store_url) as store, beside(any_store_url, store) as other:
        await run_pass(store, now=EARLY, lag_ms=0)
        facts = traffic(9, EARLY, EARLY + 10 * MINUTE, 40)
        await put_all(store, facts)

        async def live() -> None:
            for at in range(EARLY + MINUTE, EARLY + 14 * MINUTE, MINUTE):
                await run_pass(store, now=at, lag_ms=0)

        async def again() -> None:
            for _ in range(3):
                await rebuild(other, day_of(EARLY), day_of(EARLY), now=EARLY)

        await asyncio.gather(live(), again())
        assert await merged_views(store) == expected_views(facts)
