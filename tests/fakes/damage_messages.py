"""Damage to messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import zip_longest

from tests.fakes.frames import Frame, each, lacking, named, nameless, without
from tests.fakes.steps import Json


def _error_unnamed(frames: list[Frame]) -> list[Frame]:
    """After the first content comes an error event without its ``event:`` line."""
    at = next((n for n, frame in enumerate(frames) if frame.content), 0) + 1
    return [*frames[:at], Frame({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]


def _output_only(delta: Json) -> None:
    """The usage in ``message_delta`` counts the output alone, as older servers do it."""
    if "usage" in delta:
        delta["usage"] = {"output_tokens": delta["usage"]["output_tokens"]}


def _blocks(frames: list[Frame]) -> tuple[list[Frame], list[list[Frame]], list[Frame]]:
    """The frames before the blocks (pings among them), the blocks, and the frames after them."""
    by_index: dict[int, list[Frame]] = {}
    for frame in frames:
        if "index" in (frame.data or {}):
            by_index.setdefault((frame.data or {})["index"], []).append(frame)
    rest = [frame for frame in frames if "index" not in (frame.data or {})]
    tail = [frame for frame in rest if frame.kind() in ("message_delta", "message_stop")]
    return [frame for frame in rest if frame not in tail], list(by_index.values()), tail


def _interleaved(frames: list[Frame]) -> list[Frame]:
    """All blocks are opened, filled in turns, and closed."""
    head, blocks, tail = _blocks(frames)
    inner = zip_longest(*(block[1:-1] for block in blocks))
    deltas = [frame for turn in inner for frame in turn if frame is not None]
    return [*head, *(block[0] for block in blocks), *deltas, *(block[-1] for block in blocks), *tail]


def _doubled_index(event: Json) -> None:
    if "index" in event:
        event["index"] *= 2


def _input_in_start(frames: list[Frame]) -> list[Frame]:
    """A tool's input stands in the opening of its block, and no delta follows."""
    head, blocks, tail = _blocks(frames)
    for block in blocks:
        opening = (block[0].data or {})["content_block"]
        if opening["type"] == "tool_use":
            deltas = [(frame.data or {})["delta"] for frame in block[1:-1]]
            opening["input"] = json.loads("".join(delta["partial_json"] for delta in deltas) or "{}")
            block[0].content = True
            del block[1:-1]
    return [*head, *(frame for block in blocks for frame in block), *tail]


def _no_empty_delta(frames: list[Frame]) -> list[Frame]:
    """An empty tool input has no deltas at all."""
    head, blocks, tail = _blocks(frames)
    for block in blocks:
        deltas = [(frame.data or {})["delta"] for frame in block[1:-1]]
        if "".join(delta.get("partial_json", "x") for delta in deltas) == "{}":
            del block[1:-1]
    return [*head, *(frame for block in blocks for frame in block), *tail]


def _unknown_event(frames: list[Frame]) -> list[Frame]:
    return [frames[0], named({"type": "future_event", "what": {"is": "new"}}), *frames[1:]]


def _unknown_block(frames: list[Frame]) -> list[Frame]:
    head, blocks, tail = _blocks(frames)
    index = len(blocks)
    block = {"type": "future_block", "what": "is new"}
    start = named({"type": "content_block_start", "index": index, "content_block": block})
    stop = named({"type": "content_block_stop", "index": index})
    return [*head, *(frame for one in blocks for frame in one), start, stop, *tail]


def _unknown_delta(frames: list[Frame]) -> list[Frame]:
    at = next(n for n, frame in enumerate(frames) if frame.content) + 1
    odd = named({"type": "content_block_delta", "index": 0, "delta": {"type": "future_delta", "what": "is new"}})
    return [*frames[:at], odd, *frames[at:]]


STREAMED: Mapping[str, Callable[[list[Frame]], list[Frame]]] = {
    "no_event_lines": nameless,
    "error_unnamed": _error_unnamed,
    "no_message_start": without("message_start"),
    "no_message_delta": without("message_delta"),
    "no_message_stop": without("message_stop"),
    "no_end": without("message_delta", "message_stop"),
    "no_start_usage": each(lambda start: start["message"].pop("usage", None), "message_start"),
    "no_delta_usage": each(lambda delta: delta.pop("usage", None), "message_delta"),
    "output_usage_only": each(_output_only, "message_delta"),
    "interleaved": _interleaved,
    "index_gap": each(_doubled_index),
    "no_block_stop": without("content_block_stop"),
    "input_in_start": _input_in_start,
    "no_empty_delta": _no_empty_delta,
    "unknown_event": _unknown_event,
    "unknown_block": _unknown_block,
    "unknown_delta": _unknown_delta,
    "ping_first": lambda frames: [named({"type": "ping"}), *frames],
    "done_at_end": lambda frames: [*frames, Frame(None)],
}


WHOLE: Mapping[str, Callable[[Json], Json]] = {
    "no_usage": lacking("usage"),
    "no_stop_reason": lambda whole: {**whole, "stop_reason": None},
    "content_null": lambda whole: {**whole, "content": None},
    "content_empty": lambda whole: {**whole, "content": []},
    "unknown_block": lambda whole: {**whole, "content": [*whole["content"], {"type": "future_block"}]},
}
