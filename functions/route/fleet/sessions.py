"""Sessions: which routes are warm for one, and its totals, exact up to now."""

import logging
from collections.abc import Mapping
from typing import Any

from ledger.folds import merge_all
from ledger.folds.session import Session, Warm, add_facts
from ledger.items import Fact
from ledger.keys import session_pk
from ledger.moments import MINUTE_MS, day_of, day_start_ms, iso, minute_of, minute_start_ms
from ledger.money import text
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.views import STEP_MINUTES
from route.fleet.fleet import Fleet

log = logging.getLogger("warmroute.route")

NEWEST = 10
"""Facts of a session that one page brings: enough to find the latest success behind a few failures."""


class Sessions:
    """What the ledger and the views know of sessions, with the newest facts of this router on top."""

    def __init__(self, store: Store, fleet: Fleet) -> None:
        self._store = store
        self._fleet = fleet

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
        return dict(add_facts(Session(), [*newest, *self._fleet.own_facts(caller, session)]).warm)

    async def totals(self, caller: str, session: str, *, without: str = "") -> Session | None:
        """A session's totals, exact up to now: the sealed days, and every fact since. None: never seen.

        `without`: the id of an inference that runs just now and shall not be counted yet. Raises StoreError.
        """
        days = await self._store.views.query_views(session_pk(caller, session))
        sealed = merge_all(Session, (Session.unpack(dict(day.sealed)) for day in days))
        through = {day.key.sk: day.through for day in days}
        found = await self._store.facts.facts_of_session(caller, session, after=unsealed_after(through))
        # What the store has of a fact that is here too is right: the reaper may have written it first.
        facts = {f.key: f for f in (*self._fleet.own_facts(caller, session), *found)}
        newer = [f for f in facts.values() if f.inference_id != without and not is_sealed(f, through)]
        return add_facts(sealed, newer) if days or newer else None


def session_document(sid: str, session: Session) -> dict[str, Any]:
    """A session as its caller sees it; `warm` has one row per model."""
    return {
        "session": sid,
        "calls": session.calls,
        "errors": session.errors,
        "tokens_in": session.tokens_in,
        "tokens_out": session.tokens_out,
        "tokens_cached": session.tokens_cached,
        "cost_usd": text(session.cost_usd),
        "saved_usd": text(session.saved_usd),
        "unpriced": session.unpriced,
        "warm": [
            {
                "model": model,
                "provider": warm.provider,
                "served_by": warm.served_by or warm.provider,
                "warm_until": iso(warm.warm_until),
                "cached_tokens": warm.cached_tokens,
            }
            for model, warm in sorted(session.warm.items())
        ],
    }


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
