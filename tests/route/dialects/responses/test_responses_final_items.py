"""What a stream of responses says only in its last event: each item once, wherever it stands there."""

from typing import Any

import pytest

from route.dialects import sse
from route.dialects.base import dump
from route.dialects.fields import Report
from route.dialects.neutral import AnswerEvent, BlockKind, Delta, Opened
from route.dialects.responses.conversion import CONVERSION

Json = dict[str, Any]
MESSAGE: Json = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "hello"}],
}
CALL: Json = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
REASONING: Json = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}


def streamed(item: Json, place: int) -> list[Json]:
    begun = {**item, "content": []} if item is MESSAGE else item
    delta = {"type": "response.output_text.delta", "output_index": place, "content_index": 0, "delta": "hello"}
    return [
        {"type": "response.output_item.added", "output_index": place, "item": begun},
        *([delta] if item is MESSAGE else []),
        {"type": "response.output_item.done", "output_index": place, "item": item},
    ]


def read(events: list[Json], output: list[Json]) -> list[AnswerEvent]:
    reading = CONVERSION.answer_reading(Report())
    begin = {"type": "response.created", "response": {"id": "resp_1"}}
    end = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": output}}
    lines = [sse.Event(b"", one["type"], dump(one)) for one in (begin, *events, end)]
    return [said for line in lines for said in reading.feed(line)]


@pytest.mark.parametrize(
    ("events", "output"),
    [
        (streamed(MESSAGE, 1), [CALL, MESSAGE]),
        (streamed(MESSAGE, 0), [MESSAGE, CALL]),
        ([*streamed(MESSAGE, 1), *streamed(CALL, 0)], [CALL, MESSAGE]),
        ([*streamed(MESSAGE, 0), *streamed(CALL, 1)], [MESSAGE, CALL]),
        ([], [MESSAGE, CALL]),
    ],
)
def test_each_item_is_said_once(events: list[Json], output: list[Json]) -> None:
    """Streamed or not, first or last: neither the text twice nor the call not at all."""
    said = read(events, output)
    assert "".join(one.text for one in said if isinstance(one, Delta) and one.text != "{}") == "hello"
    assert [one.name for one in said if isinstance(one, Opened) and one.kind is BlockKind.TOOL_CALL] == ["f"]


def test_reasoning_that_only_the_end_has_is_not_lost() -> None:
    """Late, but there; and the text beside it is not said again."""
    said = read(streamed(MESSAGE, 1), [REASONING, MESSAGE])
    assert [one.text for one in said if isinstance(one, Delta)] == ["hello", "hm"]
