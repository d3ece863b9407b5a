"""The events that build up one output item of a streamed response."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.openai_vendor import token_logprobs
from tests.fakes.steps import Json
from tests.fakes.texts import slices
from tests.fakes.wire import Reply

Numbered = tuple[Json, bool]
"""An event without its sequence number, and whether it carries content."""


def item_events(item: Json, index: int, reply: Reply, alternatives: int | None) -> Iterator[Numbered]:
    """``output_item.added`` with nothing in it, its deltas and their ends, ``output_item.done`` with all of it."""
    hollow = dict(item)
    if "status" in item:
        hollow["status"] = "in_progress"
    for name, empty in (("content", []), ("summary", []), ("arguments", ""), ("input", "")):
        if name in item:
            hollow[name] = empty
    yield {"type": "response.output_item.added", "output_index": index, "item": hollow}, False
    place = {"item_id": item["id"], "output_index": index}
    match item["type"]:
        case "reasoning":
            for n, part in enumerate(item["summary"]):
                yield from _summary(part, {**place, "summary_index": n})
        case "message":
            for n, part in enumerate(item["content"]):
                yield from _part(part, {**place, "content_index": n}, reply, alternatives)
        case "function_call":
            yield from _call("response.function_call_arguments", "arguments", item, place)
        case "custom_tool_call":
            yield from _call("response.custom_tool_call_input", "input", item, place)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}, False


def _summary(part: Json, place: Json) -> Iterator[Numbered]:
    kind = "response.reasoning_summary"
    yield {"type": f"{kind}_part.added", **place, "part": {**part, "text": ""}}, False
    for piece in slices(part["text"], 2):
        yield {"type": f"{kind}_text.delta", **place, "delta": piece}, True
    yield {"type": f"{kind}_text.done", **place, "text": part["text"]}, False
    yield {"type": f"{kind}_part.done", **place, "part": part}, False


def _part(part: Json, place: Json, reply: Reply, alternatives: int | None) -> Iterator[Numbered]:
    hollow: Json = {"type": "refusal", "refusal": ""}
    if part["type"] == "output_text":
        hollow = {**part, "text": "", "annotations": [], "logprobs": []}
    yield {"type": "response.content_part.added", **place, "part": hollow}, False
    if part["type"] == "refusal":
        for piece in slices(part["refusal"], 2):
            yield {"type": "response.refusal.delta", **place, "delta": piece}, True
        yield {"type": "response.refusal.done", **place, "refusal": part["refusal"]}, False
    else:
        for piece in reply.pieces:
            logprobs = [] if alternatives is None else token_logprobs([piece], alternatives, with_bytes=False)
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": logprobs}, True
        for n, annotation in enumerate(part["annotations"]):
            noted = {"annotation_index": n, "annotation": annotation}
            yield {"type": "response.output_text.annotation.added", **place, **noted}, False
        logprobs = [] if alternatives is None else token_logprobs(reply.pieces, alternatives, with_bytes=False)
        done = {"text": part["text"], "logprobs": logprobs}
        yield {"type": "response.output_text.done", **place, **done}, False
    yield {"type": "response.content_part.done", **place, "part": part}, False


def _call(kind: str, name: str, item: Json, place: Json) -> Iterator[Numbered]:
    for piece in slices(item[name]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}, True
    named = {"name": item["name"]} if item["type"] == "function_call" else {}
    yield {"type": f"{kind}.done", **place, **named, name: item[name]}, False
