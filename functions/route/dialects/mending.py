"""What the mending of every dialect shares: notes of what was mended, and values that replace damaged ones."""

import json
from collections.abc import Sequence
from hashlib import sha256

from route.dialects.base import BadAnswer, Document, encoded

MAX_CALLS = 4096
"""The most calls, blocks or choices of an answer. No model comes near it; it bounds a reader's memory."""


class Repairs:
    """The faults that have been mended. `names` is the reader's own set `repaired`."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self._touched = False

    def note(self, name: str) -> None:
        """Records a fault, and that the current document has been changed."""
        self.names.add(name)
        self._touched = True

    def settle(self) -> bool:
        """Whether the current document has been changed; the question starts anew for the next one."""
        touched, self._touched = self._touched, False
        return touched


def derived_id(prefix: str, *seeds: bytes | str | int) -> str:
    """An id that is made from seeds, so that an answer gets the same ids however often it is read."""
    data = b"\0".join(s if isinstance(s, bytes) else str(s).encode("utf-8", "surrogatepass") for s in seeds)
    return f"{prefix}{sha256(data).hexdigest()[:24]}"


def whole_number(value: object) -> int | None:
    """An integer, also where it is written as `1.0` or `"1"`; None for any other value."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and abs(value) < 2**53:
        value = int(value)
    return value if isinstance(value, int) else None


def json_text(value: object) -> str:
    """A value as the JSON text that it should have been."""
    wrapped: Document = {"": value}
    return encoded(wrapped).decode("utf-8", "surrogatepass")[len('{"":') : -1].strip()


def is_whole_object(pieces: Sequence[str]) -> bool:
    """Whether the pieces of a call's arguments add up to a whole JSON object, after which nothing can follow."""
    if not pieces or not pieces[-1].rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads("".join(pieces)), dict)
    except (ValueError, RecursionError):
        return False


def bounded(count: int) -> None:
    """Raises BadAnswer for more calls, blocks or choices than `MAX_CALLS`."""
    if count > MAX_CALLS:
        raise BadAnswer("the answer has too many parts")
