"""What the whole fleet knows, read from the views, with this instance's own newer attempts on top."""

import asyncio
import logging
import zlib

from ledger.items import Fact
from ledger.snapshot import Snapshot
from ledger.store.connection import StoreError
from ledger.store.records import Item
from ledger.store.views import ViewsTable
from ledger.views import ROUTES_PK, SNAPSHOT_SK, ViewKey
from route.fleet.overlay import Overlay

log = logging.getLogger("warmroute.route")

PATIENCE_S = 0.25
"""A caller waits no longer than this for what only makes a better decision."""

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, zlib.error)
"""What a snapshot may do to its reader that is none, or a newer router's."""


class Fleet:
    """The router's window on the views. `refresh_ms`: how old a snapshot may be before it is read again."""

    def __init__(self, views: ViewsTable, refresh_ms: int) -> None:
        self._views = views
        self._refresh_ms = refresh_ms
        self._read_at: int | None = None
        self._reading: asyncio.Task[None] | None = None
        self._overlay = Overlay()
        self._has_read = False

    def add(self, *facts: Fact) -> None:
        """This instance's own facts, which the next decision already takes into account."""
        for fact in facts:
            self._overlay.add(fact)

    @property
    def known(self) -> Snapshot:
        """The last snapshot with every own fact so far, whatever its age."""
        return self._overlay.known

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
            self._accept(await self._views.get_view_item(ViewKey(ROUTES_PK, SNAPSHOT_SK)), now)
        except StoreError as error:
            log.warning("views-unreadable", extra={"error": str(error)})
        except UNREADABLE as error:
            log.error("views-unreadable", extra={"error": type(error).__name__})  # noqa: TRY400 - its kind says it
        self._has_read = True

    def _accept(self, item: Item | None, now: int) -> None:
        # Reads are eventually consistent, and two may overtake each other: an earlier snapshot is an old one.
        if item is not None and item["as_of"] > self._overlay.snapshot.as_of:
            self._overlay.accept(Snapshot.unpack(item["blob"]), now)

    def own_facts(self, caller: str, session: str) -> list[Fact]:
        """This router's own newest facts of a session, which the index may not show yet."""
        return [f for f in self._overlay.own if f.origin.caller == caller and f.session == session]
