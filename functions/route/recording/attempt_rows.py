"""One attempt as a row of plain values: for the log, for receipts, and for the errors of callers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ledger.items import Fact
from ledger.money import text

_FIELDS: Mapping[str, Callable[[Fact], Any]] = {
    "n": lambda fact: fact.n,
    "route": lambda fact: fact.route,
    "outcome": lambda fact: str(fact.outcome),
    "kind": lambda fact: fact.kind and str(fact.kind),
    "http_status": lambda fact: fact.http_status,
    "latency_ms": lambda fact: fact.latency_ms,
    "ttft_ms": lambda fact: fact.ttft_ms,
    "cost_usd": lambda fact: text(fact.cost_usd),
    "caller": lambda fact: fact.origin.caller,
}

LOGGED = ("n", "route", "outcome", "kind", "http_status", "latency_ms", "ttft_ms", "caller")
IN_RECEIPTS = ("n", "route", "outcome", "kind", "latency_ms", "ttft_ms", "cost_usd")
IN_ERRORS = ("n", "route", "outcome", "kind", "http_status")


def attempt_row(fact: Fact, fields: Sequence[str]) -> dict[str, Any]:
    """The named fields of an attempt, in this order. Amounts are dollars as text; None is unknown."""
    return {name: _FIELDS[name](fact) for name in fields}
