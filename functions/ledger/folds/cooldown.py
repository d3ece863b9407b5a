"""Until when each destination wants to be left alone, by its own word or for lack of memory."""

from dataclasses import dataclass
from typing import Any, Self

from ledger.folds.blocks.keyed import Keyed
from ledger.items import Fact
from ledger.outcomes import FaultKind

MAX_WAIT_MS = 3_600_000
"""No provider is left alone for longer than an hour because it said so: some say years."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """`wait_until` (ms): the latest instant that the provider named. `oom_at` (ms): when it last had no memory.

    0 where there is none. A success clears neither.
    """

    wait_until: int = 0
    oom_at: int = 0

    @classmethod
    def of(cls, fact: Fact) -> Self:
        if not fact.counts or fact.ok:
            return cls()
        waits = fact.retry_after_ms
        return cls(
            wait_until=fact.at + min(waits, MAX_WAIT_MS) if waits else 0,
            oom_at=fact.at if fact.kind is FaultKind.OUT_OF_MEMORY else 0,
        )

    def merge(self, other: Self) -> Self:
        return type(self)(max(self.wait_until, other.wait_until), max(self.oom_at, other.oom_at))

    def out_of_memory_until(self, cooldown_ms: int) -> int:
        """When it has rested for so long since it was last out of memory (ms); 0 where it never was."""
        return self.oom_at + cooldown_ms if self.oom_at else 0

    def pack(self) -> dict[str, Any]:
        return {"wait_until": self.wait_until, "oom_at": self.oom_at}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(packed.get("wait_until", 0), packed.get("oom_at", 0))


@dataclass(frozen=True, slots=True)
class Cooldowns(Keyed[Cooldown]):
    """By destination."""

    @classmethod
    def inner(cls) -> type[Cooldown]:
        return Cooldown
