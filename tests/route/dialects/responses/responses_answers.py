"""Answers of Responses, to and from events, as the tests build and read them."""

from collections.abc import Sequence
from typing import Any

from ledger.usage import Usage
from route.dialects.conversion import AnswerContext, AnswerWriting
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
from route.dialects.responses.conversion import CONVERSION
from route.dialects.sse import Splitter
from tests.route.dialects.responses import responses_wire as made

Json = dict[str, Any]
USAGE = Usage(150, 800, 50, 0, 20, 7)
BEGAN = Began("resp_1", "small-2026-01", 1_790_000_000)
STREAM = made.stream(*made.OUTPUT)
BODY: Json = {
    "model": "default",
    "input": "Hello",
    "instructions": "Be brief.",
    "temperature": 0.5,
    "tools": [
        {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False},
        {"type": "custom", "name": "patch"},
        {
            "type": "namespace",
            "name": "mcp tools",
            "description": "",
            "tools": [{"type": "custom", "name": "run"}],
        },
    ],
    "tool_choice": {"type": "function", "name": "weather"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"verbosity": "low"},
    "metadata": {"a": "b"},
    "max_output_tokens": 100,
}


def events_of(stream: bytes, report: Report | None = None) -> list[AnswerEvent]:
    reading = CONVERSION.answer_reading(report or Report())
    return [event for one in Splitter().feed(stream) for event in reading.feed(one)] + list(reading.end())


def merged(events: Sequence[AnswerEvent]) -> list[AnswerEvent]:
    """The same with neighbouring deltas as one."""
    after: list[AnswerEvent] = []
    for event in events:
        last = after[-1] if after else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.block == event.block:
            after[-1] = Delta(0, event.block, last.text + event.text)
        else:
            after.append(event)
    return after


def written(events: Sequence[AnswerEvent], body: Json | None = None, report: Report | None = None) -> bytes:
    asked = AnswerContext(BODY if body is None else body, stream=True, created=7)
    writing = CONVERSION.answer_writing(asked, report or Report())
    return b"".join(writing.feed(event) for event in events) + writing.end()


def whole(events: Sequence[AnswerEvent], body: Json | None = None, report: Report | None = None) -> Json:
    return whole_by(
        CONVERSION.answer_writing(AnswerContext(BODY if body is None else body, created=7), report or Report()),
        events,
    )


def whole_by(writing: AnswerWriting, events: Sequence[AnswerEvent]) -> Json:
    return writing.whole(events)


def said(kind: BlockKind, text: str = "", block: int = 0, **call: Any) -> list[AnswerEvent]:
    return [Opened(0, block, kind, **call), *([Delta(0, block, text)] if text else []), Closed(0, block)]


FULL: list[AnswerEvent] = [
    BEGAN,
    Opened(0, 0, BlockKind.THINKING),
    Delta(0, 0, made.SUMMARY),
    Sealed(0, 0, encrypted="gAAAA-sealed"),
    Closed(0, 0),
    *said(BlockKind.TEXT, made.TEXT["text"], 1),
    *said(BlockKind.TOOL_CALL, made.CALL["arguments"], 2, id="call_1", name="weather"),
    *said(BlockKind.TOOL_CALL, made.CUSTOM["input"], 3, id="call_2", name="patch", namespace="tools", free=True),
    Finished(0, Stop.TOOL_CALLS),
    Counted(USAGE, cache_said=True),
]


def bare(items: Sequence[Json]) -> list[Json]:
    return [{name: value for name, value in item.items() if name != "id"} for item in items]


def by_block(events: Sequence[AnswerEvent]) -> dict[object, list[AnswerEvent]]:
    found: dict[object, list[AnswerEvent]] = {}
    for event in events:
        found.setdefault(getattr(event, "block", None), []).append(event)
    return found
