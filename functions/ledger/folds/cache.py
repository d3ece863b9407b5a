"""What became of each destination's prompt cache."""

from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction
from typing import Any, Self

from ledger.folds.blocks.keyed import Keyed
from ledger.items import Fact
from ledger.packing import packed, unpacked


class CacheOutcome(StrEnum):
    """Of one successful attempt. `unknown`: the provider said nothing about its usage."""

    CACHE_HIT = "cache_hit"
    CACHE_WRITE = "cache_write"
    NO_CACHE = "no_cache"
    UNKNOWN = "unknown"


def cache_outcome(fact: Fact) -> CacheOutcome | None:
    """What an attempt says about the cache; None for one that did not succeed or is no inference.

    One that read from the cache and wrote more to it is a hit.
    """
    if not (fact.ok and fact.counts):
        return None
    if fact.usage is None or fact.estimated:
        return CacheOutcome.UNKNOWN
    if fact.usage.cache_read:
        return CacheOutcome.CACHE_HIT
    wrote = fact.usage.cache_write or fact.usage.cache_write_1h
    return CacheOutcome.CACHE_WRITE if wrote else CacheOutcome.NO_CACHE


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """Attempts by their outcome, and the tokens that were read from the cache and written to it (both tiers)."""

    cache_hit: int = 0
    cache_write: int = 0
    no_cache: int = 0
    unknown: int = 0
    tokens_read: int = 0
    tokens_written: int = 0

    @classmethod
    def of(cls, fact: Fact) -> Self:
        outcome = cache_outcome(fact)
        if outcome is None:
            return cls()
        known = fact.usage if outcome is not CacheOutcome.UNKNOWN else None
        tokens = {
            "tokens_read": known.cache_read if known else 0,
            "tokens_written": known.cache_write + known.cache_write_1h if known else 0,
        }
        return cls(**{str(outcome): 1}, **tokens)

    def merge(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def observations(self) -> int:
        return self.cache_hit + self.cache_write + self.no_cache + self.unknown

    @property
    def hit_rate(self) -> Fraction | None:
        """Hits among the attempts whose outcome is known; None without any."""
        known = self.observations - self.unknown
        return Fraction(self.cache_hit, known) if known else None

    def pack(self) -> dict[str, Any]:
        return packed(self)

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return unpacked(cls, packed)


@dataclass(frozen=True, slots=True)
class CacheOutcomes(Keyed[CacheCounts]):
    """By destination."""

    @classmethod
    def inner(cls) -> type[CacheCounts]:
        return CacheCounts
