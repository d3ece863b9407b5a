"""Who of the fleet may try a route that has rested: one router at a time, by a claim in the views table."""

import asyncio
import logging

from ledger.store.connection import StoreError
from ledger.store.views import ViewsTable
from route.fleet.fleet import PATIENCE_S

log = logging.getLogger("warmroute.route")

ASK_AGAIN_MS = 5_000
"""How long a router that was refused a claim leaves the route to others."""


class ProbeClaims:
    """This router's side of the claims. All instants in ms since the epoch."""

    def __init__(self, views: ViewsTable) -> None:
        self._views = views
        self._leave_alone: dict[str, int] = {}
        """Until when not to ask for the claim of a route again."""
        self._late: asyncio.Task[None] | None = None

    async def claim(self, route: str, now: int, lease_ms: int) -> int | None:
        """Until when (ms) this router alone of all the fleet may try a route, unless `end` ends it sooner.

        None when it may not.
        """
        if not self.may_ask(route, now):
            return None
        self._leave_alone[route] = now + min(lease_ms, ASK_AGAIN_MS)
        until = now + lease_ms
        asked = asyncio.create_task(self._views.claim_probe(route, now=now, until=until))
        done, _ = await asyncio.wait([asked], timeout=PATIENCE_S)
        if done and asked.exception() is None:
            return until if asked.result() else None
        # It may have been granted all the same, or be so in a moment: nobody would try the route in all that time.
        self._late = asyncio.create_task(self._give_back(asked, route, until, now))
        return None

    async def _give_back(self, asked: "asyncio.Task[bool]", route: str, until: int, now: int) -> None:
        await asyncio.wait([asked])
        log.warning("probe-unclaimed", extra={"route": route, "error": str(asked.exception() or "late")})
        await self.end(route, until, now)

    async def end(self, route: str, claimed_until: int, until: int) -> None:
        """The claim lasts until another instant (ms). Where the store does not take it, it ends by itself."""
        try:
            await self._views.end_probe(route, claimed_until=claimed_until, until=until)
        except StoreError as error:
            log.warning("probe-unclaimed", extra={"route": route, "error": str(error)})

    def may_ask(self, route: str, now: int) -> bool:
        """Whether the claim of a route may be worth asking for."""
        return now >= self._leave_alone.get(route, 0)
