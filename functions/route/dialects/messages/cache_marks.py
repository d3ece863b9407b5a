"""Marks for the prompt cache, as many as Anthropic takes."""

from collections.abc import Iterator

from route.dialects.base import Document, maps
from route.dialects.fields import Report
from route.dialects.marks import MARK

MAX_MARKS = 4


class CacheMarks:
    """Puts marks on blocks and tools. `are_taken`: whether the model takes any."""

    def __init__(self, report: Report, *, are_taken: bool) -> None:
        self._report = report
        self._are_taken = are_taken
        self._places: dict[int, str] = {}

    def put(self, holder: Document, mark: Document | None, at: str) -> Document:
        """The block or tool, with its mark. `at`: where it stood."""
        if mark and self._are_taken:
            holder[MARK] = dict(mark)
            self._places[id(holder)] = at
        elif mark:
            self.lose(mark, at)
        return holder

    def lose(self, mark: Document | None, at: str) -> None:
        """A mark whose holder is left out, or cannot have one."""
        if mark:
            self._report.drop(f"{at}.{MARK}")

    def limit(self, body: Document) -> None:
        """Takes away what Anthropic would refuse: the first ones of too many, since a later mark covers what an
        earlier one does, and the hour of a mark that comes after one of five minutes.
        """
        marked = [holder for holder in _holders(body) if MARK in holder]
        for holder in marked[:-MAX_MARKS]:
            self.lose(holder.pop(MARK), self._places[id(holder)])
        is_short_seen = False
        for holder in marked[-MAX_MARKS:]:
            is_short = holder[MARK].get("ttl") != "1h"
            if is_short_seen and not is_short:
                del holder[MARK]["ttl"]
                self._report.drop(f"{self._places[id(holder)]}.{MARK}.ttl")
            is_short_seen = is_short_seen or is_short


def _holders(body: Document) -> Iterator[Document]:
    """All that can bear a mark, in the order in which the cache sees it."""
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in maps(body["messages"]):
        yield from message["content"]
