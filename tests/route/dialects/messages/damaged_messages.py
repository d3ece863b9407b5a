"""Streams of messages with damage, and what the caller gets of them."""

import json
from typing import Any

from ledger.usage import Usage
from route.dialects.base import Features
from route.dialects.messages import MESSAGES
from route.dialects.messages.native import MessagesStream
from tests.route.build import (
    BLOCK_STOP,
    TEXT_START,
    Json,
    block_start,
    delta,
    message_delta,
    message_event,
    message_start,
    read,
)
from tests.route.dialects.judges import message_streamed

START = message_start(input_tokens=9, output_tokens=1)
FINISH = message_delta(input_tokens=9, output_tokens=2)
FEATURES = Features("small", stream=False, tools_requested=False, images=False)


def says(text: str, index: Any = 0) -> bytes:
    return delta(index, type="text_delta", text=text)


def input_delta(text: Any, index: Any = 0) -> bytes:
    return delta(index, type="input_json_delta", partial_json=text)


def text_start(index: Any = 0) -> bytes:
    return block_start(index, type="text", text="")


def tool_start(index: Any = 0, **more: Any) -> bytes:
    return block_start(index, **{"type": "tool_use", "id": f"toolu_{index}", "name": "f", "input": {}, **more})


def stop(index: Any = 0) -> bytes:
    return message_event("content_block_stop", index=index)


TEXT = TEXT_START + says("a") + BLOCK_STOP


def mended(stream: bytes) -> tuple[bytes, set[str]]:
    """The whole stream as the caller gets it, and what was mended."""
    reader = MessagesStream()
    passed, held = read(reader, [stream])
    return passed + held, reader.repaired


def blocks(stream: bytes) -> list[Any]:
    """The blocks that the SDK's helper adds up: a text, or a tool's name and input."""
    made: list[Any] = []
    for block in message_streamed(stream).content:
        if block.type == "text":
            made.append(block.text)
        if block.type == "thinking":
            made.append(("thinking", block.thinking))
        if block.type == "tool_use":
            made.append((block.name, block.input))
    return made


THOUGHT = [
    block_start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="c2ln"),
]
SOUND: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "a"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 2},
    "x_vendor": 1.0,
}


def whole(answer: Json) -> tuple[bytes, set[str], Usage | None]:
    reader = MESSAGES.reader(FEATURES)
    _, held = read(reader, [json.dumps(answer).encode()])
    return held, reader.repaired, reader.usage
