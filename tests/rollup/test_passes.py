"""One pass after another over the real table: what they add up to, and what they leave alone."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ledger.folds import fold_facts
from ledger.folds.health import Faults
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.items import Fact
from ledger.keys import session_pk, spend_pk
from ledger.moments import day_of, day_start_ms, minute_of
from ledger.outcomes import Ending
from ledger.snapshot import Snapshot
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.views import RouteDay, ViewKey, day_sk
from rollup.marks import SEALED, read_watermark
from rollup.passes import GRACE_MS, START_MS, PassIncomplete, PassReport, run_pass
from rollup.snapshot import SNAPSHOT_KEY
from rollup.together import GIVE_UP
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact, in_order, traffic
from tests.ledger.store.tables import beside, expected_views, merged_views, stored_views
from tests.rollup.known import refusing_client


async def put_all(store: Store, facts: list[Fact]) -> None:
    await asyncio.gather(*map(store.facts.put_attempt, facts))


async def passes(store: Store, first: int, last: int, every: int, lag_ms: int = 0) -> list[PassReport]:
    return [await run_pass(store, now=at, lag_ms=lag_ms) for at in range(first, last + 1, every)]


async def snapshot_of(store: Store) -> Snapshot:
    stored = await store.views.get_view_item(SNAPSHOT_KEY, consistent=True)
    assert stored is not None
    snapshot = Snapshot.unpack(stored["blob"])
    assert snapshot.as_of == stored["as_of"]
    return snapshot


@pytest.mark.case("S2")
async def test_many_passes_come_to_one_fold_over_all_facts(store: Store) -> None:
    """Facts that come in between passes, each minute seen open several times and sealed once: counted once."""
    facts = traffic(1, NOW, NOW + 8 * MINUTE, 80)
    await run_pass(store, now=NOW, lag_ms=0)
    for at in range(NOW, NOW + 14 * MINUTE, 40_000):
        await put_all(store, [f for f in facts if at - 40_000 <= f.at < at])
        await run_pass(store, now=at, lag_ms=0)
    assert await merged_views(store) == expected_views(facts)
    assert all(not item.open for item in (await stored_views(store)).values())


@pytest.mark.case("S2")
async def test_the_order_of_facts_outlives_the_minutes(store: Store) -> None:
    """Faults in a row are counted across minutes, sealed and open, as one fold over the day counts them."""
    facts = traffic(17, NOW, NOW + 6 * MINUTE, 60)
    await put_all(store, facts)
    for at in range(NOW, NOW + 7 * MINUTE, MINUTE):
        await run_pass(store, now=at, lag_ms=0)
    items = await stored_views(store)
    assert len({len(item.open) for item in items.values() if item.view == "route_days"} - {0}) > 0
    for destination in {f.destination for f in facts if f.counts}:
        state = items[ViewKey("routes", day_sk(day_of(NOW), destination))].state(RouteDay)
        assert state == fold_facts(RouteDay, in_order(f for f in facts if f.destination == destination))
        assert state.health.get(destination) != Faults()


@pytest.mark.case("S2")
async def test_a_second_pass_writes_no_view(store: Store) -> None:
    """Nothing new, nothing written; only the snapshot's instant moves on."""
    await put_all(store, traffic(2, NOW - 5 * MINUTE, NOW, 30))
    first = await run_pass(store, now=NOW, lag_ms=0)
    before = await stored_views(store)
    second = await run_pass(store, now=NOW + 1, lag_ms=0)
    assert (first.facts, second.items, second.snapshot) == (30, 0, True)
    assert await stored_views(store) == before


@pytest.mark.case("S2")
async def test_the_same_instant_again_changes_nothing_at_all(store: Store) -> None:
    """A pass repeated with the same instant writes neither views nor a snapshot."""
    await put_all(store, traffic(3, NOW - 5 * MINUTE, NOW, 30))
    await run_pass(store, now=NOW, lag_ms=0)
    again = await run_pass(store, now=NOW, lag_ms=0)
    assert (again.items, again.snapshot) == (0, False)


