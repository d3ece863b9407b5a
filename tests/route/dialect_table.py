"""What becomes of each field of each dialect on its way to each other one: found by trying, not by saying.

A field is *refused* or *dropped* when the translation reports it, and *carried* when what comes out differs
with it. What neither differs nor is reported was lost in silence, which is the one thing that must not be.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anthropic.types.beta import BetaMessage
from anthropic.types.beta.message_create_params import MessageCreateParamsBase
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from route.dialects import BY_NAME, sse
from route.dialects.base import BadAnswer, dump
from route.dialects.conversion import Asked, Conversion, Target
from route.dialects.fields import MAX_NAME, Report
from route.dialects.pipe import InOrder
from route.errors import BadRequest
from tests.route.vendor_types import Json, Sample, samples

TRANSLATED = ("chat", "messages", "responses")
REQUESTS: dict[str, Any] = {
    "chat": CompletionCreateParamsBase,
    "messages": MessageCreateParamsBase,
    "responses": ResponseCreateParamsBase,
}
ANSWERS: dict[str, Any] = {"chat": ChatCompletion, "messages": BetaMessage, "responses": Response}

CARRIED, DROPPED, REFUSED, LOST = "carried", "dropped", "refused", "LOST"

TOOL: dict[str, Json] = {
    "chat": [{"type": "function", "function": {"name": "text", "parameters": {"type": "object"}}}],
    "messages": [{"name": "text", "input_schema": {"type": "object"}}],
    "responses": [{"type": "function", "name": "text", "parameters": {"type": "object"}}],
}
SAID_BY_ASSISTANTS = ("thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use", "fallback")

TARGET = Target("wire-model", max_output_tokens=100_000, cache_control=True, developer_role=True)


@dataclass(frozen=True)
class Told:
    """What came of a translation."""

    document: Json
    dropped: frozenset[str]
    refused: frozenset[str]


def told_event(event: Json, before: Iterable[Json], dialect: str) -> Told:
    """What one event of a stream comes to, after those before it: the neutral events, and what is reported."""
    report = Report()
    reading = conversion_of(dialect).answer_reading(report)
    for one in before:
        list(reading.feed(_on_wire(one)))
    known = frozenset(report.dropped)
    said = [repr(passed) for passed in reading.feed(_on_wire(event))]
    return Told(said, frozenset(report.dropped) - known, frozenset())


def _on_wire(event: Json) -> sse.Event:
    data = dump(event)
    name = event.get("type", "")
    return sse.Event(sse.encode(data, name), name, data)


def conversion_of(name: str) -> Conversion:
    conversion = BY_NAME[name].conversion
    assert conversion is not None
    return conversion


def told_request(body: Json, dialect: str, target: str) -> Told:
    """A request of one dialect, written for a model of another."""
    report = Report()
    try:
        neutral = conversion_of(dialect).read_request(body)
    except BadRequest as fault:
        return Told(None, frozenset(), frozenset({fault.param or ""}))
    document = conversion_of(target).write_request(neutral, TARGET, report)
    dropped = frozenset({*neutral.dropped, *report.dropped})
    return Told(document, dropped, frozenset({*neutral.refused, *report.refused}))


def told_answer(answer: Json, dialect: str, target: str) -> Told:
    """An answer of one dialect, written for a caller of another."""
    report = Report()
    asked = Asked(body={"model": "m", "tools": []}, stream=False, created=1)
    try:
        events: list[Any] = list(conversion_of(dialect).answer_reading(report).whole(answer))
    except BadAnswer:
        return Told(None, frozenset(), frozenset({""}))
    order = InOrder()
    events = [passed for event in events for passed in order.feed(event)]
    document = conversion_of(target).answer_writing(asked, report).whole(events)
    return Told(document, frozenset(report.dropped), frozenset(report.refused))


def fate(path: str, present: Told, absent: Told, silent: Iterable[str] = ()) -> str:
    """What became of the field at this path. `silent`: paths that are said in another way; see the table's test."""
    names = _names(path)
    for fate_of, now, before in (
        (REFUSED, present.refused, absent.refused),
        (DROPPED, present.dropped, absent.dropped),
    ):
        if now - before or now & names or any(len(said) == MAX_NAME and path_starts(names, said) for said in now):
            return fate_of
    if dump({"": present.document}) != dump({"": absent.document}):
        return CARRIED
    return CARRIED if names & set(silent) else LOST


