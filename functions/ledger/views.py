"""Views: which folds are kept, under which keys, and how new minutes are added without counting twice.

A view item holds `sealed`, everything up to the minute `through`, and `open`, one state per later minute.
Deriving a minute again replaces its `open` state, so that is repeatable; sealing folds a minute in and moves
`through` past it, in one conditional write, so that happens once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ledger.folds import F, Fold, merge_all
from ledger.folds.activity import Activity
from ledger.folds.blocks.product import Product, unpack_part
from ledger.folds.cache import CacheOutcomes
from ledger.folds.cooldown import Cooldowns
from ledger.folds.daily import DailyUsage
from ledger.folds.health import Health
from ledger.folds.route_stats import RouteStats
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.folds.tools import ToolEvidence
from ledger.folds.wasted import Wasted
from ledger.items import Fact
from ledger.keys import activity_keys, fit, session_pk, spend_keys
from ledger.moments import DAY_MS, HOUR_MS, MINUTE_MS, day_of, minute_of, minute_start_ms

ROUTES_PK = "routes"
SNAPSHOT_SK = "snapshot"
MINUTE_SK_PREFIX = "minute#"
DAY_SK_PREFIX = "day#"
WATERMARK_KEY = ("rollup", "watermark")

STEP_MINUTES = 60
"""A pass works in steps of at most this many minutes. All of a step's items are written before the next step.

So whatever is older than this before a sealed minute is sealed too, in every item.
"""


class ViewKey(NamedTuple):
    pk: str
    sk: str


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One kept fold: its state class, and the items that a fact belongs to. There is one of each, in `VIEWS`.

    An item is about the minute, hour or day (`period_ms`) that its key names, and is kept for `kept_ms` from when
    that began; for good where that is None.
    """

    name: str
    fold: type[Fold]
    keys: Callable[[Fact], list[ViewKey]]
    period_ms: int = DAY_MS
    kept_ms: int | None = None

    def expires_at(self, minute: str) -> int | None:
        """When (in s) the item expires that a minute is counted in."""
        if self.kept_ms is None:
            return None
        start = minute_start_ms(minute)
        return (start - start % self.period_ms + self.kept_ms) // 1000


@dataclass(frozen=True, slots=True)
class RouteMinute(Product):
    """What is known of a destination by the minute, since it ages out by the minute."""

    stats: RouteStats = field(default_factory=RouteStats)
    tools: ToolEvidence = field(default_factory=ToolEvidence)


@dataclass(frozen=True, slots=True)
class RouteDay(Product):
    """What is known of a destination by the day: health does not age, only a success clears it."""

    health: Health = field(default_factory=Health)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    cache: CacheOutcomes = field(default_factory=CacheOutcomes)


@dataclass(frozen=True, slots=True)
class SpendDay(Product):
    """A scope's day."""

    spend: Spend = field(default_factory=Spend)
    usage: DailyUsage = field(default_factory=DailyUsage)
    wasted: Wasted = field(default_factory=Wasted)


def minute_sk(minute: str, destination: str) -> str:
    """`minute#2026-11-20T13:18#acme|small|`. An item per destination, so that many of them cannot fill one."""
    return f"{MINUTE_SK_PREFIX}{minute}#{fit(destination)}"


def minute_sks(first: str, last: str) -> tuple[str, str]:
    """The bounds of the sort keys of all destinations from one minute to another, both included."""
    return f"{MINUTE_SK_PREFIX}{first}", f"{MINUTE_SK_PREFIX}{last}$"  # "$" comes right after "#"


def day_sk(day: str, destination: str) -> str:
    """`day#2026-11-20#acme|small|`."""
    return f"{DAY_SK_PREFIX}{day}#{fit(destination)}"


def day_sks(first: str, last: str) -> tuple[str, str]:
    """The bounds of the sort keys of all destinations from one day to another, both included."""
    return f"{DAY_SK_PREFIX}{first}", f"{DAY_SK_PREFIX}{last}$"


