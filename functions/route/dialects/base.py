"""What a dialect is: how to read a request, how to read an answer while it passes by, how to say an error.

A sound answer is never rebuilt: its bytes pass through, and the reader only looks at them. Where it is damaged,
only the damaged events are written anew, and `repaired` says so. What a reader holds back is
the head (until the first content, so that a failure before it can still go to another route) and the tail
(until the ledger is closed, so that an answer that was seen whole is an answer that was written down).
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import orjson

from ledger.usage import Usage
from route.dialects.conversion import Conversion
from route.dialects.neutral import Document as Document  # noqa: PLC0414 - other rooms take it from here
from route.dialects.sse import BOM, Event, EventTooLarge, Splitter, encode
from route.errors import ApiError
from route.wire import RECEIPT_FIELD

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_HELD_BYTES = 16 * 1024 * 1024
CHARS_PER_TOKEN = 4
MAX_SAID = 256
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LATEST_SECOND = 2**53
_LONG_NUMBER = re.compile(rb"[0-9][0-9]{16}")


class BadAnswer(Exception):
    """The provider's answer is not what its dialect promises: torn, unfinished, or no answer at all."""


class ErrorInAnswer(Exception):
    """The provider said 200 and then an error. `document` is what it said."""

    def __init__(self, document: Document) -> None:
        super().__init__("error inside an answer")
        self.document = document


class Place(Enum):
    """Where an event of a stream belongs."""

    HEAD = "head"
    CONTENT = "content"
    TAIL = "tail"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Features:
    """What the plan needs to know of a request's body. `agent_session`: a field that an agent sends on its own.

    `output_limit`: how many tokens the caller allows the answer; None where it does not say.
    """

    requested_model: str
    stream: bool
    tools_requested: bool
    images: bool
    session: str = ""
    agent_session: str = ""
    usage_asked: bool = True
    answers: int = 1
    output_limit: int | None = None


