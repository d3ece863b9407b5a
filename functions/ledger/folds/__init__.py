"""Folds: what many facts come to. Each is a monoid, so any split of the facts gives the same state.

A fold is a frozen dataclass whose fields have the empty state as defaults, with four methods:
`of(fact)` the state of one fact, `a.merge(b)` both, `pack()` as plain values for a table, `unpack()` back.
`merge` is associative and `of` looks at one fact only; a property test proves it for each fold.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Any, Protocol, Self, TypeVar

from ledger.items import Fact


class Fold(Protocol):
    """The shape of every fold. Packed: str, int, Decimal, lists and string-keyed maps of them."""

    @classmethod
    def of(cls, fact: Fact) -> Self: ...

    def merge(self, other: Self) -> Self: ...

    def pack(self) -> dict[str, Any]: ...

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self: ...


F = TypeVar("F", bound=Fold)


def merge_all(fold: type[F], states: Iterable[F]) -> F:
    """Any number of states as one; the empty state for none."""
    return reduce(lambda a, b: a.merge(b), states, fold())


def fold_facts(fold: type[F], facts: Iterable[Fact]) -> F:
    """The state of some facts."""
    return merge_all(fold, map(fold.of, facts))
