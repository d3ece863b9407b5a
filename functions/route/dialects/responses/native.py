"""OpenAI's responses, as they pass between a caller and a provider that both speak them."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from ledger.usage import from_responses, is_sound
from route.dialects import openai_errors
from route.dialects.base import (
    OUR_FIELDS,
    BadAnswer,
    Dialect,
    Document,
    ErrorInAnswer,
    Features,
    Reader,
    count,
    dump,
    mapping,
    maps,
    parse_object,
    splice,
    text,
)
from route.dialects.readers import Place, StreamReader, UnaryReader
from route.dialects.responses.conversion import CONVERSION
from route.dialects.responses.mending import StreamMending
from route.dialects.responses.reading import ENCRYPTED
from route.dialects.responses.seals import is_ours, is_reference_to_ours
from route.dialects.responses.spans import span_of
from route.dialects.sse import Event, encode
from route.errors import ApiError, BadRequest

_TERMINAL = ("response.completed", "response.incomplete")
_CALLS = ("function_call", "custom_tool_call")
_OWN_TOOLS = ("function", "custom", "namespace")
_SESSION_NAMES = ("session_id", "session-id", "thread_id", "thread-id")
_LAST = 2**31 - 2
"""The sequence number of an error in a stream, larger than that of any event before it."""
_SAID = ("text", "refusal", "arguments", "input", "delta")


class ResponsesStream(StreamReader):
    """A stream: `response.created`, items with parts and deltas, and a last event with the whole response."""

    def __init__(self) -> None:
        super().__init__()
        self._mending = StreamMending()
        self._whole = False

    def place(self, event: Event) -> tuple[Place, Event]:
        document = parse_object(event.data or b"")
        kind = text(document.get("type")) or event.name
        response = mapping(document.get("response"))
        _meter(self, response)
        if kind == "error" or document.get("error"):
            raise ErrorInAnswer(_error(document.get("error") or document))
        if kind == "response.failed" or response.get("status") == "failed":
            raise ErrorInAnswer(_error(response.get("error")))
        event = self._mended(kind, document, event)
        if kind in _TERMINAL:
            self.done = True
            # Some servers stream content and then end with an empty response, which is what SDKs would keep.
            has_output = bool(response.get("output")) or self._mending.has_ended_items
            self._whole = bool(response) and (has_output or not self.output_chars or kind != _TERMINAL[0])
            return Place.TAIL, self._with_output(event, document)
        item = mapping(document.get("item"))
        delta = text(document.get("delta")) if kind.endswith(".delta") else ""
        self.output_chars += len(delta)
        if kind == "response.output_item.added":
            self.tool_calls += item.get("type") in _CALLS
            # An empty message is no content yet; a tool's name and reasoning are.
            return (Place.HEAD if item.get("type") == "message" else Place.CONTENT), event
        said = delta or (kind.endswith(".done") and _chars(item or mapping(document.get("part")) or document))
        return (Place.CONTENT if said else Place.HEAD), event

    def _mended(self, kind: str, document: Document, event: Event) -> Event:
        missing = self._mending.before(kind, document)
        self.repaired |= self._mending.mended
        if not missing:
            return event
        if not self.content_seen:
            self._head.append(missing)
            return event
        return Event(missing + event.raw, event.name, event.data)

    def _with_output(self, event: Event, document: Document) -> Event:
        data = self._mending.whole(document)
        self.repaired |= self._mending.mended
        return event if data is None else Event(encode(data, event.name), event.name, data)

    @property
    def is_whole(self) -> bool:
        return self._whole

    def carries_receipt(self, event: Event) -> bool:
        return event is self._tail[-1]

    def tail(self, receipt: Document | None) -> bytes:
        if receipt is not None and self._tail:
            self._tail[-1] = _with_receipt(self._tail[-1], receipt)
        return super().tail(None)


def _with_receipt(event: Event, receipt: Document) -> Event:
    """The event with the receipt inside its response, which is all that SDKs keep of the event."""
    data = (event.data or b"{}").replace(b"\n", b" ")
    line = data.decode("utf-8-sig", "surrogatepass")
    span = span_of(line, "response")
    if span is None:
        data = splice(data, receipt)
    else:
        start, end = span
        inner = splice(line[start:end].encode("utf-8", "surrogatepass"), receipt)
        before, after = (part.encode("utf-8", "surrogatepass") for part in (line[:start], line[end:]))
        data = before + inner + after
    return Event(encode(data, event.name), event.name, data)


def _error(said: object) -> Document:
    """A failure inside an answer, in the envelope of an error that comes instead of an answer."""
    error = mapping(said)
    code = text(error.get("code")) or None
    kind = text(error.get("type"))
    if not kind or kind == "error":
        kind = "invalid_request_error" if _is_about_the_request(code or "") else code or "server_error"
    message = text(error.get("message")) or text(said) or "The response failed."
    return {"error": {"message": message, "type": kind, "param": error.get("param"), "code": code}}


def _is_about_the_request(code: str) -> bool:
    """Whether an error code is about the request, so that another provider would refuse it too."""
    return code.endswith("_policy") or code.startswith(
        ("invalid_", "image_", "unsupported_", "empty_image", "context_length", "misalignment_policy", "failed_to")
    )


def _chars(document: Mapping[str, Any]) -> int:
    """How many characters of output an item, a part, or an event that ends one holds."""
    parts = [*maps(document.get("content")), *maps(document.get("summary"))]
    return sum(len(text(held.get(name))) for held in (document, *parts) for name in _SAID)


def _meter(reader: Reader, response: Mapping[str, Any]) -> None:
    usage = response.get("usage")
    if isinstance(usage, Mapping):
        reader.usage, reader.usage_is_sound = from_responses(usage), is_sound(usage)
        reader.reported_usd = usage.get("cost", reader.reported_usd)
    reader.record_served(model=response.get("model"), backend=response.get("provider"))


def _inspect(reader: Reader, document: Document) -> None:
    _meter(reader, document)
    if document.get("status") == "failed":
        raise ErrorInAnswer(_error(None))
    if not isinstance(document.get("output"), list):
        raise BadAnswer("the answer has no output")
    for item in maps(document["output"]):
        reader.output_chars += _chars(item)
        reader.tool_calls += item.get("type") in _CALLS


class ResponsesUnary(UnaryReader):
    """A whole response. A failed response holds its error beside all other fields."""

    def __init__(self) -> None:
        super().__init__(_inspect)

    def end(self) -> None:
        try:
            super().end()
        except ErrorInAnswer as failure:
            said = failure.document.get("error")
            raise (ErrorInAnswer(_error(said)) if "output" in failure.document else failure) from None


def _parts(body: Document) -> list[Mapping[str, Any]]:
    """The parts of all messages and of all results of tools."""
    items = maps(body.get("input"))
    return [part for item in items for name in ("content", "output") for part in maps(item.get(name))]


def _foreign(item: object) -> str:
    """The path of an item that is reasoning of another dialect's provider, written by this router; else ""."""
    said = mapping(item)
    if said.get("type") == "reasoning" and is_ours(said.get("encrypted_content")):
        return "input[].encrypted_content"
    return "input[].item_reference" if is_reference_to_ours(said) else ""


