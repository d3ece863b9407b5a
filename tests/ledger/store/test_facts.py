"""The facts table: writes that count once, however often and by how many they are repeated."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings

from ledger.ids import new_inference_id
from ledger.items import Fact, Inference, InferenceState, Started, unknown_attempt, without_attempt
from ledger.moments import minute_of
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.opened import Store
from tests.ledger.make import FACTS, NOW, ORIGIN, closed_with, fact, inference
from tests.ledger.store.tables import fresh_store

MINUTE_NAME = "2026-11-20T13:18"


async def head(store: Store, inference_id: str) -> Inference:
    found, _ = await store.facts.get_inference(inference_id)
    assert found is not None
    return found


async def test_an_inference_is_written_open_and_closed_once(any_store_url: str) -> None:
    """Opened, one more attempt, closed: each once, and nothing can be added to a closed one."""
    async with fresh_store(any_store_url) as store:
        opened, second = inference(), Started(2, "other", "large", NOW + 7)
        one = opened.inference_id
        assert await store.facts.open_inference(opened)
        assert not await store.facts.open_inference(replace(opened, plan=b"another"))
        assert await store.facts.add_started(one, second)
        assert await head(store, one) == replace(opened, started=(*opened.started, second))
        closed = closed_with(opened, fact(NOW + 9, n=2), Ending.FALLBACK, 200)
        assert await store.facts.close_inference(closed)
        assert not await store.facts.close_inference(replace(closed, status=500))
        assert not await store.facts.add_started(one, Started(3, "late", "large", NOW))
        assert await store.facts.get_inference(one) == (closed, [closed.closing])


async def test_attempts_are_listed_in_any_order_and_each_once(any_store_url: str) -> None:
    """They may begin side by side: nothing assumes that the second is written after the first."""
    async with fresh_store(any_store_url) as store:
        one = inference()
        second, third = Started(2, "other", "large", NOW + 7), Started(3, "third", "large", NOW + 3)
        assert not await store.facts.add_started(one.inference_id, second), "there is no such inference"
        await store.facts.open_inference(one)
        for started in (third, second, third, one.started[0]):
            assert await store.facts.add_started(one.inference_id, started)
        assert (await head(store, one.inference_id)).started == (*one.started, second, third)


async def test_of_many_adders_each_adds_its_own(any_store_url: str) -> None:
    """Twelve attempts at once, each from two writers: all twelve are listed, once."""
    async with fresh_store(any_store_url) as store:
        one = inference()
        more = [Started(n, "other", "large", NOW + n) for n in range(2, 14)]
        await store.facts.open_inference(one)
        added = [store.facts.add_started(one.inference_id, started) for started in more for _ in range(2)]
        assert all(await asyncio.gather(*added))
        assert (await head(store, one.inference_id)).started == (*one.started, *more)


async def test_a_fact_is_written_once(store: Store) -> None:
    """The first row of an attempt stays; a repeat with other content changes nothing and is no error."""
    first = fact(cost_usd=Decimal("0.1"))
    assert await store.facts.put_attempt(first)
    assert not await store.facts.put_attempt(first)
    assert not await store.facts.put_attempt(replace(first, cost_usd=Decimal(99), at=NOW + 60_000))
    assert await store.facts.facts_of_minute(MINUTE_NAME) == [first]
    assert await store.facts.facts_of_minute("2026-11-20T13:19") == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=FACTS)
async def test_a_fact_comes_back_as_it_was(store: Store, one: Fact) -> None:
    """Every field survives the table exactly, money included, from the row and from both indexes."""
    one = replace(one, inference_id=new_inference_id(one.at))  # the examples share a table
    assert await store.facts.put_attempt(one)
    _, from_row = await store.facts.get_inference(one.inference_id)
    assert from_row == [one]
    assert one in await store.facts.facts_of_minute(minute_of(one.at))
    if one.session:
        assert one in await store.facts.facts_of_session(one.origin.caller, one.session)


async def test_the_fact_of_a_close_is_read_like_any_other(store: Store) -> None:
    """By minute, by session, and with its inference: with its number and with how the inference ended."""
    opened = inference()
    closed = closed_with(opened, fact(n=1, cost_usd=Decimal("0.1"), dropped=("seed",)))
    await store.facts.open_inference(opened)
    await store.facts.close_inference(closed)
    assert closed.closing is not None
    indexed = replace(closed.closing, dropped=())  # notes stand on the item alone
    assert await store.facts.facts_of_minute(MINUTE_NAME) == [indexed]
    assert await store.facts.facts_of_session("amy", "s1") == [indexed]
    assert await store.facts.get_inference(opened.inference_id) == (closed, [closed.closing])


async def test_a_refused_inference_is_one_item_and_one_fact(store: Store) -> None:
    """Refused before any call: closed from the start, counted, and no attempt of its own."""
    asked = inference(attempts=0)
    refused = closed_with(asked, without_attempt(asked, NOW, Outcome.REFUSED), Ending.ERROR, 402)
    assert await store.facts.close_inference(refused)
    assert not await store.facts.close_inference(refused)
    assert await store.facts.get_inference(refused.inference_id) == (refused, [])
    assert await store.facts.facts_of_minute(MINUTE_NAME) == [refused.closing]
    assert await store.facts.open_in_minute(MINUTE_NAME) == []


async def test_an_open_inference_is_found_by_its_minute_until_it_is_closed(store: Store) -> None:
    """What the reaper reads: all shards of a minute, and nothing that is closed."""
    opened = [inference(NOW) for _ in range(40)]
    await asyncio.gather(*map(store.facts.open_inference, opened))
    ids = {each.inference_id for each in opened}
    assert set(await store.facts.open_in_minute(MINUTE_NAME)) == ids
    gone = opened[0]
    await store.facts.close_inference(closed_with(gone, fact()))
    assert set(await store.facts.open_in_minute(MINUTE_NAME)) == ids - {gone.inference_id}


async def test_what_is_taken_over_belongs_to_the_reaper(store: Store) -> None:
    """Its router can add nothing and close nothing any more, and it is found until the reaper has ended it."""
    one = inference()
    await store.facts.open_inference(one)
    assert await store.facts.take_over(one.inference_id)
    assert not await store.facts.take_over(one.inference_id)
    assert not await store.facts.add_started(one.inference_id, Started(2, "other", "large", NOW))
    assert await store.facts.open_in_minute(MINUTE_NAME) == [one.inference_id]
    lost = closed_with(one, without_attempt(one, NOW + 5, Outcome.UNKNOWN, FaultKind.LOST), Ending.ERROR, None)
    lost = replace(lost, state=InferenceState.LOST)
    assert await store.facts.close_lost(lost)
    assert not await store.facts.close_lost(lost)
    assert await head(store, one.inference_id) == lost
    assert await store.facts.open_in_minute(MINUTE_NAME) == []


@pytest.mark.parametrize("reaped", [False, True], ids=["taken over", "closed as lost"])
async def test_a_close_that_comes_too_late_completes_what_is_unknown(store: Store, reaped: bool) -> None:
    """The inference stays lost; what the close knew of its attempt stands beside the row that calls it unknown."""
    one = inference()
    await store.facts.open_inference(one)
    await store.facts.take_over(one.inference_id)
    unknown = unknown_attempt(one, one.started[0], NOW + 5, FaultKind.LOST)
    await store.facts.put_attempt(unknown)
    if reaped:
        lost = closed_with(one, without_attempt(one, NOW + 5, Outcome.UNKNOWN), Ending.ERROR, None)
        await store.facts.close_lost(replace(lost, state=InferenceState.LOST))
    late = closed_with(one, fact(NOW + 9, cost_usd=Decimal("0.1")))
    assert await store.facts.close_inference(late)
    assert not await store.facts.close_inference(late)
    assert late.closing is not None
    completing = replace(late.closing, closes=None, completes=True)
    found, known = await store.facts.get_inference(one.inference_id)
    assert found is not None
    assert (found.state, known) == (InferenceState.LOST, [completing])
    counted = await store.facts.facts_of_minute(MINUTE_NAME)
    assert [f for f in counted if f.n] == [unknown, completing]


async def test_a_row_that_the_router_wrote_is_not_unknown_to_the_reaper(store: Store) -> None:
    """Who comes second writes nothing: a known outcome is never followed by an unknown one."""
    one = inference()
    await store.facts.open_inference(one)
    known = fact(inference_id=one.inference_id)
    assert await store.facts.put_attempt(known)
    assert not await store.facts.put_attempt(unknown_attempt(one, one.started[0], NOW + 5, FaultKind.LOST))
    assert (await store.facts.get_inference(one.inference_id))[1] == [known]


@pytest.mark.case("U10")
async def test_a_session_belongs_to_its_caller(store: Store) -> None:
    """The same session id from another caller is another session, whatever the ids contain."""
    mine = fact(origin=replace(ORIGIN, caller="a#b", session="c"))
    foreign = fact(origin=replace(ORIGIN, caller="a", session="b#c"))
    await store.facts.put_attempt(mine)
    await store.facts.put_attempt(foreign)
    assert await store.facts.facts_of_session("a#b", "c") == [mine]
    assert await store.facts.facts_of_session("a", "b#c") == [foreign]
    assert await store.facts.facts_of_session("nobody", "c") == []


async def test_a_session_is_read_newest_first_and_from_an_instant_on(store: Store) -> None:
    """`after` excludes its instant, `newest` limits from the newest on."""
    facts = [fact(NOW + n) for n in range(5)]
    for each in facts:
        await store.facts.put_attempt(each)
    assert await store.facts.facts_of_session("amy", "s1", newest=2) == [facts[4], facts[3]]
    assert await store.facts.facts_of_session("amy", "s1", after=NOW + 3) == [facts[4]]


async def test_of_many_writers_one_wins(any_store_url: str) -> None:
    """The same row, the same opening and the same close from many at once: each takes place once."""
    async with fresh_store(any_store_url) as store:
        one, row = inference(), fact()
        opened = await asyncio.gather(*(store.facts.open_inference(one) for _ in range(20)))
        written = await asyncio.gather(*(store.facts.put_attempt(row) for _ in range(20)))
        closes = [closed_with(one, fact(), Ending.OK, status) for status in range(200, 220)]
        closed = await asyncio.gather(*map(store.facts.close_inference, closes))
        assert (opened.count(True), written.count(True), closed.count(True)) == (1, 1, 1)
        assert (await head(store, one.inference_id)).status == 200 + closed.index(True)
