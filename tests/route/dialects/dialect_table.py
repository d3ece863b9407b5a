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

from route.dialects import BY_NAME
from route.dialects.base import BadAnswer, dump
from route.dialects.conversion import AnswerContext, Conversion, Target
from route.dialects.fields import MAX_NAME, Report
from route.dialects.pipe import InOrder
from route.errors import BadRequest
from tests.route.dialects.vendor_types import Json, Sample, samples

TRANSLATED = ("chat", "messages", "responses")
REQUESTS: dict[str, Any] = {
    "chat": CompletionCreateParamsBase,
    "messages": MessageCreateParamsBase,
    "responses": ResponseCreateParamsBase,
}
ANSWERS: dict[str, Any] = {"chat": ChatCompletion, "messages": BetaMessage, "responses": Response}

CARRIED, DROPPED, REFUSED, LOST = "carried", "dropped", "refused", "LOST"

PDF = "data:application/pdf;base64,JVBERi0="


def _tools(dialect: str, name: str) -> list[Json]:
    schema = {"type": "object"}
    function: Json = {"name": name, "parameters": schema}
    return {
        "chat": [{"type": "function", "function": function}],
        "messages": [{"name": name, "input_schema": schema}],
        "responses": [{"type": "function", **function}],
    }[dialect]


def chosen(body: Json) -> list[str]:
    """The names of the functions that a tool choice speaks of."""
    return re.findall(r"'name': '([^']*)'", str(body.get("tool_choice")))


SAID_BY_ASSISTANTS = ("thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use", "fallback")

TARGET = Target("wire-model", max_output_tokens=100_000, developer_role=True)


@dataclass(frozen=True)
class Told:
    """What came of a translation."""

    document: Json
    dropped: frozenset[str]
    refused: frozenset[str]


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
    asked = AnswerContext(body={"model": "m", "tools": []}, stream=False, created=1)
    try:
        events: list[Any] = list(conversion_of(dialect).answer_reading(report).whole(answer))
    except BadAnswer:
        return Told(None, frozenset(), frozenset({""}))
    order = InOrder()
    events = [passed for event in events for passed in order.feed(event)]
    document = conversion_of(target).answer_writing(asked, report).whole(events)
    return Told(document, frozenset(report.dropped), frozenset(report.refused))


def fate(path: str, present: Told, absent: Told, silent: Iterable[str] = ()) -> str:
    """What became of the field at this path. `silent`: paths of `unreported_fields`."""
    names = names_of(path)
    for fate_of, now in (
        (REFUSED, present.refused),
        (DROPPED, present.dropped),
    ):
        if now & names or any(len(said) == MAX_NAME and path_starts(names, said) for said in now):
            return fate_of
    if dump({"": present.document}) != dump({"": absent.document}):
        return CARRIED
    if present.refused - absent.refused:
        return REFUSED
    if present.dropped - absent.dropped:
        return DROPPED
    return CARRIED if names & set(silent) else LOST


def path_starts(names: frozenset[str], reported: str) -> bool:
    """Whether a name that was cut short is the beginning of one of these."""
    return any(name.startswith(reported) for name in names)


def names_of(path: str) -> frozenset[str]:
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
    # A part that a writing refuses is called by what it is in the form between the dialects.
    return frozenset({*found, *(f"{name}.{word}" for name in found for word in PARTS)})


PARTS = ("text", "image", "document", "audio", "thinking", "refusal", "tool_call", "tool_result")


def answer_samples(dialect: str) -> Iterator[Sample]:
    """Every field of an answer, in one in which it means something."""
    for sample in samples(ANSWERS[dialect]):
        beside: Json = next((more for path, more in BESIDE[dialect].items() if sample.path.startswith(path)), {})
        pair = ({**document, **beside} for document in (sample.present, sample.absent))
        yield Sample(sample.path, *(_plausible(_filled(document), sample.path) for document in pair))