def path_starts(names: frozenset[str], reported: str) -> bool:
    """Whether a name that was cut short is the beginning of one of these."""
    return any(name.startswith(reported) for name in names)


def _names(path: str) -> frozenset[str]:
    """What a report may call this field: itself, or anything that it lies in, by its kind too."""
    steps = re.findall(r"\.?[^.<\[]+|\[\]|<[^>]*>", path)
    found, plain = {""}, ""
    kind = ""
    for step in steps:
        if step.startswith("<"):
            kind = f"{plain}.{step[1:-1]}"
            found.add(kind)
        else:
            plain += step
            found.add(plain.removeprefix("."))
            kind = f"{kind}{step}" if kind else ""
            found.add(kind)
    return frozenset(found)


def request_samples(dialect: str) -> Iterator[Sample]:
    """Every field that the vendor's SDK can send, in a request that could be one."""
    for sample in samples(REQUESTS[dialect]):
        yield Sample(
            sample.path,
            _in_context(sample.present, dialect, sample.path),
            _in_context(sample.absent, dialect, sample.path),
        )


def _in_context(body: Json, dialect: str, path: str) -> Json:
    """With what the field needs beside it to mean anything."""
    body = _filled(body)
    if path.startswith(("tool_choice", "parallel_tool_calls")):
        body.setdefault("tools", TOOL[dialect])
    if dialect == "messages" and not path.startswith("max_tokens"):
        body["max_tokens"] = 20_000
        body["messages"] = [_by_its_side(message) for message in body.get("messages", [])]
    if dialect == "responses":
        body.setdefault("input", "text")
        items = body["input"] if isinstance(body["input"], list) else []
        calls = [CALLS[item["type"]] for item in items if isinstance(item, dict) and item.get("type") in CALLS]
        body["input"] = [*calls, *items] if items else body["input"]
    return body


CALLS: dict[str, Json] = {
    "function_call_output": {"type": "function_call", "call_id": "text", "name": "text", "arguments": "{}"},
    "custom_tool_call_output": {"type": "custom_tool_call", "call_id": "text", "name": "text", "input": "x"},
}
"""What the result of a call answers."""

FILLED: dict[str, tuple[tuple[str, ...], Json]] = {
    "file": (("file_data", "file_id"), {"file_data": "data:application/pdf;base64,JVBERg=="}),
    "input_file": (("file_data", "file_id", "file_url"), {"file_data": "data:application/pdf;base64,JVBERg=="}),
    "input_image": (("image_url", "file_id"), {"image_url": "https://a.example/b.png"}),
    "function_call_output": (("call_id",), {"call_id": "text"}),
}
"""By type: what such an object needs one of to be one, and what it gets when it has none."""


def _filled(value: Json) -> Json:
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if not isinstance(value, dict):
        return value
    filled = {name: _filled(inner) for name, inner in value.items()}
    needed, given = FILLED.get(str(filled.get("type")), ((), {}))
    inner = filled["file"] if isinstance(filled.get("file"), dict) else filled
    if needed and not any(name in inner for name in needed):
        inner |= given
    return filled


def _by_its_side(message: Json) -> Json:
    """Some blocks only assistants say."""
    content = message.get("content")
    kinds = (
        [block.get("type") for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    )
    return {**message, "role": "assistant"} if any(kind in SAID_BY_ASSISTANTS for kind in kinds) else message


@dataclass
class Node:
    """A path of the table, with the fates of all that lies below it."""

    fates: set[tuple[str, ...]] = field(default_factory=set)
    below: dict[str, "Node"] = field(default_factory=dict)

    def add(self, steps: list[str], fates: tuple[str, ...]) -> None:
        self.fates.add(fates)
        if steps:
            self.below.setdefault(steps[0], Node()).add(steps[1:], fates)

    def rows(self, path: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
        """One row for each path below which all is alike."""
        if path and len(self.fates) == 1:
            yield path, next(iter(self.fates))
            return
        for step, node in self.below.items():
            yield from node.rows(path + step)


def collapsed(fates: dict[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """The table's rows: where everything below a path has the same fate, one row says so."""
    root = Node()
    for path, each in fates.items():
        root.add(re.findall(r"\.?[^.<\[]+|\[\]|<[^>]*>", path), each)
    return list(root.rows())
