"""The ledger's two tables over one connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiodynamo.client import Client

from ledger.store.connection import open_connection
from ledger.store.facts import FactsTable
from ledger.store.views import ViewsTable


@dataclass(frozen=True, slots=True)
class Store:
    """What is stored of a deployment: facts, and the views that are derived from them."""

    facts: FactsTable
    views: ViewsTable

    @property
    def client(self) -> Client:
        """The library's own client, for what is asked of tables and not of items."""
        return self.facts.connection.client


@asynccontextmanager
async def open_store(
    facts: str,
    views: str,
    *,
    region: str = "us-east-1",
    endpoint_url: str | None = None,
    retry_s: float = 3,
    client_class: type[Client] = Client,
) -> AsyncIterator[Store]:
    """The two tables of these names. With `endpoint_url` (an emulator) any credentials will do.

    `retry_s`: how long one operation is tried again when the store throttles or does not answer.
    """
    async with open_connection(
        region=region, endpoint_url=endpoint_url, retry_s=retry_s, client_class=client_class
    ) as connection:
        yield Store(FactsTable(connection, facts), ViewsTable(connection, views))
