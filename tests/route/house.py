"""A whole router for a test: real server, real store, real stand-ins; and a look into its ledger."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import uuid4

import anthropic
import httpx2
import openai
import uvicorn
from starlette.applications import Starlette

from ledger.items import ApiKey, Fact, Inference
from ledger.moments import now_ms
from ledger.snapshot import Snapshot
from ledger.store.opened import Store, open_store
from ledger.store.records import item_fact, item_inference
from ledger.views import ROUTES_PK, SNAPSHOT_SK, ViewKey
from local.stack import create_tables, free_port
from rollup.passes import run_pass
from route.app import create_app
from route.config.file import Config
from route.fleet.fleet import Fleet
from route.fleet.probe_claims import ProbeClaims
from route.fleet.sessions import Sessions
from route.request.auth import digest_of
from route.settings import RouterSettings
from tests.fakes import Provider

T = TypeVar("T")
PRICE = {"input_per_mtok": 3, "output_per_mtok": 15}
ALICE, BOB = "sk-alice", "sk-bob"


def model(name: str = "small", **more: Any) -> dict[str, Any]:
    return {"model": name, "wire_model": f"{name}-2026-01", "price": PRICE, **more}


@dataclass(slots=True)
class House:
    """A running router. `a` and `b` speak OpenAI's dialect, `c` and `d` Anthropic's, chains `chat`, `messages`."""

    url: str
    dynamodb_url: str
    tables: tuple[str, str]
    providers: Mapping[str, Provider]
    began: int = field(default_factory=now_ms)
    app: Starlette | None = None
    ahead_ms: int = 0
    """By how much the router's clock is ahead of the machine's."""
    stopped_at: int | None = None
    """Where the router's clock stands still, if it does."""

    def now(self) -> int:
        """The router's clock, in ms since the epoch."""
        return (self.stopped_at or now_ms()) + self.ahead_ms

    def stop_clock(self) -> None:
        """From now on the router's clock moves when a test says so, and no boundary depends on the machine."""
        self.stopped_at = now_ms()

    def pass_time(self, seconds: float) -> None:
        """The router's clock goes forward, and nobody has to wait for it."""
        self.ahead_ms += round(seconds * 1000)

    def begin_anew(self) -> None:
        """For the next test: nothing planned, and a router that knows as little as one that has just started."""
        for provider in self.providers.values():
            provider.clear()
        assert self.app is not None
        router = self.app.state.router
        fleet = Fleet(router.store.views, 0)
        self.app.state.router = replace(
            router, fleet=fleet, sessions=Sessions(router.store, fleet), claims=ProbeClaims(router.store.views)
        )
        self.ahead_ms, self.stopped_at = 0, None

    def openai(self, key: str = ALICE, **more: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, **more)

    def anthropic(self, key: str = ALICE, **more: Any) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.url, api_key=key, **more)

    def post(self, path: str, body: Any, *, key: str = ALICE, **headers: str) -> httpx2.Response:
        """A raw request. `body`: a document, or bytes as they are. Header names have `_` for `-`."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.post(
            f"{self.url}{path}", headers={"authorization": f"Bearer {key}", **named}, timeout=30, **content
        )

    def get(self, path: str, *, key: str = ALICE, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.get(f"{self.url}{path}", headers={"authorization": f"Bearer {key}", **named}, timeout=30)

    def session(self, sid: str, *, key: str = ALICE) -> dict[str, Any]:
        response = self.get(f"/v1/session/{sid}", key=key)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def at_table(self, do: Callable[[Store], Awaitable[T]]) -> T:
        """Runs something against the house's own tables."""

        async def run() -> T:
            async with open_store(*self.tables, endpoint_url=self.dynamodb_url) as store:
                return await do(store)

        return asyncio.run(run())

    def rollup(self) -> None:
        """One pass, as if all that was written had been seen."""
        self.at_table(lambda store: run_pass(store, now=self.now(), lag_ms=0))

    def snapshot(self) -> Snapshot:
        item = self.at_table(lambda store: store.views.get_view_item(ViewKey(ROUTES_PK, SNAPSHOT_SK)))
        return Snapshot.unpack(item["blob"]) if item else Snapshot()

    def facts(self) -> list[Fact]:
        """Every fact there is, attempts and refusals, in the order in which they ended, with its notes."""

        async def scan(store: Store) -> list[Fact]:
            items = [item async for item in store.client.scan(store.facts.name, consistent_read=True)]
            found = [item_fact(item) for item in items if "fact" in item]
            return sorted(found, key=lambda fact: (fact.inference_id, fact.n))

        return self.at_table(scan)

    def inferences(self) -> list[Inference]:
        """Every inference there is, whatever its state. A test may scan; the product never does."""

        async def scan(store: Store) -> list[Inference]:
            items = [item async for item in store.client.scan(store.facts.name, consistent_read=True)]
            heads = [item_inference(item) for item in items if item["sk"] == "inference"]
            return sorted(heads, key=lambda inference: inference.inference_id)

        return self.at_table(scan)


@contextmanager
def serving(settings: RouterSettings, app: Starlette | None = None) -> Iterator[str]:
    """The app on a real socket in a thread of its own."""
    port = free_port()
    served = app or create_app(settings)
    config = uvicorn.Config(served, host="127.0.0.1", port=port, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the router did not start"
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def config_document(
    providers: Mapping[str, Provider], models: Mapping[str, dict[str, Any]], /, **more: Any
) -> dict[str, Any]:
    """The config that every test starts from; `models` by provider, `more` replaces whole top-level keys."""
    kinds = {"openai": "openai_compat", "anthropic": "anthropic"}
    return {
        "providers": [
            {"name": name, "kind": kinds[p.kind], "base_url": p.base_url, "api_key": "env:K"}
            | {"models": [models.get(name, model())]}
            for name, p in providers.items()
        ],
        "profiles": {"chat": {"routes": ["a/small", "b/small"]}, "messages": {"routes": ["c/small", "d/small"]}},
        "default_profile": "chat",
        **more,
    }


@contextmanager
def build_house(
    dynamodb_url: str,
    *,
    cache: bool = True,
    strict: bool | None = None,
    settings: Any = None,
    models: Any = None,
    **config: Any,
) -> Iterator[House]:
    """Four stand-ins, fresh tables, two callers, and the router over them. `strict`: see `Provider`."""
    with ExitStack() as stack:
        kinds: dict[str, Any] = {"a": "openai", "b": "openai", "c": "anthropic", "d": "anthropic"}
        providers = {
            n: stack.enter_context(Provider(k, name=n, cache=cache, strict=strict)) for n, k in kinds.items()
        }
        tables = (f"facts-{uuid4().hex[:12]}", f"views-{uuid4().hex[:12]}")
        house = House("", dynamodb_url, tables, providers)

        async def prepare(store: Store) -> None:
            await create_tables(store.client, *tables)
            for caller, key in (("alice", ALICE), ("bob", BOB)):
                await store.views.put_api_key(ApiKey(digest_of(key), caller, tenant=f"{caller}-corp"))

        house.at_table(prepare)
        chosen = RouterSettings(
            config=Config.model_validate(config_document(providers, models or {}, **config)),
            secrets={"env:K": "sk-provider"},
            facts_table=tables[0],
            views_table=tables[1],
            dynamodb_url=dynamodb_url,
            views_refresh_ms=0,
            key_cache_ms=0,
            **(settings or {}),
        )
        house.app = create_app(chosen, house.now)
        house.url = stack.enter_context(serving(chosen, house.app))
        yield house
