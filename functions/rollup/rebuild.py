"""Whole days of views derived anew from the ledger's facts alone.

It works on sealed minutes only; open ones stay with the live rollup, which may run meanwhile. Items that no
fact supports any more are removed where a query finds them: spend, the minutes and days of routes, and the hours
of those who have spend. A session's item without any fact could be found by a scan only, so such an item stays.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ledger.folds import Fold
from ledger.items import Fact
from ledger.keys import activity_pk_beside, spend_pk
from ledger.moments import (
    DAY_MS,
    MINUTE_MS,
    day_of,
    day_start_ms,
    minute_of,
    minute_start_ms,
    minutes_between,
    month_of,
    next_minute,
)
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.store.records import FACTS_KEPT_S
from ledger.views import ROUTES_PK, STEP_MINUTES, VIEWS, View, ViewItem, day_sks, derive, minute_sks
from rollup.marks import SEALED, read_watermark
from rollup.passes import START_MS, Place, facts_of, new_item
from rollup.together import together

SCOPE_KINDS = ("provider", "caller", "agent", "tenant", "all")
"""Every kind of scope that `keys.scopes` makes."""

Progress = Callable[[str, int], None]
"""Told after each step: the last minute that was read, and how many facts were read in that step."""

_VIEW = {view.name: view for view in VIEWS}
_TRIES = 20


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """`items` were written since they differed, `removed` since no fact supports them."""

    days: int = 0
    minutes: int = 0
    facts: int = 0
    items: int = 0
    removed: int = 0


@dataclass(slots=True)
class _Day:
    """A day's views as of the minute `through`, the last one read. `last`: the newest minute of an item."""

    name: str
    through: str = ""
    minutes: int = 0
    facts: int = 0
    states: dict[Place, Fold] = field(default_factory=dict)
    last: dict[Place, str] = field(default_factory=dict)

    def add(self, minutes: list[str], facts: Iterable[Fact]) -> None:
        """Some more minutes, all of them after those before."""
        for place, states in derive(facts).items():
            for minute in sorted(states):
                before = self.states.get(place)
                self.states[place] = before.merge(states[minute]) if before else states[minute]
                self.last[place] = minute
        self.minutes, self.through = self.minutes + len(minutes), minutes[-1]

    def item(self, place: Place, stored: ViewItem | None) -> ViewItem:
        """A place's item as the facts have it, with the open minutes that are stored."""
        item = stored or new_item(*place, self.last[place])
        state = self.states.get(place)
        return replace(
            item,
            sealed=state.pack() if state else {},
            through=self.last.get(place, ""),
            open={minute: s for minute, s in item.open.items() if minute > self.through},
        )


async def rebuild(
    store: Store, from_day: str, to_day: str, *, now: int, progress: Progress = lambda _minute, _facts: None
) -> RebuildReport:
    """Replaces the views of the UTC days from `from_day` to `to_day` (both included, `2026-11-20`).

    `now` in ms. ValueError for days that cannot be rebuilt: facts may have expired, or the day is to come.
    """
    days = whole_days(from_day, to_day, now)
    sealed = await read_watermark(store, SEALED, start=minute_of(now - START_MS))
    report = RebuildReport()
    for name in days:
        day = _Day(name)
        last = min(sealed, f"{name}T23:59")
        await _read(store, day, minutes_between(f"{name}T00:00", last), progress)
        written = await _write_day(store, day, now) if day.through else []
        report = RebuildReport(
            report.days + 1,
            report.minutes + day.minutes,
            report.facts + day.facts,
            report.items + written.count("written"),
            report.removed + written.count("removed"),
        )
    return report


def whole_days(from_day: str, to_day: str, now: int) -> list[str]:
    """The names of the days from the first to the last. ValueError as `rebuild` has it."""
    first, last = day_start_ms(from_day), day_start_ms(to_day)
    if last < first:
        raise ValueError(f"{to_day} is before {from_day}")
    if last > now:
        raise ValueError(f"{to_day} is still to come")
    if first + FACTS_KEPT_S * 1000 <= now:
        oldest = day_of(now - FACTS_KEPT_S * 1000 + DAY_MS)
        raise ValueError(f"facts of {from_day} may have expired; the oldest whole day is {oldest}")
    return [day_of(at) for at in range(first, last + 1, DAY_MS)]


