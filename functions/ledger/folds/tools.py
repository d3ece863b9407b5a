"""Which destinations answer requests with tools but never call one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from ledger.folds.blocks.keyed import Keyed
from ledger.items import Fact
from ledger.moments import MINUTE_MS

WINDOW_MS = 30 * MINUTE_MS
MIN_SAMPLES = 20


class ToolAnswers(NamedTuple):
    """Successful answers to requests that carried tools and allowed calling them, and how many called one."""

    all: int
    calling: int


@dataclass(frozen=True, slots=True)
class ToolMinutes:
    """Answers by the first instant (ms) of their minute. A minute that lies a window before the newest is out."""

    minutes: Mapping[int, ToolAnswers] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        # A failed request says nothing about tools, nor one that was told not to call any.
        if not (fact.ok and fact.counts and fact.origin.tools_requested):
            return cls()
        return cls({fact.at - fact.at % MINUTE_MS: ToolAnswers(1, int(fact.tool_calls > 0))})

    def merge(self, other: Self) -> Self:
        minutes = dict(self.minutes)
        for start, more in other.minutes.items():
            had = minutes.get(start, ToolAnswers(0, 0))
            minutes[start] = ToolAnswers(had.all + more.all, had.calling + more.calling)
        oldest = max(minutes, default=0) - WINDOW_MS
        return type(self)({start: answers for start, answers in minutes.items() if start >= oldest})

    def is_incapable(self, now: int) -> bool:
        """Whether there were enough answers in the minutes that overlap the window before `now`, and no call."""
        seen = [answers for start, answers in self.minutes.items() if start + MINUTE_MS > now - WINDOW_MS]
        return sum(a.all for a in seen) >= MIN_SAMPLES and not any(a.calling for a in seen)

    def pack(self) -> dict[str, Any]:
        return {str(start): list(answers) for start, answers in sorted(self.minutes.items())}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls({int(start): ToolAnswers(*answers) for start, answers in packed.items()})


@dataclass(frozen=True, slots=True)
class ToolEvidence(Keyed[ToolMinutes]):
    """By destination."""

    @classmethod
    def inner(cls) -> type[ToolMinutes]:
        return ToolMinutes

    def is_incapable(self, destination: str, now: int) -> bool:
        """As `ToolMinutes` has it. `destination`: a route key without backend; `now` in ms."""
        return self.get(destination).is_incapable(now)
