"""From a request and an ``Answer`` to the reply that each dialect writes down.

Everything is a function of the request's prompt and model, so the same request gets the same ids and the
same text, directly or through a router.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.fakes.prompt_cache import PrefixMemory, Tokens, count, prompt_tokens
from tests.fakes.steps import Answer, Json, ToolCall
from tests.fakes.texts import digest, words
from tests.fakes.wire import Call, Reply, Tool, Wire

__all__ = ["Wire", "compose", "sample", "sample_arguments"]

ECHO_CHARS = 200
"""How much of what the user asked is repeated in an answer."""


def compose(wire: Wire, body: Json, answer: Answer, memory: PrefixMemory | None, owner: str) -> Reply:
    """Settle text, calls, ids, stop reason and usage of an answer to this request."""
    blocks = wire.blocks(body)
    model = str(body.get("model"))
    seed = digest(model, *(block.text for block in blocks))
    calls = _calls(wire, body, answer, seed)
    text, cut_short = _text(wire, body, answer, silent=bool(calls))
    word = answer.stop or _stop_word(answer, calls, cut_short)
    said = "".join([text or "", answer.refusal or "", answer.thinking or "", *(c.arguments for c in calls)])
    cached, written_5m, written_1h = wire.cached(memory, owner, body) if memory else (0, 0, 0)
    tokens = Tokens(
        prompt=prompt_tokens(blocks),
        completion=max(1, count(said)) * int(body.get("n") or 1),
        cached=cached,
        written_5m=written_5m,
        written_1h=written_1h,
        reasoning=count(answer.thinking or ""),
    )
    tokens, usage = _usage(wire, tokens, answer)
    return Reply(
        seed=seed,
        model=answer.served_model or model,
        answer=answer,
        text=text,
        pieces=list(answer.chunks) if answer.chunks is not None else words(text or ""),
        calls=calls,
        stop=wire.stop(word),
        tokens=tokens,
        usage=usage,
    )


def _calls(wire: Wire, body: Json, answer: Answer, seed: str) -> list[Call]:
    """The scripted calls, or one of the tool that the request forces, each as its tool is declared."""
    declared = wire.tools(body)
    scripted = list(answer.tool_calls)
    if not scripted and answer.text is None and (forced := wire.forced_tool(body)):
        scripted = [ToolCall(forced.name, sample_arguments(forced), namespace=forced.namespace)]
    calls = []
    for n, call in enumerate(scripted):
        fitting = [t for t in declared if t.name == call.name and call.namespace in (None, t.namespace)]
        tool = fitting[0] if fitting else Tool(call.name, namespace=call.namespace)
        text = _as_input(call.arguments) if tool.kind == "custom" else _as_text(call.arguments)
        call_id = call.id or wire.call_id(digest(seed, str(n)))
        calls.append(Call(call_id, call.name, text, tool.kind, tool.namespace))
    return calls


def _text(wire: Wire, body: Json, answer: Answer, *, silent: bool) -> tuple[str | None, bool]:
    """The text, and whether the token limit cut it. A scripted text is sent as it was written."""
    if answer.text is not None:
        return answer.text, False
    if answer.chunks is not None:
        return "".join(answer.chunks), False
    if silent or answer.refusal is not None:
        return None, False
    schema = wire.wanted_schema(body)
    if schema is not None:
        return json.dumps(sample(schema) if schema else {"answer": _asked(wire, body)}), False
    text = f"{body.get('model')} answers: {_asked(wire, body)}"
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens")
    if isinstance(limit, int) and count(text) > limit:
        return text[: limit * 4], True
    return text, False


def _stop_word(answer: Answer, calls: Sequence[Call], cut_short: bool) -> str:
    if answer.stop_sequence is not None:
        return "stop_sequence"
    if calls:
        return "tool_calls"
    return "refusal" if answer.refusal is not None else "length" if cut_short else "stop"


def _usage(wire: Wire, tokens: Tokens, answer: Answer) -> tuple[Tokens, Json | None]:
    given = answer.usage
    if given is False:
        return tokens, None
    if given and ("prompt_tokens" in given or "input_tokens" in given):
        usage = dict(given)
    else:
        if given:
            names = {"written": "written_5m"}
            tokens = replace(
                Tokens(prompt=tokens.prompt, completion=tokens.completion),
                **{names.get(name, name): value for name, value in given.items()},
            )
        usage = wire.usage(tokens)
    if answer.reported_cost is not None:
        usage["cost"] = answer.reported_cost
    return tokens, usage


def _asked(wire: Wire, body: Json) -> str:
    """The text of the last user message, shortened; tool results and images say nothing here."""
    for message in reversed(wire.turns(body)):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        text = " ".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("text"))
        if text:
            return text[:ECHO_CHARS]
    return "nothing"


def sample(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A small value that fits a JSON schema, always the same one."""
    root = schema if root is None else root
    if ref := schema.get("$ref"):
        target: Any = root
        for name in str(ref).removeprefix("#/").split("/"):
            target = target[name]
        return sample(target, root)
    if "const" in schema:
        return schema["const"]
    for choice in ("enum", "anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            first = schema[choice][0]
            return first if choice == "enum" else sample(first, root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(inner, root) for name, inner in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [sample(schema.get("items") or {"type": "string"}, root)]
    return {"string": "text", "integer": 7, "number": 1.5, "boolean": True}.get(kind)


def sample_arguments(tool: Tool) -> Mapping[str, Any] | str:
    """Arguments that fit a tool."""
    return "text" if tool.kind == "custom" else sample(tool.schema or {"type": "object"})


def _as_text(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _as_input(arguments: Mapping[str, Any] | str) -> str:
    """The text that a custom tool gets: the arguments themselves, or their only value."""
    values = [] if isinstance(arguments, str) else list(arguments.values())
    only = values[0] if len(values) == 1 else arguments
    return only if isinstance(only, str) else json.dumps(arguments)
