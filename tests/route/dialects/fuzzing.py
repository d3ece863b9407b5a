"""What to fuzz with: sound answers and requests of every dialect, and ways to damage them."""

import copy
import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from route.dialects import BY_PATH
from route.dialects.base import Dialect, Features
from tests.fakes.anthropic_wire import AnthropicWire
from tests.fakes.openai_wire import OpenAIWire
from tests.fakes.reply import Wire, compose
from tests.fakes.responses_wire import ResponsesWire
from tests.fakes.steps import Answer, ToolCall
from tests.route.build import Json

DIALECTS: Sequence[Dialect] = tuple(BY_PATH.values())
TRANSLATED = tuple(dialect for dialect in DIALECTS if dialect.conversion is not None)
_WIRES: dict[str, Wire] = {"chat": OpenAIWire(), "messages": AnthropicWire(), "responses": ResponsesWire()}

_PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}}
_IMAGE = "data:image/png;base64,aGk="
_FUNCTION: Json = {"name": "f", "description": "d", "parameters": _PARAMETERS}
_CHAT: Json = {
    "model": "m",
    "n": 1,
    "max_tokens": 100,
    "temperature": 0.5,
    "stop": ["x"],
    "stream_options": {"include_usage": True},
    "reasoning_effort": "low",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": _PARAMETERS, "strict": True},
    },
    "tools": [{"type": "function", "function": _FUNCTION}, {"type": "custom", "custom": {"name": "sh"}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "metadata": {"a": "b"},
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "amy",
            "content": [
                {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": _IMAGE, "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": "So",
            "reasoning_content": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}],
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "r"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "r"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "function_call": None},
        {"role": "user", "content": "Hello"},
    ],
}
_MESSAGES: Json = {
    "model": "m",
    "max_tokens": 2000,
    "temperature": 0.5,
    "top_k": 3,
    "stop_sequences": ["x"],
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": _PARAMETERS}},
    "tools": [{"name": "f", "input_schema": _PARAMETERS}, {"type": "web_search_20250305", "name": "web_search"}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "metadata": {"user_id": '{"session_id": "s"}'},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look", "citations": []},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}, "title": "t"},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "aGk="},
                {"type": "text", "text": "So"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "b"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "r"},
                        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                    ],
                }
            ],
        },
        {"role": "system", "content": "More."},
        {"role": "user", "content": "Hello"},
    ],
}
_RESPONSES: Json = {
    "model": "m",
    "instructions": "Be brief.",
    "max_output_tokens": 100,
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "text": {"format": {"type": "json_schema", "name": "s", "schema": _PARAMETERS}, "verbosity": "low"},
    "tools": [
        {"type": "function", "name": "f", "parameters": _PARAMETERS, "strict": True},
        {"type": "custom", "name": "sh"},
        {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g", "parameters": {}}]},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "store": False,
    "input": [
        {"type": "message", "role": "developer", "content": "More."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": _IMAGE, "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            ],
        },
        {
            "type": "reasoning",
            "id": "r1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "e",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "So", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "g", "namespace": "ns", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "r"},
        {"role": "user", "content": "Hello"},
    ],
}
_EMBEDDINGS: Json = {"model": "m", "input": ["a", "b"], "dimensions": 3, "encoding_format": "float"}
REQUESTS: dict[str, Json] = {
    "chat": _CHAT,
    "messages": _MESSAGES,
    "responses": _RESPONSES,
    "embeddings": _EMBEDDINGS,
    "count_tokens": _MESSAGES,
}
ANSWERS = (
    Answer(text="Hello there, world", thinking="hm"),
    Answer(text="So", tool_calls=[ToolCall("f", {"a": "b"}), ToolCall("f", {"a": "é"})], thinking="hm"),
    Answer(refusal="I will not"),
    Answer(text="cut", stop="max_tokens"),
)
_PLAIN: dict[str, list[Json]] = {
    "embeddings": [{"object": "list", "data": [{"embedding": [0.5], "index": 0}], "usage": {"prompt_tokens": 2}}],
    "count_tokens": [{"input_tokens": 7}],
}


def _simple(dialect: str) -> Json:
    """A request that the stand-ins answer with tools, thinking and text."""
    left_out = ("tool_choice", "response_format", "output_config", "text")
    return {key: value for key, value in REQUESTS[dialect].items() if key not in left_out}


def _composed(dialect: str) -> list[tuple[list[bytes], Json]]:
    wire, body = _WIRES[dialect], _simple(dialect)
    replies = [compose(wire, body, answer, None, "") for answer in ANSWERS]
    return [([e.data for e in wire.events(body, reply)], wire.unary(body, reply)) for reply in replies]


_MADE = {name: _composed(name) for name in _WIRES}
STREAMS: dict[str, list[list[bytes]]] = {name: [events for events, _ in made] for name, made in _MADE.items()}
WHOLES: dict[str, list[Json]] = {name: [whole for _, whole in made] for name, made in _MADE.items()} | _PLAIN


def features(*, stream: bool) -> Features:
    return Features("m", stream=stream, tools_requested=True, images=True)


_DEEP = json.loads("[" * 150 + "]" * 150)
ODD = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, 1, -1, 1.5, 1e300, 10**30, -(10**30), 2**63, 10**4000),
            *("", "x", "\ud800", "\x00\n\r", "7", "[DONE]", "error", "text", "tool_use", "function", "\u2028"),
            *([], {}, [[]], [None], [{}], ["x"], {"": None}, {"type": "text"}, {"x": {"y": []}}, {"error": {}}),
            _DEEP,
        ]
    ),
    st.text(max_size=4),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
