"""How inferences ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ledger.items import Fact


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """Inferences by their `Ending`, as text. One that was only counted or passed through is none."""

    by_status: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: Fact) -> Self:
        return cls({str(fact.closes): 1}) if fact.closes and fact.origin.is_inference else cls()

    def merge(self, other: Self) -> Self:
        by_status = dict(self.by_status)
        for status, count in other.by_status.items():
            by_status[status] = by_status.get(status, 0) + count
        return type(self)(by_status)

    def pack(self) -> dict[str, Any]:
        return dict(sorted(self.by_status.items()))

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(dict(packed))
