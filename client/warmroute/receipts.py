"""What the router tells about one inference, typed.

Reading is lenient: unknown keys are kept in `raw`, missing or malformed ones are None or empty, because a
newer router must never break an older client. Money is `Decimal` US dollars; None means unknown, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from warmroute import wire


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole inference: `input` is fresh, without cache; `reasoning` is part of `output`.

    `cache_write` counts writes that live for five minutes, `cache_write_1h` those that live for an hour.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one route. `n` counts from 1; `route` is `provider|model|served_by`, percent-escaped."""

    n: int | None = None
    route: str | None = None
    outcome: str | None = None
    kind: str | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Why these routes: the rule that fired, the configuration it came from, the age of what was known.

    `quality_floor`: the least quality of a route that was held to, None for any, after the `dial` had moved it;
    `dial_stopped_by` says what kept it from doing so. `tool_loop`: what the guard against repeated calls did.
    """

    rule_fired: str | None = None
    ruleset_hash: str | None = None
    views_age_s: float | None = None
    tool_loop: str | None = None
    dial: str | None = None
    quality_floor: float | None = None
    dial_stopped_by: str | None = None


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """The session after this inference; `session` is its id as the router knows it.

    `unpriced` counts attempts without a known cost, which the sums leave out.
    """

    session: str | None = None
    calls: int | None = None
    errors: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    cost_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    unpriced: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One inference: who served it, in how many attempts, for how much.

    `partial` is True when only the response headers were seen (an error, a stream that is still running or
    was cut off): then `inference_id`, `route`, `attempt_count` and `overhead_ms` are all there is.
    `cost_usd` includes failed and abandoned attempts, `wasted_usd` is their part of it; `saved_usd` is what
    the prompt cache saved; `estimated` says that some usage was estimated. `dropped` names what of the request
    the route could not be told, and (`answer.`) what of its answer you were not; `repaired` names faults of the
    provider's answer that were mended. `overhead_ms` is the router's own time. `raw` is the receipt as received.
    """

    partial: bool
    inference_id: str | None = None
    provider: str | None = None
    model: str | None = None
    served_model: str | None = None
    served_by: str | None = None
    route: str | None = None
    attempt_count: int | None = None
    overhead_ms: float | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    cost_basis: str | None = None
    saved_usd: Decimal | None = None
    wasted_usd: Decimal | None = None
    estimated: bool | None = None
    dropped: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    plan: Plan | None = None
    session: SessionTotals | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def read_receipt(body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Receipt:
    """The receipt from the `x_router` object, if one was seen, and the response's `x-warmroute-*` headers."""
    raw = body or {}
    attempts = tuple(_attempt(each) for each in _sequence(raw.get("attempts")) if isinstance(each, Mapping))
    route = headers.get(wire.ROUTE_HEADER) or (attempts[-1].route if attempts else None)
    provider, model = _route_parts(route)
    return Receipt(
        partial=body is None,
        inference_id=_text(raw.get("inference_id")) or headers.get(wire.INFERENCE_ID_HEADER),
        provider=_text(raw.get("provider")) or provider,
        model=_text(raw.get("model")) or model,
        served_model=_text(raw.get("served_model")),
        served_by=_text(raw.get("served_by")),
        route=route,
        attempt_count=len(attempts) or _count(headers.get(wire.ATTEMPTS_HEADER)),
        overhead_ms=_number(headers.get(wire.OVERHEAD_HEADER)),
        attempts=attempts,
        usage=_usage(raw.get("usage")),
        cost_usd=_money(raw.get("cost_usd")),
        cost_basis=_text(raw.get("cost_basis")),
        saved_usd=_money(raw.get("saved_usd")),
        wasted_usd=_money(raw.get("wasted_usd")),
        estimated=_flag(raw.get("estimated")),
        dropped=tuple(str(each) for each in _sequence(raw.get("dropped"))),
        repaired=tuple(str(each) for each in _sequence(raw.get("repaired"))),
        plan=_plan(raw.get("plan")),
        session=_session(raw.get("session")),
        raw=raw,
    )


def _attempt(raw: Mapping[str, Any]) -> Attempt:
    return Attempt(
        n=_count(raw.get("n")),
        route=_text(raw.get("route")),
        outcome=_text(raw.get("outcome")),
        kind=_text(raw.get("kind")),
        latency_ms=_number(raw.get("latency_ms")),
        ttft_ms=_number(raw.get("ttft_ms")),
        cost_usd=_money(raw.get("cost_usd")),
    )


def _usage(raw: object) -> Usage | None:
    if not isinstance(raw, Mapping):
        return None
    names = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
    return Usage(**{name: _count(raw.get(name)) for name in names})


def _plan(raw: object) -> Plan | None:
    if not isinstance(raw, Mapping):
        return None
    return Plan(
        rule_fired=_text(raw.get("rule_fired")),
        ruleset_hash=_text(raw.get("ruleset_hash")),
        views_age_s=_number(raw.get("views_age_s")),
        tool_loop=_text(raw.get("tool_loop")),
        dial=_text(raw.get("dial")),
        quality_floor=_number(raw.get("quality_floor")),
        dial_stopped_by=_text(raw.get("dial_stopped_by")),
    )


def _session(raw: object) -> SessionTotals | None:
    if not isinstance(raw, Mapping):
        return None
    names = ("calls", "errors", "tokens_in", "tokens_out", "tokens_cached", "unpriced")
    return SessionTotals(
        session=_text(raw.get("session")),
        **{name: _count(raw.get(name)) for name in names},
        cost_usd=_money(raw.get("cost_usd")),
        saved_usd=_money(raw.get("saved_usd")),
    )


def _route_parts(route: str | None) -> tuple[str | None, str | None]:
    parts = (route or "").split("|")
    if len(parts) < 2:
        return None, None
    return unquote(parts[0]) or None, unquote(parts[1]) or None


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    number = _decimal(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: object) -> float | None:
    number = _decimal(value)
    return None if number is None else float(number)


def _money(value: object) -> Decimal | None:
    """Exact dollars from a JSON string or number; a negative amount is no amount of ours."""
    number = _decimal(value)
    return number if number is not None and number >= 0 else None


def _decimal(value: object) -> Decimal | None:
    if not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