ANY_JSON = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)

_Place = tuple[Any, Any]  # a container and a key in it


def _places(document: Any) -> list[_Place]:
    """Every place in a document, outermost first."""
    found: list[_Place] = []
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else []
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return found


@st.composite
def damaged(draw: st.DrawFn, document: Json, most: int = 3) -> Json:
    """A document in which some values are of other types, missing, doubled, or those of other places."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        places = _places(document)
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["odd", "odd", "odd", "gone", "other", "double"])):
            case "odd":
                holder[key] = copy.deepcopy(draw(ODD))
            case "gone":
                del holder[key]
            case "other":
                other, place = draw(st.sampled_from(places))
                holder[key] = copy.deepcopy(other[place]) if place in other or isinstance(place, int) else None
            case _ if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case _:
                holder[draw(st.text(max_size=3))] = copy.deepcopy(holder[key])
    return document


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


def _data_of(event: bytes) -> Json | None:
    lines = [line.removeprefix(b"data: ") for line in event.splitlines() if line.startswith(b"data: {")]
    with suppress(ValueError):
        return json.loads(lines[0]) if lines else None
    return None


@st.composite
def damaged_streams(draw: st.DrawFn, events: list[bytes]) -> list[bytes]:
    """Events with values changed, left out, doubled, swapped, and the bytes of some torn or flipped."""
    events = list(events)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(events) - 1))
        match draw(st.sampled_from(["value", "value", "value", "gone", "double", "swap", "bytes", "nameless"])):
            case "value" if document := _data_of(events[at]):
                head = b"".join(line + b"\n" for line in events[at].splitlines() if line.startswith(b"event"))
                events[at] = head + b"data: " + as_json(draw(damaged(document, 2))) + b"\n\n"
            case "gone" if len(events) > 1:
                del events[at]
            case "double":
                events.insert(draw(st.integers(0, len(events))), events[at])
            case "swap":
                to = draw(st.integers(0, len(events) - 1))
                events[at], events[to] = events[to], events[at]
            case "nameless":
                events[at] = b"".join(
                    line for line in events[at].splitlines(True) if not line.startswith(b"event")
                )
            case _:
                events[at] = draw(torn(events[at]))
    return events


@st.composite
def torn(draw: st.DrawFn, data: bytes) -> bytes:
    """With a bit flipped, a piece missing, doubled or foreign."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), min_size=2, max_size=2)))
    start, end = places
    match draw(st.sampled_from(["flip", "gone", "double", "foreign"])):
        case "flip" if start < len(data):
            flipped = data[start] ^ (1 << draw(st.integers(0, 7)))
            return data[:start] + bytes([flipped]) + data[start + 1 :]
        case "gone":
            return data[:start] + data[end:]
        case "double":
            return data[:end] + data[start:]
    return data[:start] + draw(st.binary(max_size=8)) + data[start:]


def pieces(data: bytes, size: int) -> list[bytes]:
    ends = [*range(0, len(data), size), len(data)]
    return [data[a:b] for a, b in pairwise(ends)]


def weight(thing: object) -> int:
    """Characters and bytes that an object holds on to, itself and in what it refers to."""
    seen: set[int] = set()
    waiting, total = [thing], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, bytes | str):
            total += len(one)
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set):
            waiting += one
        else:
            slots = getattr(type(one), "__slots__", ())
            waiting += [getattr(one, name, None) for name in slots if isinstance(name, str)]
            waiting += list(getattr(one, "__dict__", {}).values())
    return total
