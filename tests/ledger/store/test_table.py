"""Writes that count once, however often and by how many they are repeated."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from aiodynamo.expressions import HashKey
from hypothesis import HealthCheck, given, settings

from ledger.ids import new_inference_id
from ledger.items import ApiKey, Fact, InferenceState, Started
from ledger.moments import minute_of
from ledger.outcomes import Ending, Outcome
from ledger.store.connection import StoreError
from ledger.store.opened import Store, open_store
from ledger.views import ViewItem, ViewKey
from tests.ledger.make import FACTS, NOW, ORIGIN, fact, inference
from tests.ledger.store.tables import fresh_store


async def test_an_inference_is_written_open_and_closed_once(store: Store) -> None:
    """Opened, one more attempt, closed: each once, and nothing can be added to a closed one."""
    opened = inference()
    second = Started(2, "other", "large", NOW + 7)
    assert await store.facts.open_inference(opened)
    assert not await store.facts.open_inference(replace(opened, plan=b"another"))
    assert await store.facts.add_started(opened.inference_id, second)
    assert (await store.facts.get_inference(opened.inference_id))[0] == replace(
        opened, started=(*opened.started, second)
    )
    one = opened.inference_id
    assert await store.facts.close_inference(one, at=NOW + 9, ending=Ending.OK, status=200)
    assert not await store.facts.close_inference(one, at=NOW + 10, ending=Ending.ERROR, status=500)
    assert not await store.facts.add_started(opened.inference_id, Started(3, "late", "large", NOW))
    closed, _ = await store.facts.get_inference(opened.inference_id)
    assert closed is not None
    assert (closed.state, closed.ending, closed.status, closed.closed_at) == (
        InferenceState.CLOSED,
        Ending.OK,
        200,
        NOW + 9,
    )
    assert len(closed.started) == 2


async def test_an_attempt_is_listed_once_however_often_it_is_added(store: Store) -> None:
    """A repeat finds it there and says so; one out of turn is not listed, nor another under the same number."""
    one, second = inference(), Started(2, "other", "large", NOW + 7)
    name = one.inference_id
    assert not await store.facts.add_started(name, second), "there is no such inference"
    await store.facts.open_inference(one)
    assert [await store.facts.add_started(name, second) for _ in range(3)] == [True] * 3
    assert not await store.facts.add_started(name, replace(second, provider="another"))
    assert not await store.facts.add_started(name, Started(4, "other", "large", NOW + 9))
    assert await store.facts.add_started(name, one.started[0])
    stored, _ = await store.facts.get_inference(name)
    assert stored is not None
    assert stored.started == (*one.started, second)


async def test_a_closed_inference_lists_nothing_more(store: Store) -> None:
    """Not even what it lists already: whoever closed it has written that attempt's row."""
    one, second = inference(), Started(2, "other", "large", NOW + 7)
    await store.facts.open_inference(one)
    assert await store.facts.add_started(one.inference_id, second)
    await store.facts.close_inference(one.inference_id, at=NOW + 9, ending=Ending.ERROR, status=None)
    assert not await store.facts.add_started(one.inference_id, second)


async def test_of_many_adders_one_adds(any_store_url: str) -> None:
    """The same attempt from many at once: all hear that it is listed, and it is so once."""
    async with fresh_store(any_store_url) as store:
        one, second = inference(), Started(2, "other", "large", NOW + 7)
        await store.facts.open_inference(one)
        assert all(await asyncio.gather(*(store.facts.add_started(one.inference_id, second) for _ in range(12))))
        stored, _ = await store.facts.get_inference(one.inference_id)
    assert stored is not None
    assert stored.started == (*one.started, second)


async def test_a_fact_is_written_once(store: Store) -> None:
    """The first row of an attempt stays; a repeat with other content changes nothing and is no error."""
    first = fact(cost_usd=Decimal("0.1"))
    assert await store.facts.put_fact(first)
    assert not await store.facts.put_fact(first)
    assert not await store.facts.put_fact(replace(first, cost_usd=Decimal(99), at=NOW + 60_000))
    assert await store.facts.facts_of_minute("2026-11-20T13:18") == [first]
    assert await store.facts.facts_of_minute("2026-11-20T13:19") == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=FACTS)
async def test_a_fact_comes_back_as_it_was(store: Store, one: Fact) -> None:
    """Every field survives the table exactly, money included, from the row and from both indexes."""
    one = replace(one, inference_id=new_inference_id(one.at))  # the examples share a table
    assert await store.facts.put_fact(one)
    _, from_row = await store.facts.get_inference(one.inference_id)
    assert from_row == [one]
    assert one in await store.facts.facts_of_minute(minute_of(one.at))
    if one.session:
        assert one in await store.facts.facts_of_session(one.origin.caller, one.session)


