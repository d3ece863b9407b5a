"""How each destination does just now, second by second, and which ones to try later for it."""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from ledger.folds.blocks.keyed import Keyed
from ledger.items import Fact
from ledger.moments import MINUTE_MS, SECOND_MS

KEPT_S = 180
"""Two minutes of replay, and the window before them."""

WINDOW_S = 60
DEBOUNCE_S = 30
ENOUGH_LATENCIES = 3
ENOUGH_ATTEMPTS = 5

_LATENCIES = 4
"""Of each second: enough for a median, however many attempts there were."""

SLOW = 1.5
"""Times the median of all medians."""

FAULTY = 10
"""Percent of the attempts."""

NUMBERS = (KEPT_S, WINDOW_S, DEBOUNCE_S, ENOUGH_LATENCIES, ENOUGH_ATTEMPTS, SLOW, FAULTY, _LATENCIES)
"""All that decides a level."""

Cell = tuple[int, ...]
"""One second: its number since the epoch, attempts, failures, then the last few latencies (ms) of successes."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """The cells of the `KEPT_S` seconds up to the newest one, in order. Depends on the order of the facts."""

    cells: tuple[Cell, ...] = ()

    @classmethod
    def of(cls, fact: Fact) -> Self:
        if not fact.counts:
            return cls()
        timed = fact.ok and fact.latency_ms is not None
        latencies = (fact.latency_ms or 0,) if timed else ()
        return cls(((fact.at // SECOND_MS, 1, int(not fact.ok), *latencies),))

    def merge(self, other: Self) -> Self:
        if not self.cells or not other.cells:
            return self if self.cells else other
        if self.cells[-1][0] < other.cells[0][0]:
            return type(self)(_newest(self.cells + other.cells))
        cells = {cell[0]: cell for cell in self.cells}
        for cell in other.cells:
            cells[cell[0]] = _both(cells[cell[0]], cell) if cell[0] in cells else cell
        return type(self)(_newest(sorted(cells.values())))

    def pack(self) -> dict[str, Any]:
        return {"cells": [list(cell) for cell in self.cells]}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(tuple(map(tuple, packed.get("cells", ()))))


def _both(a: Cell, b: Cell) -> Cell:
    return (a[0], a[1] + b[1], a[2] + b[2], *(a[3:] + b[3:])[-_LATENCIES:])


def _newest(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    oldest = cells[-1][0] - KEPT_S + 1
    return tuple(cells) if cells[0][0] >= oldest else tuple(cell for cell in cells if cell[0] >= oldest)


@dataclass(frozen=True, slots=True)
class Pace(Keyed[Seconds]):
    """By destination."""

    @classmethod
    def inner(cls) -> type[Seconds]:
        return Seconds


def levels(pace: Pace, destinations: Iterable[str], now: int) -> dict[str, int]:
    """How far each of these destinations should stand back at `now` (ms): 0, 1 too slow, 2 too faulty, 3 both.

    Slow: its median of the last `WINDOW_S` seconds is at least 1.5 times the median of all medians. Faulty: at
    least a tenth of its attempts failed. A level stays for `DEBOUNCE_S` seconds at least.

    Nothing is remembered between calls: what the level was is found by replaying the seconds since the minute
    before that of `now` began, where each destination has the level that its window says. So all routers that
    know the same facts agree.
    """
    windows = {destination: _Window(pace.get(destination).cells) for destination in destinations}
    if not _may_stand_back(windows.values()):
        return dict.fromkeys(windows, 0)
    last, first = now // SECOND_MS, (now // MINUTE_MS - 1) * MINUTE_MS // SECOND_MS
    moments = {at for window in windows.values() for at in window.moments() if first < at < last}
    ahead = [first, *sorted(moments), last]
    applied, changed = dict.fromkeys(windows, 0), dict.fromkeys(windows, first - DEBOUNCE_S)
    for at in ahead:
        for window in windows.values():
            window.move_to(at)
        slow = _slow(windows.values())
        for destination, window in windows.items():
            level = window.level(slow)
            if level != applied[destination] and (at == first or at - changed[destination] >= DEBOUNCE_S):
                applied[destination] = level
                changed[destination] = at if at > first else first - DEBOUNCE_S
                if (due := changed[destination] + DEBOUNCE_S) < last and due > at:
                    insort(ahead, due)  # what was held back until then takes effect then, not with the next cell
    return applied


@dataclass(slots=True)
class _Window:
    """The `WINDOW_S` seconds up to some second of one destination, which moves forward only."""

    cells: tuple[Cell, ...]
    begin: int = 0
    end: int = 0
    attempts: int = 0
    failures: int = 0
    latencies: list[int] = field(default_factory=list)

    def moments(self) -> Iterable[int]:
        """The seconds in which something enters or leaves."""
        for cell in self.cells:
            yield cell[0]
            yield cell[0] + WINDOW_S

    def move_to(self, at: int) -> None:
        while self.end < len(self.cells) and self.cells[self.end][0] <= at:
            cell, self.end = self.cells[self.end], self.end + 1
            self.attempts += cell[1]
            self.failures += cell[2]
            for latency in cell[3:]:
                insort(self.latencies, latency)
        while self.begin < self.end and self.cells[self.begin][0] <= at - WINDOW_S:
            cell, self.begin = self.cells[self.begin], self.begin + 1
            self.attempts -= cell[1]
            self.failures -= cell[2]
            for latency in cell[3:]:
                del self.latencies[bisect_left(self.latencies, latency)]

    @property
    def twice_median(self) -> int | None:
        """Doubled, to stay whole; None without enough latencies."""
        return _twice_median(self.latencies) if len(self.latencies) >= ENOUGH_LATENCIES else None

    def level(self, slow: float) -> int:
        """`slow`: the doubled median from which on it is too slow."""
        faulty = self.attempts >= ENOUGH_ATTEMPTS and 100 * self.failures >= FAULTY * self.attempts
        twice = self.twice_median
        return int(twice is not None and twice >= slow) + 2 * faulty


def _twice_median(ordered: Sequence[int]) -> int:
    return ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]


def _slow(windows: Iterable[_Window]) -> float:
    """1.5 times the median of the doubled medians, exactly: quarters of whole numbers are exact in binary."""
    medians = sorted(twice for window in windows if (twice := window.twice_median) is not None)
    # With a median of 0 none is slow that takes 0 itself.
    return max(_twice_median(medians) * SLOW / 2, 1) if medians else float("inf")


def _may_stand_back(windows: Collection[_Window]) -> bool:
    """Whether any level but 0 can come out: cheaper to say than to replay."""
    if any(cell[2] for window in windows for cell in window.cells):
        return True
    timed = [[ms for cell in window.cells for ms in cell[3:]] for window in windows]
    known = [latencies for latencies in timed if len(latencies) >= ENOUGH_LATENCIES]
    return len(known) > 1 and max(map(max, known)) >= SLOW * min(map(min, known))
