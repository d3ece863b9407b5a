"""Anthropic's messages, byte for byte: ``POST /v1/messages``, ``…/count_tokens`` and ``GET /v1/models``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from tests.fakes.fields import SAMPLING, messages_field_unknown
from tests.fakes.prompt_cache import Block, PrefixMemory, Tokens
from tests.fakes.rules_messages import messages_rules
from tests.fakes.seals import seal
from tests.fakes.steps import Fail, Json, StreamError
from tests.fakes.texts import block_of, parts_of, slices, sse, text_of
from tests.fakes.wire import Event, PlainWire, Reply, Tool, message_of

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_SERVER_TOOLS = ("web_search", "web_fetch", "code_execution", "tool_search", "mcp", "advisor")
_SILENT = ("signature_delta", "citations_delta")
_WITHOUT_SAMPLING = "2026-10-21"  # From this API version on, sampling fields are refused, even at their defaults.

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicWire(PlainWire):
    """See ``Wire``. Blocks come strictly one after another, as several clients need it."""

    kind = "anthropic"
    dialect = "messages"
    inference_path = "/v1/messages"
    counting_path: str | None = "/v1/messages/count_tokens"
    counting_defaults: Json = {"max_tokens": 128_000}  # noqa: RUF012 - read only
    request_id_header = "request-id"

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """``x-api-key`` (API 2023-06-01) or ``Authorization: Bearer`` (2026-10-21, and auth tokens)."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return headers.get("x-api-key") or (token if scheme.lower() == "bearer" else None) or None

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """Missing version header, missing required fields, sampling fields under an API without them."""
        version = headers.get("anthropic-version")
        if not version:
            return Fail(400, "anthropic-version: header is required")
        for name in ("model", "messages", "max_tokens"):
            if not body.get(name):
                return Fail(400, f"{name}: Field required")
        if version >= _WITHOUT_SAMPLING:
            for name in SAMPLING:
                if name in body:
                    return Fail(400, f"{name}: Extra inputs are not permitted")
        return None

    def rule_broken(self, body: Json) -> Fail | None:
        """The first rule in ``rules_messages`` that the request breaks."""
        return next(messages_rules(body, self.signer), None)

    def field_unknown(self, body: Json) -> Fail | None:
        """The first field that is not in the SDK, by ``fields``."""
        return messages_field_unknown(body)

    def blocks(self, body: Json) -> list[Block]:
        """Tools, system, messages. A top-level ``cache_control`` marks the last block."""
        blocks = [block_of("tool", tool) for tool in body.get("tools") or []]
        turns = [("system", body.get("system")), *((m.get("role"), m.get("content")) for m in body["messages"])]
        for role, content in turns:
            blocks += [block_of(role, part) for part in parts_of(content)]
        if body.get("cache_control") and blocks:
            marked = block_of("", {"cache_control": body["cache_control"]})
            blocks[-1] = Block(blocks[-1].text, marked.mark)
        return blocks

    def wanted_schema(self, body: Json) -> Json | None:
        """The schema in ``output_config.format``, or in the older ``output_format``."""
        wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        return dict(wanted.get("schema") or {}) if wanted.get("type") == "json_schema" else None

    def turns(self, body: Json) -> list[Json]:
        """The messages as they are."""
        return list(body["messages"])

    def tools(self, body: Json) -> list[Tool]:
        """The tools that the caller runs and that the model need not search for first."""
        return [
            Tool(tool["name"], tool.get("input_schema") or {})
            for tool in body.get("tools") or []
            if "name" in tool and not tool.get("defer_loading")
            if not str(tool.get("type")).startswith(_SERVER_TOOLS)
        ]

    def forced_tool(self, body: Json) -> Tool | None:
        """The tool of a ``tool_choice`` whose type is ``any`` or ``tool``."""
        choice = body.get("tool_choice") or {}
        if choice.get("type") not in ("any", "tool"):
            return None
        wanted = (tool for tool in self.tools(body) if choice["type"] == "any" or tool.name == choice.get("name"))
        return next(wanted, None)

    def results(self, body: Json) -> list[str]:
        """The texts of all ``tool_result`` blocks."""
        contents = [m["content"] for m in body["messages"] if isinstance(m.get("content"), list)]
        blocks = [block for content in contents for block in content]
        return [text_of(block.get("content")) for block in blocks if block.get("type") == "tool_result"]

    def cached(self, memory: PrefixMemory, owner: str, body: Json) -> tuple[int, int, int]:
        """Only what ``cache_control`` marks is read or written."""
        return memory.marked(owner, self.blocks(body))

    def usage(self, tokens: Tokens) -> Json:
        """Counts in which ``input_tokens`` excludes what was read from or written to the cache."""
        usage: Json = {
            "input_tokens": tokens.uncached,
            "cache_creation_input_tokens": tokens.written,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.written_5m,
                "ephemeral_1h_input_tokens": tokens.written_1h,
            },
            "output_tokens": tokens.completion,
            "service_tier": "standard",
        }
        return {**usage, "output_tokens_details": {"thinking_tokens": tokens.reasoning}}

    def stop(self, word: str) -> str:
        """``end_turn``, ``max_tokens``, ``tool_use``, ``refusal``; a word not known here stays."""
        return _STOPS.get(word, word)

    def call_id(self, digest: str) -> str:
        """An id like ``toolu_…``."""
        return f"toolu_{digest}"

    def unary(self, body: Json, reply: Reply) -> Json:
        """``{"id", "type": "message", "role", "model", "content": […], "stop_reason", "usage": {…}}``"""
        whole = {**_head(reply), **_stopping(reply), "content": _content(reply, self.signer)}
        if reply.usage is not None:
            whole["usage"] = reply.usage
        return whole

    def events(self, body: Json, reply: Reply) -> list[Event]:
        """``message_start``, the blocks in turn with one ``ping``, ``message_delta``, ``message_stop``."""
        start = {**_head(reply), "content": [], "stop_reason": None, "stop_sequence": None}
        delta: Json = {"type": "message_delta", "delta": _stopping(reply)}
        if reply.usage is not None:
            start["usage"] = {**reply.usage, "output_tokens": 1}
            # Every count stands here again, as several clients read only this event.
            once_only = ("cache_creation", "service_tier")
            delta["usage"] = {k: v for k, v in reply.usage.items() if k not in once_only}
        return [
            Event(_event({"type": "message_start", "message": start})),
            *_block_events(reply, self.signer),
            Event(_event(delta)),
            Event(_event({"type": "message_stop"})),
        ]

    def error_body(self, fail: Fail, request_id: str) -> Json:
        """``{"type": "error", "error": {"type", "message"}, "request_id"}``"""
        kind = fail.type or _ERROR_TYPES.get(fail.status, "api_error")
        error: Json = {"type": kind, "message": message_of(fail)}
        if fail.code:
            error["details"] = {"error_code": fail.code}
        return {"type": "error", "error": error, "request_id": request_id}

    def error_event(self, step: StreamError, request_id: str, sent: Sequence[Event]) -> bytes:
        """An ``error`` event. Without its ``event:`` line the vendor's SDK would not see it."""
        return _event({"type": "error", "error": _overloaded(step), "request_id": request_id})

    def stream_error_as_fail(self, step: StreamError) -> Fail:
        """A 529 with the same inner error."""
        inner = _overloaded(step)
        return Fail(529, str(inner["message"]), str(inner["type"]))

    def counted(self, tokens: int) -> Json:
        """``{"input_tokens"}``"""
        return {"input_tokens": tokens}

    def unknown_model(self, name: str) -> Fail:
        """A ``not_found_error`` with the bare name, as the API writes it."""
        return Fail(404, f"model: {name}")

    def unknown_path(self, method: str, path: str) -> Fail:
        """A ``not_found_error``."""
        return Fail(404, f"Not found: {method} {path}")

    def ping(self) -> bytes:
        """An event of type ``ping``."""
        return _event({"type": "ping"})

    def models(self, ids: Sequence[str]) -> Json:
        """``{"data": […], "has_more", "first_id", "last_id"}``"""
        page: Json = {"data": [self.model(model_id) for model_id in ids], "has_more": False}
        return {**page, "first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}

    def model(self, model_id: str) -> Json:
        """``{"type": "model", "id", "display_name", "created_at", "lifecycle"}``"""
        return {
            "type": "model",
            "id": model_id,
            "display_name": model_id,
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
        }


def _head(reply: Reply) -> Json:
    head = {"id": f"msg_{reply.seed}", "type": "message", "role": "assistant", "model": reply.model}
    return {**head, "provider": reply.answer.served_by} if reply.answer.served_by else head


def _stopping(reply: Reply) -> Json:
    refused = reply.answer.refusal
    declined = refused is not None or reply.stop == "refusal"
    details = {"type": "refusal", "category": None, "explanation": refused} if declined else None
    return {"stop_reason": reply.stop, "stop_sequence": reply.answer.stop_sequence, "stop_details": details}


def _content(reply: Reply, signer: str) -> list[Json]:
    """The finished blocks: thinking, then text, then tool calls."""
    answer = reply.answer
    blocks: list[Json] = []
    if answer.thinking is not None:
        signature = seal(signer, answer.thinking)
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": signature})
    if answer.redacted is not None:
        blocks.append({"type": "redacted_thinking", "data": seal(signer, answer.redacted)})
    if reply.text is not None:
        cited: Json = {"citations": list(answer.citations)} if answer.citations else {}
        blocks.append({"type": "text", "text": reply.text, **cited})
    for call in reply.calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)})
    return blocks


