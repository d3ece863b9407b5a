"""Trying anew a route that has rested, or that nobody knows: one request of the whole fleet at a time."""

import logging
from dataclasses import replace

from route.config.profiles import HealthGuard, ProfileConfig
from route.fleet.probe_claims import ProbeClaims
from route.planning.plan import Plan, probing

log = logging.getLogger("warmroute.route")

AFTER_MS = 5_000
"""For what is done around a call."""


async def with_probe(claims: ProbeClaims, plan: Plan, now: int, inference_id: str) -> Plan:
    """The plan that begins with a route whose turn it is to be tried, if this router may be the one to do it."""
    if plan.refusal:
        return plan
    lease_ms = _lease_ms(plan.profile)
    for route, probe in probing(plan, lambda key: claims.may_ask(key, now)):
        claimed_until = await claims.claim(route, now, lease_ms)
        if claimed_until is not None:
            log.info("health-probe", extra={"inference_id": inference_id, "route": route})
            return replace(probe, claimed_until=claimed_until)
    return plan


async def end_probe(claims: ProbeClaims, plan: Plan, now: int) -> None:
    """The call of a probe has ended, or there was none: other routers may try the route after a pause."""
    if plan.probe and plan.claimed_until is not None:
        await claims.end(plan.probe, plan.claimed_until, now + _pause_ms(plan.profile.health))


def _lease_ms(profile: ProfileConfig) -> int:
    """As long as its call may last, should this router die meanwhile."""
    return round(profile.deadlines.attempt_s * 1000) + AFTER_MS


def _pause_ms(guard: HealthGuard) -> int:
    """Until the whole fleet knows what came of it, and never longer than a rest."""
    return min(60, guard.cooldown_s) * 1000
