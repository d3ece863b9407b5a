"""What the rollup tells every router in one item, and how a router adds its own newest facts to it.

The item is `views.ROUTES_PK`, `views.SNAPSHOT_SK`; its attribute `blob` holds `Snapshot.pack()`.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

import orjson

from ledger.folds import merge_all
from ledger.folds.route_stats import WINDOW_MS, RouteStats, route_stats
from ledger.folds.spend import Spend
from ledger.items import Fact
from ledger.moments import day_of, month_of, period_of

SpendByPeriod = Mapping[str, Mapping[str, Spend]]
"""Provider, then the name of a UTC day (`2026-11-20`) or month (`2026-11`)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet's view of exactly the facts with `at <= as_of` (ms since the epoch).

    `routes` merges the whole minutes from the one that holds `as_of - WINDOW_MS` on, so its window is up to
    a minute longer than 15 minutes. `spend` has the day and the month of `as_of`, under their names: a name
    that is not there means nothing was spent, which is also how a new period begins.
    """

    as_of: int = 0
    routes: RouteStats = field(default_factory=RouteStats)
    spend: SpendByPeriod = field(default_factory=dict)

    def spent_usd(self, provider: str, period: str, now: int) -> Decimal:
        """Dollars spent at a provider in the UTC `day` or `month` that holds `now`."""
        return self.spend.get(provider, {}).get(period_of(period, now), Spend()).cost_usd

    def pack(self) -> bytes:
        """Compressed JSON; money in it is decimal text, so it comes back exact."""
        spend = {name: {p: s.pack() for p, s in periods.items()} for name, periods in self.spend.items()}
        document = {"as_of": self.as_of, "routes": self.routes.pack(), "spend": spend}
        return zlib.compress(orjson.dumps(document, default=str))

    @classmethod
    def unpack(cls, blob: bytes) -> Self:
        """The inverse of `pack`. Names from a newer writer are passed over."""
        document = orjson.loads(zlib.decompress(blob))
        spend = {
            name: {period: Spend.unpack(packed) for period, packed in periods.items()}
            for name, periods in document["spend"].items()
        }
        return cls(document["as_of"], RouteStats.unpack(document["routes"]), spend)


EMPTY = Snapshot()
"""Before the first rollup: nothing is known."""


def add_spend(spend: SpendByPeriod, provider: str, period: str, more: Spend) -> SpendByPeriod:
    """The same with `more` added in one place."""
    periods = spend.get(provider, {})
    return {**spend, provider: {**periods, period: periods.get(period, Spend()).merge(more)}}


def add_facts(snapshot: Snapshot, facts: Iterable[Fact]) -> Snapshot:
    """A snapshot with more facts, whatever their instants; `as_of` stays."""
    spend, routes = snapshot.spend, snapshot.routes
    for fact in facts:
        routes = routes.merge(RouteStats.of(fact))
        spend = _with_cost(spend, fact)
    return replace(snapshot, routes=routes, spend=spend)


def _with_cost(spend: SpendByPeriod, fact: Fact) -> SpendByPeriod:
    if not fact.provider:
        return spend
    cost = Spend.of(fact)
    day, month = day_of(fact.at), month_of(fact.at)
    return add_spend(add_spend(spend, fact.provider, day, cost), fact.provider, month, cost)


def with_own(snapshot: Snapshot, facts: Iterable[Fact], now: int) -> Snapshot:
    """The snapshot and, of a router's own facts, those that it cannot hold yet (`at > as_of`).

    `now` (ms) ends the statistics' window: a snapshot that is wholly older says nothing about routes any
    more. Spend goes by period names, so nothing leaks from one period into the next. To be called on a
    snapshot as it was read: a second call on the result would count the same facts again.
    """
    newer = [fact for fact in facts if fact.at > snapshot.as_of]
    fresh = snapshot.routes if snapshot.as_of >= now - WINDOW_MS else RouteStats()
    spend = snapshot.spend
    for fact in newer:
        spend = _with_cost(spend, fact)
    return replace(snapshot, routes=merge_all(RouteStats, (fresh, route_stats(newer, now))), spend=spend)