def _minute_keys(fact: Fact) -> list[ViewKey]:
    return [ViewKey(ROUTES_PK, minute_sk(minute_of(fact.at), fact.destination))] if fact.counts else []


def _day_keys(fact: Fact) -> list[ViewKey]:
    return [ViewKey(ROUTES_PK, day_sk(day_of(fact.at), fact.destination))] if fact.counts else []


def _session_keys(fact: Fact) -> list[ViewKey]:
    if not fact.session:
        return []
    return [ViewKey(session_pk(fact.origin.caller, fact.session), day_of(fact.at))]


VIEWS: tuple[View, ...] = (
    View("routes", RouteMinute, _minute_keys, MINUTE_MS, kept_ms=DAY_MS),
    View("route_days", RouteDay, _day_keys, DAY_MS, kept_ms=40 * DAY_MS),
    View("session", Session, _session_keys),
    View("spend", SpendDay, lambda f: [ViewKey(*key) for key in spend_keys(f)]),
    View("activity", Activity, lambda f: [ViewKey(*key) for key in activity_keys(f)], HOUR_MS, kept_ms=3 * DAY_MS),
)

_FOLDS = {view.name: view.fold for view in VIEWS}


@dataclass(frozen=True, slots=True)
class ViewItem:
    """What is stored of one view under one key. States are packed. `version` guards against lost updates."""

    key: ViewKey
    view: str
    through: str = ""
    sealed: Mapping[str, Any] = field(default_factory=dict)
    open: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    as_of: int = 0
    version: int = 0
    expires_at: int | None = None

    def state(self, fold: type[F]) -> F:
        """Sealed and open together, unpacked: of the view's own fold, or of one that it is a product of."""
        packed = [self.sealed, *(self.open[minute] for minute in sorted(self.open))]
        kept = _FOLDS.get(self.view, fold)
        return merge_all(fold, (unpack_part(kept, fold, dict(part)) for part in packed))


def derive(facts: Iterable[Fact]) -> dict[tuple[View, ViewKey], dict[str, Fold]]:
    """Facts as states, per view and key and minute. Pure; the order of the facts does not matter."""
    grouped: dict[tuple[View, ViewKey], dict[str, list[Fold]]] = {}
    for fact in sorted(facts, key=lambda f: f.order):
        minute = minute_of(fact.at)
        for view in VIEWS:
            if keys := view.keys(fact):
                state = view.fold.of(fact)
                for key in keys:
                    grouped.setdefault((view, key), {}).setdefault(minute, []).append(state)
    return {
        (view, key): {minute: merge_all(view.fold, states) for minute, states in minutes.items()}
        for (view, key), minutes in grouped.items()
    }


def advance(item: ViewItem, fold: type[Fold], minutes: Mapping[str, Fold], *, seal: str, as_of: int) -> ViewItem:
    """The item with these minutes derived anew, and those up to the minute `seal` folded in for good.

    Returns the same item when nothing changes, so that nothing is written. Minutes that are sealed already
    are passed over: a run that was killed half-way, or that runs twice, ends in the same state. Of two runs
    at once, an open minute is taken from the one that looked later; one to be sealed is complete in both.
    """
    sealed, through = dict(item.sealed), item.through
    fresh = {m: s for m, s in minutes.items() if m <= seal or as_of >= item.as_of}
    states = {m: fold.unpack(dict(s)) for m, s in item.open.items()} | fresh
    later: dict[str, Mapping[str, Any]] = {}
    for minute in sorted(m for m in states if m > item.through):
        if minute <= seal:
            sealed = fold.unpack(sealed).merge(states[minute]).pack()
            through = minute
        else:
            later[minute] = states[minute].pack()
    if (sealed, through, later) == (item.sealed, item.through, item.open):
        return item
    seen = max(as_of, item.as_of)
    return replace(item, sealed=sealed, through=through, open=later, as_of=seen, version=item.version + 1)
