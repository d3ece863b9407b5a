"""One inference's trail in the ledger: opened beside the call, each attempt, closed before the last byte.

A write that the store does not take is retried by the table, then spilled: the whole item goes to the log as
`ledger-spilled`, from which it can be replayed, and serving goes on. With `strict` it does not go on.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import replace

import orjson

from ledger import records
from ledger.items import Fact, Inference, Started, State
from ledger.outcomes import Ending
from ledger.records import Item
from ledger.table import StoreError, Table
from route.errors import StoreUnavailable

log = logging.getLogger("warmroute.route")


class Capture:
    """Facts of one inference. Writes are sent when they are known and acknowledged when that is due."""

    def __init__(self, table: Table, inference: Inference, *, strict: bool) -> None:
        self._table = table
        self._strict = strict
        self._pending: list[asyncio.Task[bool]] = []
        self._opened: asyncio.Task[bool] | None = None
        self.inference = inference
        self.facts: list[Fact] = []

    async def start(self, started: Started) -> None:
        """An attempt begins. The first one opens the inference; none of them waits, unless `strict`."""
        self.inference = replace(self.inference, started=(*self.inference.started, started))
        if self._opened is None:
            write = self._table.open_inference(self.inference)
            self._opened = self._send(write, records.inference_item(self.inference))
        else:
            self._send(self._started_after_open(started), {"started": records.pack_started(started)})
        if self._strict:
            await self.acknowledged()

    async def _started_after_open(self, started: Started) -> bool:
        # Two writes to one item must not overtake each other.
        if self._opened is not None:
            await asyncio.wait([self._opened])
        return await self._table.add_started(self.inference.inference_id, started)

    async def acknowledged(self) -> None:
        """Until the store has answered for everything sent so far. `strict`: StoreUnavailable when it has not."""
        results = await asyncio.gather(*self._pending)
        self._pending.clear()
        if self._strict and not all(results):
            raise StoreUnavailable("The ledger")

    async def finish(self, fact: Fact) -> None:
        """An attempt has ended. Its row is written beside the next attempt, or before the closing."""
        self.facts.append(fact)
        log.info("attempt-finished", extra=_fields(fact))
        self._send(self._table.put_fact(fact), records.fact_item(fact))

    async def close(self, *, at: int, ending: Ending, status: int | None) -> None:
        """The last write, after every other has been answered: an inference that is closed is whole."""
        await asyncio.gather(*self._pending)
        self._pending.clear()
        closed = replace(self.inference, state=State.CLOSED, closed_at=at, ending=ending, status=status)
        self.inference = closed
        item = records.inference_item(closed)
        if self._opened is None or not self._opened.result():
            await self._send(self._table.open_inference(closed), item)
        else:
            write = self._table.close_inference(closed.inference_id, at=at, ending=ending, status=status)
            await self._send(write, item)
        self._pending.clear()

    async def refuse(self, fact: Fact, *, status: int) -> None:
        """It ended before any call: one item, closed from the start."""
        self.facts.append(fact)
        self.inference = replace(
            self.inference, state=State.CLOSED, closed_at=fact.at, ending=fact.closes, status=status
        )
        item = records.inference_item(self.inference) | records.fact_item(fact)
        await self._send(self._table.refuse(self.inference, fact), item)
        self._pending.clear()

    def _send(self, write: Awaitable[bool], item: Item) -> "asyncio.Task[bool]":
        """A write under way whose result is whether the store has it. It never raises."""
        task = asyncio.create_task(self._stored(write, item))
        self._pending.append(task)
        return task

    async def _stored(self, write: Awaitable[bool], item: Item) -> bool:
        try:
            await write
        except StoreError as error:
            spilled = orjson.dumps(item, default=_plain).decode()
            log.warning("ledger-spilled", extra={"error": str(error), "item": spilled, "strict": self._strict})
            return False
        return True


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _fields(fact: Fact) -> dict[str, object]:
    return {
        "inference_id": fact.inference_id,
        "n": fact.n,
        "route": fact.route,
        "outcome": str(fact.outcome),
        "kind": fact.kind and str(fact.kind),
        "http_status": fact.http_status,
        "latency_ms": fact.latency_ms,
        "ttft_ms": fact.ttft_ms,
        "caller": fact.origin.caller,
    }
