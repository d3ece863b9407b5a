"""Answers of Anthropic's messages to test with, judged by the vendor's own client."""

import json
from typing import Any

from anthropic._models import validate_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent

from ledger.usage import Usage
from route.dialects.base import Features
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.messages import MESSAGES
from route.dialects.messages.answer_reading import MessagesReading
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.neutral import (
    AnswerEvent,
    Began,
    BlockKind,
    Closed,
    Counted,
    Finished,
    Opened,
    Stop,
)
from route.dialects.sse import Splitter
from tests.route.build import (
    MESSAGE_STOP,
    Json,
    documents,
    message_delta,
    message_event,
    message_start,
    read,
)

STREAM = Features("small", stream=True, tools_requested=False, images=False)
UNARY = Features("small", stream=False, tools_requested=False, images=False)
ASKED = AnswerContext(body={"model": "small"}, created=7)
START = message_start(input_tokens=200, cache_read_input_tokens=800, output_tokens=1)
BEGAN = Began("msg_1", "small-2026-01")
COUNTED = Counted(Usage(input=200, cache_read=800, output=2), cache_said=True)
STOP_1 = message_event("content_block_stop", index=1)


def reading(*events: bytes) -> tuple[list[AnswerEvent], Report]:
    """The neutral events of a stream."""
    report = Report()
    reader = MessagesReading(report)
    said = [read for event in Splitter().feed(b"".join(events)) for read in reader.feed(event)]
    return [*said, *reader.end()], report


def stream(*content: bytes) -> tuple[list[AnswerEvent], Report]:
    """What stands between the beginning and the end of a stream with this content."""
    events, report = reading(START, *content, message_delta(output_tokens=2), MESSAGE_STOP)
    assert (events[0], *events[-2:]) == (BEGAN, Finished(0, Stop.END), COUNTED)
    return events[1:-2], report


def whole(**more: Any) -> tuple[list[AnswerEvent], Report]:
    report = Report()
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    return list(MessagesReading(report).whole(answer | more)), report


def writing(*events: AnswerEvent) -> tuple[Json, list[Json], Report]:
    """The whole answer, the stream's documents, both judged by the vendor's own client, and the report."""
    report = Report()
    message = MessagesWriting(ASKED, report).whole(events)
    validate_type(type_=Message, value=message)
    writer = MessagesWriting(ASKED, Report())
    wire = b"".join([*(writer.feed(event) for event in events), writer.end()])
    assert accumulated(wire) == plain(message)
    native = MESSAGES.reader(STREAM)
    passed, held = read(native, [wire])
    assert passed + held == wire
    assert native.repaired == set()
    unary = MESSAGES.reader(UNARY)
    read(unary, [json.dumps(message).encode()])
    assert unary.usage == native.usage
    return message, documents(wire), report


def accumulated(wire: bytes) -> Json:
    """What the vendor's client makes of a stream; it sees no event without its name."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in Splitter().feed(wire):
        document = json.loads(event.data or b"{}")
        if event.data is None or event.name == "ping":
            continue
        assert event.name == document["type"]
        typed: Any = validate_type(type_=RawMessageStreamEvent, value=document)  # type: ignore[arg-type]
        snapshot = accumulate_event(event=typed, current_snapshot=snapshot, json_bufs=buffers)
    return plain(json.loads(snapshot.to_json()))


def plain(message: Json) -> Json:
    """Without nulls, and without what the vendor's client does not take from a stream's end."""
    usage = {name: count for name, count in message["usage"].items() if count and name != "cache_creation"}
    said = {name: value for name, value in message.items() if value is not None and name != "x_router"}
    said["content"] = [{k: v for k, v in block.items() if v is not None} for block in message["content"]]
    return said | {"usage": usage}


def block(number: int, kind: BlockKind, *inner: AnswerEvent, **more: Any) -> list[AnswerEvent]:
    return [Opened(0, number, kind, **more), *inner, Closed(0, number)]