async def test_a_refused_inference_is_one_item_and_one_fact(store: Store) -> None:
    """Refused before any call: closed from the start, counted, and no attempt of its own."""
    refused = replace(
        inference(attempts=0), state=InferenceState.CLOSED, closed_at=NOW, ending=Ending.ERROR, status=402
    )
    reason = fact(
        inference_id=refused.inference_id,
        n=0,
        outcome=Outcome.REFUSED,
        provider="",
        model="",
        closes=Ending.ERROR,
    )
    assert await store.facts.refuse(refused, reason)
    assert not await store.facts.refuse(refused, reason)
    assert await store.facts.get_inference(refused.inference_id) == (refused, [])
    assert await store.facts.facts_of_minute("2026-11-20T13:18") == [reason]
    assert await store.facts.open_in_minute("2026-11-20T13:18") == []


async def test_an_open_inference_is_found_by_its_minute_until_it_is_closed(store: Store) -> None:
    """What the reaper reads: all shards of a minute, and nothing that is closed."""
    opened = [inference(NOW) for _ in range(40)]
    await asyncio.gather(*map(store.facts.open_inference, opened))
    ids = {each.inference_id for each in opened}
    assert set(await store.facts.open_in_minute("2026-11-20T13:18")) == ids
    gone = opened[0].inference_id
    await store.facts.close_inference(gone, at=NOW, ending=Ending.OK, status=200)
    assert set(await store.facts.open_in_minute("2026-11-20T13:18")) == ids - {gone}


@pytest.mark.case("U10")
async def test_a_session_belongs_to_its_caller(store: Store) -> None:
    """The same session id from another caller is another session, whatever the ids contain."""
    mine = fact(origin=replace(ORIGIN, caller="a#b", session="c"))
    foreign = fact(origin=replace(ORIGIN, caller="a", session="b#c"))
    await store.facts.put_fact(mine)
    await store.facts.put_fact(foreign)
    assert await store.facts.facts_of_session("a#b", "c") == [mine]
    assert await store.facts.facts_of_session("a", "b#c") == [foreign]
    assert await store.facts.facts_of_session("nobody", "c") == []


async def test_a_session_is_read_newest_first_and_from_an_instant_on(store: Store) -> None:
    """`after` excludes its instant, `newest` limits from the newest on."""
    facts = [fact(NOW + n) for n in range(5)]
    for each in facts:
        await store.facts.put_fact(each)
    assert await store.facts.facts_of_session("amy", "s1", newest=2) == [facts[4], facts[3]]
    assert await store.facts.facts_of_session("amy", "s1", after=NOW + 3) == [facts[4]]


async def test_of_many_writers_one_wins(any_store_url: str) -> None:
    """The same row, the same opening and the same closing write from many at once: each takes place once."""
    async with fresh_store(any_store_url) as store:
        one, row = inference(), fact()
        opened = await asyncio.gather(*(store.facts.open_inference(one) for _ in range(20)))
        written = await asyncio.gather(*(store.facts.put_fact(row) for _ in range(20)))
        closed = await asyncio.gather(
            *(store.facts.close_inference(one.inference_id, at=n, ending=Ending.OK, status=n) for n in range(20))
        )
        assert (opened.count(True), written.count(True), closed.count(True)) == (1, 1, 1)
        stored, _ = await store.facts.get_inference(one.inference_id)
        assert stored is not None
        assert stored.status == closed.index(True)


async def test_a_view_item_is_written_and_removed_in_the_version_that_was_read(store: Store) -> None:
    """Who read an older version changes nothing; a removed item begins anew."""
    first = ViewItem(ViewKey("spend#all#2026-11", "all#2026-11-20"), "spend", sealed={"calls": 1}, version=1)
    second = replace(first, sealed={"calls": 2}, version=2)
    assert await store.views.put_view(first, over=0)
    assert not await store.views.put_view(first, over=0)
    assert await store.views.put_view(second, over=1)
    assert not await store.views.put_view(second, over=1)
    assert not await store.views.delete_view(first)
    assert await store.views.get_views([first.key]) == {first.key: second}
    assert await store.views.delete_view(second)
    assert await store.views.get_views([first.key]) == {}
    assert await store.views.put_view(first, over=0)


async def test_many_views_are_read_at_once(store: Store) -> None:
    """More than one batch holds, those that exist; and a partition in the order of its sort keys."""
    items = [ViewItem(ViewKey("p", f"{n:03d}"), "spend", version=1) for n in range(130)]
    await asyncio.gather(*(store.views.put_view(item, over=0) for item in items))
    found = await store.views.get_views([ViewKey("p", "none"), *(item.key for item in items)])
    assert found == {item.key: item for item in items}
    assert await store.views.query_views("p") == items
    assert await store.views.query_views("p", prefix="01") == items[10:20]
    assert await store.views.query_views("p", between=("001", "003")) == items[1:4]


