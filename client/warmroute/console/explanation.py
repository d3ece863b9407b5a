"""A decision as a person reads it: a paragraph for each candidate, best first, and what decided."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

Row = Mapping[str, Any]


def explanation(told: Row) -> RenderableType:
    """Lines that no width breaks, so that they can be searched: the candidates, then the rule, the floor, and
    whether the decision can be made again.
    """
    decided = told.get("decided")
    if not decided:
        return Text(
            f"{told.get('inference_id')} ended before a decision: its request was refused, or not understood."
        )
    candidates = [line for place, row in _ranked(decided) for line in _paragraph(place, row)]
    return Group(*candidates, Text(), *map(_line, _lines(told, decided)))


def _line(said: str, style: str = "") -> Text:
    """As text, and printable: a caller has chosen some of it, which may look like markup or steer a terminal."""
    return Text("".join(c if c.isprintable() else "?" for c in said), style=style)


def _ranked(decided: Row) -> Iterable[tuple[str, Row]]:
    """In the order in which they were to be tried, then those that were not."""
    order = list(decided["order"])
    rows = {row["route"]: row for row in decided["candidates"]}
    yield from ((f"{place}.", rows[route]) for place, route in enumerate(order, 1))
    yield from (("-", row) for route, row in rows.items() if route not in order)


def _paragraph(place: str, row: Row) -> Iterable[Text]:
    yield _line(f"{place:3} {row['route']}", "bold" if row["chosen"] else "")
    yield _line(f"    {', '.join(_figures(row))}", "dim")
    yield from (_line(f"    {remark}") for remark in _remarks(row))


def _figures(row: Row) -> Iterable[str]:
    """What is known of it; what is not is said where it matters."""
    if "input_per_mtok" in row:
        yield f"${row['input_per_mtok']} in and ${row['output_per_mtok']} out per Mtok"
    else:
        yield "no price"
    for name, shown in (
        ("quality", "quality {}"),
        ("success_rate", "success {:.1%}"),
        ("latency_ms", "latency {} ms"),
        ("projected_usd", "projected ${}"),
        ("expected_usd", "expected ${}"),
    ):
        if name in row:
            yield shown.format(row[name])


def _remarks(row: Row) -> Iterable[str]:
    """What spoke against the route, and what spoke for it."""
    until = f" until {row['free_at']}" if "free_at" in row else ""
    if reason := row.get("rejection_reason"):
        refused = f" ({', '.join(row['refused'])})" if row.get("refused") else ""
        yield f"{reason}{refused}{until}{', so the last resort' if row.get('last_resort') else ''}"
    if aside := row.get("set_aside"):
        yield f"tried in spite of {aside}{until}, for want of any other"
    if row.get("health", "healthy") != "healthy":
        yield str(row["health"]) + (", and probed by this request" if row.get("probe") else "")
    elif row.get("probe"):
        yield "measured by this request"
    if "demotion" in row:
        yield f"demoted by {row['demotion']}"
    if "stay_usd" in row:
        leave = f"${row['leave_usd']}" if "leave_usd" in row else "unknown"
        yield f"{'warm' if row.get('warm') else 'warm, but dearer'}: stay ${row['stay_usd']}, leave {leave}"


def _lines(told: Row, decided: Row) -> Iterable[str]:
    floor = decided.get("quality_floor")
    stopped = decided.get("dial_stopped_by")
    yield f"rule       {decided['rule_fired']}, ruleset {decided['ruleset_hash']}"
    yield f"floor      {'none' if floor is None else floor}, dial {decided.get('dial')}" + (
        f" (stopped by {stopped})" if stopped else ""
    )
    yield f"views      {decided.get('views_as_of') or 'none yet'}"
    yield f"made again {'the same, byte for byte' if told.get('same') else 'ANOTHER decision: see --json'}"
