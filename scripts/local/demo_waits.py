"""Waits until the router's snapshot says that something is so, however long that takes on this machine.

The snapshot is what the rollup writes and every router decides by: route statistics, health and spend.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal

from ledger.folds.health import HealthState
from ledger.moments import now_ms
from ledger.routes import route_key
from ledger.snapshot import Snapshot
from ledger.store.facts import FACTS_TABLE
from ledger.store.opened import Store, open_store
from ledger.store.views import VIEWS_TABLE
from ledger.views import ROUTES_PK, SNAPSHOT_SK, ViewKey
from local.demo_stage import LIMIT_USD, DemoFault, Stage
from route.config.file import load_config

TIMEOUT_S = 120
"""Far more than any machine needs: only what never happens takes as long."""

LOOK_EVERY_S = 0.05


async def snapshot_when(store: Store, holds: Callable[[Snapshot], bool], what: str) -> Snapshot:
    """The first snapshot for which `holds` is true. DemoFault, which says `what` was waited for, if none comes."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        item = await store.views.get_view_item(ViewKey(ROUTES_PK, SNAPSHOT_SK), consistent=True)
        snapshot = Snapshot.unpack(item["blob"]) if item else Snapshot()
        if holds(snapshot):
            return snapshot
        await asyncio.sleep(LOOK_EVERY_S)
    raise DemoFault(f"waited {TIMEOUT_S} s for {what}, in vain")


def wait_until_rested(stage: Stage, provider: str, profile: str, faults: int) -> None:
    """Until the fleet knows of all of a broken provider's faults, and the rest that follows from them is over."""
    guard = load_config(stage.config).profiles[profile].health
    route = route_key(provider, "mini")

    def is_rested(snapshot: Snapshot) -> bool:
        seen = snapshot.health.get(route)
        standing = guard.standing(seen)
        is_counted = len(seen.first) >= faults and standing.state is not HealthState.HEALTHY
        return is_counted and standing.rest_until <= now_ms()

    _wait(stage, is_rested, f"the end of the rest of {provider}")


def wait_until_spent(stage: Stage, provider: str) -> None:
    """Until the fleet knows that a provider's spend of this month has reached its limit."""

    def is_spent(snapshot: Snapshot) -> bool:
        return snapshot.spent_usd(provider, "month", now_ms()) >= Decimal(LIMIT_USD)

    _wait(stage, is_spent, f"a snapshot in which {provider} has spent its budget")


def _wait(stage: Stage, holds: Callable[[Snapshot], bool], what: str) -> None:
    async def wait() -> None:
        async with open_store(FACTS_TABLE, VIEWS_TABLE, endpoint_url=stage.dynamodb_url) as store:
            await snapshot_when(store, holds, what)

    asyncio.run(wait())
