"""Names that others choose, of which there may be any number: so many are told apart, the rest is one."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

OTHERS = "*"
"""Stands for all further names together."""


def bounded(states: Mapping[str, T], most: int, add: Callable[[T, T], T], others: str = OTHERS) -> Mapping[str, T]:
    """The states of the first `most` names in their order; the others' sum is under `others`, which is no name.

    A name that is not among the first of some facts is not among the first of more facts either, so merging
    stays associative.
    """
    if len(states) <= most:
        return states
    names = sorted(name for name in states if name != others)
    kept = {name: states[name] for name in names[:most]}
    for name in (*([others] if others in states else []), *names[most:]):
        kept[others] = add(kept[others], states[name]) if others in kept else states[name]
    return kept