async def _read(store: Store, day: _Day, minutes: list[str], progress: Progress) -> None:
    for begin in range(0, len(minutes), STEP_MINUTES):
        chunk = minutes[begin : begin + STEP_MINUTES]
        facts = await facts_of(store, chunk, minute_start_ms(chunk[-1]) + MINUTE_MS - 1)
        day.add(chunk, facts)
        day.facts += len(facts)
        progress(chunk[-1], len(facts))


async def _write_day(store: Store, day: _Day, now: int) -> list[str]:
    """What was done with each item: `written`, `removed` or `same`."""
    places = {place for place in day.states if not _expired(place[0], day.last[place], now)}
    todo = list(places | set(await _stored_places(store, day)))
    done: list[str] = []
    while todo:
        results = await _write_places(store, day, todo)
        done += [result for result in results if result in _RESULTS]
        # The live rollup has sealed a later minute into these: read up to there and look at them again.
        todo = [place for place, result in zip(todo, results, strict=True) if result not in _RESULTS]
        if todo:
            ahead = max(result for result in results if result not in _RESULTS)
            await _read(store, day, minutes_between(next_minute(day.through), ahead), lambda _m, _f: None)
    return done


_RESULTS = frozenset({"written", "removed", "same"})


async def _write_places(store: Store, day: _Day, places: list[Place]) -> list[str]:
    stored = await store.views.get_views(key for _view, key in places)

    async def write(place: Place) -> str:
        return await _write(store, day, place, stored.get(place[1]))

    return await together(write, places)


async def _write(store: Store, day: _Day, place: Place, stored: ViewItem | None) -> str:
    """One of `_RESULTS`, or the minute up to which the stored item is ahead of the day."""
    key = place[1]
    for _ in range(_TRIES):
        if stored and stored.through > day.through:
            return stored.through
        if not stored and place not in day.states:
            return "same"
        item = day.item(place, stored)
        if stored and _content(item) == _content(stored):
            return "same"
        if stored and not item.sealed and not item.open and _is_over(day):
            if await store.views.delete_view(stored):
                return "removed"
        elif await store.views.put_view(_next_version(item, day.through), over=item.version):
            return "written"
        stored = (await store.views.get_views([key])).get(key)
    raise StoreError(f"{key}: written by others {_TRIES} times in a row")


def _next_version(item: ViewItem, through: str) -> ViewItem:
    as_of = max(item.as_of, minute_start_ms(through) + MINUTE_MS - 1)
    return replace(item, as_of=as_of, version=item.version + 1)


def _content(item: ViewItem) -> object:
    return item.sealed, item.through, item.open


def _is_over(day: _Day) -> bool:
    """Whether the live rollup is past it. In a day that goes on, an item is emptied instead of removed."""
    return day.through == f"{day.name}T23:59"


def _expired(view: View, minute: str, now: int) -> bool:
    expires_at = view.expires_at(minute)
    return expires_at is not None and expires_at * 1000 <= now


async def _stored_places(store: Store, day: _Day) -> list[Place]:
    """What is stored of the day, as far as queries find it."""
    spend = await _spend_items(store, day)
    minutes = minute_sks(f"{day.name}T00:00", day.through)
    routes = [
        item
        for between in (minutes, day_sks(day.name, day.name))
        for item in await store.views.query_views(ROUTES_PK, between=between)
    ]
    activity = await _activity_items(store, day, spend)
    return [(_VIEW[item.view], item.key) for item in (*spend, *routes, *activity)]


async def _spend_items(store: Store, day: _Day) -> list[ViewItem]:
    month = month_of(day_start_ms(day.name))
    partitions = await together(store.views.query_views, [spend_pk(kind, month) for kind in SCOPE_KINDS])
    return [item for items in partitions for item in items if item.key.sk.rpartition("#")[2] == day.name]


async def _activity_items(store: Store, day: _Day, spend: Iterable[ViewItem]) -> list[ViewItem]:
    """The day's hours of all tenants and agents that have spend on it, or that its facts name."""
    named = {key.pk for view, key in day.states if view.name == "activity"}
    pks = named | {pk for item in spend if (pk := activity_pk_beside(*item.key))}

    async def hours(pk: str) -> list[ViewItem]:
        return await store.views.query_views(pk, between=(f"{day.name}T00", day.through))

    return [item for items in await together(hours, sorted(pks)) for item in items]
