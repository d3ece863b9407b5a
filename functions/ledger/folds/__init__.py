"""Folds: what many facts come to. Each is a monoid over facts in order, so any split of them gives the same state.

A fold is a frozen dataclass whose fields have the empty state as defaults, with four methods:
`of(fact)` the state of one fact, `a.merge(b)` both, `pack()` as plain values for a table, `unpack()` back.
`merge` is associative and `of` looks at one fact only; a property test proves it for each fold.

The order is that of `Fact.order`: of `a.merge(b)`, `a` holds the earlier facts. What depends on it says so (a
success clears the faults before it); every reader merges minutes in their order.
"""

from collections.abc import Iterable
from typing import Any, Protocol, Self, TypeVar

from ledger.items import Fact


class Fold(Protocol):
    """The shape of every fold. Packed: str, int, Decimal, lists and string-keyed maps of them."""

    @classmethod
    def of(cls, fact: Fact, /) -> Self: ...

    def merge(self, other: Self, /) -> Self: ...

    def pack(self) -> dict[str, Any]: ...

    @classmethod
    def unpack(cls, packed: dict[str, Any], /) -> Self: ...


F = TypeVar("F", bound=Fold)


def merge_all(fold: type[F], states: Iterable[F]) -> F:
    """Any number of states, in their order, as one; the empty state for none.

    Two by two, so that what has grown large is copied a few times and not once for each further state.
    """
    parts = list(states) or [fold()]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        merged = [a.merge(b) for a, b in pairs]
        parts = merged + parts[2 * len(merged) :]
    return parts[0]


def fold_facts(fold: type[F], facts: Iterable[Fact]) -> F:
    """The state of some facts, which come in their order."""
    return merge_all(fold, map(fold.of, facts))
