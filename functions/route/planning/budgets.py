"""The budgets of a config as the spend stands at one instant: which are reached, and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger.moments import iso, period_end_ms
from ledger.money import text
from ledger.snapshot import Snapshot
from route.config.file import BudgetConfig
from route.errors import BudgetExceeded


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """`now`: ms since the epoch."""

    budgets: Sequence[BudgetConfig]
    snapshot: Snapshot
    now: int

    def of(self, provider: str, action: str) -> list[BudgetConfig]:
        return [b for b in self.budgets if b.provider == provider and b.action == action]

    def spent_usd(self, budget: BudgetConfig) -> Decimal:
        return self.snapshot.spent_usd(budget.provider, budget.period, self.now)

    def is_reached(self, budget: BudgetConfig) -> bool:
        """5.00 of 5 is."""
        return self.spent_usd(budget) >= budget.limit_usd

    def document(self, budget: BudgetConfig) -> dict[str, str | None]:
        """A budget as callers and the log see it."""
        figures = {"spent_usd": text(self.spent_usd(budget)), "limit_usd": text(budget.limit_usd)}
        return {"scope": budget.scope, "period": budget.period, **figures}

    def refusal_of(self, provider: str) -> BudgetExceeded | None:
        """The refusal by the first of a provider's skipping budgets that is reached."""
        budget = next((b for b in self.of(provider, "skip") if self.is_reached(b)), None)
        if budget is None:
            return None
        return BudgetExceeded(self.document(budget) | {"resets_at": iso(period_end_ms(budget.period, self.now))})
