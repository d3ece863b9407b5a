"""How each route has done: success rate, latency, time to first token."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

from ledger.folds import merge_all
from ledger.folds.sketch import Durations
from ledger.items import Fact
from ledger.money import mean
from ledger.routes import parse_route_key, route_key

WINDOW_MS = 15 * 60_000

BACKENDS = 20
"""Backends of one destination that are told apart: what a provider calls them must not fill a view item."""

OTHERS = "*"
"""`served_by` of all further backends together."""


@dataclass(frozen=True, slots=True)
class RouteStat:
    """One route. `count` is every attempt that says something about it; latencies are of successes only."""

    count: int = 0
    successes: int = 0
    latency: Durations = field(default_factory=Durations)
    ttft: Durations = field(default_factory=Durations)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        if not fact.counts:
            return cls()
        if not fact.ok:
            return cls(count=1)
        return cls(1, 1, _durations(fact.latency_ms), _durations(fact.ttft_ms))

    def merge(self, other: "RouteStat") -> "RouteStat":
        return RouteStat(
            self.count + other.count,
            self.successes + other.successes,
            self.latency.merge(other.latency),
            self.ttft.merge(other.ttft),
        )

    @property
    def success_rate(self) -> Fraction | None:
        """Exact; None without data."""
        return Fraction(self.successes, self.count) if self.count else None

    @property
    def latency_ms(self) -> int | None:
        """The mean, rounded half to even. Merging weights it by `latency_count`, as it must be."""
        return mean(self.latency.sum_ms, self.latency.count)

    @property
    def latency_count(self) -> int:
        return self.latency.count

    @property
    def ttft_ms(self) -> int | None:
        return mean(self.ttft.sum_ms, self.ttft.count)

    def pack(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "successes": self.successes,
            "latency": self.latency.pack(),
            "ttft": self.ttft.pack(),
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(
            int(packed.get("count", 0)),
            int(packed.get("successes", 0)),
            Durations.unpack(packed.get("latency", {})),
            Durations.unpack(packed.get("ttft", {})),
        )


@dataclass(frozen=True, slots=True)
class RouteStats:
    """All routes by route key. A route that nothing is known of is absent.

    Of a destination's backends those with the first `BACKENDS` names are kept apart. A name that is not among
    the first ones of some facts is not among the first ones of more facts either, so merging stays associative.
    """

    routes: Mapping[str, RouteStat] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        return cls({fact.route: RouteStat.of(fact)}) if fact.counts else cls()

    def merge(self, other: "RouteStats") -> "RouteStats":
        routes = dict(self.routes)
        for key, stat in other.routes.items():
            routes[key] = routes[key].merge(stat) if key in routes else stat
        # Only routes that were in neither part alone can be too many.
        return RouteStats(_capped(routes) if len(routes) > max(BACKENDS, len(self.routes)) else routes)

    def aggregate(self, wanted: Callable[[str], bool] = lambda _key: True) -> RouteStat:
        """Several routes as one, each weighted by its own counts."""
        return merge_all(RouteStat, (stat for key, stat in self.routes.items() if wanted(key)))

    def of_destination(self, provider: str, model: str) -> RouteStat:
        """A configured route, whatever backends served it."""
        return self.aggregate(lambda key: parse_route_key(key)[:2] == (provider, model))

    def by_destination(self) -> "RouteStats":
        """The same without telling backends apart."""
        routes: dict[str, RouteStat] = {}
        for key, stat in self.routes.items():
            provider, model, _served_by = parse_route_key(key)
            whole = route_key(provider, model, OTHERS)
            routes[whole] = routes[whole].merge(stat) if whole in routes else stat
        return RouteStats(routes)

    def pack(self) -> dict[str, Any]:
        return {key: stat.pack() for key, stat in sorted(self.routes.items())}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls({key: RouteStat.unpack(stat) for key, stat in packed.items()})


def _capped(routes: Mapping[str, RouteStat]) -> dict[str, RouteStat]:
    """With the first `BACKENDS` names of each destination; the others' sum is under `OTHERS`."""
    named: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key in routes:
        provider, model, served_by = parse_route_key(key)
        if served_by != OTHERS:
            named.setdefault((provider, model), []).append((served_by, key))
    capped = dict(routes)
    for (provider, model), backends in named.items():
        for _served_by, key in sorted(backends)[BACKENDS:]:
            others = route_key(provider, model, OTHERS)
            capped[others] = capped.get(others, RouteStat()).merge(capped.pop(key))
    return capped


def _durations(ms: int | None) -> Durations:
    return Durations() if ms is None else Durations.one(ms)


def route_stats(facts: Iterable[Fact], now_ms: int, window_ms: int = WINDOW_MS) -> RouteStats:
    """The facts of the last `window_ms`; one exactly at the cutoff counts."""
    cutoff = now_ms - window_ms
    return merge_all(RouteStats, (RouteStats.of(fact) for fact in facts if fact.at >= cutoff))
