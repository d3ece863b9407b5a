"""OpenAI's chat completions, as they pass between a caller and a provider that both speak them."""

import re
from collections.abc import Mapping
from typing import Any

from ledger.usage import from_openai, is_sound
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
    text,
)
from route.dialects.chat.conversion import CONVERSION
from route.dialects.chat.mending import ChunkMending, mend_answer
from route.dialects.openai_errors import error_document
from route.dialects.readers import Place, StreamReader, UnaryReader
from route.dialects.sse import Event, encode, rewritten
from route.errors import ApiError, BadRequest

DONE = b"[DONE]"
_NO_CONTENT = ("role",)
_NULL_USAGE = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,?')


class ChatStream(StreamReader):
    """A stream of chunks: deltas, a finish reason, usage where it was asked for, and `[DONE]`."""

    def __init__(self, *, usage_asked: bool) -> None:
        super().__init__()
        self._usage_asked = usage_asked
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._mending = ChunkMending(self.repaired)

    def place(self, event: Event) -> tuple[Place, Event]:
        if event.data is not None and event.data.strip() == DONE:
            self.done = True
            return Place.TAIL, event
        chunk = parse_object(event.data or b"")
        if chunk.get("error") or chunk.get("object") == "error" or event.name == "error":
            raise ErrorInAnswer(chunk)
        _meter(self, chunk)
        mended = self._mending.mend(chunk, event.data or b"")
        if mended is not None:
            event = rewritten(event, data=mended)
        self.tool_calls = self._mending.calls
        choices = maps(chunk.get("choices"))
        if not self._usage_asked and "usage" in chunk and chunk["usage"] is None:
            # The router asked for usage and the caller did not, so that the caller does not expect this key.
            event = _without_usage(event, chunk)
        if not choices:
            is_usage = chunk.get("usage") is not None
            return (Place.TAIL if self._usage_asked or not is_usage else Place.DROP), event
        return self._place_choices(choices), event

    def _place_choices(self, choices: list[Mapping[str, Any]]) -> Place:
        for choice in choices:
            delta = mapping(choice.get("delta"))
            self.output_chars += _chars(delta)
            number = choice["index"]
            self._seen.add(number)
            if choice.get("finish_reason"):
                self._finished.add(number)
        if any(choice.get("finish_reason") for choice in choices):
            return Place.TAIL
        has_content = any(
            value for c in choices for key, value in mapping(c.get("delta")).items() if key not in _NO_CONTENT
        )
        return Place.CONTENT if has_content else Place.HEAD

    @property
    def is_whole(self) -> bool:
        return bool(self._finished) and self._finished >= self._seen

    def end(self) -> None:
        if not self.done and self.is_whole and self._ends_quietly():
            # The answer is complete but for its terminator, and every client accepts that end.
            self._tail.append(Event(Chat.stream_end, "", DONE))
            self.done = True
            self.repaired.add("terminator")
        super().end()
        if self._usage_asked and self.usage is None:
            self.repaired.add("usage")

    def _ends_quietly(self) -> bool:
        """Whether only blanks are left, or the terminator without its blank line."""
        rest = self._splitter.rest.strip()
        return not rest or rest.removeprefix(b"data:").strip() == DONE

    def carries_receipt(self, event: Event) -> bool:
        return event.data is not None and event.data.strip() != DONE


def _without_usage(event: Event, chunk: Document) -> Event:
    """The event without its `"usage": null`, which is cut out of the provider's bytes where possible."""
    data = event.data or b""
    if b"\n" not in data and len(_NULL_USAGE.findall(data)) == 1:
        return Event(_NULL_USAGE.sub(b"", event.raw), event.name, _NULL_USAGE.sub(b"", data))
    data = dump({name: value for name, value in chunk.items() if name != "usage"})
    return Event(encode(data, event.name), event.name, data)


def _calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The functions that a delta or a whole message calls, in the form of tools and in the form before tools."""
    calls = [mapping(call.get("function")) for call in maps(message.get("tool_calls"))]
    return [*calls, *maps([message.get("function_call")])]


def _chars(message: Mapping[str, Any]) -> int:
    """How many characters of output a delta or a whole message holds, arguments of calls included."""
    own = sum(len(v) for k, v in message.items() if isinstance(v, str) and k not in _NO_CONTENT)
    return own + sum(len(text(call.get("arguments"))) for call in _calls(message))


def _meter(reader: Reader, document: Document) -> None:
    """Records usage, cost, model and backend (which aggregators name) from a chunk or a whole answer."""
    usage = document.get("usage")
    if isinstance(usage, Mapping):
        reader.usage, reader.usage_is_sound = from_openai(usage), is_sound(usage)
        reader.reported_usd = usage.get("cost", reader.reported_usd)
    reader.record_served(model=document.get("model"), backend=document.get("provider"))


def _inspect(reader: Reader, document: Document) -> bool:
    if document.get("object") == "error":
        raise ErrorInAnswer(document)
    choices = maps(document.get("choices"))
    if not choices:
        raise BadAnswer("the answer has no choices")
    _meter(reader, document)
    if reader.usage is None:
        reader.repaired.add("usage")
    is_mended = mend_answer(document, reader.repaired)
    for choice in choices:
        message = mapping(choice.get("message"))
        reader.output_chars += _chars(message)
        reader.tool_calls += len(_calls(message))
    return is_mended


class Chat(Dialect):
    name = "chat"
    path = "/v1/chat/completions"
    stream_end = b"data: [DONE]\n\n"
    conversion = CONVERSION
    thinking_fields = ("reasoning_effort", "reasoning")

    def features(self, body: Document) -> Features:
        if not isinstance(body.get("messages"), list):
            raise BadRequest("invalid_messages", "'messages' must be a list.", param="messages")
        asked = body.get("stream_options")
        if asked is not None and not isinstance(asked, Mapping):
            raise BadRequest(
                "invalid_stream_options", "'stream_options' must be an object.", param="stream_options"
            )
        parts = [p for m in maps(body["messages"]) for p in maps(m.get("content"))]
        tools = maps(body.get("tools")) or maps(body.get("functions"))
        return Features(
            requested_model=text(body.get("model")),
            stream=body.get("stream") is True,
            tools_requested=bool(tools) and body.get("tool_choice") != "none",
            images=any(p.get("type") == "image_url" for p in parts),
            session=text(body.get("session")),
            agent_session=text(body.get("prompt_cache_key")),
            answers=count(body.get("n")) or 1,
            usage_asked=mapping(body.get("stream_options")).get("include_usage") is True,
            output_limit=count(body.get("max_completion_tokens")) or count(body.get("max_tokens")),
        )

    def upstream_body(self, body: Document, wire_model: str) -> Document:
        upstream = {k: v for k, v in body.items() if k not in OUR_FIELDS} | {"model": wire_model}
        if body.get("stream") is True:
            upstream["stream_options"] = {**mapping(body.get("stream_options")), "include_usage": True}
        return upstream

    def reader(self, features: Features) -> Reader:
        if features.stream:
            return ChatStream(usage_asked=features.usage_asked)
        return UnaryReader(_inspect)

    def error_document(self, error: ApiError, inference_id: str) -> Document:
        return error_document(error)


CHAT = Chat()
