"""What comes before the first attempt: the request is understood, guarded, and planned."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

from ledger.items import ApiKey
from route.dialects.base import Document
from route.errors import ApiError
from route.planning.plan import Plan, make_plan
from route.recording.lifecycle import RunningInference
from route.request.incoming import Incoming
from route.request.parse import Request, parse
from route.request.tool_loop import TOOL_LOOP, guard_tool_loop
from route.router import Router

log = logging.getLogger("warmroute.route")


def understood(
    router: Router, incoming: Incoming, body: Document, key: ApiKey, inference: RunningInference
) -> Request:
    """The request, parsed. Raises ApiError for one that cannot be, or may not be made."""
    request = parse(incoming.dialect, body, incoming.headers, incoming.query, key, router.config)
    inference.describe(request.origin)
    return request


def guarded(request: Request, inference: RunningInference) -> Request:
    """The request after the guard against repeated tool calls. Raises ApiError where that breaks the loop."""
    try:
        return guard_tool_loop(request)
    except ApiError as error:
        if error.code == TOOL_LOOP:
            inference.describe(replace(request.origin, tool_loop="break"))
        raise


async def planned(router: Router, request: Request, now: int) -> Plan:
    """The decision, by all that is known at the instant `now` (ms)."""
    origin = request.origin
    snapshot, warm = await asyncio.gather(
        router.fleet.snapshot(now), router.sessions.warm_routes(origin.caller, origin.session)
    )
    return make_plan(request, router.config, snapshot, warm.items(), now)


_SKIP_EVENTS = {"budget_exhausted": "skip-budget-exceeded"}


def log_decision(plan: Plan, inference_id: str) -> None:
    """What the log says of a decision: warnings of budgets, demotions, and each route that is skipped."""
    which: dict[str, Any] = {"inference_id": inference_id}
    for warning in plan.warnings:
        log.warning("budget-warning", extra=which | warning)
    if "+adaptive" in plan.rule_fired:
        levels = {candidate.route: candidate.demotion for candidate, _ in plan.judged if candidate.demotion}
        log.info("adaptive-routing-applied", extra={**which, "levels": levels, "rule_fired": plan.rule_fired})
    for candidate, verdict in plan.judged:
        if reason := verdict.reason:
            event = _SKIP_EVENTS.get(reason, f"skip-{reason.replace('_', '-')}")
            log.info(event, extra={**which, "route": candidate.route, "rule_fired": plan.rule_fired})
