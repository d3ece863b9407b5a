"""Real tables for tests, and clients that count what they cost or die at a given write."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiodynamo.client import Client

from ledger.folds import Fold
from ledger.items import Fact
from ledger.store.opened import Store, open_store
from ledger.store.records import item_view
from ledger.views import VIEWS, ViewItem, ViewKey, derive
from local.stack import create_tables

FOLDS = {view.name: view.fold for view in VIEWS}
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


@asynccontextmanager
async def fresh_store(url: str, client_class: type[Client] = Client) -> AsyncIterator[Store]:
    """Both tables under names that nobody else has."""
    name = f"t{uuid.uuid4().hex}"
    async with open_store(f"{name}-facts", f"{name}-views", endpoint_url=url) as store:
        await create_tables(store.client, store.facts.name, store.views.name)
    async with open_store(
        store.facts.name, store.views.name, endpoint_url=url, client_class=client_class
    ) as store:
        yield store


@asynccontextmanager
async def beside(
    url: str, store: Store, client_class: type[Client] = Client, *, views: str | None = None
) -> AsyncIterator[Store]:
    """Another process's `Store` over the same facts, and the same views or (new, empty) ones of its own."""
    async with open_store(
        store.facts.name, views or store.views.name, endpoint_url=url, client_class=client_class
    ) as other:
        if views:
            await create_tables(other.client, store.facts.name, views)
        yield other


class Killed(OSError):
    """Stands for the end of the process: the store does not answer any more."""


@dataclass
class Writes:
    """How many writes were asked for so far; from number `dies_at` (from 0) on, nothing is answered."""

    dies_at: int | None = None
    lands: bool = False
    count: int = 0
    units: dict[str, float] = field(default_factory=dict)


def dying_client(writes: Writes) -> type[Client]:
    """A client that is cut off at one write. `writes.lands`: that write still takes place, unacknowledged."""

    class Dying(Client):
        async def send_request(self, *, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
            if writes.dies_at is None or (action not in WRITES and writes.count <= writes.dies_at):
                return await super().send_request(action=action, payload=payload)
            number, writes.count = writes.count, writes.count + 1
            if number < writes.dies_at:
                return await super().send_request(action=action, payload=payload)
            if number == writes.dies_at and writes.lands:
                await super().send_request(action=action, payload=payload)
            raise Killed("killed")

    return Dying


def interrupted_client(action: str, meanwhile: Callable[[], Awaitable[object]]) -> type[Client]:
    """A client whose every `action` waits until somebody else has done `meanwhile`, from the first one on."""
    before, turn = [meanwhile], asyncio.Lock()

    class Interrupted(Client):
        async def send_request(self, *, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
            if action == awaited:
                async with turn:
                    while before:
                        await before.pop()()
            return await super().send_request(action=action, payload=payload)

    awaited = action
    return Interrupted


def metered_client(units: dict[str, float]) -> type[Client]:
    """A client that adds up the write units of each kind of write, those of the indexes included."""

    class Metered(Client):
        async def send_request(self, *, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
            if action in WRITES:
                payload = {**payload, "ReturnConsumedCapacity": "INDEXES"}
            answer = await super().send_request(action=action, payload=payload)
            if action in WRITES:
                units[action] = units.get(action, 0) + answer["ConsumedCapacity"]["CapacityUnits"]
            return answer

    return Metered


async def facts_of(store: Store, inference_id: str) -> list[Fact]:
    """Every fact of a closed inference: of its attempts, and of its close where no attempt closed it."""
    inference, attempts = await store.facts.get_inference(inference_id)
    closing = inference.closing if inference else None
    return attempts if closing is None or closing in attempts else [closing, *attempts]


async def stored_views(store: Store) -> dict[ViewKey, ViewItem]:
    """Every view item there is, without watermarks and the snapshot."""
    items = [item async for item in store.client.scan(store.views.name, consistent_read=True)]
    return {view.key: view for view in (item_view(i) for i in items if "view" in i)}


async def merged_views(store: Store) -> dict[ViewKey, Fold]:
    """Every view item's state, sealed and open together."""
    return {key: item.state(FOLDS[item.view]) for key, item in (await stored_views(store)).items()}


def expected_views(facts: list[Fact]) -> dict[ViewKey, Fold]:
    """What the views must hold when these are all the facts: one fold over all, however they came in."""
    expected: dict[ViewKey, Fold] = {}
    for (_view, key), minutes in derive(facts).items():
        states = iter(minutes[minute] for minute in sorted(minutes))
        total = next(states)
        for state in states:
            total = total.merge(state)
        expected[key] = total
    return expected
