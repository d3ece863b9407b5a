"""A mergeable sketch of durations: counts in buckets that grow by 2 %, so a percentile is off by 1 % at most.

The scheme is DDSketch's (Masson, Rim, Lee 2019): adding and merging are sums, hence exact and associative.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

RELATIVE_ERROR = 0.01
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


@dataclass(frozen=True, slots=True)
class Durations:
    """Sum and count are exact, in milliseconds; `buckets` maps a bucket's index, as text, to its count."""

    sum_ms: int = 0
    count: int = 0
    buckets: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def one(cls, ms: int) -> "Durations":
        index = math.ceil(math.log(max(ms, 1)) / _LOG_GAMMA)
        return cls(ms, 1, {str(index): 1})

    def merge(self, other: "Durations") -> "Durations":
        buckets = dict(self.buckets)
        for index, count in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        return Durations(self.sum_ms + other.sum_ms, self.count + other.count, buckets)

    def percentile_ms(self, q: float) -> int | None:
        """The nearest-rank percentile, 0 < q ≤ 1, within 1 %; None without data."""
        rank = math.ceil(q * self.count)
        for index in sorted(self.buckets, key=int):
            rank -= self.buckets[index]
            if rank <= 0:
                return round(2 * _GAMMA ** int(index) / (_GAMMA + 1))
        return None

    def pack(self) -> dict[str, object]:
        return {"sum_ms": self.sum_ms, "count": self.count, "buckets": dict(self.buckets)} if self.count else {}

    @classmethod
    def unpack(cls, packed: Mapping[str, object]) -> "Durations":
        buckets = packed.get("buckets", {})
        assert isinstance(buckets, Mapping)  # noqa: S101 - narrows what our own pack() wrote
        return cls(
            int(str(packed.get("sum_ms", 0))),
            int(str(packed.get("count", 0))),
            {str(index): int(count) for index, count in buckets.items()},
        )
