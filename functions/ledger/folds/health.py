"""How many faults in a row each destination is at, and what follows from that."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from ledger.folds.blocks.keyed import Keyed
from ledger.items import Fact

THRESHOLD = 3
MAX_THRESHOLD = 20
COOLDOWN_MS = 900_000
MAX_COOLDOWN_MS = 3_600_000

DEGRADED_REST_MS = 60_000
"""A degraded destination's: a few faults in a row may be an accident."""

_KEPT = 2 * MAX_THRESHOLD


class HealthState(StrEnum):
    """Healthy, after a threshold of faults in a row degraded, after as many again unhealthy."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Standing(NamedTuple):
    """`since` (ms) it is so; before `rest_until` (ms) it should be left alone, from then on one request may probe.

    Both are 0 for a healthy destination.
    """

    state: HealthState
    since: int = 0
    rest_until: int = 0


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults after the last success: the instants (ms) of the first 40, and that of the last one.

    Depends on the order of the facts. `ok`: whether there was a success, which clears what was before it.
    """

    ok: bool = False
    first: tuple[int, ...] = ()
    last: int = 0

    @classmethod
    def of(cls, fact: Fact) -> Self:
        if not fact.counts:
            return cls()
        return cls(ok=True) if fact.ok else cls(first=(fact.at,), last=fact.at)

    def merge(self, other: Self) -> Self:
        if other.ok or not self.first:
            return type(self)(self.ok or other.ok, other.first, other.last)
        if not other.first:
            return self
        return type(self)(self.ok, (self.first + other.first)[:_KEPT], other.last)

    def standing(
        self,
        threshold: int = THRESHOLD,
        cooldown_ms: int = COOLDOWN_MS,
        max_cooldown_ms: int = MAX_COOLDOWN_MS,
    ) -> Standing:
        """Where the destination stands. `threshold` is at most `MAX_THRESHOLD`.

        Each probe of an unhealthy one that fails right when its rest is over doubles the rest: it grows by the
        time for which the destination has been unhealthy.
        """
        if len(self.first) >= 2 * threshold:
            since = self.first[2 * threshold - 1]
            rest = min(cooldown_ms + self.last - since, max_cooldown_ms)
            return Standing(HealthState.UNHEALTHY, since, self.last + rest)
        if len(self.first) >= threshold:
            rest = min(DEGRADED_REST_MS, cooldown_ms)
            return Standing(HealthState.DEGRADED, self.first[threshold - 1], self.last + rest)
        return Standing(HealthState.HEALTHY)

    def pack(self) -> dict[str, Any]:
        return {"ok": self.ok, "first": list(self.first), "last": self.last}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(bool(packed.get("ok")), tuple(packed.get("first", ())), packed.get("last", 0))


@dataclass(frozen=True, slots=True)
class Health(Keyed[Faults]):
    """By destination."""

    @classmethod
    def inner(cls) -> type[Faults]:
        return Faults
