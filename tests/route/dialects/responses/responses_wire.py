"""Answers of Responses to test with, and the vendor's own client as their judge."""

import json
from copy import deepcopy
from typing import Any

import httpx2
import openai
from hypothesis import strategies as st
from openai.types.responses import ParsedResponse, Response

from route.dialects.sse import encode

Json = dict[str, Any]
COUNTS: Json = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 800, "cache_write_tokens": 50},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 7},
    "total_tokens": 1020,
}
SUMMARY = "Thinking about it."
REASONING: Json = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": SUMMARY}],
    "encrypted_content": "gAAAA-sealed",
}
TEXT: Json = {"type": "output_text", "text": "Hello, wörld 🌍", "annotations": [], "logprobs": []}
MESSAGE: Json = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [TEXT]}
CALL: Json = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Zürich"}',
}
CUSTOM: Json = {
    "id": "ctc_1",
    "type": "custom_tool_call",
    "status": "completed",
    "call_id": "call_2",
    "name": "patch",
    "input": "*** Begin\n+ 1\n",
    "namespace": "tools",
}
REFUSAL: Json = {**MESSAGE, "id": "msg_2", "content": [{"type": "refusal", "refusal": "I cannot."}]}
OUTPUT = (REASONING, MESSAGE, CALL, CUSTOM)


def response(*output: Json, **more: Any) -> Json:
    """A whole response, as the vendor's own types want it."""
    head: Json = {"id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": "completed"}
    asked: Json = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}}
    rest: Json = {"error": None, "incomplete_details": None, "model": "small-2026-01", "usage": COUNTS}
    return {**head, **asked, **rest, "output": list(output), **more}


def events(*output: Json, end: str = "completed", **more: Any) -> list[Json]:
    """The events of a stream, each delta a few characters."""
    whole = response(*output, **(more | {"status": end}))
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    plain: list[Json] = [{"type": f"response.{name}", "response": begun} for name in ("created", "in_progress")]
    for index, item in enumerate(output):
        empty: Json = {"content": [], "summary": [], "arguments": "", "input": ""}
        hollow = item | {name: value for name, value in empty.items() if name in item}
        plain.append({"type": "response.output_item.added", "output_index": index, "item": hollow})
        plain += _inside(item, {"item_id": item["id"], "output_index": index})
        plain.append({"type": "response.output_item.done", "output_index": index, "item": item})
    plain.append({"type": f"response.{end}", "response": whole})
    return [deepcopy({**event, "sequence_number": n}) for n, event in enumerate(plain)]


def _inside(item: Json, place: Json) -> list[Json]:
    inside: list[Json] = []
    for n, part in enumerate(item.get("content", [])):
        at, name = {**place, "content_index": n}, "text" if "text" in part else "refusal"
        kind = f"response.output_{name}" if name == "text" else "response.refusal"
        extra: Json = {"logprobs": []} if name == "text" else {}
        inside.append({"type": "response.content_part.added", **at, "part": {**part, name: ""}})
        inside += [{"type": f"{kind}.delta", **at, "delta": p, **extra} for p in _pieces(part[name])]
        inside.append({"type": f"{kind}.done", **at, name: part[name], **extra})
        inside.append({"type": "response.content_part.done", **at, "part": part})
    for n, part in enumerate(item.get("summary", [])):
        at, kind = {**place, "summary_index": n}, "response.reasoning_summary"
        inside.append({"type": f"{kind}_part.added", **at, "part": {**part, "text": ""}})
        inside += [{"type": f"{kind}_text.delta", **at, "delta": p} for p in _pieces(part["text"])]
        inside.append({"type": f"{kind}_text.done", **at, "text": part["text"]})
        inside.append({"type": f"{kind}_part.done", **at, "part": part})
    for name, kind in (("arguments", "function_call_arguments"), ("input", "custom_tool_call_input")):
        if name in item:
            inside += [{"type": f"response.{kind}.delta", **place, "delta": p} for p in _pieces(item[name])]
            inside.append({"type": f"response.{kind}.done", **place, name: item[name]})
    return inside


def _pieces(text: str) -> list[str]:
    return [text[i : i + 5] for i in range(0, len(text), 5)]


def wire(*events: Json) -> bytes:
    return b"".join(encode(json.dumps(event).encode(), event["type"]) for event in events)


def stream(*output: Json, **more: Any) -> bytes:
    return wire(*events(*output, **more))


def client(answer: bytes, content_type: str = "text/event-stream", strict: bool = True) -> openai.OpenAI:
    """The vendor's client, to which every request is answered with these bytes."""
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": content_type}, content=answer)
    )
    return openai.OpenAI(
        api_key="sk-a",
        base_url="http://router/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=transport),
        _strict_response_validation=strict,
    )


def accumulated(answer: bytes) -> ParsedResponse[None]:
    """What the vendor's helper makes of a stream, all of whose events fit its types."""
    for _ in client(answer).responses.create(model="m", input="x", stream=True):
        pass
    with client(answer).responses.stream(model="m", input="x") as helper:
        return helper.get_final_response()


def validated(answer: bytes) -> Response:
    """A whole answer, which fits the vendor's types."""
    return client(answer, "application/json").responses.create(model="m", input="x")


def output_of(answer: Response) -> list[Json]:
    """The items of an answer, without what the vendor's helper adds."""
    items: list[Json] = [item.to_dict() for item in answer.output]
    for item in items:
        for one in (item, *item.get("content", [])):
            one.pop("parsed", None)
            one.pop("parsed_arguments", None)
    return items


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
"""Any small JSON value."""


def without(*kinds: str, of: list[Json] | None = None) -> bytes:
    """The stream of the usual answer, or the events given, without those of these kinds."""
    return wire(*(e for e in of or events(*OUTPUT) if e["type"] not in kinds))
