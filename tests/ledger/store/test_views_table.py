"""Writes that count once, however often and by how many they are repeated."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from aiodynamo.expressions import HashKey

from ledger.items import ApiKey, Started
from ledger.store.connection import StoreError
from ledger.store.opened import Store, open_store
from ledger.views import ViewItem, ViewKey
from tests.ledger.make import NOW, fact, inference
from tests.ledger.store.tables import fresh_store


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
            await store.facts.put_attempt(fact())


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
        assert await before.facts.add_started(one.inference_id, second)
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
            before.facts.put_attempt(fact()),
            before.facts.get_inference("x"),
            before.views.get_views([ViewKey("p", "s")]),
        ):
            began = time.monotonic()
            with pytest.raises(StoreError, match="Timeout"):
                await ask
            # It ends by itself, long before the test's own patience: on a busy machine late, but never early.
            assert retry_s / 2 < time.monotonic() - began < 30


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
