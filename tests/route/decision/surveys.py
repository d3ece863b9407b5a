"""Surveys for tests of the decision alone: candidates as plain values, with the figures that a case is about."""

from decimal import Decimal
from typing import Any

from ledger.money import text
from route.decision.inputs import Asked, Budget, Known, Rules, Survey
from route.decision.stored import Decided
from tests.ledger.make import NOW


def known(name: str, price: tuple[Any, Any] | None = (3, 15), **more: Any) -> Known:
    """A candidate `name|m|` at so many dollars per million tokens in and out; a cache read costs a tenth."""
    rates: dict[str, str | None] = {}
    if price is not None:
        into, out = (Decimal(str(each)) for each in price)
        rates = {"input_per_mtok": text(into), "output_per_mtok": text(out)}
        rates["cache_read_per_mtok"] = text(into / 10)
    return Known(f"{name}|m|", **({"setup": name} | rates | more))


def survey(*candidates: Known, asked: Asked | None = None, now: int = NOW, **rules: Any) -> Survey:
    """1000 tokens in and 1024 out, unless asked otherwise. `rules`: fields of `Rules`, order `static` by
    default.
    """
    return Survey(now, Rules(fired="default", **rules), asked or Asked(1000, 1024), candidates, now)


def order(surveyed: Survey) -> list[str]:
    """The names of the routes that are tried, best first."""
    return [route.split("|")[0] for route in Decided.of(surveyed).document["order"]]


def rows(surveyed: Survey) -> dict[str, dict[str, Any]]:
    """Each candidate's row by its name."""
    return {row["route"].split("|")[0]: row for row in Decided.of(surveyed).document["candidates"]}


def reasons(surveyed: Survey) -> dict[str, str | None]:
    return {name: row.get("rejection_reason") for name, row in rows(surveyed).items()}


def budget(spent: str, limit: str = "5") -> Budget:
    return Budget("provider:a", "month", limit, spent, Decimal(spent) >= Decimal(limit))


UNHEALTHY: dict[str, Any] = {"health": "unhealthy", "rest_until": NOW}
DEGRADED: dict[str, Any] = {"health": "degraded", "rest_until": NOW}
"""Both have rested just now."""
RESTING = {"rest_until": NOW + 1}
WARM: dict[str, Any] = {"warm_until": NOW + 1, "warm_at": NOW - 9}
