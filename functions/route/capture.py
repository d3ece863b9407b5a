"""One inference's trail in the ledger: opened beside the call, each attempt, closed before the last byte.

A write that the store does not take is retried by the table, then spilled: the whole item goes to the log as
`ledger-spilled`, from which it can be replayed, and serving goes on. With `strict` no further call is made.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
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
    """Facts of one inference. Each write is sent when it is known, after the one before it, in a task."""

    def __init__(self, table: Table, inference: Inference, *, strict: bool) -> None:
        self._table = table
        self._strict = strict
        self._last: asyncio.Task[bool] | None = None
        self._stored = True
        self._taken_over = False
        self.inference = inference
        self.facts: list[Fact] = []

    async def start(self, started: Started) -> None:
        """An attempt begins. The first one opens the inference; none of them waits, unless `strict`."""
        self.inference = replace(self.inference, started=(*self.inference.started, started))
        if started.n == 1:
            opening = self.inference
            self._send(lambda: self._table.open_inference(opening), records.inference_item(opening))
        else:
            self._send(lambda: self._add(started), {"started": records.pack_started(started)})
        if self._strict:
            await self.acknowledged()

    async def _add(self, started: Started) -> bool:
        added = await self._table.add_started(self.inference.inference_id, started)
        # No longer open: the reaper has closed it, and a row of ours now would be counted twice.
        self._taken_over = not added
        return added

    async def acknowledged(self) -> None:
        """Until the store has answered for everything sent so far. `strict`: StoreUnavailable when it has not."""
        await self._answered()
        if self._strict and not self._stored:
            raise StoreUnavailable("The ledger")

    async def finish(self, fact: Fact) -> None:
        """An attempt has ended. Its row is written beside the next attempt, or before the closing."""
        self.facts.append(fact)
        log.info("attempt-finished", extra=_fields(fact))
        self._send(lambda: self._put(fact), records.fact_item(fact))

    async def _put(self, fact: Fact) -> bool:
        if self._taken_over:
            log.warning("inference-taken-over", extra=_fields(fact))
            return False
        return await self._table.put_fact(fact)

    async def close(self, *, at: int, ending: Ending, status: int | None) -> None:
        """The last write, after every other has been answered: an inference that is closed is whole."""
        closed = replace(self.inference, state=State.CLOSED, closed_at=at, ending=ending, status=status)
        self.inference = closed
        closing = self._table.close_inference
        self._send(
            lambda: closing(closed.inference_id, at=at, ending=ending, status=status),
            records.inference_item(closed),
        )
        await self._answered()

    async def refuse(self, fact: Fact, *, status: int) -> None:
        """It ended before any call: one item, closed from the start."""
        self.facts.append(fact)
        refused = replace(self.inference, state=State.CLOSED, closed_at=fact.at, ending=fact.closes, status=status)
        self.inference = refused
        item = records.inference_item(refused) | records.fact_item(fact)
        self._send(lambda: self._table.refuse(refused, fact), item)
        await self._answered()

    async def _answered(self) -> None:
        if self._last is not None:
            await self._last

    def _send(self, write: Callable[[], Awaitable[bool]], item: Item) -> None:
        """Begins a write once those before it are answered: no write to an item may overtake another."""
        self._last = asyncio.create_task(self._after(self._last, write, item))

    async def _after(
        self, before: "asyncio.Task[bool] | None", write: Callable[[], Awaitable[bool]], item: Item
    ) -> bool:
        """Whether this write and all before it were answered. It never raises for the store's sake."""
        if before is not None:
            await before
        reason = "follows a spilled row"
        if self._stored:
            try:
                await write()
            except StoreError as error:
                self._stored, reason = False, str(error)
        if not self._stored:
            # The rest of the trail goes the same way, untried: the caller is waiting, and rows that follow
            # one that is missing would make the ledger say less than the log.
            spilled = orjson.dumps(item, default=_plain).decode()
            log.warning("ledger-spilled", extra={"error": reason, "item": spilled, "strict": self._strict})
        return self._stored


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
