"""The readers of whole and of streamed answers, which each dialect completes with what it knows of its events.

A reader of a stream holds two things back: the head, until the first content, so that a failure before it can
still go to another route; and the tail, until the ledger is closed, so that every answer which a caller saw whole
has been recorded.
"""

from abc import abstractmethod
from collections.abc import Callable
from enum import Enum

from route.dialects import base
from route.dialects.base import BadAnswer, Document, ErrorInAnswer, Reader, encoded, parse_object, splice
from route.dialects.sse import BOM, Event, EventTooLarge, Splitter, encode

Inspect = Callable[[Reader, Document], bool | None]
"""Inspects a whole answer. Returns True where it has mended the document, which is then written anew."""


class Place(Enum):
    """The part of a stream that an event belongs to. DROP: the caller never sees it."""

    HEAD = "head"
    CONTENT = "content"
    TAIL = "tail"
    DROP = "drop"


class UnaryReader(Reader):
    """A whole JSON document, inspected once it is complete. It is never `done`: only HTTP tells where it ends."""

    def __init__(self, inspect: Inspect) -> None:
        super().__init__()
        self._inspect = inspect
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        if self._size > base.MAX_ANSWER_BYTES:
            raise BadAnswer("the answer is too large")
        self._parts.append(chunk)
        return b""

    def end(self) -> None:
        data = b"".join(self._parts)
        if data.startswith(BOM):
            self.repaired.add("bom")
            self._parts = [data.removeprefix(BOM)]
        document = parse_object(data)
        if document.get("error"):
            raise ErrorInAnswer(document)
        if self._inspect(self, document):
            self._parts = [encoded(document)]
        self.content_seen = True

    def tail(self, receipt: Document | None) -> bytes:
        return splice(b"".join(self._parts), receipt)


class StreamReader(Reader):
    """A stream of events. Each dialect decides where an event belongs and which one carries the receipt."""

    def __init__(self) -> None:
        super().__init__()
        self._splitter = Splitter()
        self._head: list[bytes] = []
        self._tail: list[Event] = []
        self._held = 0

    @abstractmethod
    def place(self, event: Event) -> tuple[Place, Event]:
        """Inspects an event. Returns where it belongs, and the event as it goes to the caller."""

    @property
    @abstractmethod
    def is_whole(self) -> bool:
        """Whether everything that a finished answer needs had arrived when its terminator came."""

    @abstractmethod
    def carries_receipt(self, event: Event) -> bool:
        """Whether the receipt goes into this event of the tail (the last such one is taken)."""

    def feed(self, chunk: bytes) -> bytes:
        try:
            events = self._splitter.feed(chunk)
        except EventTooLarge:
            raise BadAnswer("an event of the stream is too large") from None
        if self._splitter.had_bom:
            self.repaired.add("bom")
        return b"".join(self._pass(event) for event in events)

    def _pass(self, event: Event) -> bytes:
        if self.done:
            return b""
        # A comment does not begin the answer: gateways send comments while they wait for their own provider.
        self.began = self.began or event.data is not None
        self._check_lines(event)
        place, event = (Place.HEAD, event) if event.data is None else self.place(event)
        if place is Place.DROP:
            return b""
        if place is Place.TAIL or (place is Place.HEAD and self._tail):
            self._hold(event)
            self._tail.append(event)
            return b""
        if place is Place.HEAD and not self.content_seen:
            self._hold(event)
            self._head.append(event.raw)
            return b""
        self.content_seen = True
        held = [*self._head, *(e.raw for e in self._tail)]
        self._head, self._tail, self._held = [], [], 0
        return b"".join((*held, event.raw))

    def _check_lines(self, event: Event) -> None:
        """Without data an event must hold only comments or standard fields; else it is a page or a torn event."""
        if event.data is None and not event.is_standard:
            if not self.began:
                self._refuse_document(event.raw)
            raise BadAnswer("a line of the stream is none of an event")
        if not event.is_text:
            raise BadAnswer("the stream is not in UTF-8")

    def _hold(self, event: Event) -> None:
        self._held += len(event.raw)
        if self._held > base.MAX_HELD_BYTES:
            raise BadAnswer("the stream says too much without any content")

    def _refuse_document(self, rest: bytes) -> None:
        """Raises the fault of a whole document, often an error, that came where a stream was asked for."""
        try:
            document = parse_object(b"".join((*self._head, rest)))
        except BadAnswer:
            return
        if document.get("error"):
            raise ErrorInAnswer(document)
        raise BadAnswer("the provider answered with a whole document where a stream was asked for")

    def end(self) -> None:
        if not self.began:
            self._refuse_document(self._splitter.rest)
        if not self.done:
            raise BadAnswer("the stream ended without its terminator")
        if not self.is_whole:
            raise BadAnswer("the stream's terminator came before its end")

    def tail(self, receipt: Document | None) -> bytes:
        events = [event.raw for event in self._tail]
        places = [i for i, event in enumerate(self._tail) if self.carries_receipt(event)]
        if receipt is not None and places:
            event = self._tail[places[-1]]
            # Data in several lines is one JSON document, in which a blank may stand for a line break.
            line = (event.data or b"{}").replace(b"\n", b" ")
            events[places[-1]] = encode(splice(line, receipt), event.name)
        return b"".join((*self._head, *events))
