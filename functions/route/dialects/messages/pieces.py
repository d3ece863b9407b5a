"""Mends single blocks and deltas of a message: their types, texts, ids, and the input of tools."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from route.dialects.base import BadAnswer, Document
from route.dialects.mending import Repairs, derived_id, json_text

HOLDERS: Mapping[str, str] = {"text_delta": "text", "thinking_delta": "thinking"}
"""The kind of block that a delta belongs to, where a missing block can be begun for it."""

EMPTY: Mapping[str, Document] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
_SAID_IN = {"input_json_delta": "partial_json", "thinking_delta": "thinking", "text_delta": "text"}
_CALL = "tool_use"


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a block. `delta`: its first text. `input`: a tool's input as JSON, unless deltas bring it."""

    kind: str
    delta: Document | None = None
    input: str = ""


def mend_content(content: Document, ids: set[str], repairs: Repairs, *seeds: str | bytes | int) -> Start:
    """Empties the block of a start event: clients that read only deltas would miss its content."""
    kind = _kind(content)
    if kind in EMPTY:
        said = mend_text(content, kind, repairs)
        if not said:
            return Start(kind)
        content[kind] = ""
        repairs.note("block_text")
        return Start(kind, {"type": f"{kind}_delta", kind: said})
    if not kind.endswith(_CALL):
        return Start(kind)
    mend_call(content, ids, repairs, *seeds)
    said_input = content.get("input")
    if said_input == {} and isinstance(said_input, dict):
        return Start(kind)
    content["input"] = {}
    repairs.note("tool_input")
    if isinstance(said_input, str):
        return Start(kind, input=said_input)
    return Start(kind, input="" if said_input is None else json_text(said_input))


def mend_delta(delta: Document, repairs: Repairs) -> tuple[str, str | None]:
    """The type and text of a delta; None instead of text for types that have none."""
    kind = delta.get("type")
    if kind is None:
        kind = next((kind for kind, name in _SAID_IN.items() if name in delta), None)
        delta["type"] = kind
        repairs.note("delta_type")
    if not isinstance(kind, str):
        raise BadAnswer("a block's delta is of no type")
    name = _SAID_IN.get(kind)
    if name is None:
        return kind, None
    value = delta.get(name)
    if name == "partial_json" and not isinstance(value, str | None):
        delta[name] = json_text(value)
        repairs.note("tool_input")
    return kind, mend_text(delta, name, repairs)


def mend_blocks(content: object, seed: str, repairs: Repairs) -> list[Document]:
    """The mended content of a whole message."""
    if isinstance(content, str):
        repairs.note("content")
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise BadAnswer("the answer has no content")
    sound = [block for block in content if block is not None]
    if len(sound) < len(content):
        repairs.note("content")
    ids: set[str] = set()
    for number, block in enumerate(sound):
        if not isinstance(block, dict):
            raise BadAnswer("a block of the answer is no object")
        kind = _kind(block)
        if kind in EMPTY:
            mend_text(block, kind, repairs)
        elif kind.endswith(_CALL):
            mend_call(block, ids, repairs, seed, number)
            _mend_input(block, repairs)
    return sound


def mend_call(block: Document, ids: set[str], repairs: Repairs, *seeds: str | bytes | int) -> None:
    """Gives a call an id of its own, by which the caller's result will refer to it."""
    name, said = block.get("name"), block.get("id")
    if not isinstance(name, str) or not name:
        raise BadAnswer("a tool call has no name")
    call_id = said if isinstance(said, str) and said not in ids else ""
    if not call_id:
        call_id = block["id"] = derived_id("toolu_", *seeds, name)
        repairs.note("tool_id")
    ids.add(call_id)


def mend_text(holder: Document, name: str, repairs: Repairs) -> str:
    """The text of a block or delta, which becomes empty where it is missing."""
    value = holder.get(name)
    if value is None:
        value = holder[name] = ""
        repairs.note("delta" if str(holder.get("type")).endswith("_delta") else "block_text")
    if not isinstance(value, str):
        raise BadAnswer(f"the answer's {name} is no text")
    return value


def _mend_input(block: Document, repairs: Repairs) -> None:
    said = block.get("input")
    if isinstance(said, dict):
        return
    parsed: object = {} if said is None or said == "" else None
    if isinstance(said, str) and said:
        with suppress(ValueError, RecursionError):
            parsed = json.loads(said)
    if not isinstance(parsed, dict):
        raise BadAnswer("a tool's input is no object")
    block["input"] = parsed
    repairs.note("tool_input")


def _kind(block: Document) -> str:
    kind = block.get("type")
    if not isinstance(kind, str):
        raise BadAnswer("a block of the answer is of no type")
    return kind
