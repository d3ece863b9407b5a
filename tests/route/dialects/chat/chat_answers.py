"""Answers in chat completions, to and from events, as the tests build and read them."""

from dataclasses import replace
from typing import Any

from openai.types.chat import ChatCompletion

from ledger.usage import Usage
from route.dialects.chat.conversion import CONVERSION
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.neutral import (
    AnswerEvent,
    Began,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Finished,
    Opened,
    Sealed,
    Stop,
)
from route.dialects.pipe import InOrder
from route.dialects.sse import Splitter
from tests.route.build import DONE, Json

ASKED = AnswerContext({"model": "default"}, stream=True, usage_asked=True, created=1700000000)
BEGAN = Began("chatcmpl-1", "small-2026-01", 1)
COUNTED = Counted(Usage(input=9, output=2))
TOKEN: Json = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}


def events_of(stream: bytes) -> tuple[list[AnswerEvent], Report]:
    """What a stream says, its blocks in order."""
    report = Report()
    reading, order = CONVERSION.answer_reading(report), InOrder()
    said = [one for event in Splitter().feed(stream) for one in reading.feed(event)]
    return [after for one in [*said, *reading.end()] for after in order.feed(one)], report


def events_of_whole(document: Json) -> tuple[list[AnswerEvent], Report]:
    report, order = Report(), InOrder()
    reading = CONVERSION.answer_reading(report)
    return [after for one in reading.whole(document) for after in order.feed(one)], report


def said(*chunks: bytes) -> list[AnswerEvent]:
    """What a stream says, from its first block on."""
    found, report = events_of(b"".join(chunks) + DONE)
    assert report.dropped == ()
    return [event for event in found if not isinstance(event, Began | Counted)]


def written(*events: AnswerEvent, asked: AnswerContext = ASKED) -> tuple[bytes, Report]:
    report = Report()
    writing = CONVERSION.answer_writing(asked, report)
    return b"".join(map(writing.feed, events)) + writing.end(), report


def whole(*events: AnswerEvent, asked: AnswerContext = ASKED) -> Json:
    """The unary answer, which the vendor's own types take as it is."""
    document = CONVERSION.answer_writing(asked, Report()).whole(events)
    if all(
        one["finish_reason"] in ("stop", "length", "tool_calls", "content_filter", "function_call")
        for one in document["choices"]
    ):
        ChatCompletion.model_validate(document, strict=True)
    return document


def message(*events: AnswerEvent, asked: AnswerContext = ASKED) -> Json:
    """Of the only choice, without what is null."""
    found = whole(BEGAN, *events, Finished(0, Stop.END), COUNTED, asked=asked)["choices"][0]["message"]
    return {name: value for name, value in found.items() if value is not None}


def block(
    kind: BlockKind, *more: str | Sealed, number: int = 0, choice: int = 0, **opened: Any
) -> list[AnswerEvent]:
    inner = [Delta(choice, number, m) if isinstance(m, str) else replace(m, block=number) for m in more]
    return [Opened(choice, number, kind, **opened), *inner, Closed(choice, number)]


def call(index: int, name: str = "", arguments: str = "", **more: Any) -> Json:
    function = ({"name": name} if name else {}) | {"arguments": arguments}
    return {"index": index, "function": function, **more}
