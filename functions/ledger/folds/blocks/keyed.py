"""A fold for each of many keys: the state of a key is that of its own facts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from ledger.folds import Fold
from ledger.items import Fact

S = TypeVar("S", bound=Fold)


class Packed(Mapping[str, S]):
    """States that are unpacked when somebody asks for them.

    A router reads the fleet's snapshot anew each second, and asks for a few of its routes.
    """

    __slots__ = ("_held", "_unpack")

    def __init__(self, held: dict[str, S | dict[str, Any]], unpack: Callable[[dict[str, Any]], S]) -> None:
        self._held = held
        self._unpack = unpack

    def __getitem__(self, key: str) -> S:
        state = self._held[key]
        if isinstance(state, dict):
            state = self._held[key] = self._unpack(state)
        return state

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __repr__(self) -> str:
        return repr(dict(self))

    def merged(self, others: Mapping[str, S]) -> "Packed[S]":
        """With more states; those that nothing is merged into stay as they are."""
        both = Packed(dict(self._held), self._unpack)
        for key, state in others.items():
            both._held[key] = both[key].merge(state) if key in both else state
        return both

    def pack(self) -> dict[str, Any]:
        return {key: s if isinstance(s, dict) else s.pack() for key, s in sorted(self._held.items())}


@dataclass(frozen=True, slots=True)
class Keyed(Generic[S]):
    """`states` by key. A key whose facts say nothing is absent. Subclasses say what `inner` is."""

    states: Mapping[str, S] = field(default_factory=dict)

    @classmethod
    def inner(cls) -> type[S]:
        """The fold that each key has."""
        raise NotImplementedError

    @classmethod
    def key(cls, fact: Fact) -> str:
        """The key that a fact belongs to. Whether it says anything at all is for the inner fold to decide."""
        return fact.destination

    @classmethod
    def of(cls, fact: Fact) -> Self:
        inner = cls.inner()
        state = inner.of(fact)
        return cls() if state == inner() else cls({cls.key(fact): state})

    def merge(self, other: Self) -> Self:
        if not self.states or not other.states:
            return self if self.states else other
        if isinstance(self.states, Packed):
            return type(self)(self.states.merged(other.states))
        states = dict(self.states)
        for key, state in other.states.items():
            states[key] = states[key].merge(state) if key in states else state
        return type(self)(states)

    def get(self, key: str) -> S:
        """The state of a key; the empty one when nothing is known of it."""
        return self.states[key] if key in self.states else self.inner()()

    def pack(self) -> dict[str, Any]:
        if isinstance(self.states, Packed):
            return self.states.pack()
        return {key: state.pack() for key, state in sorted(self.states.items())}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(Packed(dict(packed), cls.inner().unpack)) if packed else cls()
