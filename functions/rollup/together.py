"""Independent store operations, some at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ledger.store.connection import StoreError

AT_ONCE = 16

GIVE_UP = 16
"""Failures in a row, without a success between them, after which it is the store that fails and not an item."""

FAULTS = (StoreError, ValueError, TypeError, LookupError, ArithmeticError)
"""What one item may do to its reader or writer: it is refused by the store, or what is stored makes no sense."""

T = TypeVar("T")
R = TypeVar("R")


class Incomplete(StoreError):
    """All was done that could be, but some items failed: `errors` by their names."""

    def __init__(self, errors: dict[str, Exception]) -> None:
        self.errors = errors
        first, error = next(iter(errors.items()))
        super().__init__(f"{len(errors)} failed; {first}: {error}")


@dataclass(slots=True)
class Done(Generic[T, R]):
    """What came of each item: its result, or the error that it raised."""

    results: list[R] = field(default_factory=list)
    errors: dict[T, Exception] = field(default_factory=dict)


async def together(work: Callable[[T], Awaitable[R]], items: Iterable[T], *, at_once: int = AT_ONCE) -> list[R]:
    """`work` on every item, at most `at_once` at a time; results in the items' order.

    The first error cancels what is still under way and is raised as it is.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


async def apart(work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> Done[T, R]:
    """The same, where an item that fails does not stop the others. StoreError when it is the store that fails."""
    done: Done[T, R] = Done()
    in_a_row = 0

    async def one(item: T) -> None:
        nonlocal in_a_row
        try:
            done.results.append(await work(item))
            in_a_row = 0
        except FAULTS as error:
            done.errors[item] = error
            in_a_row += 1
            if in_a_row >= GIVE_UP:
                raise StoreError(f"{in_a_row} items failed in a row; {error}") from error

    await together(one, items)
    return done
