"""The facts table: inferences and attempts, in and out.

Every write is conditional on a deterministic key or on the state of the inference, so a repeat changes nothing and
is no error, in whatever order writes arrive. What that is good for is proved in `tests/ledger/store/test_rows.py`.
"""

import asyncio
from dataclasses import replace
from typing import Any

from aiodynamo.expressions import F, HashKey, RangeKey

from ledger import keys
from ledger.items import Fact, Inference, InferenceState, Started
from ledger.outcomes import FaultKind
from ledger.store import records
from ledger.store.connection import Connection
from ledger.store.records import Item

FACTS_TABLE = "warmroute-facts"
"""Its name where nobody says another. A deployment does: there CloudFormation makes it."""

BY_MINUTE = "by_minute"
BY_SESSION = "by_session"
_QUERIES_AT_ONCE = 16

_IS_NEW = F("inference_id").does_not_exist()
_IS_OPEN = F("state").equals(str(InferenceState.OPEN))
_IS_TAKEN_OVER = F("state").equals(str(InferenceState.LOST)) & F("fact").does_not_exist()
"""The reaper has begun to close it and not ended."""


class FactsTable:
    """What happened. All times in ms since the epoch."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name
        self._few = asyncio.Semaphore(_QUERIES_AT_ONCE)

    # What a router writes

    async def open_inference(self, inference: Inference) -> bool:
        """The first write of a request, with its decision and its first attempt. False when it is there."""
        return await self._put_new(records.inference_item(inference))

    async def add_started(self, inference_id: str, started: Started) -> bool:
        """An attempt begins. False when the inference is no longer open, or was never opened.

        The same attempt may be added any number of times, and attempts in any order.
        """
        begins = F("started", str(started.n)).set(records.pack_started(started))
        return await self._update(inference_id, begins, _IS_OPEN)

    async def put_attempt(self, fact: Fact) -> bool:
        """An attempt has ended. False when its row is there already.

        Where that row is the reaper's, which could only call the attempt unknown, the fact is written beside it
        and completes it.
        """
        item = records.attempt_item(fact)
        if await self._put_new(item):
            return True
        if fact.kind is FaultKind.LOST or fact.completes:
            return False
        stored = await self.connection.get(self.name, _key_of(item), consistent=True)
        if stored is None or records.item_fact(stored).kind is not FaultKind.LOST:
            return False
        return await self._put_new(records.attempt_item(replace(fact, completes=True)))

    async def close_inference(self, inference: Inference) -> bool:
        """The last write of a request, which carries the fact `inference.closing`. False when it changed nothing.

        One without any attempt was never opened, and is written whole; so is one whose opening write was lost. One
        that the reaper has taken over stays lost, and the attempt that the close carries becomes a row of its own.
        """
        closing, item = _closing_of(inference), records.inference_item(inference)
        if not closing.n:
            return await self._put_new(item)
        if await self._close(inference, _IS_OPEN) or await self._put_new(item):
            return True
        stored = await self._head(inference.inference_id)
        if stored is None or stored.state is InferenceState.CLOSED:
            return False
        if stored.state is InferenceState.OPEN:
            # An opening write whose answer was lost has landed between the two tries.
            return await self._close(inference, _IS_OPEN)
        return await self.put_attempt(replace(closing, closes=None))

    # What the reaper writes

    async def take_over(self, inference_id: str) -> bool:
        """From now on its router can neither add an attempt nor close it. False when it is not open."""
        return await self._update(inference_id, F("state").set(str(InferenceState.LOST)), _IS_OPEN)

    async def close_lost(self, inference: Inference) -> bool:
        """The last write of the reaper, for an inference that it has taken over. False when that is done."""
        return await self._close(inference, _IS_TAKEN_OVER)

    # What is read

    async def get_inference(self, inference_id: str) -> tuple[Inference | None, list[Fact]]:
        """An inference, and what is known of each of its ended attempts; (None, []) when there is none."""
        items = await self.connection.query(self.name, HashKey("inference_id", inference_id), consistent_read=True)
        facts = {fact.key: fact for fact in map(records.item_fact, (i for i in items if "fact" in i)) if fact.n}
        head = next((records.item_inference(i) for i in items if i["sk"] == keys.INFERENCE_SK), None)
        known = {fact.n: fact for _key, fact in sorted(facts.items())}  # what completes another comes after it
        return head, [fact for _n, fact in sorted(known.items())]

    async def facts_of_minute(self, minute: str) -> list[Fact]:
        """Every fact written in a UTC minute, from all shards."""
        return [records.item_fact(i) for i in await self._index_minute(minute)]

    async def open_in_minute(self, minute: str) -> list[str]:
        """The ids of inferences that were opened in a UTC minute and that nobody has closed."""
        return [i["inference_id"] for i in await self._index_minute(f"{keys.OPEN_PREFIX}{minute}")]

    async def facts_of_session(
        self, caller: str, session: str, *, after: int = -1, newest: int | None = None
    ) -> list[Fact]:
        """A session's facts written after an instant, newest first; at most `newest` of them."""
        key = HashKey(BY_SESSION, keys.by_session(caller, session)) & RangeKey("at").gt(after)
        items = await self.connection.query(self.name, key, index=BY_SESSION, scan_forward=False, limit=newest)
        return [records.item_fact(i) for i in items]

    # One way to write each

    async def _put_new(self, item: Item) -> bool:
        return await self.connection.put(self.name, item, _IS_NEW)

    async def _update(self, inference_id: str, update: Any, condition: Any) -> bool:
        return await self.connection.update(self.name, records.inference_key(inference_id), update, condition)

    async def _close(self, inference: Inference, condition: Any) -> bool:
        update, *more = [F(name).remove() for name in records.ONLY_WHILE_OPEN]
        attributes = records.closing_attributes(inference, _closing_of(inference))
        for part in (*more, *(F(name).set(value) for name, value in attributes.items())):
            update = update & part
        return await self._update(inference.inference_id, update, condition)

    async def _head(self, inference_id: str) -> Inference | None:
        item = await self.connection.get(self.name, records.inference_key(inference_id), consistent=True)
        return records.item_inference(item) if item else None

    async def _index_minute(self, minute_key: str) -> list[Item]:
        async def shard(key: str) -> list[Item]:
            async with self._few:
                return await self.connection.query(self.name, HashKey(BY_MINUTE, key), index=BY_MINUTE)

        pages = await asyncio.gather(*map(shard, keys.shards(minute_key)))
        return [item for items in pages for item in items]


def _key_of(item: Item) -> Item:
    return {"inference_id": item["inference_id"], "sk": item["sk"]}


def _closing_of(inference: Inference) -> Fact:
    if inference.closing is None or inference.closing.closes is None:
        raise ValueError("an inference is closed with the fact that says how it ended")
    return inference.closing