class Reader(ABC):
    """Reads one answer as it passes. `usage` is None until the provider has said any.

    `repaired`: names of the faults that were mended on the way, such as `tool_index`.
    `began`: the provider has sent more than comments. `done`: the answer's terminator has been read, so nothing
    that follows belongs to it; only `end` tells whether the answer was whole by then.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.usage_is_sound = True
        self.repaired: set[str] = set()
        self.served_model = ""
        self.served_by = ""
        self.reported_usd: object = None
        self.tool_calls = 0
        self.output_chars = 0
        self.began = False
        self.content_seen = False
        self.done = False

    def record_served(self, *, model: object, backend: object = None) -> None:
        """What the provider says of itself, made fit for headers, facts and receipts; no word changes nothing."""
        self.served_model = _printable(model) or self.served_model
        self.served_by = _printable(backend) or self.served_by

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """Takes what came; gives what may go on now. Raises BadAnswer or ErrorInAnswer."""

    @abstractmethod
    def end(self) -> None:
        """The provider has finished. Raises BadAnswer when the answer has not."""

    @abstractmethod
    def tail(self, receipt: Document | None) -> bytes:
        """What was held back, with the receipt in its place."""

    @property
    def content_came(self) -> bool:
        """Whether the provider has sent content, though none of it may have gone on yet."""
        return self.content_seen

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the answer said and the caller's dialect cannot say: nothing, where it passes as it came."""
        return ()

    @property
    def seen_usage(self) -> Usage:
        """The provider's count, with the output seen so far estimated where it has not been counted."""
        estimate = -(-self.output_chars // CHARS_PER_TOKEN)
        counted = self.usage or Usage()
        missing = max(estimate - counted.output, 0)
        return counted + Usage(output=missing)


class UnaryReader(Reader):
    """A whole JSON document, looked at once it is complete. Never `done`: only HTTP says where it ends."""

    def __init__(self, look: "Inspect") -> None:
        super().__init__()
        self._inspect = look
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        if self._size > MAX_ANSWER_BYTES:
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
    """A stream of events. A dialect says where each belongs and which one carries the receipt."""

    def __init__(self) -> None:
        super().__init__()
        self._splitter = Splitter()
        self._head: list[bytes] = []
        self._tail: list[Event] = []
        self._held = 0

    @abstractmethod
    def place(self, event: Event) -> tuple[Place, Event]:
        """Looks at an event: where it belongs, and the event as it shall go on."""

    @property
    @abstractmethod
    def is_whole(self) -> bool:
        """Whether all that a finished answer says had been said when its terminator came."""

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
        # A comment is no sign that the answer has begun: gateways send some while they wait themselves.
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
        """What has no data must be a comment or the like: else it is a page, or what is left of an event."""
        if event.data is None and not event.is_standard:
            if not self.began:
                self._refuse_document(event.raw)
            raise BadAnswer("a line of the stream is none of an event")
        if not event.is_text:
            raise BadAnswer("the stream is not in UTF-8")

    def _hold(self, event: Event) -> None:
        self._held += len(event.raw)
        if self._held > MAX_HELD_BYTES:
            raise BadAnswer("the stream says too much without any content")

    def _refuse_document(self, rest: bytes) -> None:
        """A whole document where a stream was asked for: some servers do not look, or have but an error to say."""
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
            # Data in several lines is one document, and between its tokens a blank is as good as a new line.
            line = (event.data or b"{}").replace(b"\n", b" ")
            events[places[-1]] = encode(splice(line, receipt), event.name)
        return b"".join((*self._head, *events))


class Dialect(ABC):
    """One wire dialect. Stateless; readers hold the state of an answer."""

    name: ClassVar[str]
    path: ClassVar[str]
    stream_end: ClassVar[bytes]
    conversion: ClassVar[Conversion | None] = None
    """How it is translated; None: it can only be passed on to those who speak it."""
    thinking_fields: ClassVar[tuple[str, ...]] = ()
    """Top-level fields of a body that ask for reasoning."""

    @abstractmethod
    def features(self, body: Document) -> Features:
        """What the plan needs. Raises BadRequest where the body is not of this dialect."""

    @abstractmethod
    def upstream_body(self, body: Document, wire_model: str) -> Document:
        """The caller's body with only the model replaced, what is ours removed, and usage asked for."""

    def left_out(self, body: Document) -> Iterable[str]:
        """Paths of what `upstream_body` leaves out because no provider could take it."""
        return ()

    def kept_by_a_provider(self, body: Document) -> ApiError | None:
        """Why this request can only go where its conversation is kept, for a caller that may go elsewhere."""
        return None

    def without_thinking(self, body: Document) -> tuple[Document, tuple[str, ...]]:
        """The body without what asks for reasoning, for a model that has none; and the paths of that."""
        asked = tuple(name for name in self.thinking_fields if name in body)
        return {name: value for name, value in body.items() if name not in asked}, asked

    def builds_on_a_store(self, body: Document) -> bool:
        """Whether it goes on from what a provider has stored, so that another one would not know what is meant."""
        return False

    @abstractmethod
    def reader(self, features: Features) -> Reader:
        """A fresh reader for one answer."""

    @abstractmethod
    def error_document(self, error: ApiError, inference_id: str) -> Document:
        """The error in this dialect's envelope."""

    def error_event(self, error: ApiError, inference_id: str) -> bytes:
        """The error inside a stream, and the stream's end."""
        return encode(dump(self.error_document(error, inference_id)), self.error_event_name) + self.stream_end

    error_event_name: ClassVar[str] = ""


Inspect = Callable[[Reader, Document], bool | None]
"""With which a dialect looks at a whole answer. True: it has mended the document, which goes on as it is now."""


OUR_FIELDS = ("profile", "session", "routing_hint", "min_quality")
"""Top-level keys of a body that speak to the router and are never sent on."""


def parse_object(data: bytes) -> Document:
    """A JSON object, or BadAnswer. By the slower parser where the fast one refuses a number, or would round it."""
    try:
        document = _exactly(data) if _LONG_NUMBER.search(data) else orjson.loads(data)
    except orjson.JSONDecodeError:
        document = _exactly(data)
    if not isinstance(document, dict):
        raise BadAnswer("the answer is not a JSON object")
    return document


def _exactly(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadAnswer("the answer is not JSON") from None


def encoded(document: Document) -> bytes:
    """A mended answer's bytes. Raises BadAnswer for more levels than can be written."""
    try:
        return dump(document)
    except (RecursionError, ValueError):
        raise BadAnswer("the answer is nested too deeply") from None


def dump(document: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON; lone surrogates and whole numbers of any size survive."""
    try:
        return orjson.dumps(document)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(document, separators=(",", ":")).encode()


def splice(data: bytes, receipt: Document | None) -> bytes:
    """A JSON object's own bytes with the receipt added as its last key: nothing else can change."""
    return data if receipt is None else with_members(data, {RECEIPT_FIELD: receipt})


def with_members(data: bytes, members: Mapping[str, Any]) -> bytes:
    """A JSON object's own bytes with these members added at its end. `members` must not be empty."""
    stem = data.rstrip().removesuffix(b"}").rstrip()
    comma = b"" if stem.endswith(b"{") else b","
    return stem + comma + dump(members)[1:]


def text(value: object) -> str:
    """A string field that may be missing or of a wrong type."""
    return value if isinstance(value, str) else ""


def _printable(value: object) -> str:
    """Without what no header or table takes: control characters, half characters, too many of them."""
    return _UNPRINTABLE.sub("", text(value)).strip()[:MAX_SAID]


def count(value: object) -> int | None:
    """A positive whole number; anything else is None, true and 3.0 too."""
    return value if type(value) is int and value > 0 else None


def index_of(value: object) -> int:
    """The place that a field gives to an item, counted from 0; 0 also where the field gives none."""
    return value if isinstance(value, int) else 0


def unix_seconds(value: object) -> int | None:
    """A time in whole seconds since the epoch; None for what is no number, or none that every parser can read."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < _LATEST_SECOND else None


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def maps(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list field; anything else in it is passed over."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
