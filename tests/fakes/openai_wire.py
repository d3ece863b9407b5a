"""OpenAI's chat completions, byte for byte: ``POST /v1/chat/completions`` and ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.fields import chat_field_unknown
from tests.fakes.openai_vendor import OpenAIVendor, token_logprobs
from tests.fakes.prompt_cache import Block, Tokens
from tests.fakes.rules_chat import chat_rules
from tests.fakes.steps import Fail, Json
from tests.fakes.texts import block_of, parts_of, slices, sse, text_of
from tests.fakes.wire import CREATED, Call, Event, Reply, Tool

_STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


class OpenAIWire(OpenAIVendor):
    """See ``Wire``. A usage chunk comes only when ``stream_options.include_usage`` asks for it."""

    dialect = "chat"
    inference_path = "/v1/chat/completions"

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """What is refused: no model, or no messages."""
        if not isinstance(body.get("model"), str):
            return Fail(400, "you must provide a model parameter")
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            return Fail(400, "Missing required parameter: 'messages'.", code="missing_required_parameter")
        return None

    def rule_broken(self, body: Json) -> Fail | None:
        """The first rule in ``rules_chat`` that the request breaks."""
        return next(chat_rules(body), None)

    def field_unknown(self, body: Json) -> Fail | None:
        """The first field that is not in the SDK, by ``fields``."""
        return chat_field_unknown(body)

    def blocks(self, body: Json) -> list[Block]:
        """Tools, then messages; tool calls of earlier turns count as well."""
        blocks = [block_of("tool", tool) for tool in body.get("tools") or []]
        for message in body["messages"]:
            role, content = str(message.get("role")), message.get("content")
            blocks += [block_of(role, part) for part in parts_of(content)]
            rest = {k: v for k, v in message.items() if k not in ("role", "content") and v}
            blocks += [block_of(role, rest)] if rest else []
        return [Block(block.text) for block in blocks]

    def wanted_schema(self, body: Json) -> Json | None:
        """The schema in ``response_format``."""
        wanted = body.get("response_format") or {}
        if wanted.get("type") == "json_schema":
            return dict(wanted["json_schema"].get("schema") or {})
        return {} if wanted.get("type") == "json_object" else None

    def turns(self, body: Json) -> list[Json]:
        """The messages as they are."""
        return list(body["messages"])

    def tools(self, body: Json) -> list[Tool]:
        """Functions and custom tools."""
        tools = []
        for tool in body.get("tools") or []:
            if tool.get("type") == "custom":
                tools.append(Tool(tool["custom"]["name"], kind="custom"))
            elif "function" in tool:
                tools.append(Tool(tool["function"]["name"], tool["function"].get("parameters") or {}))
        return tools

    def forced_tool(self, body: Json) -> Tool | None:
        """``tool_choice`` as ``"required"``, as a named tool, or as a required choice among some."""
        choice = body.get("tool_choice")
        names = _chosen(choice) if isinstance(choice, Mapping) else None
        if names is None and choice != "required":
            return None
        return next((tool for tool in self.tools(body) if names is None or tool.name in names), None)

    def results(self, body: Json) -> list[str]:
        """The texts of the messages whose role is ``tool``."""
        return [text_of(m.get("content")) for m in body["messages"] if m.get("role") == "tool"]

    def usage(self, tokens: Tokens) -> Json:
        """Counts in which ``prompt_tokens`` includes the cached ones."""
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
        """The word of chat completions. A refusal ends as ``stop``: ``message.refusal`` tells it apart."""
        return "stop" if word == "refusal" else _STOPS.get(word, word)

    def unary(self, body: Json, reply: Reply) -> Json:
        """``{"id", "object": "chat.completion", "created", "model", "choices": […], "usage": {…}}``"""
        choices = []
        for n in range(_n(body)):
            logprobs = _logprobs(body, reply.pieces if reply.text is not None else [])
            said = {"message": _message(reply, n), "logprobs": logprobs, "finish_reason": reply.stop}
            choices.append({"index": n, **said})
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
                logprobs = _logprobs(body, [delta["content"]]) if delta.get("content") else None
                choice = {"index": n, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
                events.append(Event(sse({**head, "choices": [choice], **tail}), content))
        if asked and reply.usage is not None:
            events.append(Event(sse({**head, "choices": [], "usage": reply.usage})))
        return [*events, Event(b"data: [DONE]\n\n")]


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
    """The text of a choice. Choices differ, so that a test sees when they are mixed up."""
    return f"{text} ({n})" if n else text


def _message(reply: Reply, n: int) -> Json:
    content = None if reply.text is None else _nth(reply.text, n)
    message: Json = {"role": "assistant", "content": content, "refusal": reply.answer.refusal}
    message["annotations"] = list(reply.answer.citations)
    message.update(_reasoning(reply))
    if reply.calls:
        message["tool_calls"] = [_whole_call(call, n) for call in reply.calls]
    return message


def _reasoning(reply: Reply) -> Json:
    """Reasoning under the name that the backend uses, with OpenRouter's details where a test gives them."""
    answer = reply.answer
    said: Json = {} if answer.thinking is None else {answer.reasoning_field: answer.thinking}
    if answer.reasoning_details is not None:
        said["reasoning_details"] = list(answer.reasoning_details)
    return said


def _logprobs(body: Json, pieces: Sequence[str]) -> Json | None:
    if not body.get("logprobs"):
        return None
    return {"content": token_logprobs(pieces, int(body.get("top_logprobs") or 0)), "refusal": None}


def _chosen(choice: Mapping[str, Any]) -> set[str] | None:
    """The names among which a ``tool_choice`` demands a call; empty where it demands none."""
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") or {}
        names = {_chosen_name(tool) for tool in allowed.get("tools") or []}
        return names if allowed.get("mode") == "required" else set()
    return {_chosen_name(choice)}


def _chosen_name(choice: Mapping[str, Any]) -> str:
    return str((choice.get(str(choice.get("type"))) or {}).get("name"))


def _whole_call(call: Call, n: int) -> Json:
    head = {"id": _call_id(call.id, n), "type": call.kind}
    word = "input" if call.kind == "custom" else "arguments"
    return {**head, call.kind: {"name": call.name, word: call.arguments}}


def _call_id(call_id: str, n: int) -> str:
    return f"{call_id}_{n}" if n else call_id


def _deltas(reply: Reply, n: int) -> Iterator[tuple[Json, str | None, bool]]:
    """The deltas of one choice in order: (delta, finish_reason, whether it carries content)."""
    yield {"role": "assistant", "content": None if reply.text is None else "", "refusal": None}, None, False
    if reasoning := _reasoning(reply):
        yield reasoning, None, True
    for piece in [*reply.pieces, *([f" ({n})"] if n and reply.text is not None else [])]:
        yield {"content": piece}, None, True
    if reply.answer.citations:
        yield {"annotations": list(reply.answer.citations)}, None, False
    if reply.answer.refusal is not None:
        yield {"refusal": reply.answer.refusal}, None, True
    for at, call in enumerate(reply.calls):
        # Id, type and name come once. If they were repeated, several clients would append them to what they have.
        word = "input" if call.kind == "custom" else "arguments"
        first = {"index": at, "id": _call_id(call.id, n), "type": call.kind}
        yield {"tool_calls": [{**first, call.kind: {"name": call.name, word: ""}}]}, None, True
        for piece in slices(call.arguments):
            yield {"tool_calls": [{"index": at, call.kind: {word: piece}}]}, None, True
    yield {}, reply.stop, False
