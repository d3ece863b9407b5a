"""What the rollup tells every router in one item, and how a router adds its own newest facts to it.

The item is `views.ROUTES_PK`, `views.SNAPSHOT_SK`; its attribute `blob` holds `Snapshot.pack()`.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Self

import orjson

from ledger.folds import Fold, fold_facts
from ledger.folds.adaptive import Pace
from ledger.folds.cooldown import Cooldowns
from ledger.folds.health import Health
from ledger.folds.route_stats import WINDOW_MS, RouteStats
from ledger.folds.spend import Spend
from ledger.folds.tools import ToolEvidence
from ledger.items import Fact
from ledger.moments import day_of, month_of, period_of

SpendByPeriod = Mapping[str, Mapping[str, Spend]]
"""Provider, then the name of a UTC day (`2026-11-20`) or month (`2026-11`)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet's view of exactly the facts with `at <= as_of` (ms since the epoch).

    `routes` merges the whole minutes from the one that holds `as_of - WINDOW_MS` on, so its window is up to
    a minute longer than 15 minutes. `spend` has the day and the month of `as_of`, under their names: a name
    that is not there means nothing was spent, which is also how a new period begins. `tools` are the minutes of
    its own window, `health` and `cooldowns` this day and the day before, `pace` the seconds since the minute two
    before that of `as_of` began.
    """

    as_of: int = 0
    routes: RouteStats = field(default_factory=RouteStats)
    spend: SpendByPeriod = field(default_factory=dict)
    tools: ToolEvidence = field(default_factory=ToolEvidence)
    health: Health = field(default_factory=Health)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    pace: Pace = field(default_factory=Pace)

    def spent_usd(self, provider: str, period: str, now: int) -> Decimal:
        """Dollars spent at a provider in the UTC `day` or `month` that holds `now`."""
        return self.spend.get(provider, {}).get(period_of(period, now), Spend()).cost_usd

    def pack(self) -> bytes:
        """Compressed JSON; money in it is decimal text, so it comes back exact."""
        spend = {name: {p: s.pack() for p, s in periods.items()} for name, periods in self.spend.items()}
        parts = {name: getattr(self, name).pack() for name in _FOLDS}
        document = {"as_of": self.as_of, "spend": spend, **parts}
        return zlib.compress(orjson.dumps(document, default=str))

    @classmethod
    def unpack(cls, blob: bytes) -> Self:
        """The inverse of `pack`. Names from a newer writer are passed over."""
        document = orjson.loads(zlib.decompress(blob))
        spend = {
            name: {period: Spend.unpack(packed) for period, packed in periods.items()}
            for name, periods in document["spend"].items()
        }
        parts: dict[str, Any] = {name: fold.unpack(document.get(name, {})) for name, fold in _FOLDS.items()}
        return cls(as_of=document["as_of"], spend=spend, **parts)


_FOLDS: dict[str, type[Fold]] = {
    "routes": RouteStats,
    "tools": ToolEvidence,
    "health": Health,
    "cooldowns": Cooldowns,
    "pace": Pace,
}
"""The parts that are folds over all facts of their window."""

EMPTY = Snapshot()
"""Before the first rollup: nothing is known."""


def add_spend(spend: SpendByPeriod, provider: str, period: str, more: Spend) -> SpendByPeriod:
    """The same with `more` added in one place."""
    periods = spend.get(provider, {})
    return {**spend, provider: {**periods, period: periods.get(period, Spend()).merge(more)}}


def add_facts(snapshot: Snapshot, facts: Iterable[Fact]) -> Snapshot:
    """A snapshot with more facts, in any order but newer than those that are in it; `as_of` stays.

    One that is older than what is in it already, is counted as if it were newer: `health` may say that a success
    came after a fault when it came before it.
    """
    ordered = sorted(facts, key=lambda fact: fact.order)
    return _with_facts(snapshot, ordered, routes=ordered)


def _with_facts(snapshot: Snapshot, facts: Sequence[Fact], *, routes: Sequence[Fact]) -> Snapshot:
    """With facts in their order, those of `routes` in the part of that name."""
    spend = snapshot.spend
    for fact in facts:
        spend = _with_cost(spend, fact)
    of = {name: routes if name == "routes" else facts for name in _FOLDS}
    parts = {name: getattr(snapshot, name).merge(fold_facts(fold, of[name])) for name, fold in _FOLDS.items()}
    return replace(snapshot, spend=spend, **parts)


def _with_cost(spend: SpendByPeriod, fact: Fact) -> SpendByPeriod:
    if not fact.provider:
        return spend
    cost = Spend.of(fact)
    day, month = day_of(fact.at), month_of(fact.at)
    return add_spend(add_spend(spend, fact.provider, day, cost), fact.provider, month, cost)


def with_own(snapshot: Snapshot, facts: Iterable[Fact], now: int) -> Snapshot:
    """The snapshot and, of a router's own facts, those that it cannot hold yet (`at > as_of`).

    `now` (ms) ends the window of `routes`: a snapshot that is wholly older says nothing there any more, nor do
    older facts. The other parts keep time themselves: spend by the names of its periods, the others by the
    instants in them. To be called on a snapshot as it was read: a second call on the result would count the same
    facts again.
    """
    newer = sorted((fact for fact in facts if fact.at > snapshot.as_of), key=lambda fact: fact.order)
    cutoff = now - WINDOW_MS
    known = snapshot if snapshot.as_of >= cutoff else replace(snapshot, routes=RouteStats())
    return _with_facts(known, newer, routes=[fact for fact in newer if fact.at >= cutoff])
