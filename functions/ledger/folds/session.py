"""A session's totals, and the routes whose prompt cache is probably still warm for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Self

from ledger.folds import fold_facts
from ledger.items import Fact
from ledger.money import ZERO
from ledger.outcomes import Ending

CACHE_ALIVE_MS = 300_000
CACHE_ALIVE_1H_MS = 3_600_000


class Warm(NamedTuple):
    """The route of a model's latest success. Compared by instant first, so the later wins a merge."""

    last_at: int
    inference_id: str
    n: int
    provider: str
    served_by: str
    warm_until: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Session:
    """`tokens_in` is all input, cached or fresh; `tokens_cached` is what was read from a cache.

    `unpriced` counts attempts whose cost is unknown: `cost_usd` is the sum of the known ones.
    """

    calls: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_usd: Decimal = ZERO
    saved_usd: Decimal = ZERO
    unpriced: int = 0
    warm: Mapping[str, Warm] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        if not fact.origin.is_inference:
            return cls()
        usage = fact.usage
        return cls(
            calls=int(fact.closes is not None),
            errors=int(fact.closes is Ending.ERROR),
            tokens_in=usage.prompt if usage else 0,
            tokens_out=usage.output if usage else 0,
            tokens_cached=usage.cache_read if usage else 0,
            cost_usd=fact.cost_usd or ZERO,
            saved_usd=fact.saved_usd or ZERO,
            unpriced=fact.unpriced,
            warm={fact.model: _warm(fact)} if fact.ok else {},
        )

    def merge(self, other: "Session") -> "Session":
        warm = dict(self.warm)
        for model, route in other.warm.items():
            warm[model] = max(warm[model], route) if model in warm else route
        sums: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _SUMS}
        return Session(**sums, warm=warm)

    def pack(self) -> dict[str, Any]:
        warm = {model: list(route) for model, route in sorted(self.warm.items())}
        return {name: getattr(self, name) for name in _SUMS} | {"warm": warm}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        warm = {model: Warm(*route) for model, route in packed.get("warm", {}).items()}
        sums: dict[str, Any] = {
            name: Decimal(packed[name]) if name.endswith("_usd") else int(packed[name])
            for name in _SUMS
            if name in packed
        }
        return cls(**sums, warm=warm)


_SUMS = ("calls", "errors", "tokens_in", "tokens_out", "tokens_cached", "cost_usd", "saved_usd", "unpriced")


def add_facts(session: Session, facts: Iterable[Fact]) -> Session:
    """A session's totals with some more of its facts."""
    return session.merge(fold_facts(Session, facts))


def _warm(fact: Fact) -> Warm:
    usage = fact.usage
    alive = CACHE_ALIVE_1H_MS if usage and usage.cache_write_1h else CACHE_ALIVE_MS
    cached = usage.cache_read + usage.cache_write + usage.cache_write_1h if usage else 0
    return Warm(fact.at, fact.inference_id, fact.n, fact.provider, fact.served_by, fact.at + alive, cached)