def _object(arguments: str) -> Json:
    """Scripted broken JSON can only be streamed; unary there is no way to write it."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _block_events(reply: Reply, signer: str) -> Iterator[Event]:
    for index, block in enumerate(_content(reply, signer)):
        opening, deltas = _opening(block, reply)
        start = {"type": "content_block_start", "index": index, "content_block": opening}
        yield Event(_event(start))
        if index == 0:
            yield Event(_event({"type": "ping"}))
        for delta in deltas:
            event = {"type": "content_block_delta", "index": index, "delta": delta}
            yield Event(_event(event), content=delta["type"] not in _SILENT)
        yield Event(_event({"type": "content_block_stop", "index": index}))


def _opening(block: Json, reply: Reply) -> tuple[Json, list[Json]]:
    """A block as it is opened, empty, and the deltas that fill it."""
    if block["type"] == "thinking":
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    if block["type"] == "redacted_thinking":
        return block, []
    if block["type"] == "text":
        cited: Json = {"citations": []} if "citations" in block else {}
        deltas = [{"type": "text_delta", "text": piece} for piece in reply.pieces]
        deltas += [{"type": "citations_delta", "citation": one} for one in block.get("citations", [])]
        return {**block, "text": "", **cited}, deltas
    call = next(call for call in reply.calls if call.id == block["id"])
    pieces = ["", *slices(call.arguments)]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _overloaded(step: StreamError) -> Json:
    return {"type": "overloaded_error", "message": "Overloaded", **(step.error or {})}


def _event(data: Json) -> bytes:
    """An event whose line says its type, without which the vendor's SDK would not see it."""
    return sse(data, str(data["type"]))
