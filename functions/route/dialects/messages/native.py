"""Anthropic's messages, as they pass between a caller and a provider that both speak them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ledger.usage import from_anthropic, is_sound
from route.dialects.base import (
    OUR_FIELDS,
    Dialect,
    Document,
    ErrorInAnswer,
    Features,
    Reader,
    count,
    encoded,
    mapping,
    maps,
    parse_object,
    text,
)
from route.dialects.messages.conversion import CONVERSION
from route.dialects.messages.history import UNSEALED, has_unsealed, kept_by_a_provider, without_unsealed
from route.dialects.messages.mending import EventMending, kind_of, mend_answer
from route.dialects.readers import Place, StreamReader, UnaryReader
from route.dialects.sse import Event
from route.errors import ApiError, BadRequest

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesStream(StreamReader):
    """A stream: `message_start`, blocks with deltas, `message_delta` with cumulative usage, `message_stop`."""

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Any] = {}
        self._stopped = False
        self._mending = EventMending(self.repaired)

    def _pass(self, event: Event) -> bytes:
        """Mends an event first: it may become several, or wait for others."""
        if event.data is None or self.done:
            return super()._pass(event)
        document = parse_object(event.data)
        self._count(kind_of(event, document), document)
        passed = super()._pass
        return b"".join([passed(one) for one in self._mending.mend(event, document)])

    def _count(self, kind: str, document: Document) -> None:
        """Meters an event before it is mended, since counts that mending fills in are not the provider's."""
        if kind == "message_start":
            message = mapping(document.get("message"))
            self.record_served(model=message.get("model"))
            self._meter(mapping(message.get("usage")))
        if kind == "message_delta":
            self._meter(mapping(document.get("usage")))

    def place(self, event: Event) -> tuple[Place, Event]:
        document = parse_object(event.data or b"")
        match kind_of(event, document):
            case "error":
                raise ErrorInAnswer(document)
            case "message_start":
                return Place.HEAD, event
            case "content_block_start":
                block = mapping(document.get("content_block"))
                self.tool_calls += block.get("type") == "tool_use"
                # An empty text block is no content yet; a tool's name and thinking are.
                is_empty = block.get("type") == "text" and not block.get("text")
                return (Place.HEAD if is_empty else Place.CONTENT), event
            case "content_block_delta":
                delta = mapping(document.get("delta"))
                self.output_chars += sum(
                    len(v) for k, v in delta.items() if k in _DELTA_TEXT and isinstance(v, str)
                )
                return Place.CONTENT, event
            case "message_delta":
                self._stopped = self._stopped or bool(mapping(document.get("delta")).get("stop_reason"))
                return Place.TAIL, event
            case "message_stop":
                self.done = True
                return Place.TAIL, event
            case _:
                return Place.HEAD, event

    def _meter(self, usage: Mapping[str, Any]) -> None:
        """Keeps the latest counts. They are cumulative, and an event may leave out those that did not change."""
        self._usage |= {name: value for name, value in usage.items() if value is not None}
        if self._usage:
            self.usage, self.usage_is_sound = from_anthropic(self._usage), is_sound(self._usage)

    @property
    def is_whole(self) -> bool:
        return self._stopped

    def carries_receipt(self, event: Event) -> bool:
        return self.done and event is self._tail[-1]


_DELTA_TEXT = ("text", "partial_json", "thinking")


def _inspect(reader: Reader, document: Document) -> bool:
    if document.get("type") == "error":
        raise ErrorInAnswer(document)
    usage = document.get("usage")
    if isinstance(usage, Mapping):
        reader.usage, reader.usage_is_sound = from_anthropic(usage), is_sound(usage)
    reader.record_served(model=document.get("model"))
    is_mended = mend_answer(document, reader.repaired)
    for block in maps(document["content"]):
        reader.output_chars += len(text(block.get("text"))) + len(text(block.get("thinking")))
        reader.output_chars += len(encoded(block["input"])) if isinstance(block.get("input"), Mapping) else 0
        reader.tool_calls += block.get("type") == "tool_use"
    return is_mended


def _agent_session(body: Document) -> str:
    """The session that an agent puts into `metadata.user_id`, for some agents as a field of a JSON document."""
    said = text(mapping(body.get("metadata")).get("user_id"))
    if not said.startswith("{"):
        return said
    try:
        return text(mapping(json.loads(said)).get("session_id")) or said
    except (ValueError, RecursionError):
        return said


class Messages(Dialect):
    name = "messages"
    path = "/v1/messages"
    stream_end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    error_event_name = "error"
    conversion = CONVERSION
    thinking_fields = ("thinking",)

    def features(self, body: Document) -> Features:
        if not isinstance(body.get("messages"), list):
            raise BadRequest("invalid_messages", "messages: must be a list", param="messages")
        parts = [p for m in maps(body["messages"]) for p in maps(m.get("content"))]
        nested = [p for part in parts for p in maps(part.get("content"))]
        return Features(
            requested_model=text(body.get("model")),
            stream=body.get("stream") is True,
            tools_requested=bool(maps(body.get("tools")))
            and mapping(body.get("tool_choice")).get("type") != "none",
            images=any(p.get("type") == "image" for p in (*parts, *nested)),
            session=text(body.get("session")),
            agent_session=_agent_session(body),
            output_limit=count(body.get("max_tokens")),
        )

    def upstream_body(self, body: Document, wire_model: str) -> Document:
        own = {k: v for k, v in body.items() if k not in OUR_FIELDS}
        return without_unsealed(own) | {"model": wire_model}

    def left_out(self, body: Document) -> Iterable[str]:
        return (UNSEALED,) if has_unsealed(body) else ()

    def kept_by_a_provider(self, body: Document) -> ApiError | None:
        return kept_by_a_provider(body)

    def without_thinking(self, body: Document) -> tuple[Document, tuple[str, ...]]:
        body, asked = super().without_thinking(body)
        config = mapping(body.get("output_config"))
        if "effort" not in config:
            return body, asked
        left = {name: value for name, value in config.items() if name != "effort"}
        body = {name: value for name, value in body.items() if name != "output_config"}
        return body | ({"output_config": left} if left else {}), (*asked, "output_config.effort")

    def reader(self, features: Features) -> Reader:
        return MessagesStream() if features.stream else UnaryReader(_inspect)

    def error_document(self, error: ApiError, inference_id: str) -> Document:
        kind = _TYPES.get(error.status, "api_error")
        # The vendor's envelope has no code, and its SDKs ignore an additional field.
        envelope: Document = {"type": kind, "message": error.message, "code": error.code}
        return {"type": "error", "error": envelope | error.detail, "request_id": inference_id or None}


MESSAGES = Messages()
