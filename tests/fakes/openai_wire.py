"""OpenAI's chat completions, byte for byte: ``POST /v1/chat/completions`` and ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.prompt_cache import Block, PrefixMemory, Tokens
from tests.fakes.reply import CREATED, Event, Reply, block_of, dumps, slices
from tests.fakes.steps import Fail, Json

_STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}

# type and code by status, as the API answers them
_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAIWire:
    """See ``Wire``. A usage chunk comes only when ``stream_options.include_usage`` asks for it."""

    kind = "openai"
    inference_path = "/v1/chat/completions"
    counting_path: str | None = None
    request_id_header = "x-request-id"

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """``Authorization: Bearer`` and nothing else."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key else None

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """A missing model or missing messages."""
        if not isinstance(body.get("model"), str):
            return Fail(400, "you must provide a model parameter")
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            return Fail(400, "Missing required parameter: 'messages'.", code="missing_required_parameter")
        return None

    def known_fields(self) -> frozenset[str]:
        """Read from the SDK, so that the list ages with it."""
        from openai.types.chat import completion_create_params as params

        return frozenset(params.CompletionCreateParamsBase.__annotations__) | {"stream"}

    def blocks(self, body: Json) -> list[Block]:
        """Tools, then messages; tool calls of earlier turns count as well."""
        blocks = [block_of("tool", tool) for tool in body.get("tools") or []]
        for message in body["messages"]:
            role, content = str(message.get("role")), message.get("content")
            parts = content if isinstance(content, list) else [content] if content else []
            blocks += [block_of(role, part) for part in parts]
            rest = {k: v for k, v in message.items() if k not in ("role", "content") and v}
            blocks += [block_of(role, rest)] if rest else []
        return [Block(block.text) for block in blocks]

    def wanted_schema(self, body: Json) -> Json | None:
        """``response_format``."""
        wanted = body.get("response_format") or {}
        if wanted.get("type") == "json_schema":
            return dict(wanted["json_schema"].get("schema") or {})
        return {} if wanted.get("type") == "json_object" else None

    def forced_tool(self, body: Json) -> tuple[str, Json] | None:
        """``tool_choice`` as ``"required"`` or as a named function."""
        tools = {t["function"]["name"]: t["function"] for t in body.get("tools") or [] if "function" in t}
        choice = body.get("tool_choice")
        name = choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else None
        name = next(iter(tools), None) if choice == "required" else name
        return (name, tools[name].get("parameters") or {}) if name and name in tools else None

    def cached(self, memory: PrefixMemory, owner: str, body: Json) -> tuple[int, int, int]:
        """Caching is automatic."""
        read, written = memory.automatic(owner, self.blocks(body))
        return read, written, 0

    def usage(self, tokens: Tokens) -> Json:
        """``prompt_tokens`` includes the cached ones."""
        return {
            "prompt_tokens": tokens.prompt,
            "completion_tokens": tokens.completion,
            "total_tokens": tokens.prompt + tokens.completion,
            "prompt_tokens_details": {
                "cached_tokens": tokens.cached,
                "audio_tokens": 0,
                "cache_write_tokens": tokens.written,
            },
            "completion_tokens_details": {
                "reasoning_tokens": tokens.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def stop(self, word: str) -> str:
        """A refusal ends as ``stop``: what tells it apart is ``message.refusal``."""
        return "stop" if word == "refusal" else _STOPS.get(word, word)

    def call_id(self, digest: str) -> str:
        """``call_…``"""
        return f"call_{digest}"

    def unary(self, body: Json, reply: Reply) -> Json:
        """``{"id", "object": "chat.completion", "created", "model", "choices": […], "usage": {…}}``"""
        choices = [
            {"index": n, "message": _message(reply, n), "logprobs": None, "finish_reason": reply.stop}
            for n in range(_n(body))
        ]
        whole = {**_head(reply, "chat.completion"), "choices": choices}
        if reply.usage is not None:
            whole["usage"] = reply.usage
        return whole

    def events(self, body: Json, reply: Reply) -> list[Event]:
        """Role chunk, deltas, finish chunk (of each choice), usage chunk when asked for, ``[DONE]``."""
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        head = _head(reply, "chat.completion.chunk")
        tail: Json = {"usage": None} if asked else {}
        events = []
        for n in range(_n(body)):
            for delta, finish, content in _deltas(reply, n):
                choice = {"index": n, "delta": delta, "logprobs": None, "finish_reason": finish}
                events.append(Event(_sse({**head, "choices": [choice], **tail}), content))
        if asked and reply.usage is not None:
            events.append(Event(_sse({**head, "choices": [], "usage": reply.usage})))
        return [*events, Event(b"data: [DONE]\n\n")]

    def error_body(self, fail: Fail, request_id: str) -> Json:
        """``{"error": {"message", "type", "param", "code"}}``"""
        kind, code = _ERRORS.get(fail.status, ("server_error" if fail.status >= 500 else "api_error", None))
        message = fail.message or f"The stand-in was told to answer {fail.status}."
        error = {"message": message, "type": fail.type or kind, "param": None, "code": fail.code or code}
        return {"error": error}

    def error_event(self, error: Mapping[str, Any] | None, request_id: str) -> bytes:
        """A data line whose object has an ``error``; the stream ends after it without ``[DONE]``."""
        return _sse({"error": {**_server_error(), **(error or {})}})

    def stream_error_as_fail(self, error: Mapping[str, Any] | None) -> Fail:
        """500 with the same inner error."""
        return Fail(500, body={"error": {**_server_error(), **(error or {})}})

    def unknown_model(self, name: str) -> Fail:
        """``model_not_found``"""
        return Fail(404, f"The model `{name}` does not exist or you do not have access to it.")

    def unknown_path(self, method: str, path: str) -> Fail:
        """``unknown_url``"""
        return Fail(404, f"Invalid URL ({method} {path})", code="unknown_url")

    def ping(self) -> bytes:
        """A comment, as DeepSeek and OpenRouter send it."""
        return b": keep-alive\n\n"

    def models(self, ids: Sequence[str]) -> Json:
        """``{"object": "list", "data": […]}``"""
        return {"object": "list", "data": [self.model(model_id) for model_id in ids]}

    def model(self, model_id: str) -> Json:
        """``{"id", "object": "model", "created", "owned_by"}``"""
        return {"id": model_id, "object": "model", "created": CREATED, "owned_by": "stand-in"}


def _n(body: Json) -> int:
    return int(body.get("n") or 1)


def _head(reply: Reply, kind: str) -> Json:
    head = {
        "id": f"chatcmpl-{reply.seed}",
        "object": kind,
        "created": CREATED,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": "fp_standin",
    }
    return {**head, "provider": reply.answer.served_by} if reply.answer.served_by else head


def _nth(text: str, n: int) -> str:
    """Choices differ, so that a test sees when they are mixed up."""
    return f"{text} ({n})" if n else text


def _message(reply: Reply, n: int) -> Json:
    content = None if reply.text is None else _nth(reply.text, n)
    message: Json = {"role": "assistant", "content": content, "refusal": reply.answer.refusal}
    message["annotations"] = []
    if reply.answer.thinking is not None:
        message["reasoning_content"] = reply.answer.thinking
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(call.id, n),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in reply.calls
        ]
    return message


def _call_id(call_id: str, n: int) -> str:
    return f"{call_id}_{n}" if n else call_id


def _deltas(reply: Reply, n: int) -> Iterator[tuple[Json, str | None, bool]]:
    """(delta, finish_reason, carries content) of one choice, in order."""
    yield {"role": "assistant", "content": None if reply.text is None else "", "refusal": None}, None, False
    for piece in [reply.answer.thinking] if reply.answer.thinking else []:
        yield {"reasoning_content": piece}, None, True
    for piece in [*reply.pieces, *([f" ({n})"] if n and reply.text is not None else [])]:
        yield {"content": piece}, None, True
    if reply.answer.refusal is not None:
        yield {"refusal": reply.answer.refusal}, None, True
    for at, call in enumerate(reply.calls):
        # id, type and name come once: repeated, several clients append them to what they have
        first = {"index": at, "id": _call_id(call.id, n), "type": "function"}
        yield {"tool_calls": [{**first, "function": {"name": call.name, "arguments": ""}}]}, None, True
        for piece in slices(call.arguments):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, None, True
    yield {}, reply.stop, False


def _server_error() -> Json:
    message = "The server had an error while processing your request."
    return {"message": message, "type": "server_error", "param": None, "code": None}


def _sse(data: Json) -> bytes:
    return b"data: " + dumps(data) + b"\n\n"