class Responses(Dialect):
    name = "responses"
    path = "/v1/responses"
    stream_end = b""
    error_event_name = "error"
    conversion = CONVERSION
    thinking_fields = ("reasoning",)

    def features(self, body: Document) -> Features:
        asked = body.get("input")
        if asked is not None and not isinstance(asked, str | list):
            raise BadRequest("invalid_input", "'input' must be a string or a list.", param="input")
        client = mapping(body.get("client_metadata"))
        own = next((said for name in _SESSION_NAMES if (said := text(client.get(name)))), "")
        tools = [tool for tool in maps(body.get("tools")) if tool.get("type") in _OWN_TOOLS]
        return Features(
            requested_model=text(body.get("model")),
            stream=body.get("stream") is True,
            tools_requested=bool(tools) and body.get("tool_choice") != "none",
            images=any(part.get("type") == "input_image" for part in _parts(body)),
            session=text(body.get("session")),
            agent_session=text(body.get("prompt_cache_key")) or own,
            output_limit=count(body.get("max_output_tokens")),
        )

    def upstream_body(self, body: Document, wire_model: str) -> Document:
        upstream = {k: v for k, v in body.items() if k not in OUR_FIELDS} | {"model": wire_model}
        if any(True for _ in self.left_out(body)):
            upstream["input"] = [item for item in body["input"] if not _foreign(item)]
        return upstream

    def left_out(self, body: Document) -> Iterable[str]:
        items = body.get("input")
        return sorted({_foreign(item) for item in items if _foreign(item)}) if isinstance(items, list) else ()

    def without_thinking(self, body: Document) -> tuple[Document, tuple[str, ...]]:
        """Also removes the wish for encrypted reasoning, which a model without reasoning refuses."""
        body, asked = super().without_thinking(body)
        include = body.get("include")
        if not isinstance(include, list) or ENCRYPTED not in include:
            return body, asked
        left = [name for name in include if name != ENCRYPTED]
        body = {name: value for name, value in body.items() if name != "include"}
        return body | ({"include": left} if left else {}), (*asked, "include[]")

    def builds_on_a_store(self, body: Document) -> bool:
        return any(body.get(name) is not None for name in ("previous_response_id", "conversation"))

    def reader(self, features: Features) -> Reader:
        return ResponsesStream() if features.stream else ResponsesUnary()

    def error_document(self, error: ApiError, inference_id: str) -> Document:
        return openai_errors.error_document(error)

    def error_event(self, error: ApiError, inference_id: str) -> bytes:
        """Tells the error in two events, since no single one reaches every client.

        SDKs raise on an `error` inside any event, and their types have its fields beside it. Agents ignore that
        event, and read the error of a failed response.
        """
        said = self.error_document(error, inference_id)["error"]
        fields = {name: said[name] for name in ("code", "message", "param")}
        event = {"type": "error", **fields, "sequence_number": _LAST, "error": said}
        response = _failed(said, error.status, inference_id)
        failed = {"type": "response.failed", "sequence_number": _LAST + 1, "response": response}
        return encode(dump(event), "error") + encode(dump(failed), "response.failed")


_CODES = ("context_length_exceeded", "insufficient_quota", "invalid_prompt")
"""Codes by which agents decide what to do next, beside `rate_limit_exceeded` and `server_error`."""


def _failed(said: Mapping[str, Any], status: int, inference_id: str) -> Document:
    code = "rate_limit_exceeded" if status == 429 else "server_error"
    code = said["code"] if said["code"] in _CODES else code
    return {
        "id": f"resp_{sha256(inference_id.encode()).hexdigest()[:32]}",
        "object": "response",
        "created_at": 0,
        "status": "failed",
        "error": {"code": code, "message": said["message"]},
        "incomplete_details": None,
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


RESPONSES = Responses()
