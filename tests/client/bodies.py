"""What the stand-in says: bodies and events of both dialects, with the receipt where a router puts it."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Event = tuple[str | None, Any]

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
MESSAGES_USAGE = {"input_tokens": 9, "output_tokens": 2}


def receipt(inference_id: str, session: str | None) -> Json:
    return {
        "inference_id": inference_id,
        "provider": "acme",
        "model": "small",
        "served_model": "small-2026-01",
        "served_by": "acme-eu",
        "attempts": [
            {"n": 1, "route": "other|small|", "outcome": "error", "kind": "rate_limited", "latency_ms": 12},
            {"n": 2, "route": "acme|small|acme-eu", "outcome": "ok", "latency_ms": 340.5, "cost_usd": "0.0109"},
        ],
        "usage": {"input": 9, "cache_read": 0, "cache_write": 0, "cache_write_1h": 3, "output": 2, "reasoning": 0},
        "cost_usd": "0.010935",
        "cost_basis": "computed",
        "saved_usd": 0.00054,
        "wasted_usd": None,
        "estimated": False,
        "dropped": ["logit_bias"],
        "plan": {"rule_fired": "static", "ruleset_hash": "ab12", "views_age_s": 4.5},
        "session": session
        and {"session": session, "calls": 1, "errors": 0, "unpriced": 0, "cost_usd": "0.010935"},
        "from_a_newer_router": {"kept": True},
    }


def router_headers(inference_id: str) -> dict[str, str]:
    return {
        "x-warmroute-inference-id": inference_id,
        "x-warmroute-route": "acme|small|acme-eu",
        "x-warmroute-attempts": "2",
        "x-warmroute-overhead-ms": "3.25",
        "x-request-id": inference_id,
        "request-id": inference_id,
    }


def error(status: int) -> Json:
    kind = "rate_limit_error" if status == 429 else "overloaded_error"
    return {"type": "error", "error": {"type": kind, "message": "no route left", "code": "exhausted"}}


def unary(path: str, asked: Json, note: Json | None) -> Json:
    """The body of an unstreamed answer to `path`."""
    makers: dict[str, Callable[[Json], Json]] = {
        "/v1/chat/completions": _completion,
        "/v1/messages": _message,
        "/v1/responses": _response,
        "/v1/embeddings": _embeddings,
        "/v1/models": lambda _: {"object": "list", "data": []},
    }
    body = makers[path](asked)
    return body if note is None else {**body, "x_router": note}


def stream(path: str, asked: Json, note: Json | None) -> list[Event]:
    """The events of a streamed answer to `path`, the receipt in the last that the dialect allows."""
    makers = {"/v1/chat/completions": _chunks, "/v1/messages": _message_events, "/v1/responses": _response_events}
    return makers[path](asked, note)


def _text(asked: Json) -> str:
    formatted = asked.get("response_format") or asked.get("output_config") or asked.get("output_format")
    return '{"city":"Bonn"}' if formatted else "Hello"


def _completion(asked: Json) -> Json:
    message = {"role": "assistant", "content": _text(asked), "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "small"}
    return {**head, "choices": [choice], "usage": USAGE}


def _chunks(asked: Json, note: Json | None) -> list[Event]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "small"}

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    parts = [chunk({"role": "assistant", "content": ""}), chunk({"content": _text(asked)}), chunk({}, "stop")]
    if asked["model"] == "cut":
        return [*((None, each) for each in parts[:2]), (None, {"error": {"message": "upstream died"}})]
    if (asked.get("stream_options") or {}).get("include_usage"):
        parts.append({**head, "choices": [], "usage": USAGE})
    if note is not None:
        parts[-1]["x_router"] = note
    return [*((None, each) for each in parts), (None, "[DONE]")]


def _message(asked: Json) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "small"}
    content = [{"type": "text", "text": _text(asked)}]
    return {**head, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": MESSAGES_USAGE}


def _message_events(asked: Json, note: Json | None) -> list[Event]:
    start = {
        **_message(asked),
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 9, "output_tokens": 0},
    }
    block = {"index": 0}
    events: list[Json] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", **block, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", **block, "delta": {"type": "text_delta", "text": _text(asked)}},
        {"type": "content_block_stop", **block},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop", **({"x_router": note} if note else {})},
    ]
    if asked["model"] == "cut":
        events = [*events[:3], error(529)]
    return [(each["type"], each) for each in events]


def _response(asked: Json) -> Json:
    text = {"type": "output_text", "text": _text(asked), "annotations": []}
    item = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    head = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": "completed",
        "model": "small",
    }
    return {**head, "output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def _response_events(asked: Json, note: Json | None) -> list[Event]:
    done = _response(asked)
    begun = {**done, "status": "in_progress", "output": []}
    events: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.completed", "response": done, **({"x_router": note} if note else {})},
    ]
    return [(each["type"], {**each, "sequence_number": n}) for n, each in enumerate(events)]


def _embeddings(_: Json) -> Json:
    item = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    return {"object": "list", "model": "small", "data": [item], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
