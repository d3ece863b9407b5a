"""Writes marks for the prompt cache into a body, as many as Anthropic takes."""

from collections.abc import Iterator

from route.dialects.base import Document, maps
from route.dialects.fields import Report
from route.dialects.marks import MARK

MAX_MARKS = 4


class CacheMarks:
    """Puts marks on blocks and tools. `are_taken`: whether the model takes marks."""

    def __init__(self, report: Report, *, are_taken: bool) -> None:
        self._report = report
        self._are_taken = are_taken
        self._places: dict[int, str] = {}

    def put(self, holder: Document, mark: Document | None, at: str) -> Document:
        """The block or tool with its mark. `at`: the path where it stood in the caller's request."""
        if mark and self._are_taken:
            holder[MARK] = dict(mark)
            self._places[id(holder)] = at
        elif mark:
            self.lose(mark, at)
        return holder

    def lose(self, mark: Document | None, at: str) -> None:
        """Reports a mark whose block is left out or cannot have one."""
        if mark:
            self._report.drop(f"{at}.{MARK}")

    def limit(self, body: Document) -> None:
        """Removes what Anthropic would refuse: the first of too many marks, since a later one covers what an
        earlier one does; and the duration of one hour on a mark that follows a mark of five minutes.
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
    """All objects that can have a mark, in the order in which the cache reads them."""
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in maps(body["messages"]):
        yield from message["content"]
