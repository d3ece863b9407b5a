"""Surveys for tests of the decision alone: candidates as plain values, with the figures that a case is about."""

from decimal import Decimal
from typing import Any

from ledger.money import text
from route.decision.inputs import Budget, Candidate, DecisionInputs, RequestNeeds, Rules
from route.decision.stored import DecisionRecord
from tests.ledger.make import NOW


def candidate(name: str, price: tuple[Any, Any] | None = (3, 15), **more: Any) -> Candidate:
    """A candidate `name|m|` at so many dollars per million tokens in and out; a cache read costs a tenth."""
    rates: dict[str, str | None] = {}
    if price is not None:
        into, out = (Decimal(str(each)) for each in price)
        rates = {"input_per_mtok": text(into), "output_per_mtok": text(out)}
        rates["cache_read_per_mtok"] = text(into / 10)
    return Candidate(f"{name}|m|", **({"setup": name} | rates | more))


def inputs(
    *candidates: Candidate, needs: RequestNeeds | None = None, now: int = NOW, **rules: Any
) -> DecisionInputs:
    """1000 tokens in and 1024 out, unless asked otherwise. `rules`: fields of `Rules`, order `static` by
    default.
    """
    return DecisionInputs(now, Rules(fired="default", **rules), needs or RequestNeeds(1000, 1024), candidates, now)


def order(surveyed: DecisionInputs) -> list[str]:
    """The names of the routes that are tried, best first."""
    return [route.split("|")[0] for route in DecisionRecord.of(surveyed).document["order"]]


def rows(surveyed: DecisionInputs) -> dict[str, dict[str, Any]]:
    """Each candidate's row by its name."""
    return {row["route"].split("|")[0]: row for row in DecisionRecord.of(surveyed).document["candidates"]}


def reasons(surveyed: DecisionInputs) -> dict[str, str | None]:
    return {name: row.get("rejection_reason") for name, row in rows(surveyed).items()}


def budget(spent: str, limit: str = "5") -> Budget:
    return Budget("provider:a", "month", limit, spent, Decimal(spent) >= Decimal(limit))


UNHEALTHY: dict[str, Any] = {"health": "unhealthy", "rest_until": NOW}
DEGRADED: dict[str, Any] = {"health": "degraded", "rest_until": NOW}
"""Both have rested just now."""
RESTING = {"rest_until": NOW + 1}
WARM: dict[str, Any] = {"warm_until": NOW + 1, "warm_at": NOW - 9}
