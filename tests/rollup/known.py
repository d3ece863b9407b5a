"""Readers and writers that stand between a test and its table."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from aiodynamo.client import Client
from aiodynamo.errors import ValidationException

from ledger.items import Fact
from ledger.moments import minute_of
from ledger.store.facts import FactsTable


def ask_known_minutes(patch: pytest.MonkeyPatch, facts: Iterable[Fact]) -> None:
    """Tables are asked only for minutes which hold facts: of any other minute all 16 shards are empty.

    A day has 23,040 of them; to ask each is what takes a rebuild so long on an emulator.
    """
    minutes, ask = {minute_of(fact.at) for fact in facts}, FactsTable.facts_of_minute

    async def facts_of_minute(table: FactsTable, minute: str) -> list[Fact]:
        return await ask(table, minute) if minute in minutes else []

    patch.setattr(FactsTable, "facts_of_minute", facts_of_minute)


def refusing_client(refuses: Callable[[Mapping[str, Any]], bool], seen: list[str] | None = None) -> type[Client]:
    """A client whose store refuses some items for good, as it does with those of more than 400 kB.

    `refuses` looks at an item as it is sent. `seen` gets the names of all operations.
    """

    class Refusing(Client):
        async def send_request(self, *, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
            if seen is not None:
                seen.append(action)
            if action == "PutItem" and refuses(payload["Item"]):
                await asyncio.sleep(0)
                raise ValidationException("Item size has exceeded the maximum allowed size")
            return await super().send_request(action=action, payload=payload)

    return Refusing
