"""One inference's trail in the ledger: opened beside the call, each attempt, closed before the last byte.

A write that the store does not take is retried by the table, then spilled: the whole item goes to the log as
`ledger-spilled`, from which it can be replayed, and serving goes on. With `strict` no further call is made.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from ledger import keys
from ledger.items import Fact, Inference, InferenceState, Started
from ledger.outcomes import Ending
from ledger.store import records
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.store.records import Item
from route.errors import StoreUnavailable

log = logging.getLogger("warmroute.route")

SECOND_TRY_S = 0.7


class Capture:
    """Facts of one inference. Each write is sent when it is known, after the one before it, in a task.

    `seen` is told of each fact at once, so that this instance's next decision knows it.
    """

    def __init__(
        self, store: Store, inference: Inference, *, strict: bool, seen: Callable[[Fact], None] = lambda _: None
    ) -> None:
        self._store = store
        self._seen = seen
        self._strict = strict
        self._last: asyncio.Task[None] | None = None
        self._stored = True
        self._opened = False
        self._unsent: list[Fact] = []
        self._taken_over = False
        self.inference = inference
        self.facts: list[Fact] = []

    async def start(self, started: Started) -> None:
        """An attempt begins. The first one opens the inference; none of them waits, unless `strict`."""
        self.inference = replace(self.inference, started=(*self.inference.started, started))
        if started.n == 1:
            opening = self.inference
            self._send(lambda: self._open(opening), records.inference_item(opening))
        else:
            key = {"inference_id": self.inference.inference_id, "sk": keys.INFERENCE_SK}
            self._send(lambda: self._add(started), key | {"started": records.pack_started(started)})
        if self._strict:
            await self.acknowledged()

    async def _open(self, inference: Inference) -> bool:
        opened = await self._store.facts.open_inference(inference)
        self._opened = True  # whether by this try or by one whose answer was lost: it is there
        return opened

    async def _add(self, started: Started) -> bool:
        if not self._opened:
            return False  # nothing to add to, as far as we know: the closing write brings it all
        added = await self._store.facts.add_started(self.inference.inference_id, started)
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
        self._seen(fact)
        self._send(lambda: self._put(fact), records.fact_item(fact))

    async def _put(self, fact: Fact) -> bool:
        if self._taken_over:
            log.warning("inference-taken-over", extra=_fields(fact))
            return False
        self._unsent.append(fact)
        put = await self._store.facts.put_fact(fact)
        self._unsent.remove(fact)
        return put

    async def close(self, *, at: int, ending: Ending, status: int | None) -> None:
        """The last write, after every other has been answered: an inference that is closed is whole."""
        closed = replace(self.inference, state=InferenceState.CLOSED, closed_at=at, ending=ending, status=status)
        self.inference = closed
        self._send(lambda: self._close(closed, at, ending, status), records.inference_item(closed))
        await self._answered()

    async def _close(self, closed: Inference, at: int, ending: Ending, status: int | None) -> bool:
        for fact in self._unsent:  # once more: it is its row that makes the closing true
            await self._store.facts.put_fact(fact)
        shut = await self._store.facts.close_inference(closed.inference_id, at=at, ending=ending, status=status)
        if shut or self._opened or self._taken_over:
            return shut
        return await self._store.facts.open_inference(closed)

    async def refuse(self, fact: Fact, *, status: int) -> None:
        """It ended before any call: one item, closed from the start."""
        self.facts.append(fact)
        self._seen(fact)
        refused = replace(
            self.inference, state=InferenceState.CLOSED, closed_at=fact.at, ending=fact.closes, status=status
        )
        self.inference = refused
        item = records.inference_item(refused) | records.fact_item(fact)
        self._send(lambda: self._store.facts.refuse(refused, fact), item)
        await self._answered()

    async def _answered(self) -> None:
        """Waits without being able to cancel what it waits for: a caller who leaves must not undo a write."""
        if self._last is not None:
            await asyncio.wait([self._last])

    def _send(self, write: Callable[[], Awaitable[bool]], item: Item) -> None:
        """Begins a write once those before it are answered: no write to an item may overtake another."""
        self._last = asyncio.create_task(self._after(self._last, write, item))

    async def _after(
        self, before: "asyncio.Task[None] | None", write: Callable[[], Awaitable[bool]], item: Item
    ) -> None:
        """Never raises for the store's sake: what it does not take is spilled."""
        if before is not None:
            await asyncio.wait([before])
        try:
            # Once the store has failed the caller has waited already: each further write has one short try.
            async with asyncio.timeout(None if self._stored else SECOND_TRY_S):
                await write()
        except (StoreError, TimeoutError) as error:
            self._stored = False
            spilled = orjson.dumps(item, default=_plain).decode()
            log.error("ledger-spilled", extra={"error": str(error), "item": spilled})  # noqa: TRY400 - no traceback


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
