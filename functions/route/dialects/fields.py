"""Reading a JSON object so that nothing is lost in silence: every field that is not taken is reported.

>>> report = Report()
>>> fields = Fields({"model": "m", "seed": 7}, report)
>>> fields.take("model"), report.dropped
('m', ('seed',))
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

_NUMBERS = (int, float, (int, float))
_LARGEST = 2**63
"""Larger numbers are not read: parsers disagree on them, and arithmetic with floats is not safe."""
MAX_NAMES = 40
MAX_NAME = 80


class Report:
    """What a translation could not carry. `dropped`: the answer does not depend on it.

    `refused`: the answer depends on it, so that a route which cannot carry it is not eligible. Entries are paths
    in the document that was read, without indexes: `messages[].content[].cache_control`.
    """

    def __init__(self) -> None:
        self._read: list[Fields] = []
        self._dropped: set[str] = set()
        self._refused: set[str] = set()

    def drop(self, path: str) -> None:
        """Records something that is left out and that the answer does not depend on."""
        self._dropped.add(path[:MAX_NAME])

    def refuse(self, path: str) -> None:
        """Records something that is left out although without it the answer would be to another question."""
        self._refused.add(path[:MAX_NAME])

    def watch(self, fields: "Fields") -> None:
        """Counts as dropped every field that is still left in this object at the end."""
        self._read.append(fields)

    @property
    def dropped(self) -> tuple[str, ...]:
        left = {path[:MAX_NAME] for fields in self._read for path in fields.left()}
        return tuple(sorted((left | self._dropped) - self._refused)[:MAX_NAMES])

    @property
    def refused(self) -> tuple[str, ...]:
        return tuple(sorted(self._refused)[:MAX_NAMES])


class Fields:
    """An object that is being read. Each field is taken once; a field that is null counts as absent."""

    def __init__(self, document: object, report: Report, path: str = "") -> None:
        self.report = report
        self.path = path
        self._left = dict(document) if isinstance(document, Mapping) else {}
        report.watch(self)

    def at(self, name: str) -> str:
        """The path of a field of this object."""
        return f"{self.path}.{name}" if self.path else name

    def left(self) -> Iterator[str]:
        """The paths of the fields that were not taken."""
        return (self.at(str(name)) for name, value in self._left.items() if value is not None)

    def __contains__(self, name: str) -> bool:
        """Whether the field is still there and not null."""
        return self._left.get(name) is not None

    def peek(self, name: str) -> Any:
        """The field's value, which stays where it is."""
        return self._left.get(name)

    def take(self, name: str, kind: type | tuple[type, ...] = object) -> Any:
        """The field's value; None where it is missing. A value of another type stays and is reported."""
        value = self._left.get(name)
        if kind in _NUMBERS and (isinstance(value, bool) or (isinstance(value, int) and abs(value) > _LARGEST)):
            return None
        if value is None or not isinstance(value, kind):
            return None
        del self._left[name]
        return value

    def text(self, name: str) -> str:
        """Takes a string; empty where it is missing or of another type."""
        value = self.take(name, str)
        return value if value is not None else ""

    def ignore(self, *names: str) -> None:
        """Takes fields that repeat others or mean nothing, so that they are not reported as lost."""
        for name in names:
            self._left.pop(name, None)

    def object(self, name: str) -> "Fields":
        """Takes an object inside this one; it is empty where there is none."""
        return Fields(self.take(name, Mapping), self.report, self.at(name))

    def objects(self, name: str) -> "list[Fields]":
        """Takes a list of objects. Anything else is refused, since such lists hold messages and tools."""
        if self.peek(name) is not None and not isinstance(self.peek(name), list):
            self.ignore(name)
            self.report.refuse(self.at(name))
        items = self.take(name, list) or []
        path = f"{self.at(name)}[]"
        if any(not isinstance(item, Mapping) for item in items):
            self.report.refuse(path)
        return [Fields(item, self.report, path) for item in items if isinstance(item, Mapping)]

    def rest(self) -> dict[str, Any]:
        """Takes all fields that are left."""
        rest, self._left = self._left, {}
        return rest


def drop_others(report: Report, document: Mapping[str, Any], known: Collection[str], path: str = "") -> None:
    """Reports an object's fields other than the known ones. An empty value and a count of 0 are no loss."""
    for name in document.keys() - set(known):
        if document[name] not in (None, "", [], {}, 0):
            report.drop(f"{path}.{name}" if path else str(name))
