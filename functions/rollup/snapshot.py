"""The last step of a pass: the one item that every router reads."""

from collections.abc import Iterable
from dataclasses import replace

from ledger.folds import merge_all
from ledger.folds.route_stats import WINDOW_MS, RouteStats
from ledger.folds.spend import Spend
from ledger.keys import spend_pk, unescape
from ledger.moments import day_of, minute_of, month_of
from ledger.snapshot import Snapshot, SpendByPeriod, add_spend
from ledger.table import Table
from ledger.views import ROUTES_PK, SNAPSHOT_SK, ViewItem, ViewKey, minute_sks

SNAPSHOT_KEY = ViewKey(ROUTES_PK, SNAPSHOT_SK)

MAX_BLOB = 380_000
"""An item has at most 400 kB. A larger snapshot does not tell backends apart: no plan asks for them."""


async def write_snapshot(table: Table, as_of: int) -> bool:
    """Replaces the routers' snapshot by that of `as_of` (ms). False when a later one is or will be there."""
    snapshot = await _collect(table, as_of)
    while snapshot:
        stored = await table.get_view_item(SNAPSHOT_KEY, consistent=True)
        if stored and stored["as_of"] >= as_of:
            return False
        version = stored["version"] if stored else 0
        key = {"pk": SNAPSHOT_KEY.pk, "sk": SNAPSHOT_KEY.sk}
        item = key | {"blob": _blob(snapshot), "as_of": as_of, "version": version + 1}
        if await table.put_view_item(item, if_version=version):
            return True
    return False


def _blob(snapshot: Snapshot) -> bytes:
    blob = snapshot.pack()
    return blob if len(blob) <= MAX_BLOB else replace(snapshot, routes=snapshot.routes.by_destination()).pack()


async def _collect(table: Table, as_of: int) -> Snapshot | None:
    """From the stored items; None when a later pass has written into them, which then writes its own."""
    first, last = minute_of(as_of - WINDOW_MS), minute_of(as_of)
    minutes = await table.query_views(ROUTES_PK, between=minute_sks(first, last), consistent=True)
    spent = await table.query_views(spend_pk("provider", month_of(as_of)), consistent=True)
    if any(item.as_of > as_of for item in (*minutes, *spent)):
        return None
    routes = merge_all(RouteStats, (item.state(RouteStats) for item in minutes))
    return Snapshot(as_of, routes, _spend(spent, as_of))


def _spend(items: Iterable[ViewItem], as_of: int) -> SpendByPeriod:
    """Days as they are stored, and the month as their sum: a second sum in the table could differ."""
    spend: SpendByPeriod = {}
    for item in items:
        name, _, day = item.key.sk.rpartition("#")
        state: Spend = item.state(Spend)
        periods = [month_of(as_of)] + ([day] if day == day_of(as_of) else [])
        for period in periods:
            spend = add_spend(spend, unescape(name), period, state)
    return spend
