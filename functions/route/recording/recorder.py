"""The writes of one inference, each sent as soon as it is known and after those before it.

A write that the store does not take is retried by the store's connection, then spilled: the whole item goes to the
log as `ledger-spilled`, from which it can be replayed, and serving goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ledger.items import Fact, Inference, Started
from ledger.store import records
from ledger.store.connection import StoreError
from ledger.store.facts import FactsTable
from ledger.store.records import Item
from ledger.store.spill import spill

log = logging.getLogger("warmroute.route")

SECOND_TRY_S = 0.7
"""Once the store has failed the caller has waited already: each further write has one try of this length."""

Write = Callable[[], Awaitable[bool]]


class Recorder:
    """Sends the writes of one inference in tasks, so that whoever sends one need not wait for it.

    `is_stored`: whether the store has taken everything so far that it has answered for.
    """

    def __init__(self, facts: FactsTable) -> None:
        self._facts = facts
        self._last: asyncio.Task[None] | None = None
        self._unsent: list[Fact] = []
        self.is_stored = True

    def open(self, inference: Inference) -> None:
        """Its first attempt begins: the inference is written with its decision and this attempt."""
        self._send(lambda: self._facts.open_inference(inference), records.inference_item(inference))

    def start(self, inference_id: str, started: Started) -> None:
        """Another attempt begins."""
        item = records.started_item(inference_id, started)
        self._send(lambda: self._facts.add_started(inference_id, started), item)

    def put(self, fact: Fact) -> None:
        """An attempt has ended that the close will not carry."""
        self._send(lambda: self._put(fact), records.attempt_item(fact))

    async def _put(self, fact: Fact) -> bool:
        self._unsent.append(fact)
        put = await self._facts.put_attempt(fact)
        self._unsent.remove(fact)
        return put

    def close(self, inference: Inference) -> None:
        """The last write: how the inference ended, with the fact that its close carries."""
        self._send(lambda: self._close(inference), records.inference_item(inference))

    async def _close(self, inference: Inference) -> bool:
        # Rows that the store has not taken have one more try: an inference that is closed is whole.
        for fact in self._unsent:
            await self._facts.put_attempt(fact)
        return await self._facts.close_inference(inference)

    async def answered(self) -> None:
        """Waits until the store has answered for everything sent so far, or each write has been spilled.

        Who is cancelled while it waits cancels no write.
        """
        if self._last is not None:
            await asyncio.wait([self._last])

    def _send(self, write: Write, item: Item) -> None:
        """Begins a write once those before it are answered: no write to an item may overtake another."""
        self._last = asyncio.create_task(self._after(self._last, write, item))

    async def _after(self, before: "asyncio.Task[None] | None", write: Write, item: Item) -> None:
        """Never raises for the store's sake: what it does not take is spilled."""
        if before is not None:
            await asyncio.wait([before])
        try:
            async with asyncio.timeout(None if self.is_stored else SECOND_TRY_S):
                await write()
        except (StoreError, TimeoutError) as error:
            self.is_stored = False
            log.error("ledger-spilled", extra={"error": str(error), "item": spill(item)})  # noqa: TRY400
