"""What was spent, per scope and day."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from ledger.items import Fact
from ledger.money import ZERO


@dataclass(frozen=True, slots=True)
class Spend:
    """`calls` inferences that ended, `attempts` provider calls, `unpriced` those whose cost is unknown."""

    cost_usd: Decimal = ZERO
    saved_usd: Decimal = ZERO
    calls: int = 0
    attempts: int = 0
    unpriced: int = 0

    @classmethod
    def of(cls, fact: Fact) -> Self:
        return cls(
            cost_usd=fact.cost_usd or ZERO,
            saved_usd=fact.saved_usd or ZERO,
            calls=int(fact.closes is not None and fact.origin.is_inference),
            attempts=fact.attempts,
            unpriced=fact.unpriced,
        )

    def merge(self, other: "Spend") -> "Spend":
        return Spend(
            self.cost_usd + other.cost_usd,
            self.saved_usd + other.saved_usd,
            self.calls + other.calls,
            self.attempts + other.attempts,
            self.unpriced + other.unpriced,
        )

    def pack(self) -> dict[str, Any]:
        return {
            "cost_usd": self.cost_usd,
            "saved_usd": self.saved_usd,
            "calls": self.calls,
            "attempts": self.attempts,
            "unpriced": self.unpriced,
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(
            Decimal(packed.get("cost_usd", 0)),
            Decimal(packed.get("saved_usd", 0)),
            int(packed.get("calls", 0)),
            int(packed.get("attempts", 0)),
            int(packed.get("unpriced", 0)),
        )
