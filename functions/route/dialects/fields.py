"""Reading an object of the wire so that nothing is lost in silence: what nobody takes is reported.

>>> report = Report()
>>> fields = Fields({"model": "m", "seed": 7}, report)
>>> fields.take("model"), report.dropped
('m', ('seed',))
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

_NUMBERS = (int, float, (int, float))
_LARGEST = 2**63
"""Beyond it no two parsers agree on a number, and arithmetic with floats is not safe."""
MAX_NAMES = 40
MAX_NAME = 80


class Report:
    """What a translation could not carry. `refused`: it matters, so that a route that needs it is ineligible.

    Names are paths in what was read, without indexes: `messages[].content[].cache_control`.
    """

    def __init__(self) -> None:
        self._read: list[Fields] = []
        self._dropped: set[str] = set()
        self._refused: set[str] = set()

    def drop(self, path: str) -> None:
        """Left out, and nothing that the answer depends on."""
        self._dropped.add(path[:MAX_NAME])

    def refuse(self, path: str) -> None:
        """Left out, and the answer would be to another question."""
        self._refused.add(path[:MAX_NAME])

    def watch(self, fields: "Fields") -> None:
        """What is left of these in the end counts as dropped."""
        self._read.append(fields)

    @property
    def dropped(self) -> tuple[str, ...]:
        left = {path[:MAX_NAME] for fields in self._read for path in fields.left()}
        return tuple(sorted((left | self._dropped) - self._refused)[:MAX_NAMES])

    @property
    def refused(self) -> tuple[str, ...]:
        return tuple(sorted(self._refused)[:MAX_NAMES])


class Fields:
    """One object being read. Each name is taken once; null is as good as absent."""

    def __init__(self, document: object, report: Report, path: str = "") -> None:
        self.report = report
        self.path = path
        self._left = dict(document) if isinstance(document, Mapping) else {}
        report.watch(self)

    def at(self, name: str) -> str:
        """The path of a field of this object."""
        return f"{self.path}.{name}" if self.path else name

    def left(self) -> Iterator[str]:
        return (self.at(str(name)) for name, value in self._left.items() if value is not None)

    def __contains__(self, name: str) -> bool:
        """Whether it is there still, and not null."""
        return self._left.get(name) is not None

    def peek(self, name: str) -> Any:
        """Its value, without taking it."""
        return self._left.get(name)

    def take(self, name: str, kind: type | tuple[type, ...] = object) -> Any:
        """The value, or None where it is missing. One of another type than `kind` stays, and so is reported."""
        value = self._left.get(name)
        if kind in _NUMBERS and (isinstance(value, bool) or (isinstance(value, int) and abs(value) > _LARGEST)):
            return None
        if value is None or not isinstance(value, kind):
            return None
        del self._left[name]
        return value

    def text(self, name: str) -> str:
        value = self.take(name, str)
        return value if value is not None else ""

    def ignore(self, *names: str) -> None:
        """Fields that say what is said elsewhere, or nothing: they are not lost with the object."""
        for name in names:
            self._left.pop(name, None)

    def object(self, name: str) -> "Fields":
        """An object inside this one; empty where there is none."""
        return Fields(self.take(name, Mapping), self.report, self.at(name))

    def objects(self, name: str) -> "list[Fields]":
        """The objects in a list. What is none of that is refused: such lists are what a request is made of."""
        if self.peek(name) is not None and not isinstance(self.peek(name), list):
            self.ignore(name)
            self.report.refuse(self.at(name))
        items = self.take(name, list) or []
        path = f"{self.at(name)}[]"
        if any(not isinstance(item, Mapping) for item in items):
            self.report.refuse(path)
        return [Fields(item, self.report, path) for item in items if isinstance(item, Mapping)]

    def rest(self) -> dict[str, Any]:
        """All that is left, taken."""
        rest, self._left = self._left, {}
        return rest


def drop_others(report: Report, document: Mapping[str, Any], known: Collection[str], path: str = "") -> None:
    """Reports what an object says besides the known. What says nothing (empty, or a count of 0) is no loss."""
    for name in document.keys() - set(known):
        if document[name] not in (None, "", [], {}, 0):
            report.drop(f"{path}.{name}" if path else str(name))
