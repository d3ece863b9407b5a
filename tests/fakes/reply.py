"""From a request and an ``Answer`` to the reply that each dialect writes down.

Everything is a function of the request's prompt and model, so the same request gets the same ids and the
same text, directly or through a router.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from tests.fakes.prompt_cache import Block, PrefixMemory, Tokens, count, prompt_tokens
from tests.fakes.records import Record
from tests.fakes.steps import Answer, Fail, Json, StreamError, ToolCall

CREATED = 1_767_225_600  # 2026-01-01T00:00:00Z, in seconds: a constant, so objects compare equal
ECHO_CHARS = 200


@dataclass(frozen=True)
class Event:
    """One write of a stream; ``content`` when it carries something that the model produced."""

    data: bytes
    content: bool = False


@dataclass(frozen=True)
class Tool:
    """A tool that a request declares and that its caller runs; ``custom`` ones take a text, not JSON."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None


@dataclass(frozen=True)
class Call:
    """A tool call with its id settled and its arguments as text."""

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None


@dataclass(frozen=True)
class Reply:
    """What the model "said", before a dialect writes it down."""

    seed: str
    model: str
    answer: Answer
    text: str | None
    pieces: Sequence[str]
    calls: Sequence[Call]
    stop: str
    tokens: Tokens
    usage: Json | None  # in the dialect's own shape; None: not reported


class Wire(Protocol):
    """One dialect of a vendor. Shapes follow the vendor's SDK, whose strict mode checks them.

    ``counting_path``: where tokens are counted, with ``counting_defaults`` for the fields that it does not need.
    """

    kind: str
    dialect: str
    inference_path: str
    counting_path: str | None
    counting_defaults: Json
    request_id_header: str

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """The API key of a request, or None."""

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """What the vendor refuses before any model runs: the fields that must be there."""

    def rule_broken(self, body: Json) -> Fail | None:
        """The first rule of the vendor's that the request breaks: roles, pairs of tool calls, ids, signatures."""

    def field_unknown(self, body: Json) -> Fail | None:
        """The refusal of the first field, at any depth that is looked at, that the vendor's SDK does not know."""

    def resolved(self, body: Json) -> Json:
        """The request with what the vendor keeps for the caller in its place."""

    def forget(self) -> None:
        """Drop what was kept."""

    def blocks(self, body: Json) -> list[Block]:
        """The prompt in cache order."""

    def wanted_schema(self, body: Json) -> Json | None:
        """The JSON schema that the answer must follow; ``{}`` for any JSON object, None for text."""

    def turns(self, body: Json) -> list[Json]:
        """The conversation as ``{"role", "content"}``."""

    def tools(self, body: Json) -> list[Tool]:
        """The tools that the caller runs, in order."""

    def forced_tool(self, body: Json) -> Tool | None:
        """The tool that the request forces."""

    def results(self, body: Json) -> list[str]:
        """The texts of all tool results in the conversation, in order."""

    def cached(self, memory: PrefixMemory, owner: str, body: Json) -> tuple[int, int, int]:
        """(read, written for 5 min, written for 1 h) tokens."""

    def usage(self, tokens: Tokens) -> Json:
        """The usage object."""

    def stop(self, word: str) -> str:
        """The dialect's word for why the model stopped."""

    def call_id(self, digest: str) -> str:
        """A tool call id in the vendor's style."""

    def unary(self, body: Json, reply: Reply) -> Json:
        """The whole answer as one object."""

    def events(self, body: Json, reply: Reply) -> list[Event]:
        """The same answer as the events of a stream, terminator included."""

    def error_body(self, fail: Fail, request_id: str) -> Json:
        """The vendor's error envelope."""

    def error_event(self, step: StreamError, request_id: str, sent: Sequence[Event]) -> bytes:
        """The vendor's error inside a stream, after the events that were sent."""

    def failed(self, step: StreamError, whole: Json) -> Json | None:
        """The same in a whole answer, where the dialect has a word for it."""

    def stream_error_as_fail(self, step: StreamError) -> Fail:
        """The same error where nothing is streamed."""

    def counted(self, tokens: int) -> Json:
        """The answer of the counting path."""

    def beside(self, record: Record) -> Json | Fail | None:
        """The answer of any other path of the dialect; None: it has no such path."""

    def unknown_model(self, name: str) -> Fail:
        """The vendor's 404 for a model."""

    def unknown_path(self, method: str, path: str) -> Fail:
        """The vendor's 404 for a path."""

    def ping(self) -> bytes:
        """A keep-alive."""

    def models(self, ids: Sequence[str]) -> Json:
        """The list of models."""

    def model(self, model_id: str) -> Json:
        """One entry of that list."""


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


def text_of(value: Any) -> str:
    """What a tool result says, whatever shape its client has put it into."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, (text_of(part) for part in value)))
    if isinstance(value, Mapping):
        named = [value[name] for name in ("text", "content", "output", "stdout", "stderr") if value.get(name)]
        return text_of(named) if named else json.dumps(value)
    return str(value)


def block_of(role: str, part: Any) -> Block:
    """A piece of a prompt as text. The mark is not part of it: moving a mark keeps the prefix."""
    if isinstance(part, str):
        return Block(f"{role}:{part}")
    mark = part.get("cache_control") if isinstance(part, dict) else None
    bare = {k: v for k, v in part.items() if k != "cache_control"} if isinstance(part, dict) else part
    plain = isinstance(bare, dict) and bare.get("type") == "text" and set(bare) == {"type", "text"}
    text = bare["text"] if plain else json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return Block(f"{role}:{text}", ("1h" if mark.get("ttl") == "1h" else "5m") if mark else None)


def words(text: str) -> list[str]:
    """Deltas of a text: word by word, joined again they are the text."""
    return re.findall(r"\s*\S+(?:\s+$)?|\s+$", text)


def slices(text: str, parts: int = 3) -> list[str]:
    """A text in about so many pieces, for tool arguments that arrive bit by bit."""
    width = max(1, -(-len(text) // parts))
    return [text[at : at + width] for at in range(0, len(text), width)]


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


def dumps(data: Any) -> bytes:
    """Compact JSON as the vendors write it: UTF-8, not escaped."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _as_text(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _as_input(arguments: Mapping[str, Any] | str) -> str:
    """The text for a custom tool: the arguments themselves, or their only value."""
    values = [] if isinstance(arguments, str) else list(arguments.values())
    only = values[0] if len(values) == 1 else arguments
    return only if isinstance(only, str) else json.dumps(arguments)


def digest(*parts: str) -> str:
    """A short name for some texts, always the same one."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
