"""The only file that talks to DynamoDB: facts in, facts out, views in, views out.

Every write of a fact is conditional on its deterministic key, so a repeat changes nothing and is no error.
`StoreError` is whatever keeps an answer from us: network, throttling, a missing table, no credentials.
A condition that does not hold is no error: the method returns False.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import aiohttp
from aiodynamo.client import Client
from aiodynamo.credentials import Credentials, StaticCredentials
from aiodynamo.errors import AIODynamoError, ConditionalCheckFailed, ItemNotFound, NoCredentialsFound
from aiodynamo.expressions import F, HashKey, RangeKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import BatchGetRequest, DecorelatedJitterRetry, RetryTimeout, Select
from yarl import URL

from ledger import keys
from ledger.items import ApiKey, Fact, Inference, Started, State
from ledger.outcomes import Ending
from ledger.store import records
from ledger.store.records import Item
from ledger.views import ViewItem, ViewKey

FACTS_TABLE, VIEWS_TABLE = "warmroute-facts", "warmroute-views"
"""Their names where nobody says others. A deployment does: there CloudFormation makes them."""

BY_MINUTE = "by_minute"
BY_SESSION = "by_session"
_BATCH = 100
_QUERIES_AT_ONCE = 16

_TRY_SHARE = 0.3
_MIN_TRY_S = 0.5
_MAX_PAUSE_S = 0.25
_KEEPALIVE_S = 10
_CLAIM_KEPT_S = 86_400


# The library logs each way of finding credentials that fails; what matters of that is in the StoreError.
logging.getLogger("aiodynamo").addHandler(logging.NullHandler())


class StoreError(Exception):
    """The store did not answer, or refused. What was asked for may or may not have happened."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except NoCredentialsFound as error:
        raise StoreError(
            "no AWS credentials found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or use a role"
        ) from error
    except (AIODynamoError, RetryTimeout, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StoreError(f"{type(error).__name__}: {error}"[:300]) from error


def _number(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


@asynccontextmanager
async def open_table(
    facts: str,
    views: str,
    *,
    region: str = "us-east-1",
    endpoint_url: str | None = None,
    retry_s: float = 3,
    client_class: type[Client] = Client,
) -> AsyncIterator["Table"]:
    """A `Table` over its own connections. With `endpoint_url` (an emulator) any credentials will do.

    `retry_s`: how long one operation is tried again when the store throttles or does not answer. A query's
    operation is one of its pages.
    """
    credentials = StaticCredentials(_local_key()) if endpoint_url else Credentials.auto()
    # A try is given up for silence early enough that there is time for others. It is silence that is measured:
    # waiting for a connection or reading a large page is none.
    try_s = max(retry_s * _TRY_SHARE, _MIN_TRY_S)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=try_s, sock_read=try_s)
    # Idle connections die unnoticed, above all while a process is frozen: each would cost a request one try.
    connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=_KEEPALIVE_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        client = client_class(
            AIOHTTP(http),
            credentials,
            region,
            URL(endpoint_url) if endpoint_url else None,
            numeric_type=_number,
            # No try begins so late that it could not end in time: so the last one's error is what is told.
            throttle_config=DecorelatedJitterRetry(
                time_limit_secs=max(retry_s - try_s, 0), max_delay_secs=_MAX_PAUSE_S
            ),
        )
        # The limit is for what the tries' own timeouts do not see: credentials, names, a queue for connections.
        yield Table(client, facts, views, limit_s=max(retry_s, try_s) + _MAX_PAUSE_S)


def _local_key() -> Any:
    from aiodynamo.credentials import Key  # noqa: PLC0415 - only emulators need it

    return Key("local", "local", None)


def _claim(route: str, until: int) -> Item:
    expires_at = until // 1000 + _CLAIM_KEPT_S
    return {"pk": keys.probe_pk(route), "sk": "probe", "until": until, "expires_at": expires_at}


class Table:
    """The ledger's two tables. All times in ms since the epoch."""

    def __init__(self, client: Client, facts: str, views: str, *, limit_s: float) -> None:
        self.client = client
        self.facts = facts
        self.views = views
        self._limit_s = limit_s
        self._few = asyncio.Semaphore(_QUERIES_AT_ONCE)

    # Facts in

    async def open_inference(self, inference: Inference) -> bool:
        """The first write of a request, with its decision and its first attempt. False when it is there."""
        return await self._put_new(records.inference_item(inference))

    async def refuse(self, inference: Inference, fact: Fact) -> bool:
        """An inference that ended before any call, closed from the start, and its fact: one item."""
        return await self._put_new(records.inference_item(inference) | records.fact_item(fact))

    async def add_started(self, inference_id: str, started: Started) -> bool:
        """Another attempt begins. True when it is listed, now or since an earlier call; False when it cannot be.

        It cannot when the inference is no longer open, or does not list just the attempts before this one.
        """
        packed = records.pack_started(started)
        append = F("started").append([packed])
        # A list that has grown by this attempt does not grow again, however often the write arrives.
        if await self._update_open(inference_id, append, F("started").size().equals(started.n - 1)):
            return True
        # Refused for one of two reasons, which the item tells apart: a first write may have landed unanswered.
        inference, _ = await self.get_inference(inference_id)
        return inference is not None and inference.state is State.OPEN and started in inference.started

    async def put_fact(self, fact: Fact) -> bool:
        """An attempt has ended. False when its row is there already."""
        return await self._put_new(records.fact_item(fact))

    async def close_inference(
        self, inference_id: str, *, at: int, ending: Ending, status: int | None, state: State = State.CLOSED
    ) -> bool:
        """Its last write. False when somebody has closed it before."""
        update = (
            F("state").set(str(state))
            & F("closed_at").set(at)
            & F("ending").set(str(ending))
            & F("status").set(status)
            & F(BY_MINUTE).remove()
            & F("at").remove()
        )
        return await self._update_open(inference_id, update)

    async def close_with_fact(self, fact: Fact, *, started: int, status: int | None, state: State) -> bool:
        """Its last write, where no attempt's row says how it ended: it does so itself, by a fact with n = 0.

        `fact.closes` is the ending; `started` how many attempts were seen. False when another one has begun
        meanwhile, whose row may say how it ended, or when somebody has closed it before.
        """
        item = records.fact_item(fact)
        update = F("state").set(str(state)) & F("closed_at").set(fact.at) & F("ending").set(str(fact.closes))
        update = update & F("status").set(status)
        for name in item.keys() - {"inference_id", "sk"}:
            update = update & F(name).set(item[name])
        return await self._update_open(fact.inference_id, update, F("started").size().equals(started))

    # Facts out

    async def get_inference(self, inference_id: str) -> tuple[Inference | None, list[Fact]]:
        """An inference and its attempts in order; (None, []) when there is none."""
        items = await self._query(self.facts, HashKey("inference_id", inference_id), consistent_read=True)
        head = next((i for i in items if i["sk"] == keys.INFERENCE_SK), None)
        facts = [records.item_fact(i) for i in items if "fact" in i and i["sk"] != keys.INFERENCE_SK]
        return (records.item_inference(head) if head else None), facts

    async def facts_of_minute(self, minute: str) -> list[Fact]:
        """Every fact written in a UTC minute, from all shards."""
        return [records.item_fact(i) for i in await self._index_minute(minute)]

    async def open_in_minute(self, minute: str) -> list[str]:
        """The ids of inferences that were opened in a UTC minute and are open still."""
        return [i["inference_id"] for i in await self._index_minute(f"{keys.OPEN_PREFIX}{minute}")]

    async def facts_of_session(
        self, caller: str, session: str, *, after: int = -1, newest: int | None = None
    ) -> list[Fact]:
        """A session's facts written after an instant, newest first; at most `newest` of them."""
        key = HashKey(BY_SESSION, keys.by_session(caller, session)) & RangeKey("at").gt(after)
        items = await self._query(self.facts, key, index=BY_SESSION, scan_forward=False, limit=newest)
        return [records.item_fact(i) for i in items]

    # Views

    async def get_view_item(self, key: ViewKey, *, consistent: bool = False) -> Item | None:
        """One raw item of the views table, or None."""
        async with self._operation():
            try:
                return await self.client.get_item(
                    self.views, {"pk": key.pk, "sk": key.sk}, consistent_read=consistent
                )
            except ItemNotFound:
                return None

    async def put_view_item(self, item: Item, *, if_version: int | None = None) -> bool:
        """Writes a raw item; with `if_version` only over that version (0: only if there is none)."""
        condition = None
        if if_version is not None:
            condition = F("version").equals(if_version) if if_version else F("pk").does_not_exist()
        return await self._put(self.views, item, condition)

    async def get_views(self, wanted: Iterable[ViewKey]) -> dict[ViewKey, ViewItem]:
        """Those of some view items that exist. Consistent reads, 100 at a time."""
        todo = [{"pk": key.pk, "sk": key.sk} for key in wanted]
        found: dict[ViewKey, ViewItem] = {}
        while todo:
            request = BatchGetRequest(todo[:_BATCH], consistent_read=True)
            async with self._operation():
                answer = await self.client.batch_get({self.views: request})
            items = map(records.item_view, answer.items.get(self.views, []))
            found |= {item.key: item for item in items}
            todo = answer.unprocessed_keys.get(self.views, []) + todo[_BATCH:]
        return found

    async def put_view(self, item: ViewItem, *, over: int) -> bool:
        """Writes a view item over its version `over`. False when somebody else wrote it meanwhile."""
        return await self.put_view_item(records.view_item(item), if_version=over)

    async def delete_view(self, item: ViewItem) -> bool:
        """Removes a view item in this version. False when somebody else wrote it meanwhile."""
        same = F("version").equals(item.version)
        async with self._operation():
            try:
                await self.client.delete_item(self.views, {"pk": item.key.pk, "sk": item.key.sk}, condition=same)
            except ConditionalCheckFailed:
                return False
        return True

    async def query_views(
        self, pk: str, *, prefix: str = "", between: tuple[str, str] | None = None, consistent: bool = False
    ) -> list[ViewItem]:
        """The view items of a partition, in the order of their sort keys."""
        key: Any = HashKey("pk", pk)
        if between:
            key = key & RangeKey("sk").between(*between)
        elif prefix:
            key = key & RangeKey("sk").begins_with(prefix)
        items = await self._query(self.views, key, consistent_read=consistent)
        return [records.item_view(item) for item in items]

    # Probes

    async def claim_probe(self, route: str, *, now: int, until: int) -> bool:
        """Whether the caller alone may probe a route until then. False while somebody else's claim lasts."""
        return await self._put(self.views, _claim(route, until), F("pk").does_not_exist() | F("until").lte(now))

    async def end_probe(self, route: str, *, claimed_until: int, until: int) -> bool:
        """A claim lasts until another instant. False when it has ended meanwhile, and may be somebody else's."""
        return await self._put(self.views, _claim(route, until), F("until").equals(claimed_until))

    # API keys

    async def get_api_key(self, digest: str) -> ApiKey | None:
        item = await self.get_view_item(ViewKey(keys.api_key_pk(digest), "key"))
        return records.item_api_key(item) if item else None

    async def put_api_key(self, key: ApiKey) -> None:
        await self.put_view_item(records.api_key_item(key))

    # One way to write, one way to read

    @asynccontextmanager
    async def _operation(self) -> AsyncIterator[None]:
        """Around one request and its repeats: StoreError for whatever goes wrong, and in bounded time."""
        with _translated():
            async with asyncio.timeout(self._limit_s):
                yield

    async def _put_new(self, item: Item) -> bool:
        return await self._put(self.facts, item, F("inference_id").does_not_exist())

    async def _put(self, table: str, item: Item, condition: Any) -> bool:
        async with self._operation():
            try:
                await self.client.put_item(table, item, condition=condition)
            except ConditionalCheckFailed:
                return False
        return True

    async def _update_open(self, inference_id: str, update: Any, unchanged: Any = None) -> bool:
        key = {"inference_id": inference_id, "sk": keys.INFERENCE_SK}
        is_open = F("state").equals(str(State.OPEN))
        condition = is_open & unchanged if unchanged else is_open
        async with self._operation():
            try:
                await self.client.update_item(self.facts, key, update, condition=condition)
            except ConditionalCheckFailed:
                return False
        return True

    async def _index_minute(self, minute_key: str) -> list[Item]:
        async def shard(key: str) -> list[Item]:
            async with self._few:
                return await self._query(self.facts, HashKey(BY_MINUTE, key), index=BY_MINUTE)

        pages = await asyncio.gather(*map(shard, keys.shards(minute_key)))
        return [item for items in pages for item in items]

    async def _query(self, table: str, key: Any, *, limit: int | None = None, **options: Any) -> list[Item]:
        # DynamoDB refuses to give more of an index than it projects, which is the client's default.
        if "index" in options:
            options["select"] = Select.all_projected_attributes
        items: list[Item] = []
        start: Any = None
        while True:
            left = None if limit is None else limit - len(items)
            async with self._operation():
                page = await self.client.query_single_page(table, key, start_key=start, limit=left, **options)
            items += page.items
            start = page.last_evaluated_key
            if start is None or len(items) == limit:
                return items
