"""Dataclasses as plain values for a table or JSON: what is as usual is left out, since every byte is stored often.

What is not there has its default when it is read, so a default can never change: another value needs another name.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def packed(values: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults, by name."""
    told = ((name, getattr(values, name), default) for name, default in _defaults(values.__class__))
    stored = {name: value for name, value, default in told if value != default}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in stored.items()}


def unpacked(kind: Callable[..., T], packed: Mapping[str, Any], **made: Any) -> T:
    """The inverse. Lists come back as tuples, which tables and JSON don't know. `made`: fields that need more.

    Names that the dataclass does not have, from a newer writer, are passed over.
    """
    stored = {name: packed[name] for name, _ in _defaults(kind) if name in packed}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    return kind(**values | made)


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The fields of a dataclass with their defaults; where there is none, with `MISSING`, which equals nothing."""
    return tuple((f.name, f.default) for f in fields(kind))