async def test_what_is_younger_than_the_lag_waits(store: Store) -> None:
    """The views hold exactly the facts with `at <= as_of`; the next pass has the others."""
    at_as_of, after = fact(NOW - 2_000), fact(NOW - 1_999)
    await put_all(store, [at_as_of, after])
    report = await run_pass(store, now=NOW, lag_ms=2_000)
    assert (report.as_of, report.facts) == (NOW - 2_000, 1)
    assert await merged_views(store) == expected_views([at_as_of])
    await run_pass(store, now=NOW + 1, lag_ms=2_000)
    assert await merged_views(store) == expected_views([at_as_of, after])


async def test_a_minute_is_sealed_when_its_grace_is_over(store: Store) -> None:
    """A fact written late, but within the grace, is counted; the minute is sealed exactly when that ends."""
    start = NOW - NOW % MINUTE
    sealed_at = start + MINUTE + GRACE_MS
    await store.facts.put_attempt(fact(start))
    await run_pass(store, now=sealed_at - 1, lag_ms=0)
    [item] = [i for i in (await stored_views(store)).values() if i.view == "session"]
    assert list(item.open) == [minute_of(start)]
    late = fact(start + MINUTE - 1)
    await store.facts.put_attempt(late)
    report = await run_pass(store, now=sealed_at, lag_ms=0)
    [item] = [i for i in (await stored_views(store)).values() if i.view == "session"]
    assert (item.open, item.through, report.sealed_through) == ({}, minute_of(start), minute_of(start))
    assert item.state(Session).tokens_in == 0
    spent = (await stored_views(store))[ViewKey(spend_pk("all", "2026-11"), "all#2026-11-20")]
    assert spent.state(Spend) == Spend(attempts=2, unpriced=2)


async def test_a_sealed_minute_is_never_opened_again(store: Store) -> None:
    """What is dated into a minute after its grace is over is not counted, rather than half counted."""
    await store.facts.put_attempt(fact(NOW))
    await run_pass(store, now=NOW + 10 * MINUTE, lag_ms=0)
    before = await merged_views(store)
    await store.facts.put_attempt(fact(NOW + 1))
    await run_pass(store, now=NOW + 11 * MINUTE, lag_ms=0)
    assert await merged_views(store) == before


@pytest.mark.case("S2")
async def test_a_pause_is_caught_up_in_steps(store: Store) -> None:
    """Late by hours: the same views, and the watermark moves after each chunk of minutes."""
    await run_pass(store, now=NOW, lag_ms=0)
    facts = traffic(4, NOW, NOW + 95 * MINUTE, 60)
    await put_all(store, facts)
    report = await run_pass(store, now=NOW + 100 * MINUTE, lag_ms=0, step_minutes=7)
    assert report.facts == 60
    assert report.sealed_through == minute_of(NOW + 100 * MINUTE - GRACE_MS - MINUTE)
    assert await merged_views(store) == expected_views(facts)
    assert await read_watermark(store, SEALED, start="") == report.sealed_through


async def test_a_first_pass_begins_a_window_ago(store: Store) -> None:
    """Without a watermark: the last 15 minutes count, older facts are left to a rebuild."""
    old, new = fact(NOW - START_MS - MINUTE), fact(NOW - START_MS + MINUTE)
    await put_all(store, [old, new])
    report = await run_pass(store, now=NOW, lag_ms=0)
    assert (report.minutes, report.facts) == (15, 1)
    assert await merged_views(store) == expected_views([new])


async def test_a_clock_that_goes_back_moves_nothing_back(store: Store) -> None:
    """The watermark and the snapshot only move forward."""
    await store.facts.put_attempt(fact(NOW))
    await run_pass(store, now=NOW + 30 * MINUTE, lag_ms=0)
    mark, before = await read_watermark(store, SEALED, start=""), await merged_views(store)
    report = await run_pass(store, now=NOW + MINUTE, lag_ms=0)
    assert (report.minutes, report.items, report.snapshot) == (0, 0, False)
    assert await read_watermark(store, SEALED, start="") == mark
    assert await merged_views(store) == before


async def test_what_is_about_routes_expires_and_totals_do_not(store: Store) -> None:
    """Minutes are kept for a day, days for 40, hours of activity for 3; sessions and spend outlive the ledger."""
    await store.facts.put_attempt(fact(NOW))
    await run_pass(store, now=NOW, lag_ms=0)
    kept = {item.view: item.expires_at for item in (await stored_views(store)).values()}
    minute = NOW - NOW % MINUTE
    assert kept == {
        "routes": minute // 1000 + 86_400,
        "route_days": day_start_ms(day_of(NOW)) // 1000 + 40 * 86_400,
        "activity": (minute - 18 * MINUTE) // 1000 + 3 * 86_400,
        "session": None,
        "spend": None,
    }


