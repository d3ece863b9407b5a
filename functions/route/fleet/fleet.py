"""What the whole fleet knows, read from the views, with this instance's own newer attempts on top."""

import asyncio
import logging
import zlib
from collections.abc import Mapping

from ledger.folds import merge_all
from ledger.folds.session import Session, Warm, add_facts
from ledger.items import Fact
from ledger.keys import session_pk
from ledger.moments import MINUTE_MS, day_of, day_start_ms, minute_of, minute_start_ms
from ledger.snapshot import Snapshot
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.store.records import Item
from ledger.views import ROUTES_PK, SNAPSHOT_SK, STEP_MINUTES, ViewKey
from route.fleet.overlay import Overlay

log = logging.getLogger("warmroute.route")

NEWEST = 10
"""Facts of a session that one page brings: enough to find the latest success behind a few failures."""

ASK_AGAIN_MS = 5_000
"""How long a router that was refused a probe leaves it to others."""

PATIENCE_S = 0.25
"""A caller waits no longer for what only makes a better decision: another's read of the views, or a claim."""


UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, zlib.error)
"""What a snapshot may do to its reader that is none, or a newer router's."""


class Fleet:
    """The router's window on the views. `refresh_ms`: how old a snapshot may be before it is read again."""

    def __init__(self, store: Store, refresh_ms: int) -> None:
        self._store = store
        self._refresh_ms = refresh_ms
        self._read_at: int | None = None
        self._reading: asyncio.Task[None] | None = None
        self._overlay = Overlay()
        self._leave_alone: dict[str, int] = {}
        """Until when (ms) not to ask for the probe of a route again."""
        self._late: asyncio.Task[None] | None = None
        self._has_read = False

    def add(self, *facts: Fact) -> None:
        """This instance's own facts, which the next decision already takes into account."""
        for fact in facts:
            self._overlay.add(fact)

    @property
    def known(self) -> Snapshot:
        """The last snapshot with every own fact so far, whatever its age."""
        return self._overlay.known

    async def claim_probe(self, route: str, now: int, lease_ms: int) -> int | None:
        """Until when (ms) this router alone of all the fleet may try a route, unless `end_probe` ends it sooner.

        None when it may not.
        """
        if not self.may_ask(route, now):
            return None
        self._leave_alone[route] = now + min(lease_ms, ASK_AGAIN_MS)
        until = now + lease_ms
        asked = asyncio.create_task(self._store.views.claim_probe(route, now=now, until=until))
        done, _ = await asyncio.wait([asked], timeout=PATIENCE_S)
        if done and asked.exception() is None:
            return until if asked.result() else None
        # It may have been granted all the same, or be so in a moment: nobody would try the route in all that time.
        self._late = asyncio.create_task(self._give_back(asked, route, until, now))
        return None

    async def _give_back(self, asked: "asyncio.Task[bool]", route: str, until: int, now: int) -> None:
        await asyncio.wait([asked])
        log.warning("probe-unclaimed", extra={"route": route, "error": str(asked.exception() or "late")})
        await self.end_probe(route, until, now)

    async def end_probe(self, route: str, claimed_until: int, until: int) -> None:
        """The claim lasts until another instant (ms). Where the store does not take it, it ends by itself."""
        try:
            await self._store.views.end_probe(route, claimed_until=claimed_until, until=until)
        except StoreError as error:
            log.warning("probe-unclaimed", extra={"route": route, "error": str(error)})

    def may_ask(self, route: str, now: int) -> bool:
        """Whether the claim of a route may be worth asking for."""
        return now >= self._leave_alone.get(route, 0)

    async def snapshot(self, now: int) -> Snapshot:
        """The newest that can be had. A store that does not answer leaves the last one in use."""
        is_due = self._read_at is None or now - self._read_at >= self._refresh_ms
        if is_due:
            self._read_at = now
            self._reading = asyncio.create_task(self._refresh(now))
        if self._reading is not None and not self._reading.done():
            # Who comes meanwhile waits for the same read; for a store that hangs only the first one does, and
            # those who would know nothing at all, not even what has been spent.
            must_wait = is_due or not self._has_read
            await asyncio.wait([self._reading], timeout=None if must_wait else PATIENCE_S)
        return self._overlay.at(now)

    async def _refresh(self, now: int) -> None:
        try:
            self._accept(await self._store.views.get_view_item(ViewKey(ROUTES_PK, SNAPSHOT_SK)), now)
        except StoreError as error:
            log.warning("views-unreadable", extra={"error": str(error)})
        except UNREADABLE as error:
            log.error("views-unreadable", extra={"error": type(error).__name__})  # noqa: TRY400 - its kind says it
        self._has_read = True

    def _accept(self, item: Item | None, now: int) -> None:
        # Reads are eventually consistent, and two may overtake each other: an earlier snapshot is an old one.
        if item is not None and item["as_of"] > self._overlay.snapshot.as_of:
            self._overlay.accept(Snapshot.unpack(item["blob"]), now)

    async def warm_routes(self, caller: str, session: str) -> dict[str, Warm]:
        """A session's warm routes by model, fresh from the ledger: one query of one page.

        Empty for no session, and when the store does not answer: warmth is worth no refusal.
        """
        if not session:
            return {}
        try:
            newest = await self._store.facts.facts_of_session(caller, session, newest=NEWEST)
        except StoreError as error:
            log.warning("session-unreadable", extra={"error": str(error)})
            newest = []
        return dict(add_facts(Session(), [*newest, *self._own_of(caller, session)]).warm)

    async def session(self, caller: str, session: str, *, without: str = "") -> Session | None:
        """A session's totals, exact up to now: the sealed days, and every fact since. None: never seen.

        `without`: the id of an inference that runs just now and shall not be counted yet. Raises StoreError.
        """
        days = await self._store.views.query_views(session_pk(caller, session))
        sealed = merge_all(Session, (Session.unpack(dict(day.sealed)) for day in days))
        through = {day.key.sk: day.through for day in days}
        found = await self._store.facts.facts_of_session(caller, session, after=unsealed_after(through))
        # What the store has of a fact that is here too is right: the reaper may have written it first.
        facts = {(f.inference_id, f.n): f for f in (*self._own_of(caller, session), *found)}
        newer = [f for f in facts.values() if f.inference_id != without and not is_sealed(f, through)]
        return add_facts(sealed, newer) if days or newer else None

    def _own_of(self, caller: str, session: str) -> list[Fact]:
        """The index is a moment late; what this instance wrote itself it knows at once."""
        return [f for f in self._overlay.own if f.origin.caller == caller and f.session == session]


def is_sealed(fact: Fact, through: Mapping[str, str]) -> bool:
    """Whether its own day's item holds it. `through`: by day, the minute through which that is sealed."""
    return minute_of(fact.at) <= through.get(day_of(fact.at), "")


def unsealed_after(through: Mapping[str, str]) -> int:
    """The instant (ms) after which there may be facts that no item has sealed; -1 when nothing is.

    Items are written one by one, so a pass that was killed may have sealed a later day and not the end of the
    day before. It did so within one step, hence only what is younger than that has to be looked at.
    """
    if not through:
        return -1
    newest = max(through)
    start = day_start_ms(newest)
    sealed = _end_of(through[newest], otherwise=start - 1)
    step = sealed - STEP_MINUTES * MINUTE_MS
    if step >= start - 1:
        return sealed
    return max(step, _end_of(through.get(day_of(start - 1), ""), otherwise=step))


def _end_of(minute: str, *, otherwise: int) -> int:
    """The last instant of a minute."""
    return minute_start_ms(minute) + MINUTE_MS - 1 if minute else otherwise
