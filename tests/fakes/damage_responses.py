"""Damage to responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fakes.frames import Frame, each, lacking, named, nameless, without
from tests.fakes.steps import Json

_ENDS = ("response.completed", "response.incomplete")
_DELTAS = (
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
)


def _unknown_event(frames: list[Frame]) -> list[Frame]:
    """There is one more event; the numbers of the others stay as they were."""
    odd = named({"type": "response.future.event", "sequence_number": 2, "what": {"is": "new"}})
    return [*frames[:2], odd, *frames[2:]]


def _unknown_item(frames: list[Frame]) -> list[Frame]:
    """There is one more item, just before the end of the stream."""
    item = {"type": "future_item", "id": "fi_1", "what": "is new"}
    at = next(n for n, frame in enumerate(frames) if frame.kind() in _ENDS)
    sides = ("added", "done")
    odd = [named({"type": f"response.output_item.{side}", "output_index": 9, "item": item}) for side in sides]
    for n, frame in enumerate(odd):
        frame.data = {**(frame.data or {}), "sequence_number": at + n}
    return [*frames[:at], *odd, *frames[at:]]


def _at_end(change: Callable[[Json], object]) -> Callable[[list[Frame]], list[Frame]]:
    """Changes the response that the last event carries."""
    return each(lambda end: change(end["response"]), *_ENDS)


STREAMED: Mapping[str, Callable[[list[Frame]], list[Frame]]] = {
    "no_created": without("response.created", "response.in_progress"),
    "no_item_added": without("response.output_item.added"),
    "no_part_added": without("response.content_part.added"),
    "no_item_done": without("response.output_item.done"),
    "no_deltas": without(*_DELTAS),
    "no_completed": without(*_ENDS),
    "no_sequence": each(lambda event: event.pop("sequence_number", None)),
    "no_event_lines": nameless,
    "unknown_event": _unknown_event,
    "unknown_item": _unknown_item,
    "no_usage": _at_end(lambda response: response.pop("usage", None)),
    "output_empty": _at_end(lambda response: response.update(output=[])),
    "done_at_end": lambda frames: [*frames, Frame(None)],
}

WHOLE: Mapping[str, Callable[[Json], Json]] = {
    "no_usage": lacking("usage"),
    "output_null": lambda whole: {**whole, "output": None},
    "output_empty": lambda whole: {**whole, "output": []},
    "no_status": lacking("status"),
    "unknown_item": lambda whole: {**whole, "output": [*whole["output"], {"type": "future_item", "id": "fi_1"}]},
}