async def test_an_api_key_comes_back_as_it_was(store: Store) -> None:
    """By its digest only; unknown digests are None."""
    key = ApiKey("d1", "amy", "acme-inc", profiles=("default",), expires_at_ms=NOW)
    await store.views.put_api_key(key)
    assert await store.views.get_api_key("d1") == key
    assert await store.views.get_api_key("d2") is None


async def test_no_store_is_a_store_error() -> None:
    """Nothing listens: one kind of error, whatever the cause, soon enough."""
    async with open_store("facts", "views", endpoint_url="http://127.0.0.1:9", retry_s=0.2) as store:
        with pytest.raises(StoreError):
            await store.facts.put_fact(fact())


@asynccontextmanager
async def _before(url: str, *, mute: int, loses: str) -> AsyncIterator[str]:
    """A forwarder in front of a store. On its first `mute` connections one `request` or `answer` is lost."""
    host, port = url.removeprefix("http://").split(":")
    tasks = set[asyncio.Task[None]]()
    count = 0

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def swallow(reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        is_mute = count <= mute
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            if is_mute and loses == "request":
                await swallow(reader)
                return
            from_store, to_store = await asyncio.open_connection(host, int(port))
            answers = swallow(from_store) if is_mute else pass_on(from_store, writer)
            await asyncio.gather(pass_on(reader, to_store), answers)
            to_store.close()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.wait(tasks, timeout=1) if tasks else None


@pytest.mark.parametrize("loses", ["request", "answer"])
async def test_a_store_that_hangs_is_asked_again(dynamodb_url: str, store: Store, loses: str) -> None:
    """One connection that says nothing costs one try, not the operation; what it did take counts once."""
    one, second = inference(), Started(2, "other", "large", NOW + 7)
    await store.facts.open_inference(one)
    async with (
        _before(dynamodb_url, mute=1, loses=loses) as url,
        open_store(store.facts.name, store.views.name, endpoint_url=url, retry_s=3) as before,
    ):
        began = time.monotonic()
        assert await before.facts.add_started(one.inference_id, second)
        assert time.monotonic() - began < 3
    stored, _ = await store.facts.get_inference(one.inference_id)
    assert stored is not None
    assert stored.started == (*one.started, second)


@pytest.mark.parametrize("retry_s", [0.2, 2])
async def test_a_store_that_never_answers_is_a_store_error_in_time(
    dynamodb_url: str, store: Store, retry_s: float
) -> None:
    """Whatever is asked: it is tried more than once where there is time, and given up after about `retry_s`."""
    async with (
        _before(dynamodb_url, mute=99, loses="request") as url,
        open_store(store.facts.name, store.views.name, endpoint_url=url, retry_s=retry_s) as before,
    ):
        for ask in (
            before.facts.put_fact(fact()),
            before.facts.get_inference("x"),
            before.views.get_views([ViewKey("p", "s")]),
        ):
            began = time.monotonic()
            with pytest.raises(StoreError, match="Timeout"):
                await ask
            assert retry_s / 2 < time.monotonic() - began < max(retry_s, 0.5) + 0.5


async def test_a_query_of_several_pages_is_read_whole(store: Store) -> None:
    """More than a page holds, in order; and no more than was asked for, though a page would hold it."""
    items = [{"pk": "p", "sk": f"{n}", "text": "x" * 300_000} for n in range(8)]
    for item in items:
        await store.client.put_item(store.views.name, item)
    query = partial(store.views.connection.query, store.views.name, HashKey("pk", "p"))
    assert [item["sk"] for item in await query()] == list("01234567")
    assert [item["sk"] for item in await query(limit=6)] == list("012345")
    assert [item["sk"] for item in await query(limit=2, scan_forward=False)] == ["7", "6"]


async def test_of_many_claims_of_a_probe_one_holds(any_store_url: str) -> None:
    """Until it ends, or runs out; and only its own holder can end it."""
    async with fresh_store(any_store_url) as store:

        async def claims(now: int) -> int:
            each = (store.views.claim_probe("acme|small|", now=now, until=now + 1_000 + n) for n in range(20))
            return sum(await asyncio.gather(*each))

        assert await claims(NOW) == 1
        assert await claims(NOW + 999) == 0
        assert await claims(NOW + 1_020) == 1
        assert not await store.views.end_probe("acme|small|", claimed_until=NOW + 1_000, until=0)
        assert not await store.views.end_probe("other|small|", claimed_until=NOW, until=0)
        assert await store.views.claim_probe("other|small|", now=NOW, until=NOW + 9)
        assert await store.views.end_probe("other|small|", claimed_until=NOW + 9, until=NOW + 1)
        assert await store.views.claim_probe("other|small|", now=NOW + 1, until=NOW + 9)