@pytest.mark.case("U8")
async def test_a_session_counts_calls_and_errors(store: Store) -> None:
    """2 ok, 1 failed stream, 1 failed unary: 4 calls, 2 errors; failed attempts before a fallback are no call."""
    await put_all(
        store,
        [
            fact(NOW, closes=Ending.OK),
            fact(NOW, inference_id="inf_0" + "0" * 31, n=1, ok=False),
            fact(NOW, inference_id="inf_0" + "0" * 31, n=2, closes=Ending.FALLBACK),
            fact(NOW, ok=False, closes=Ending.ERROR),
            fact(NOW, ok=False, closes=Ending.ERROR),
        ],
    )
    await run_pass(store, now=NOW, lag_ms=0)
    session = (await merged_views(store))[ViewKey(session_pk("amy", "s1"), "2026-11-20")]
    assert isinstance(session, Session)
    assert (session.calls, session.errors) == (4, 2)


def is_session(item: Mapping[str, Any]) -> bool:
    return bool(item["pk"]["S"].startswith("session#"))


async def test_an_item_that_cannot_be_written_stops_no_other(dynamodb_url: str, store: Store) -> None:
    """All others and the snapshot are written, then the error is raised. The watermark stays before it."""
    facts = traffic(15, NOW, NOW + 7 * MINUTE, 40)
    await run_pass(store, now=NOW - MINUTE, lag_ms=0)
    await put_all(store, facts)
    later, before = NOW + 12 * MINUTE, minute_of(NOW - MINUTE)
    async with beside(dynamodb_url, store, refusing_client(is_session)) as refusing:
        with pytest.raises(PassIncomplete, match=r"session#.*maximum allowed size") as raised:
            await run_pass(refusing, now=later, lag_ms=0, step_minutes=3)
    expected = expected_views(facts)
    sessions = {key for key in expected if key.pk.startswith("session#")}
    assert set(raised.value.errors) == {" ".join(key) for key in sessions}
    assert await merged_views(store) == {key: state for key, state in expected.items() if key not in sessions}
    assert (await snapshot_of(store)).as_of == later
    assert (raised.value.report.snapshot, raised.value.report.sealed_through) == (True, before)
    assert await read_watermark(store, SEALED, start="") == before
    await run_pass(store, now=later, lag_ms=0, step_minutes=3)
    assert await merged_views(store) == expected


async def test_an_item_that_failed_once_is_left_alone_until_the_next_pass(dynamodb_url: str, store: Store) -> None:
    """Were a later step to write it, it would seal minutes behind those that are missing."""
    facts = traffic(16, NOW, NOW + 7 * MINUTE, 40)
    await run_pass(store, now=NOW - MINUTE, lag_ms=0)
    await put_all(store, facts)
    refused = set()

    def refuses(item: Mapping[str, Any]) -> bool:
        """Each session's first write only."""
        is_first = is_session(item) and item["pk"]["S"] not in refused
        refused.add(item["pk"]["S"])
        return is_first

    async with beside(dynamodb_url, store, refusing_client(refuses)) as refusing:
        with pytest.raises(PassIncomplete):
            await run_pass(refusing, now=NOW + 12 * MINUTE, lag_ms=0, step_minutes=2)
    await run_pass(store, now=NOW + 12 * MINUTE, lag_ms=0, step_minutes=2)
    assert await merged_views(store) == expected_views(facts)


async def test_a_store_that_refuses_everything_is_given_up(dynamodb_url: str, store: Store) -> None:
    """After some failures in a row it is the store: a pass does not wait for each of 100 items."""
    await run_pass(store, now=NOW - MINUTE, lag_ms=0)
    await put_all(store, [fact(NOW, origin=replace(ORIGIN, session=f"s{n}")) for n in range(100)])
    seen: list[str] = []
    async with beside(dynamodb_url, store, refusing_client(lambda _item: True, seen)) as refusing:
        with pytest.raises(StoreError, match="in a row"):
            await run_pass(refusing, now=NOW, lag_ms=0)
    assert seen.count("PutItem") <= 2 * GIVE_UP
