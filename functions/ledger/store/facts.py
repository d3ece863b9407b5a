"""The facts table: inferences and attempts, in and out.

Every write of a fact is conditional on its deterministic key, so a repeat changes nothing and is no error.
"""

import asyncio
from typing import Any

from aiodynamo.expressions import F, HashKey, RangeKey

from ledger import keys
from ledger.items import Fact, Inference, InferenceState, Started
from ledger.outcomes import Ending
from ledger.store import records
from ledger.store.connection import Connection
from ledger.store.records import Item

FACTS_TABLE = "warmroute-facts"
"""Its name where nobody says another. A deployment does: there CloudFormation makes it."""

BY_MINUTE = "by_minute"
BY_SESSION = "by_session"
_QUERIES_AT_ONCE = 16


class FactsTable:
    """What happened. All times in ms since the epoch."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name
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
        return inference is not None and inference.state is InferenceState.OPEN and started in inference.started

    async def put_fact(self, fact: Fact) -> bool:
        """An attempt has ended. False when its row is there already."""
        return await self._put_new(records.fact_item(fact))

    async def close_inference(
        self,
        inference_id: str,
        *,
        at: int,
        ending: Ending,
        status: int | None,
        state: InferenceState = InferenceState.CLOSED,
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

    async def close_with_fact(
        self, fact: Fact, *, started: int, status: int | None, state: InferenceState
    ) -> bool:
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
        items = await self.connection.query(self.name, HashKey("inference_id", inference_id), consistent_read=True)
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
        items = await self.connection.query(self.name, key, index=BY_SESSION, scan_forward=False, limit=newest)
        return [records.item_fact(i) for i in items]

    async def _put_new(self, item: Item) -> bool:
        return await self.connection.put(self.name, item, F("inference_id").does_not_exist())

    async def _update_open(self, inference_id: str, update: Any, unchanged: Any = None) -> bool:
        key = {"inference_id": inference_id, "sk": keys.INFERENCE_SK}
        is_open = F("state").equals(str(InferenceState.OPEN))
        condition = is_open & unchanged if unchanged else is_open
        return await self.connection.update(self.name, key, update, condition) is not None

    async def _index_minute(self, minute_key: str) -> list[Item]:
        async def shard(key: str) -> list[Item]:
            async with self._few:
                return await self.connection.query(self.name, HashKey(BY_MINUTE, key), index=BY_MINUTE)

        pages = await asyncio.gather(*map(shard, keys.shards(minute_key)))
        return [item for items in pages for item in items]
