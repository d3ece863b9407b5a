"""One way to talk to DynamoDB, for everything that is read and written.

`StoreError` is whatever keeps an answer from us: network, throttling, a missing table, no credentials.
A condition that does not hold is no error: the method returns False.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import aiohttp
from aiodynamo.client import Client
from aiodynamo.credentials import Credentials, StaticCredentials
from aiodynamo.errors import AIODynamoError, ConditionalCheckFailed, ItemNotFound, NoCredentialsFound
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import BatchGetRequest, DecorelatedJitterRetry, RetryTimeout, Select
from yarl import URL

from ledger.store.records import Item

_BATCH = 100
_TRY_SHARE = 0.3
_MIN_TRY_S = 0.5
_MAX_PAUSE_S = 0.25
_KEEPALIVE_S = 10

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


def _local_key() -> Any:
    from aiodynamo.credentials import Key  # noqa: PLC0415 - only emulators need it

    return Key("local", "local", None)


@asynccontextmanager
async def open_connection(
    *, region: str, endpoint_url: str | None, retry_s: float, client_class: type[Client]
) -> AsyncIterator["Connection"]:
    """A `Connection` of its own. With `endpoint_url` (an emulator) any credentials will do.

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
        yield Connection(client, limit_s=max(retry_s, try_s) + _MAX_PAUSE_S)


class Connection:
    """Single operations on any table, each in bounded time; StoreError for whatever goes wrong."""

    def __init__(self, client: Client, *, limit_s: float) -> None:
        self.client = client
        self._limit_s = limit_s

    @asynccontextmanager
    async def _operation(self) -> AsyncIterator[None]:
        """Around one request and its repeats."""
        with _translated():
            async with asyncio.timeout(self._limit_s):
                yield

    async def get(self, table: str, key: Item, *, consistent: bool = False) -> Item | None:
        """One item; None when there is none."""
        async with self._operation():
            try:
                return await self.client.get_item(table, key, consistent_read=consistent)
            except ItemNotFound:
                return None

    async def get_many(self, table: str, wanted: list[Item]) -> list[Item]:
        """Those of some items that exist, in any order. Consistent reads, 100 at a time."""
        found: list[Item] = []
        todo = wanted
        while todo:
            request = BatchGetRequest(todo[:_BATCH], consistent_read=True)
            async with self._operation():
                answer = await self.client.batch_get({table: request})
            found += answer.items.get(table, [])
            todo = answer.unprocessed_keys.get(table, []) + todo[_BATCH:]
        return found

    async def put(self, table: str, item: Item, condition: Any = None) -> bool:
        """Writes a whole item. False when the condition does not hold."""
        async with self._operation():
            try:
                await self.client.put_item(table, item, condition=condition)
            except ConditionalCheckFailed:
                return False
        return True

    async def update(self, table: str, key: Item, update: Any, condition: Any) -> bool:
        """Changes an item. False when the condition does not hold."""
        async with self._operation():
            try:
                await self.client.update_item(table, key, update, condition=condition)
            except ConditionalCheckFailed:
                return False
        return True

    async def delete(self, table: str, key: Item, condition: Any) -> bool:
        """Removes an item. False when the condition does not hold."""
        async with self._operation():
            try:
                await self.client.delete_item(table, key, condition=condition)
            except ConditionalCheckFailed:
                return False
        return True

    async def query(self, table: str, key: Any, *, limit: int | None = None, **options: Any) -> list[Item]:
        """Every item of a query, or the first `limit`. `options`: the client's own (`index` …)."""
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
