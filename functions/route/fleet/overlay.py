"""The fleet's view with a router's own newer facts on top. Pure but for what it remembers: no I/O, no clock."""

from bisect import bisect
from collections import deque

from ledger.folds.route_stats import WINDOW_MS
from ledger.items import Fact
from ledger.moments import MINUTE_MS
from ledger.snapshot import EMPTY, Snapshot, add_facts, with_own

OWN_FACTS = 10_000
"""The newest that are kept on top of a snapshot. There are more only where rollups have stopped."""

REWOUND = 64
"""Facts that a late one may come before without folding all of them anew: many at once end in any order."""


class Overlay:
    """`snapshot` as it was read, `own` facts that it cannot hold yet, and `known`: both together.

    Folds go by the order of facts, so `own` is kept in it. Each new fact is added to what is known; all of it is
    folded anew only where something has to go out of it.
    """

    def __init__(self) -> None:
        self.snapshot: Snapshot = EMPTY
        self.own: list[Fact] = []
        self.known: Snapshot = EMPTY
        self._before: deque[Snapshot] = deque(maxlen=REWOUND)
        """What was known before each of the last own facts."""
        self._fold_at = 0

    def add(self, fact: Fact) -> None:
        """One more of the router's own. What comes after it is folded again."""
        if fact.at <= self.snapshot.as_of:
            return
        place = bisect(self.own, fact.order, key=lambda own: own.order)
        self.own.insert(place, fact)
        again = self.own[place:]
        if len(again) - 1 > len(self._before):
            self._fold_at = 0
            again = [fact]
        for _ in again[1:]:
            self.known = self._before.pop()
        for each in again:
            self._before.append(self.known)
            self.known = add_facts(self.known, [each])
        del self.own[:-OWN_FACTS]

    def accept(self, snapshot: Snapshot, now: int) -> None:
        """A later snapshot, which takes over the own facts that it holds."""
        self.snapshot = snapshot
        self.own = [fact for fact in self.own if fact.at > snapshot.as_of]
        self._fold(now)

    def at(self, now: int) -> Snapshot:
        """What is known at an instant (ms). Statistics leave their window a minute late at most."""
        if now >= self._fold_at:
            self._fold(now)
        return self.known

    def _fold(self, now: int) -> None:
        self.known = with_own(self.snapshot, self.own, now)
        self._before.clear()
        instants = (self.snapshot.as_of, *(fact.at for fact in self.own))
        oldest = min((at for at in instants if at >= now - WINDOW_MS), default=now)
        self._fold_at = oldest + WINDOW_MS + MINUTE_MS