def _plausible(answer: Json, path: str) -> Json:
    """With more input than any part of it."""
    usage = answer.get("usage")
    if isinstance(usage, dict) and "input_tokens_details" in usage and path != "usage.input_tokens":
        usage = {**usage, "input_tokens": 1000}
    return {**answer, "usage": usage}


BESIDE: dict[str, dict[str, Json]] = {
    "chat": {},
    "messages": {
        "stop_details": {"stop_reason": "refusal"},
        "stop_sequence": {"stop_reason": "stop_sequence"},
    },
    "responses": {"incomplete_details": {"status": "incomplete"}},
}


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
        body.setdefault("tools", [tool for name in ["text", *chosen(body)] for tool in _tools(dialect, name)])
    if dialect == "messages" and not path.startswith("max_tokens"):
        body["max_tokens"] = 20_000
        body["messages"] = [said for message in body.get("messages", []) for said in _answered(message)]
    if dialect == "chat":
        body["messages"] = [said for message in body.get("messages", []) for said in _answering(message)]
    if dialect == "responses":
        body.setdefault("input", "text")
        items = body["input"] if isinstance(body["input"], list) else []
        calls = [CALLS[item["type"]] for item in items if isinstance(item, dict) and item.get("type") in CALLS]
        results = [
            {"type": f"{item['type']}_output", "call_id": item.get("call_id"), "output": "x"}
            for item in items
            if isinstance(item, dict) and item.get("type") in ("function_call", "custom_tool_call")
        ]
        body["input"] = [*calls, *items, *results] if items else body["input"]
    return body


def _answering(message: Json) -> list[Json]:
    """A result, and before it the call that it is of."""
    call: Json = {"function": {"name": message.get("name", "text"), "arguments": "{}"}}
    before = {
        "tool": {"tool_calls": [{"id": message.get("tool_call_id"), "type": "function", **call}]},
        "function": {"function_call": call["function"]},
    }.get(message["role"])
    made = message.get("tool_calls") or []
    results = [{"role": "tool", "tool_call_id": call.get("id"), "content": "x"} for call in made]
    if message.get("function_call"):
        results = [{"role": "function", "name": message["function_call"].get("name"), "content": "x"}]
    return [{"role": "assistant", "content": None, **before}, message] if before else [message, *results]


CALLS: dict[str, Json] = {
    "function_call_output": {"type": "function_call", "call_id": "text", "name": "text", "arguments": "{}"},
    "custom_tool_call_output": {"type": "custom_tool_call", "call_id": "text", "name": "text", "input": "x"},
}
"""What the result of a call answers."""

FILLED: dict[str, tuple[tuple[str, ...], Json]] = {
    "file": (("file_data", "file_id"), {"file_data": PDF}),
    "input_file": (("file_data", "file_id", "file_url"), {"file_data": PDF}),
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
    if isinstance(picture := filled.get("image_url"), dict) and not str(picture.get("url")).startswith("http"):
        picture["url"] = "https://a.example/b.png"
    if "arguments" in filled and not str(filled["arguments"]).startswith("{"):
        filled["arguments"] = "{}"
    if filled.get("type") == "json_schema":
        holder = filled.get("json_schema", filled)
        holder.setdefault("schema", {"type": "object"})
    needed, given = FILLED.get(str(filled.get("type")), ((), {}))
    inner = filled["file"] if isinstance(filled.get("file"), dict) else filled
    if needed and not any(name in inner for name in needed):
        inner |= given
    return filled


def _answered(message: Json) -> list[Json]:
    """By the side that says such things; calls with their results after them, results with their calls before."""
    message = _by_its_side(message)
    content = message.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    calls = [block["id"] for block in blocks if block.get("type") == "tool_use" and "id" in block]
    results = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
    before = [{"type": "tool_use", "id": made, "name": "text", "input": {}} for made in results]
    after = [{"type": "tool_result", "tool_use_id": made, "content": "x"} for made in calls]
    said = [{"role": "assistant", "content": before}] if before else []
    return [*said, message, *([{"role": "user", "content": after}] if after else [])]


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
