"""How each route has done: success rate, latency, time to first token.

A route's attempts are told apart by streaming and by the size of their prompts, its strata: what a route took for
long prompts must not make it look slower than one that got short ones.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

from ledger.folds import merge_all
from ledger.folds.blocks.bounded import OTHERS, bounded
from ledger.folds.blocks.keyed import Keyed
from ledger.folds.blocks.sketch import Durations
from ledger.items import Fact
from ledger.money import mean
from ledger.routes import parse_route_key, route_key

WINDOW_MS = 15 * 60_000

BACKENDS = 20
"""Backends of one destination that are told apart: what a provider calls them must not fill a view item."""

ENOUGH = 3
"""Latencies that a stratum needs to speak for itself."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """`count` is every attempt that says something about the route; latencies are of successes only."""

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

    def merge(self, other: "Attempts") -> "Attempts":
        return Attempts(
            self.count + other.count,
            self.successes + other.successes,
            self.latency.merge(other.latency),
            self.ttft.merge(other.ttft),
        )

    def pack(self) -> dict[str, Any]:
        durations = {"latency": self.latency.pack(), "ttft": self.ttft.pack()}
        return {"count": self.count, "successes": self.successes} | {k: v for k, v in durations.items() if v}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        durations = (Durations.unpack(packed.get(name, [])) for name in ("latency", "ttft"))
        return cls(packed.get("count", 0), packed.get("successes", 0), *durations)


@dataclass(frozen=True, slots=True)
class RouteStat(Keyed[Attempts]):
    """One route, by stratum. What it says of the route is the total over all of them."""

    @classmethod
    def inner(cls) -> type[Attempts]:
        return Attempts

    @classmethod
    def key(cls, fact: Fact) -> str:
        return stratum(fact.origin.stream, fact.origin.size)

    @property
    def count(self) -> int:
        return sum(part.count for part in self.states.values())

    @property
    def successes(self) -> int:
        return sum(part.successes for part in self.states.values())

    @property
    def success_rate(self) -> Fraction | None:
        """Exact; None without data."""
        return Fraction(self.successes, self.count) if self.count else None

    @property
    def latency(self) -> Durations:
        return merge_all(Attempts, self.states.values()).latency

    @property
    def latency_ms(self) -> int | None:
        """The mean, rounded half to even. Merging weights it by `latency_count`, as it must be."""
        return mean(sum(part.latency.sum_ms for part in self.states.values()), self.latency_count)

    @property
    def latency_count(self) -> int:
        return sum(part.latency.count for part in self.states.values())

    @property
    def latency_p50_ms(self) -> int | None:
        return self.latency.percentile_ms(0.5)

    @property
    def latency_p95_ms(self) -> int | None:
        return self.latency.percentile_ms(0.95)

    @property
    def ttft(self) -> Durations:
        return merge_all(Attempts, self.states.values()).ttft

    @property
    def ttft_ms(self) -> int | None:
        """The mean, as that of the latency."""
        parts = [part.ttft for part in self.states.values()]
        return mean(sum(ttft.sum_ms for ttft in parts), sum(ttft.count for ttft in parts))

    @property
    def ttft_p50_ms(self) -> int | None:
        return self.ttft.percentile_ms(0.5)

    def like(self, stream: bool, size: str) -> "RouteStat":
        """The attempts to compare a request of this kind by: those of its own stratum, where there are enough.

        Else all with the same `stream` if those are enough, else all there are.
        """
        own, kind = stratum(stream, size), stratum(stream, "")
        same = [key for key in self.states if key.startswith(kind)]
        for keys in ([key for key in same if key == own], same):
            part = RouteStat({key: self.states[key] for key in keys})
            if part.latency_count >= ENOUGH:
                return part
        return self


def stratum(stream: bool, size: str) -> str:
    """`stream:m`, `unary:xl`: what attempts have in common that may be compared with one another."""
    return f"{'stream' if stream else 'unary'}:{size}"


@dataclass(frozen=True)
class Backends(Keyed[RouteStat]):
    """One destination, by the route key of the backend that served it; all but the first `BACKENDS` are one.

    Without slots, since the total is kept: each plan asks for it, and most destinations do not change in between.
    """

    @classmethod
    def inner(cls) -> type[RouteStat]:
        return RouteStat

    @classmethod
    def key(cls, fact: Fact) -> str:
        return fact.route

    def merge(self, other: Self) -> Self:
        if not self.states or not other.states:
            return self if self.states else other
        states = dict(self.states)
        for key, state in other.states.items():
            states[key] = states[key].merge(state) if key in states else state
        provider, model, _ = parse_route_key(next(iter(states)))
        return type(self)(bounded(states, BACKENDS, RouteStat.merge, route_key(provider, model, OTHERS)))

    @cached_property
    def total(self) -> RouteStat:
        """Whatever backends served it."""
        return merge_all(RouteStat, self.states.values())


@dataclass(frozen=True, slots=True)
class RouteStats(Keyed[Backends]):
    """All destinations. One that nothing is known of is absent."""

    @classmethod
    def inner(cls) -> type[Backends]:
        return Backends

    @property
    def routes(self) -> dict[str, RouteStat]:
        """All routes by route key, backends apart."""
        return dict(self._routes())

    def _routes(self) -> Iterator[tuple[str, RouteStat]]:
        for backends in self.states.values():
            yield from backends.states.items()

    def aggregate(self, wanted: Callable[[str], bool] = lambda _key: True) -> RouteStat:
        """Several routes as one, each weighted by its own counts."""
        return merge_all(RouteStat, (stat for key, stat in self._routes() if wanted(key)))

    def of_destination(self, provider: str, model: str) -> RouteStat:
        """A configured route, whatever backends served it."""
        return self.get(route_key(provider, model)).total

    def by_destination(self) -> "RouteStats":
        """The same without telling backends apart."""
        return self._each(lambda stat: stat)

    def without_strata(self) -> "RouteStats":
        """The same without telling backends or strata apart."""
        return self._each(lambda stat: RouteStat({stratum(False, ""): merge_all(Attempts, stat.states.values())}))

    def _each(self, change: Callable[[RouteStat], RouteStat]) -> "RouteStats":
        states = {}
        for destination, backends in self.states.items():
            provider, model, _ = parse_route_key(destination)
            states[destination] = Backends({route_key(provider, model, OTHERS): change(backends.total)})
        return RouteStats(states)


def _durations(ms: int | None) -> Durations:
    return Durations() if ms is None else Durations.one(ms)


def route_stats(facts: Iterable[Fact], now_ms: int, window_ms: int = WINDOW_MS) -> RouteStats:
    """The facts of the last `window_ms`; one exactly at the cutoff counts."""
    cutoff = now_ms - window_ms
    return merge_all(RouteStats, (RouteStats.of(fact) for fact in facts if fact.at >= cutoff))
