"""Readers of chat streams, and the chunks that the tests feed to them."""

import json
from typing import Any

from route.dialects.base import Features
from route.dialects.chat import CHAT
from route.dialects.chat.native import ChatStream
from route.dialects.readers import UnaryReader
from tests.route.build import Json, read

COMMENT = b": OPENROUTER PROCESSING\n\n"


def call(index: int, name: str | None = None, arguments: str = "", **more: Any) -> Json:
    """One piece of a tool call."""
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    first: Json = {"id": f"call_{index}_{name}", "type": "function"} if name else {}
    return {"index": index, **first, "function": function, **more}


def asked() -> ChatStream:
    return ChatStream(usage_asked=True)


def unasked() -> ChatStream:
    return ChatStream(usage_asked=False)


def steps(reader: ChatStream, *events: bytes) -> list[bytes]:
    """What goes on after each event."""
    return [reader.feed(one) for one in events]


HEAD = b'"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'


def unary(answer: Json) -> UnaryReader:
    reader = CHAT.reader(FEATURES)
    read(reader, [json.dumps(answer).encode()])
    assert isinstance(reader, UnaryReader)
    return reader


FEATURES = Features("small", stream=False, tools_requested=False, images=False)


WHOLE = {"model": "small-2026-01", "provider": "Backend", "choices": [{"message": {"content": "a"}}]}
