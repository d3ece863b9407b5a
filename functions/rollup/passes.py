"""One pass: every fact since the watermark into the views, minutes that are old enough for good.

A pass may be killed between any two writes, run twice, late, or beside another one. What makes that safe:
each view item says itself which minutes it has sealed, an open minute is replaced and never added to, and the
watermark moves only after every item of those minutes is written.

An item that cannot be written stops no other one: it is left out of the rest of the pass, and the watermark stays
before it, so that the next pass tries again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ledger.folds import Fold
from ledger.items import Fact
from ledger.moments import MINUTE_MS, minute_of, minute_start_ms, minutes_between, next_minute
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from ledger.views import STEP_MINUTES, View, ViewItem, ViewKey, advance, derive
from rollup.marks import SEALED, move_watermark, read_watermark
from rollup.snapshot import pace_of, pace_since, write_snapshot
from rollup.together import Incomplete, apart, together

GRACE_MS = 120_000
"""A minute is sealed this long after its end. A fact that is written later than that is not counted."""

START_MS = 15 * 60_000
"""A first pass, on tables without a watermark, begins this long ago: the window of the route statistics.

Older facts, if there are any because the views were dropped, are what `rebuild` is for.
"""

_TRIES = 20


Place = tuple[View, ViewKey]


@dataclass(frozen=True, slots=True)
class PassReport:
    """What a pass did. `as_of` in ms: the views hold exactly the facts with `at <= as_of`.

    `facts`: read anew, those of open minutes in each pass again. `items`: view items written.
    """

    as_of: int
    sealed_through: str
    minutes: int = 0
    facts: int = 0
    items: int = 0
    snapshot: bool = False


class PassIncomplete(Incomplete):
    """A pass that did all but some items: `errors` by their keys, `report` as if it had not failed."""

    def __init__(self, errors: dict[str, Exception], report: PassReport) -> None:
        super().__init__(errors)
        self.report = report


@dataclass(slots=True)
class _Pass:
    """A pass under way. `failed`: the items that could not be written, which later steps leave alone.

    Were a later step to write one, it would seal minutes behind those that are missing, and so lose them.
    """

    store: Store
    seal: str
    report: PassReport
    failed: dict[Place, Exception] = field(default_factory=dict)
    recent: list[Fact] = field(default_factory=list)
    """Those that `pace_since` asks for."""


async def run_pass(
    store: Store,
    *,
    now: int,
    lag_ms: int,
    grace_ms: int = GRACE_MS,
    step_minutes: int = STEP_MINUTES,
) -> PassReport:
    """One pass at the instant `now` (ms). StoreError when the store fails; the next pass goes on from there.

    PassIncomplete, once everything else and the snapshot are written, when single items could not be.
    After a pause the watermark moves in steps of `step_minutes`: a killed pass keeps its progress.

    `lag_ms`: how far the index may be behind. Facts younger than that are left to the next pass, so that
    `as_of` is exact and a router can add its own newer facts without counting any twice.
    """
    as_of = now - lag_ms
    seal = last_complete_minute(as_of, grace_ms)
    mark = await read_watermark(store, SEALED, start=minute_of(as_of - START_MS))
    this = _Pass(store, seal, PassReport(as_of, mark))
    todo = minutes_between(next_minute(mark), minute_of(as_of))
    for begin in range(0, len(todo), step_minutes):
        await _step(this, todo[begin : begin + step_minutes])
    report = replace(this.report, snapshot=await write_snapshot(store, as_of, pace_of(this.recent)))
    if this.failed:
        raise PassIncomplete({" ".join(key): e for (_view, key), e in this.failed.items()}, report)
    return report


def last_complete_minute(as_of: int, grace_ms: int = GRACE_MS) -> str:
    """The last minute whose end lies at least `grace_ms` before `as_of`."""
    return minute_of(as_of - grace_ms - MINUTE_MS)


async def facts_of(store: Store, minutes: list[str], as_of: int) -> list[Fact]:
    """The facts of some minutes that were written at `as_of` (ms) or before."""
    found = await together(store.facts.facts_of_minute, minutes)
    return [fact for facts in found for fact in facts if fact.at <= as_of]


async def _step(this: _Pass, minutes: list[str]) -> None:
    store, report, seal = this.store, this.report, min(this.seal, minutes[-1])
    as_of = min(report.as_of, minute_start_ms(minutes[-1]) + MINUTE_MS - 1)
    facts = await facts_of(store, minutes, as_of)
    this.recent += [fact for fact in facts if fact.at >= pace_since(report.as_of)]
    derived = {place: states for place, states in derive(facts).items() if place not in this.failed}
    written, failed = await _write_views(store, derived, seal=seal, as_of=as_of)
    this.failed |= failed
    sealed_through = report.sealed_through
    if seal > sealed_through and not this.failed:
        await move_watermark(store, SEALED, seal)
        sealed_through = seal
    this.report = replace(
        report,
        sealed_through=sealed_through,
        minutes=report.minutes + len(minutes),
        facts=report.facts + len(facts),
        items=report.items + written,
    )


def new_item(view: View, key: ViewKey, minute: str) -> ViewItem:
    """An item that is not stored yet. `minute`: any that is counted in it, which says when it expires."""
    return ViewItem(key, view.name, expires_at=view.expires_at(minute))


async def _write_views(
    store: Store, derived: Mapping[Place, dict[str, Fold]], *, seal: str, as_of: int
) -> tuple[int, dict[Place, Exception]]:
    """How many items changed and were written, and those that could not be."""
    stored = await store.views.get_views(key for _view, key in derived)

    async def write(place: Place) -> bool:
        (view, key), minutes = place, derived[place]
        item = stored.get(key)
        for _ in range(_TRIES):
            before = item or new_item(view, key, min(minutes))
            after = advance(before, view.fold, minutes, seal=seal, as_of=as_of)
            if after is before:
                return False
            if await store.views.put_view(after, over=before.version):
                return True
            item = (await store.views.get_views([key])).get(key)
        raise StoreError(f"{key}: written by others {_TRIES} times in a row")

    done = await apart(write, derived)
    return sum(done.results), done.errors
