"""A session's totals: the sealed days, what the index has since, and a router's own newest facts, each once."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ledger.folds import fold_facts
from ledger.folds.session import Session, add_facts
from ledger.items import Fact, Origin
from ledger.moments import minute_of, minute_start_ms
from ledger.outcomes import Ending
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.views import ViewKey
from rollup.marks import SEALED, read_watermark
from rollup.passes import run_pass
from route.fleet.fleet import Fleet
from route.fleet.sessions import Sessions, unsealed_after
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact
from tests.ledger.store.tables import Writes, beside, dying_client
from tests.rollup.known import ask_known_minutes

MIDNIGHT = minute_start_ms("2026-11-20T00:00")
CALL: dict[str, Any] = {"closes": Ending.OK, "cost_usd": Decimal("0.5")}


def router_of(store: Store, *own: Fact) -> Sessions:
    """What a router sees that has written these facts itself."""
    fleet = Fleet(store.views, 0)
    fleet.add(*own)
    return Sessions(store, fleet)


async def totals(store: Store, *own: Fact) -> Session | None:
    return await router_of(store, *own).totals("amy", "s1")


@pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
async def test_totals_are_exact_wherever_a_pass_dies_at_midnight(
    dynamodb_url: str, store: Store, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    """Whichever of two days' items was written last: the same totals before, between and after."""
    facts = [fact(MIDNIGHT + at, **CALL) for at in (-70_000, -1, 0)]
    await asyncio.gather(*map(store.facts.put_attempt, facts))
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
    await asyncio.gather(*map(store.facts.put_attempt, facts))
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
    router = router_of(store, mine, other, theirs, running)
    with monkeypatch.context() as late:
        late.setattr(store.facts, "facts_of_session", lambda *_, **__: asyncio.sleep(0, []))
        assert await router.totals("amy", "s1", without=running.inference_id) == Session.of(mine)
        assert await router.totals("amy", "s1") == fold_facts(Session, [mine, running])
        assert await router.totals("amy", "s3") is None
    await store.facts.put_attempt(mine)
    assert await totals(store, mine) == Session.of(mine)
    await run_pass(store, now=NOW + 10 * MINUTE, lag_ms=0)
    assert await totals(store, mine) == Session.of(mine), "sealed, and not dropped here yet"


async def test_what_the_store_has_of_a_fact_is_right(store: Store) -> None:
    """The reaper wrote an attempt's row before its router did: that row counts, and no second one."""
    mine = fact(**CALL)
    reaped = fact(NOW, inference_id=mine.inference_id, ok=False, closes=Ending.ERROR)
    await store.facts.put_attempt(reaped)
    assert await totals(store, mine) == Session.of(reaped)


def test_add_facts_is_one_fold_over_all() -> None:
    """A session's totals so far and its newest facts."""
    facts = [fact(NOW + n, **CALL) for n in range(4)]
    assert add_facts(fold_facts(Session, facts[:2]), facts[2:]) == fold_facts(Session, facts)
