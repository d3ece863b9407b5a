"""Several folds side by side in one item: their common state is one of each."""

from dataclasses import dataclass, fields
from typing import Any, Self

from ledger.folds import F, Fold
from ledger.items import Fact


@dataclass(frozen=True, slots=True)
class Product:
    """Subclasses are frozen dataclasses, each of whose fields is a fold with its empty state as default."""

    @classmethod
    def of(cls, fact: Fact) -> Self:
        return cls(**{name: fold.of(fact) for name, fold in parts(cls).items()})

    def merge(self, other: Self) -> Self:
        names = parts(type(self))
        return type(self)(**{name: getattr(self, name).merge(getattr(other, name)) for name in names})

    def pack(self) -> dict[str, Any]:
        """Each part under its field's name; those that say nothing are left out."""
        states = {name: getattr(self, name) for name in parts(type(self))}
        empty = type(self)()
        return {name: state.pack() for name, state in states.items() if state != getattr(empty, name)}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return cls(**{name: fold.unpack(packed[name]) for name, fold in parts(cls).items() if name in packed})


def parts(product: type[Product]) -> dict[str, type[Fold]]:
    """The folds of a product by their fields' names."""
    if product not in _parts:
        _parts[product] = {f.name: f.type for f in fields(product) if isinstance(f.type, type)}
    return _parts[product]


_parts: dict[type[Product], dict[str, type[Fold]]] = {}
"""Worked out once for each product, since each fact asks for it."""


def unpack_part(kept: type[Fold], fold: type[F], packed: dict[str, Any]) -> F:
    """The state of `fold` in what is kept as `kept`: either the same fold, or a product that it is a part of."""
    if kept is fold:
        return fold.unpack(packed)
    names = [name for name, part in parts(kept).items() if part is fold] if issubclass(kept, Product) else []
    if not names:
        raise LookupError(f"{kept.__name__} has no {fold.__name__}")
    return fold.unpack(packed.get(names[0], {}))
