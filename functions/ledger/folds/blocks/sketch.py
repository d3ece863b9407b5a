"""A mergeable sketch of durations: counts in buckets that grow by 2 %, so a percentile is off by 1 % at most.

The scheme is DDSketch's (Masson, Rim, Lee 2019): adding and merging are sums, hence exact and associative.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RELATIVE_ERROR = 0.01
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


@dataclass(frozen=True, slots=True)
class Durations:
    """Sum and count are exact, in milliseconds.

    `text` has the buckets in order: `340 1:3` is one duration in bucket 340 and three in the next one. As text
    since most readers want the mean only, and there are hundreds of sketches in what they read.
    """

    sum_ms: int = 0
    count: int = 0
    text: str = ""

    @classmethod
    def one(cls, ms: int) -> "Durations":
        return cls(ms, 1, str(math.ceil(math.log(max(ms, 1)) / _LOG_GAMMA)))

    @property
    def buckets(self) -> dict[int, int]:
        """How many durations there are by the index of their bucket, in the order of the indexes."""
        buckets, index = {}, 0
        for part in self.text.split():
            step, _, count = part.partition(":")
            index += int(step)
            buckets[index] = int(count or 1)
        return buckets

    def merge(self, other: "Durations") -> "Durations":
        if not self.count or not other.count:
            return self if self.count else other
        buckets = self.buckets
        for index, count in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        return Durations(self.sum_ms + other.sum_ms, self.count + other.count, _text(buckets))

    def percentile_ms(self, q: float) -> int | None:
        """The nearest-rank percentile, 0 < q ≤ 1, within 1 %; None without data."""
        rank = math.ceil(q * self.count)
        for index, count in self.buckets.items():
            rank -= count
            if rank <= 0:
                return round(2 * _GAMMA**index / (_GAMMA + 1))
        return None

    def pack(self) -> list[Any]:
        return [self.sum_ms, self.count, self.text] if self.count else []

    @classmethod
    def unpack(cls, packed: list[Any]) -> "Durations":
        return cls(*packed)


def _text(buckets: Mapping[int, int]) -> str:
    parts, last = [], 0
    for index in sorted(buckets):
        count = buckets[index]
        parts.append(str(index - last) if count == 1 else f"{index - last}:{count}")
        last = index
    return " ".join(parts)
