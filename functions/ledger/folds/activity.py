"""What a tenant or an agent has been doing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import add
from typing import Any, Self

from ledger.folds.blocks.bounded import OTHERS, bounded
from ledger.folds.blocks.sketch import Durations
from ledger.items import Fact
from ledger.money import ZERO
from ledger.outcomes import Ending

MODELS = 50
"""Models that are told apart: those of a whole deployment must not fill a view item."""


@dataclass(frozen=True, slots=True)
class Activity:
    """`calls` inferences that ended, `errors` of them in an error; `latency` is of successful attempts.

    `models`: attempts by model; all but the first 50 names are under `*`. `cost_usd` is the sum of what is known,
    `unpriced` counts attempts whose cost is not.
    """

    calls: int = 0
    errors: int = 0
    cost_usd: Decimal = ZERO
    unpriced: int = 0
    latency: Durations = field(default_factory=Durations)
    models: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        cost: dict[str, Any] = {"cost_usd": fact.cost_usd or ZERO, "unpriced": fact.unpriced}
        if not fact.origin.is_inference:
            return cls(**cost)
        timed = fact.ok and fact.n and fact.latency_ms is not None
        return cls(
            calls=int(fact.closes is not None),
            errors=int(fact.closes is Ending.ERROR),
            **cost,
            latency=Durations.one(fact.latency_ms or 0) if timed else Durations(),
            models={fact.model or OTHERS: 1} if fact.attempts else {},
        )

    def merge(self, other: Self) -> Self:
        models = dict(self.models)
        for model, count in other.models.items():
            models[model] = models.get(model, 0) + count
        return type(self)(
            self.calls + other.calls,
            self.errors + other.errors,
            self.cost_usd + other.cost_usd,
            self.unpriced + other.unpriced,
            self.latency.merge(other.latency),
            bounded(models, MODELS, add),
        )

    @property
    def latency_p50_ms(self) -> int | None:
        return self.latency.percentile_ms(0.5)

    @property
    def latency_p95_ms(self) -> int | None:
        return self.latency.percentile_ms(0.95)

    def pack(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in ("calls", "errors", "cost_usd", "unpriced")}
        return counts | {"latency": self.latency.pack(), "models": dict(sorted(self.models.items()))}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(
            packed.get("calls", 0),
            packed.get("errors", 0),
            Decimal(packed.get("cost_usd", 0)),
            packed.get("unpriced", 0),
            Durations.unpack(packed.get("latency", [])),
            dict(packed.get("models", {})),
        )
