"""What is said of each fact the moment it is known: to this instance's own view of the fleet, and to the log."""

import logging
from collections.abc import Callable

from ledger.folds.cache import cache_outcome
from ledger.items import Fact
from ledger.outcomes import FaultKind
from route.config.profiles import ProfileConfig
from route.fleet.fleet import Fleet

log = logging.getLogger("warmroute.route")


def observing(fleet: Fleet, profile: ProfileConfig) -> Callable[[Fact], None]:
    """Adds facts to the fleet's view, and logs what that changes: `cache-observed`, `health-changed` and so on."""

    def observe(fact: Fact) -> None:
        before = profile.health.standing(fleet.known.health.get(fact.destination))
        fleet.add(fact)
        after = profile.health.standing(fleet.known.health.get(fact.destination))
        about = {"inference_id": fact.inference_id, "route": fact.route}
        if outcome := cache_outcome(fact):
            log.info("cache-observed", extra={**about, "outcome": outcome})
        if fact.dropped:
            log.info("capability-degraded", extra={**about, "dropped": list(fact.dropped)})
        if fact.kind is FaultKind.OUT_OF_MEMORY and profile.memory_pressure.action != "off":
            log.warning("memory-pressure-detected", extra=about)
        if before.state is not after.state:
            states = {"before": str(before.state), "after": str(after.state), "rest_until": after.rest_until}
            log.warning("health-changed", extra={**about, **states})

    return observe
