"""The last step of a pass: the one item that every router reads."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from ledger.folds import F, fold_facts, merge_all
from ledger.folds.adaptive import Pace
from ledger.folds.cooldown import Cooldowns
from ledger.folds.health import Health
from ledger.folds.route_stats import WINDOW_MS, RouteStats
from ledger.folds.spend import Spend
from ledger.folds.tools import WINDOW_MS as TOOLS_WINDOW_MS
from ledger.folds.tools import ToolEvidence
from ledger.items import Fact
from ledger.keys import spend_pk, unescape
from ledger.moments import DAY_MS, MINUTE_MS, day_of, minute_of, month_of
from ledger.snapshot import Snapshot, SpendByPeriod, add_spend
from ledger.store.opened import Store
from ledger.views import ROUTES_PK, SNAPSHOT_SK, ViewItem, ViewKey, day_sks, minute_sks

SNAPSHOT_KEY = ViewKey(ROUTES_PK, SNAPSHOT_SK)

MAX_BLOB = 380_000
"""An item has at most 400 kB. What a larger snapshot does without is in `_SMALLER`."""


def pace_since(as_of: int) -> int:
    """The first instant (ms) of the facts that `pace` needs: two minutes of replay and the window before them.

    Those minutes are never sealed before the pass of `as_of`, so it has just read them.
    """
    return as_of - as_of % MINUTE_MS - 2 * MINUTE_MS


def pace_of(facts: Iterable[Fact]) -> Pace:
    """The seconds of a pass's newest facts."""
    return fold_facts(Pace, sorted(facts, key=lambda fact: fact.order))


async def write_snapshot(store: Store, as_of: int, pace: Pace | None = None) -> bool:
    """Replaces the routers' snapshot by that of `as_of` (ms). False when a later one is or will be there.

    `pace`: of the facts since `pace_since(as_of)`, the one part that no view holds.
    """
    snapshot = await _collect(store, as_of, pace or Pace())
    while snapshot:
        stored = await store.views.get_view_item(SNAPSHOT_KEY, consistent=True)
        if stored and stored["as_of"] >= as_of:
            return False
        version = stored["version"] if stored else 0
        key = {"pk": SNAPSHOT_KEY.pk, "sk": SNAPSHOT_KEY.sk}
        item = key | {"blob": _blob(snapshot), "as_of": as_of, "version": version + 1}
        if await store.views.put_view_item(item, if_version=version):
            return True
    return False


_SMALLER: tuple[Callable[[Snapshot], Snapshot], ...] = (
    # No plan asks for backends.
    lambda s: replace(s, routes=s.routes.by_destination()),
    # Then routes are compared by prompts of all kinds, and later tried as if all of them were as fast just now.
    lambda s: replace(s, routes=s.routes.without_strata()),
    lambda s: replace(s, pace=Pace()),
)
"""What a snapshot that is too large does without, one after another until it fits; never without the rest."""


def _blob(snapshot: Snapshot) -> bytes:
    blob = snapshot.pack()
    for smaller in _SMALLER:
        if len(blob) <= MAX_BLOB:
            break
        snapshot = smaller(snapshot)
        blob = snapshot.pack()
    return blob


async def _collect(store: Store, as_of: int, pace: Pace) -> Snapshot | None:
    """From the stored items; None when a later pass has written into them, which then writes its own."""
    last = minute_of(as_of)
    first = {window: minute_of(as_of - window) for window in (WINDOW_MS, TOOLS_WINDOW_MS)}
    minutes = await store.views.query_views(
        ROUTES_PK, between=minute_sks(first[TOOLS_WINDOW_MS], last), consistent=True
    )
    two_days = day_sks(day_of(as_of - DAY_MS), day_of(as_of))
    days = await store.views.query_views(ROUTES_PK, between=two_days, consistent=True)
    spent = await store.views.query_views(spend_pk("provider", month_of(as_of)), consistent=True)
    if any(item.as_of > as_of for item in (*minutes, *days, *spent)):
        return None
    begin, _ = minute_sks(first[WINDOW_MS], last)
    return Snapshot(
        as_of,
        _merged(RouteStats, (item for item in minutes if item.key.sk >= begin)),
        _spend(spent, as_of),
        _merged(ToolEvidence, minutes),
        _merged(Health, days),
        _merged(Cooldowns, days),
        pace,
    )


def _merged(fold: type[F], items: Iterable[ViewItem]) -> F:
    """Items come in the order of their keys, and so of their time: a query has them like that."""
    return merge_all(fold, (item.state(fold) for item in items))


def _spend(items: Iterable[ViewItem], as_of: int) -> SpendByPeriod:
    """Days as they are stored, and the month as their sum: a second sum in the table could differ."""
    spend: SpendByPeriod = {}
    for item in items:
        name, _, day = item.key.sk.rpartition("#")
        state = item.state(Spend)
        periods = [month_of(as_of)] + ([day] if day == day_of(as_of) else [])
        for period in periods:
            spend = add_spend(spend, unescape(name), period, state)
    return spend
