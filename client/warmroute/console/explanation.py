"""A decision as a person reads it."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_COLUMNS = ("", "route", "why not", "$/Mtok in, out", "quality", "success", "latency", "projected", "expected")


def explanation(told: Mapping[str, Any]) -> RenderableType:
    """A table of the candidates, best first, and below it the rule, the floor and whether it can be made again."""
    decided = told.get("decided")
    if not decided:
        return Text(
            f"{told.get('inference_id')} ended before a decision: its request was refused, or not understood."
        )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in ("", "route", "why not") else "right", overflow="fold")
    for place, row in _ranked(decided):
        # As text: what a caller has named may look like markup.
        table.add_row(*map(Text, _cells(place, row)))
    return Group(table, Text(), *(Text(line) for line in _lines(told, decided)))


def _ranked(decided: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """In the order in which they were to be tried, then those that were not."""
    order = list(decided["order"])
    rows = {row["route"]: row for row in decided["candidates"]}
    yield from ((f"{place}.", rows[route]) for place, route in enumerate(order, 1))
    yield from (("", row) for route, row in rows.items() if route not in order)


def _cells(place: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    success = row.get("success_rate")
    return (
        place,
        row["route"],
        "; ".join(_why_not(row)),
        f"{_or_dash(row.get('input_per_mtok'))}, {_or_dash(row.get('output_per_mtok'))}",
        _or_dash(row.get("quality")),
        "-" if success is None else f"{success:.1%}",
        f"{row['latency_ms']} ms" if "latency_ms" in row else "-",
        f"${row['projected_usd']}" if "projected_usd" in row else "-",
        f"${row['expected_usd']}" if "expected_usd" in row else "-",
    )


def _why_not(row: Mapping[str, Any]) -> Iterable[str]:
    """Reasons and marks: what spoke against the route, and what spoke for it."""
    if reason := row.get("rejection_reason"):
        refused = f" ({', '.join(row['refused'])})" if row.get("refused") else ""
        yield f"{reason}{refused}" + (f" until {row['free_at']}" if "free_at" in row else "")
        if row.get("last_resort"):
            yield "the last resort"
    if aside := row.get("set_aside"):
        yield f"tried in spite of {aside}"
    if row.get("health", "healthy") != "healthy":
        yield str(row["health"]) + (", probed" if row.get("probe") else "")
    if "demotion" in row:
        yield f"demoted by {row['demotion']}"
    if "stay_usd" in row:
        leave = f"${row['leave_usd']}" if "leave_usd" in row else "unknown"
        yield f"{'warm' if row.get('warm') else 'warm, but dearer'}: stay ${row['stay_usd']}, leave {leave}"


def _lines(told: Mapping[str, Any], decided: Mapping[str, Any]) -> Iterable[str]:
    floor = decided.get("quality_floor")
    stopped = decided.get("dial_stopped_by")
    yield f"rule       {decided['rule_fired']}, ruleset {decided['ruleset_hash']}"
    yield f"floor      {'none' if floor is None else floor}, dial {decided.get('dial')}" + (
        f" (stopped by {stopped})" if stopped else ""
    )
    yield f"views      {decided.get('views_as_of') or 'none yet'}"
    yield f"made again {'the same, byte for byte' if told.get('same') else 'ANOTHER decision: see --json'}"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
