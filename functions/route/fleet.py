"""What the whole fleet knows, read from the views, with this instance's own newer attempts on top."""

import logging
from collections import deque
from collections.abc import Iterable

from ledger.folds import merge_all
from ledger.folds.session import Session, Warm
from ledger.items import Fact
from ledger.keys import session_pk
from ledger.moments import MINUTE_MS, minute_start_ms
from ledger.snapshot import EMPTY, Snapshot, with_own
from ledger.table import StoreError, Table
from ledger.views import ROUTES_PK, SNAPSHOT_SK, ViewKey
from route.receipts import add_facts

log = logging.getLogger("warmroute.route")

NEWEST = 10
"""Facts of a session that one page brings: enough to find the latest success behind a few failures."""

OWN_FACTS = 10_000


class Fleet:
    """The router's window on the views. `refresh_ms`: how old a snapshot may be before it is read again."""

    def __init__(self, table: Table, refresh_ms: int) -> None:
        self._table = table
        self._refresh_ms = refresh_ms
        self._snapshot: Snapshot = EMPTY
        self._read_at: int | None = None
        self._own: deque[Fact] = deque(maxlen=OWN_FACTS)

    def add(self, facts: Iterable[Fact]) -> None:
        """This instance's own facts, which the next decision already takes into account."""
        self._own.extend(facts)

    async def snapshot(self, now: int) -> Snapshot:
        """The newest that can be had. A store that does not answer leaves the last one in use."""
        if self._read_at is None or now - self._read_at >= self._refresh_ms:
            self._read_at = now
            try:
                item = await self._table.get_view_item(ViewKey(ROUTES_PK, SNAPSHOT_SK))
            except StoreError as error:
                log.warning("views-unreadable", extra={"error": str(error)})
                item = None
            if item is not None:
                self._snapshot = Snapshot.unpack(item["blob"])
            while self._own and self._own[0].at <= self._snapshot.as_of:
                self._own.popleft()
        return with_own(self._snapshot, self._own, now)

    async def warm_routes(self, caller: str, session: str) -> dict[str, Warm]:
        """A session's warm routes by model, fresh from the ledger: one query of one page.

        Empty for no session, and when the store does not answer: warmth is worth no refusal.
        """
        if not session:
            return {}
        try:
            newest = await self._table.facts_of_session(caller, session, newest=NEWEST)
        except StoreError as error:
            log.warning("session-unreadable", extra={"error": str(error)})
            newest = []
        # The index is a moment late; what this instance wrote itself it knows at once.
        own = [f for f in self._own if f.origin.caller == caller and f.origin.session == session]
        return dict(add_facts(Session(), [*newest, *own]).warm)

    async def session(self, caller: str, session: str, *, without: str = "") -> Session | None:
        """A session's totals, exact up to now: the sealed days, and every fact since. None: never seen.

        `without`: the id of an inference that runs just now and shall not be counted yet. Raises StoreError.
        """
        days = await self._table.query_views(session_pk(caller, session))
        sealed = merge_all(Session, (Session.unpack(dict(day.sealed)) for day in days))
        through = max((day.through for day in days), default="")
        after = minute_start_ms(through) + MINUTE_MS - 1 if through else -1
        found = await self._table.facts_of_session(caller, session, after=after)
        newer = [fact for fact in found if fact.inference_id != without]
        return add_facts(sealed, newer) if days or newer else None
