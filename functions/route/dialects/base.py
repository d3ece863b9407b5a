"""What a dialect is: how it reads a request, how it reads an answer that passes by, and how it writes an error.

The bytes of a sound answer pass through unchanged, and the reader only inspects them. Only the damaged events of
an answer are written anew, and `repaired` names the damage.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from ledger.usage import Usage
from route.dialects.conversion import Conversion
from route.dialects.neutral import Document as Document  # noqa: PLC0414 - re-exported to the other rooms
from route.dialects.sse import encode
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
    """The provider's answer breaks the rules of its dialect: it is torn, unfinished, or not an answer at all."""


class ErrorInAnswer(Exception):
    """The provider answered with status 200 and then an error. `document` holds the error's envelope."""

    def __init__(self, document: Document) -> None:
        super().__init__("error inside an answer")
        self.document = document


@dataclass(frozen=True, slots=True)
class Features:
    """What the plan needs to know of a request's body.

    `session`: the caller's own field for the router. `agent_session`: a field that an agent sends by itself.
    `usage_asked`: whether the caller wants token counts in a stream. `answers`: how many choices it asks for.
    `output_limit`: the most tokens that the caller allows the answer; None where it sets no limit.
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
    """Reads one answer as it passes. `usage` is None until the provider has sent its token counts.

    `repaired`: names of the faults that were mended, such as `tool_index`. `began`: the provider has sent more
    than comments. `done`: the answer's terminator has been read, so nothing that follows belongs to the answer;
    only `end` tells whether the answer was whole by then.
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
        """Keeps the names that the provider gives, fit for headers, facts and receipts; ignores empty ones."""
        self.served_model = _printable(model) or self.served_model
        self.served_by = _printable(backend) or self.served_by

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """Takes the bytes that arrived; returns those for the caller so far. Raises BadAnswer or ErrorInAnswer."""

    @abstractmethod
    def end(self) -> None:
        """Is called when the provider's connection has ended. Raises BadAnswer where the answer is not whole."""

    @abstractmethod
    def tail(self, receipt: Document | None) -> bytes:
        """The bytes that were held back, with the receipt in its place."""

    @property
    def content_came(self) -> bool:
        """Whether the provider has sent content, even if none of it has gone to the caller yet."""
        return self.content_seen

    @property
    def dropped(self) -> tuple[str, ...]:
        """Paths of what the caller's dialect cannot express: none, where the answer passes unchanged."""
        return ()

    @property
    def seen_usage(self) -> Usage:
        """The provider's token counts; where they do not cover the output seen so far, the rest is estimated."""
        estimate = -(-self.output_chars // CHARS_PER_TOKEN)
        counted = self.usage or Usage()
        missing = max(estimate - counted.output, 0)
        return counted + Usage(output=missing)


class Dialect(ABC):
    """One wire dialect. Stateless; readers hold the state of an answer."""

    name: ClassVar[str]
    path: ClassVar[str]
    stream_end: ClassVar[bytes]
    conversion: ClassVar[Conversion | None] = None
    """How the dialect is translated. None: its requests can only go to providers that speak it themselves."""
    thinking_fields: ClassVar[tuple[str, ...]] = ()
    """Top-level fields of a body that ask for reasoning."""

    @abstractmethod
    def features(self, body: Document) -> Features:
        """What the plan needs to know of the body. Raises BadRequest where the body is not of this dialect."""

    @abstractmethod
    def upstream_body(self, body: Document, wire_model: str) -> Document:
        """The caller's body with the model replaced, the router's fields removed, and token counts asked for."""

    def left_out(self, body: Document) -> Iterable[str]:
        """Paths of what `upstream_body` leaves out because no provider could take it."""
        return ()

    def kept_by_a_provider(self, body: Document) -> ApiError | None:
        """The error for a request that only the provider which keeps its conversation can answer; or None."""
        return None

    def without_thinking(self, body: Document) -> tuple[Document, tuple[str, ...]]:
        """The body without the fields that ask for reasoning, which some models lack; and the removed paths."""
        asked = tuple(name for name in self.thinking_fields if name in body)
        return {name: value for name, value in body.items() if name not in asked}, asked

    def builds_on_a_store(self, body: Document) -> bool:
        """Whether the request continues something that a provider has stored, which no other provider can read."""
        return False

    @abstractmethod
    def reader(self, features: Features) -> Reader:
        """A fresh reader for one answer."""

    @abstractmethod
    def error_document(self, error: ApiError, inference_id: str) -> Document:
        """The error in this dialect's envelope."""

    def error_event(self, error: ApiError, inference_id: str) -> bytes:
        """The bytes that tell the error inside a stream and then end the stream."""
        return encode(dump(self.error_document(error, inference_id)), self.error_event_name) + self.stream_end

    error_event_name: ClassVar[str] = ""


OUR_FIELDS = ("profile", "session", "routing_hint", "min_quality")
"""Top-level keys of a body that are meant for the router and never sent to a provider."""


def parse_object(data: bytes) -> Document:
    """Parses a JSON object, or raises BadAnswer. The slower parser reads numbers that the fast one rounds."""
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
    """The bytes of a mended answer. Raises BadAnswer for a document with more levels than can be written."""
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
    """The value of a string field; empty where it is missing or of another type."""
    return value if isinstance(value, str) else ""


def _printable(value: object) -> str:
    """The text without what headers and tables cannot hold: control characters, surrogates, excess length."""
    return _UNPRINTABLE.sub("", text(value)).strip()[:MAX_SAID]


def count(value: object) -> int | None:
    """A positive whole number; None for anything else, also for true and 3.0."""
    return value if type(value) is int and value > 0 else None


def index_of(value: object) -> int:
    """The place that a field gives to an item, counted from 0; 0 also where the field gives none."""
    return value if isinstance(value, int) else 0


def unix_seconds(value: object) -> int | None:
    """A time in whole seconds since the epoch; None for a value that is no number or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < _LATEST_SECOND else None


def mapping(value: object) -> Mapping[str, Any]:
    """The value of an object field; empty where it is missing or of another type."""
    return value if isinstance(value, Mapping) else {}


def maps(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list field; anything else in the list is skipped."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
