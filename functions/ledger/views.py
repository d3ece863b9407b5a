"""Views: which folds are kept, under which keys, and how new minutes are added without counting twice.

A view item holds `sealed`, everything up to the minute `through`, and `open`, one state per later minute.
Deriving a minute again replaces its `open` state, so that is repeatable; sealing folds a minute in and moves
`through` past it, in one conditional write, so that happens once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ledger.folds import Fold, fold_facts, merge_all
from ledger.folds.route_stats import RouteStats
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.items import Fact
from ledger.keys import fit, session_pk, spend_keys
from ledger.moments import DAY_MS, day_of, minute_of
from ledger.routes import route_key

ROUTES_PK = "routes"
SNAPSHOT_SK = "snapshot"
MINUTE_SK_PREFIX = "minute#"
WATERMARK_KEY = ("rollup", "watermark")

STEP_MINUTES = 60
"""A pass works in steps of at most this many minutes. All of a step's items are written before the next step.

So whatever is older than this before a sealed minute is sealed too, in every item.
"""


class ViewKey(NamedTuple):
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class View:
    """One kept fold: its state class, the items that a fact belongs to, and how long they are kept."""

    name: str
    fold: type[Fold]
    keys: Callable[[Fact], list[ViewKey]]
    kept_ms: int | None = None


def minute_sk(minute: str, destination: str) -> str:
    """`minute#2026-11-20T13:18#acme|small|`. An item per destination, so that many of them cannot fill one."""
    return f"{MINUTE_SK_PREFIX}{minute}#{fit(destination)}"


def minute_sks(first: str, last: str) -> tuple[str, str]:
    """The bounds of the sort keys of all destinations from one minute to another, both included."""
    return f"{MINUTE_SK_PREFIX}{first}", f"{MINUTE_SK_PREFIX}{last}$"  # "$" comes right after "#"


def _route_keys(fact: Fact) -> list[ViewKey]:
    if not fact.counts:
        return []
    return [ViewKey(ROUTES_PK, minute_sk(minute_of(fact.at), route_key(fact.provider, fact.model)))]


def _session_keys(fact: Fact) -> list[ViewKey]:
    if not fact.session:
        return []
    return [ViewKey(session_pk(fact.origin.caller, fact.session), day_of(fact.at))]


VIEWS: tuple[View, ...] = (
    View("routes", RouteStats, _route_keys, kept_ms=DAY_MS),
    View("session", Session, _session_keys),
    View("spend", Spend, lambda f: [ViewKey(*key) for key in spend_keys(f)]),
)


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

    def state(self, fold: type[Fold]) -> Any:
        """Sealed and open together, unpacked."""
        return merge_all(fold, (fold.unpack(dict(part)) for part in (self.sealed, *self.open.values())))


def derive(facts: Iterable[Fact]) -> dict[tuple[View, ViewKey], dict[str, Fold]]:
    """Facts as states, per view and key and minute. Pure; the order of the facts does not matter."""
    grouped: dict[tuple[View, ViewKey], dict[str, list[Fact]]] = {}
    for fact in sorted(facts, key=lambda f: (f.at, f.inference_id, f.n)):
        for view in VIEWS:
            for key in view.keys(fact):
                grouped.setdefault((view, key), {}).setdefault(minute_of(fact.at), []).append(fact)
    return {
        place: {minute: fold_facts(place[0].fold, some) for minute, some in minutes.items()}
        for place, minutes in grouped.items()
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
