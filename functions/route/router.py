"""Everything that the router stands on while it runs: made once per process, and opened and closed together."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from ledger.moments import now_ms
from ledger.store.opened import Store, open_store
from route.calling.upstream import open_http
from route.config.file import Config
from route.fleet.fleet import Fleet
from route.fleet.probe_claims import ProbeClaims
from route.fleet.sessions import Sessions
from route.providers.base import Provider
from route.request.auth import ApiKeys
from route.settings import RouterSettings

STORE_RETRY_S = 2.0
"""Less than what a request keeps for its closing write: the caller waits for that."""


@dataclass(frozen=True, slots=True)
class Router:
    """What handlers are given. `clock`: ms since the epoch, for everything that is decided or written down."""

    config: Config
    store: Store
    keys: ApiKeys
    fleet: Fleet
    sessions: Sessions
    claims: ProbeClaims
    http: aiohttp.ClientSession
    providers: Mapping[str, Provider]
    clock: Callable[[], int] = now_ms


@asynccontextmanager
async def open_router(
    settings: RouterSettings, providers: Mapping[str, Provider], clock: Callable[[], int] = now_ms
) -> AsyncIterator[Router]:
    """Everything that holds a connection, opened and closed together."""
    async with (
        open_store(
            settings.facts_table,
            settings.views_table,
            region=settings.region,
            endpoint_url=settings.dynamodb_url,
            retry_s=STORE_RETRY_S,
        ) as store,
        open_http() as http,
    ):
        fleet = Fleet(store.views, settings.views_refresh_ms)
        yield Router(
            config=settings.config,
            store=store,
            keys=ApiKeys(store.views, settings.key_cache_ms),
            fleet=fleet,
            sessions=Sessions(store, fleet),
            claims=ProbeClaims(store.views),
            http=http,
            providers=providers,
            clock=clock,
        )
