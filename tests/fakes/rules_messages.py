"""What the messages API refuses with a 400, beyond fields that are missing.

Consecutive messages of one role are taken as one turn, as the API does, so roles need not alternate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.rules_numbers import is_outside
from tests.fakes.seals import unseal
from tests.fakes.steps import Fail, Json

MIN_THINKING_TOKENS = 1024
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_REASONING = ("thinking", "redacted_thinking")


def messages_rules(body: Json, signer: str) -> Iterator[Fail]:
    """A refusal for every rule that the request breaks."""
    yield from map(_fault, _options(body))
    for n, block in enumerate(_blocks(body.get("system"))):
        if block.get("type") != "text":
            yield _fault(f"system.{n}.type: Input should be 'text'")
        yield from map(_fault, _text(f"system.{n}", block))
    yield from map(_fault, _conversation(body["messages"]))
    for n, message in enumerate(body["messages"]):
        for at, block in enumerate(_blocks(message.get("content"))):
            yield from map(_fault, _block(f"messages.{n}.content.{at}", message["role"], block, signer))
    yield from map(_fault, _pairs(body["messages"]))
    yield from map(_fault, _thinking(body))


def _options(body: Json) -> Iterator[str]:
    limit = body["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    for name in ("temperature", "top_p"):
        if is_outside(body.get(name), 0, 1):
            yield f"{name}: range: 0..1"
    if any(not str(stop).strip() for stop in body.get("stop_sequences") or []):
        yield "stop_sequences: each stop sequence must contain non-whitespace"
    if body.get("tool_choice") and not body.get("tools"):
        yield "tool_choice: may only be specified while providing tools"
    names: set[str] = set()
    for n, tool in enumerate(body.get("tools") or []):
        name = tool.get("name")
        if tool.get("type", "custom") == "custom":
            if not _TOOL_NAME.fullmatch(str(name or "")):
                yield f"tools.{n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            schema = tool.get("input_schema")
            if not isinstance(schema, Mapping):
                yield f"tools.{n}.custom.input_schema: Field required"
            elif schema.get("type") != "object":
                yield f"tools.{n}.custom.input_schema.type: Input should be 'object'"
        if name is not None and name in names:
            yield "tools: Tool names must be unique."
        names.add(str(name))


def _conversation(messages: list[Json]) -> Iterator[str]:
    for n, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in ("user", "assistant", "system"):
            yield f"messages.{n}.role: Input should be 'user' or 'assistant'"
            return
    roles = [message["role"] for message in messages if message["role"] != "system"]
    if roles and roles[0] != "user":
        yield 'messages: first message must use the "user" role'
    for n, message in enumerate(messages):
        content, last = message.get("content"), n == len(messages) - 1
        if content is None or not isinstance(content, str | list):
            yield f"messages.{n}.content: Field required"
        elif not content and not (last and message["role"] == "assistant"):
            optional = "except for the optional final assistant message"
            yield f"messages.{n}: all messages must have non-empty content {optional}"
        if last and message["role"] == "assistant":
            text = _blocks(content)[-1].get("text") if content else None
            if isinstance(text, str) and text != text.rstrip():
                yield "messages: final assistant content cannot end with trailing whitespace"


def _block(path: str, role: str, block: Json, signer: str) -> Iterator[str]:
    kind = block.get("type")
    if kind == "text":
        yield from _text(path, block)
    if kind in (*_REASONING, "tool_use") and role != "assistant":
        yield f"{path}: `{kind}` blocks can only be in `assistant` messages"
    if kind == "tool_result" and role != "user":
        yield f"{path}: `tool_result` blocks can only be in `user` messages"
    if kind == "thinking":
        signed = unseal(signer, block.get("signature"))
        # Thinking that the caller asked to leave out comes back empty, with the signature of the whole text.
        if signed is None or block.get("thinking") not in ("", signed):
            yield f"{path}: Invalid `signature` in `thinking` block"
    if kind == "redacted_thinking" and unseal(signer, block.get("data")) is None:
        yield f"{path}: Invalid `data` in `redacted_thinking` block"
    if kind == "tool_use":
        yield from _tool_id(f"{path}.tool_use.id", block.get("id"))
        if not isinstance(block.get("input"), Mapping):
            yield f"{path}.tool_use.input: Input should be a valid dictionary"
        if not _TOOL_NAME.fullmatch(str(block.get("name") or "")):
            yield f"{path}.tool_use.name: String should match pattern"
    if kind == "tool_result":
        yield from _tool_id(f"{path}.tool_result.tool_use_id", block.get("tool_use_id"))
        for n, inner in enumerate(_blocks(block.get("content"))):
            if isinstance(block["content"], list):
                yield from _text(f"{path}.tool_result.content.{n}", inner)


def _text(path: str, block: Json) -> Iterator[str]:
    if block.get("type") != "text":
        return
    text = block.get("text")
    if not isinstance(text, str):
        yield f"{path}.text.text: Field required"
    elif not text:
        yield f"{path}: text content blocks must be non-empty"
    elif not text.strip():
        yield f"{path}: text content blocks must contain non-whitespace text"


def _tool_id(path: str, given: object) -> Iterator[str]:
    if not isinstance(given, str) or not _TOOL_ID.fullmatch(given):
        yield f"{path}: String should match pattern '^[a-zA-Z0-9_-]+$'"


def _pairs(messages: list[Json]) -> Iterator[str]:
    """Each tool use has its result at the start of the next turn, and each result its use in the turn before."""
    turns = _turns(messages)
    seen: set[str] = set()
    for n, (role, blocks) in enumerate(turns):
        used = [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
        if role == "assistant":
            if len({*used}) < len(used) or seen & {*used}:
                yield f"messages.{n}: `tool_use` ids must be unique"
            seen.update(used)
            after = turns[n + 1][1] if n + 1 < len(turns) else []
            answered = _leading_results(after)
            if missing := [name for name in used if name not in answered]:
                found = "`tool_use` ids were found without `tool_result` blocks immediately after"
                must = "Each `tool_use` block must have a corresponding `tool_result` block in the next message"
                yield f"messages.{n}: {found}: {', '.join(missing)}. {must}."
            continue
        before = turns[n - 1][1] if n else []
        known = {str(block.get("id")) for block in before if block.get("type") == "tool_use"}
        results = [str(b.get("tool_use_id")) for b in blocks if b.get("type") == "tool_result"]
        for name in results:
            if name not in known:
                yield f"messages.{n}: unexpected `tool_use_id` found in `tool_result` blocks: {name}"
        if len({*results}) < len(results):
            yield f"messages.{n}: each tool_use must have a single result"


def _leading_results(blocks: list[Json]) -> set[str]:
    names: set[str] = set()
    for block in blocks:
        if block.get("type") != "tool_result":
            break
        names.add(str(block.get("tool_use_id")))
    return names


def _thinking(body: Json) -> Iterator[str]:
    thinking = body.get("thinking") or {}
    if thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < MIN_THINKING_TOKENS:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING_TOKENS}"
    elif budget >= body["max_tokens"]:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`"
    if body.get("temperature") not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled"
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield "Thinking may not be enabled when tool_choice forces tool use."
    for n, (role, blocks) in reversed(list(enumerate(_turns(body["messages"])))):
        if role == "assistant":
            first = str(blocks[0].get("type")) if blocks else ""
            if any(block.get("type") == "tool_use" for block in blocks) and first not in _REASONING:
                expected = f"Expected `thinking` or `redacted_thinking`, but found `{first}`"
                must = "a final `assistant` message must start with a thinking block"
                yield f"messages.{n}.content.0.type: {expected}. When `thinking` is enabled, {must}."
            return


def _turns(messages: list[Json]) -> list[tuple[str, list[Json]]]:
    """Messages with those of one role that follow each other joined; what the system says stands aside."""
    turns: list[tuple[str, list[Json]]] = []
    for message in messages:
        if message["role"] == "system":
            continue
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(_blocks(message.get("content")))
        else:
            turns.append((message["role"], _blocks(message.get("content"))))
    return turns


def _blocks(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [dict(block) for block in content or [] if isinstance(block, Mapping)]


def _fault(message: str) -> Fail:
    return Fail(400, message)
