"""What becomes of each event of a stream on its way to a caller of another dialect: found by trying each."""

from collections.abc import Iterable, Iterator
from typing import Any

from anthropic.types.beta import BetaRawContentBlockDelta, BetaRawMessageStreamEvent
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from route.dialects import sse
from route.dialects.base import BadAnswer, ErrorInAnswer, dump
from route.dialects.fields import Report
from tests.route.dialects import unreported_fields
from tests.route.dialects.dialect_table import Told, conversion_of, fate
from tests.route.dialects.vendor_types import Json, label, members, minimal, samples


def told_event(event: Json, before: Iterable[Json], dialect: str) -> Told:
    """What one event of a stream comes to, after those before it: the neutral events, and what is reported."""
    report = Report()
    reading = conversion_of(dialect).answer_reading(report)
    for one in before:
        list(reading.feed(_on_wire(one)))
    known = frozenset(report.dropped)
    try:
        said = [repr(passed) for passed in reading.feed(_on_wire(event))]
    except (BadAnswer, ErrorInAnswer):
        return Told(None, frozenset(), frozenset({""}))
    return Told(said, frozenset(report.dropped) - known, frozenset())


def event_samples(dialect: str) -> Iterator[tuple[str, Json, Json, list[Json]]]:
    """Each kind of event: its path, one that says it, one that does not (None: no event), and those before."""
    if dialect == "chat":
        for sample in samples(ChatCompletionChunk):
            yield sample.path, _chunk(sample.present), _chunk(sample.absent), []
    for event in members(EVENTS[dialect]) if dialect in EVENTS else []:
        kind = label(event)
        deltas = members(BetaRawContentBlockDelta) if kind == "content_block_delta" else []
        for delta in deltas:
            document = {"type": kind, "index": 7, "delta": minimal(delta)}
            yield f"{kind}<{label(delta)}>", document, None, [{**STARTED, "content_block": BLOCKS[label(delta)]}]
        if not deltas:
            yield kind, minimal(event), None, BEFORE.get(kind.rpartition(".")[0], BEFORE.get(kind, []))


def _chunk(chunk: Json) -> Json:
    """One that could come: calls have ids and names, and each choice says something."""
    for choice in chunk["choices"]:
        choice["delta"].setdefault("content", "x")
        for call in choice["delta"].get("tool_calls", []):
            call.setdefault("id", "c")
            call["function"] = {"name": "f", "arguments": "{}", **call.get("function", {})}
        if "function_call" in choice["delta"]:
            choice["delta"]["function_call"] = {"name": "f", "arguments": "{}", **choice["delta"]["function_call"]}
    return chunk


EVENTS: dict[str, Any] = {"messages": BetaRawMessageStreamEvent, "responses": ResponseStreamEvent}
STARTED: Json = {"type": "content_block_start", "index": 7}
_TEXT, _THINKING = {"type": "text", "text": ""}, {"type": "thinking", "thinking": "", "signature": ""}
BLOCKS: dict[str, Json] = {
    "text_delta": _TEXT,
    "citations_delta": _TEXT,
    "thinking_delta": _THINKING,
    "signature_delta": _THINKING,
    "input_json_delta": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    "compaction_delta": {"type": "compaction", "content": ""},
}


def _added(**item: Json) -> list[Json]:
    return [{"type": "response.output_item.added", "output_index": 7, "item": {"id": "text", **item}}]


_MESSAGE = _added(type="message", role="assistant", content=[])
_FUNCTION = _added(type="function_call", call_id="c", name="f", arguments="")
_CUSTOM = _added(type="custom_tool_call", call_id="c", name="f", input="")
_REASONING = _added(type="reasoning", summary=[])
BEFORE: dict[str, list[Json]] = {
    "response.output_text": _MESSAGE,
    "response.output_text.annotation": _MESSAGE,
    "response.content_part": _MESSAGE,
    "response.refusal": _MESSAGE,
    "response.function_call_arguments": _FUNCTION,
    "response.custom_tool_call_input": _CUSTOM,
    "response.reasoning_text": _REASONING,
    "response.reasoning_summary_text": _REASONING,
    "response.reasoning_summary_part": _REASONING,
    "message_delta": [{"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}}],
    "content_block_stop": [
        {**STARTED, "content_block": _TEXT},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
    ],
}
"""By the event's kind, or all of it but the last word: what must have come before for it to mean anything."""


def event_fate(path: str, present: Json, absent: Json, before: list[Json], dialect: str) -> str:
    """What becomes of an event, or of a field of a chunk, whatever the caller's dialect."""
    silent = unreported_fields.EVENTS[dialect]
    nothing = Told([], frozenset(), frozenset())
    return fate(
        path,
        told_event(present, before, dialect),
        nothing if absent is None else told_event(absent, before, dialect),
        [*silent, *([path] if any(path.startswith(f"{said}.") for said in silent) else [])],
    )


def _on_wire(event: Json) -> sse.Event:
    data = dump(event)
    name = event.get("type", "")
    return sse.Event(sse.encode(data, name), name, data)
