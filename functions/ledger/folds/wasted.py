"""What was paid for attempts that did not succeed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from ledger.items import Fact
from ledger.money import ZERO


@dataclass(frozen=True, slots=True)
class Wasted:
    """Dollars by cause: the attempt's `Kind`, else its `Outcome`. What is unknown, and $0, is no waste."""

    by_cause: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        if fact.ok or not fact.n or not fact.cost_usd:
            return cls()
        return cls({str(fact.kind or fact.outcome): fact.cost_usd})

    def merge(self, other: Self) -> Self:
        if not other.by_cause:
            return self
        by_cause = dict(self.by_cause)
        for cause, usd in other.by_cause.items():
            by_cause[cause] = by_cause.get(cause, ZERO) + usd
        return type(self)(by_cause)

    @property
    def total_usd(self) -> Decimal:
        return sum(self.by_cause.values(), ZERO)

    def pack(self) -> dict[str, Any]:
        return dict(sorted(self.by_cause.items()))

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls({cause: Decimal(usd) for cause, usd in packed.items()})
