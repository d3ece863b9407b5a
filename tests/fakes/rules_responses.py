"""What the responses API refuses, beyond missing fields. A router that translates is held to it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tests.fakes.rules_numbers import is_outside
from tests.fakes.seals import unseal
from tests.fakes.steps import Fail, Json

MIN_OUTPUT_TOKENS = 16
MAX_CALL_ID = 64
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_PARTS = {
    "user": {"input_text", "input_image", "input_file", "input_audio"},
    "system": {"input_text", "input_image", "input_file"},
    "developer": {"input_text", "input_image", "input_file"},
    "assistant": {"output_text", "refusal"},
}
_PREFIXES = {"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}


def responses_rules(body: Json, signer: str, stored: Collection[str]) -> Iterator[Fail]:
    """Every rule that the request breaks, once what it refers to is in its place; ``stored``: ids of items."""
    yield from _options(body)
    for n, tool in enumerate(body.get("tools") or []):
        yield from _tool(f"tools[{n}]", tool)
    items = body.get("input")
    if not isinstance(items, list):
        return
    for n, item in enumerate(items):
        yield from _item(f"input[{n}]", item)
        if isinstance(item, Mapping):
            yield from _kept(item, signer, stored)
    yield from _pairs(items)
    yield from _reasoning(items)


def _options(body: Json) -> Iterator[Fail]:
    limit = body.get("max_output_tokens")
    if limit is not None and not (isinstance(limit, int) and limit >= MIN_OUTPUT_TOKENS):
        below = f"integer below minimum value. Expected a value >= {MIN_OUTPUT_TOKENS}, but got {limit} instead."
        yield _fault(f"Invalid 'max_output_tokens': {below}", "max_output_tokens", "integer_below_min_value")
    for name, high in (("temperature", 2), ("top_p", 1)):
        if is_outside(body.get(name), 0, high):
            yield _fault(f"Invalid '{name}': expected a value from 0 to {high}.", name)
    choice = body.get("tool_choice")
    if choice not in (None, "auto", "none") and not body.get("tools"):
        yield _fault("Tool choice must be 'none' or 'auto' where no tools are specified.", "tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") in ("function", "custom") and not choice.get("name"):
        yield _missing("tool_choice.name")
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":
        for name in ("name", "schema"):
            if not wanted.get(name):
                yield _missing(f"text.format.{name}")


def _tool(path: str, tool: Any) -> Iterator[Fail]:
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if kind is None:
        yield _missing(f"{path}.type")
    if kind not in ("function", "custom", "namespace"):
        return
    if not tool.get("name"):
        yield _missing(f"{path}.name")
    elif not _NAME.fullmatch(str(tool["name"])):
        pattern = "string does not match pattern. Expected a string that matches '^[a-zA-Z0-9_-]+$'."
        yield _fault(f"Invalid '{path}.name': {pattern}", f"{path}.name")
    if kind == "namespace":
        for n, inner in enumerate(tool.get("tools") or []):
            yield from _tool(f"{path}.tools[{n}]", inner)


def _item(path: str, item: Any) -> Iterator[Fail]:
    if not isinstance(item, Mapping):
        yield _fault(f"Invalid type for '{path}': expected an object.", path)
        return
    kind = item.get("type", "message" if "role" in item else "item_reference" if "id" in item else None)
    prefix, item_id = _PREFIXES.get(str(kind)), item.get("id")
    if prefix and item_id is not None and not str(item_id).startswith(prefix):
        begins = f"Expected an ID that begins with '{prefix}'."
        yield _fault(f"Invalid '{path}.id': '{item_id}'. {begins}", f"{path}.id", "invalid_value")
    if kind == "message":
        yield from _message(path, item)
    elif kind in _CALLS:
        yield from _call_id(path, item)
        text = "input" if kind == "custom_tool_call" else "arguments"
        if not isinstance(item.get(text), str):
            yield _missing(f"{path}.{text}")
        if not item.get("name"):
            yield _missing(f"{path}.name")
    elif kind in _CALLS.values():
        yield from _call_id(path, item)
        if not isinstance(item.get("output"), str | list):
            yield _missing(f"{path}.output")
    elif kind == "reasoning" and not isinstance(item.get("summary"), list):
        yield _missing(f"{path}.summary")
    elif kind is None:
        yield _missing(f"{path}.type")


def _message(path: str, item: Mapping[str, Any]) -> Iterator[Fail]:
    role, content = item.get("role"), item.get("content")
    if role not in _PARTS:
        yield _fault(f"Invalid value: '{role}'. Supported values are: {', '.join(_PARTS)}.", f"{path}.role")
        return
    if not isinstance(content, str | list):
        yield _missing(f"{path}.content")
    for n, part in enumerate(content if isinstance(content, list) else []):
        kind = part.get("type") if isinstance(part, Mapping) else None
        where = f"{path}.content[{n}]"
        if kind not in _PARTS[role]:
            supported = ", ".join(f"'{word}'" for word in sorted(_PARTS[role]))
            yield _fault(f"Invalid value: '{kind}'. Supported values are: {supported}.", where, "invalid_value")
        elif kind in ("input_text", "output_text") and not isinstance(part.get("text"), str):
            yield _missing(f"{where}.text")


def _kept(item: Mapping[str, Any], signer: str, stored: Collection[str]) -> Iterator[Fail]:
    """Whatever stands for something that only the vendor has must be stored there, or sealed by the vendor."""
    sealed, item_id = item.get("encrypted_content"), item.get("id")
    if sealed is not None and unseal(signer, sealed) is None:
        message = f"The encrypted content {str(sealed)[:16]}... could not be verified."
        yield _fault(message, None, "invalid_encrypted_content")
    kind = item.get("type", "item_reference" if "role" not in item else "message")
    by_id = kind == "item_reference" or (kind == "reasoning" and sealed is None and item_id is not None)
    if by_id and item_id not in stored:
        persisted = "Items are not persisted when `store` is set to false."
        yield Fail(404, f"Item with id '{item_id}' not found. {persisted}", param="input", code="not_found")


def _call_id(path: str, item: Mapping[str, Any]) -> Iterator[Fail]:
    call_id = item.get("call_id")
    if not isinstance(call_id, str) or not call_id:
        yield _missing(f"{path}.call_id")
    elif len(call_id) > MAX_CALL_ID:
        message = (
            f"Invalid '{path}.call_id': string too long. Expected a string with maximum length {MAX_CALL_ID}."
        )
        yield _fault(message, f"{path}.call_id", "string_above_max_length")


def _pairs(items: list[Any]) -> Iterator[Fail]:
    """Every call has its output later in the input, and every output its call before it."""
    for call, output in _CALLS.items():
        word = "function call" if call == "function_call" else "custom tool call"
        called: list[str] = []
        for item in items:
            if not isinstance(item, Mapping):
                continue
            call_id = str(item.get("call_id"))
            if item.get("type") == call:
                called.append(call_id)
            elif item.get("type") == output:
                if call_id not in called:
                    yield _fault(f"No tool call found for {word} output with call_id {call_id}.", "input")
                else:
                    called.remove(call_id)
        for call_id in called:
            yield _fault(f"No tool output found for {word} {call_id}.", "input")


def _reasoning(items: list[Any]) -> Iterator[Fail]:
    """Reasoning must stand before what the model did next."""
    kinds = [item.get("type", "message") if isinstance(item, Mapping) else None for item in items]
    for n, kind in enumerate(kinds):
        if kind != "reasoning":
            continue
        following = next((other for other in range(n + 1, len(items)) if kinds[other] != "reasoning"), None)
        after = items[following] if following is not None else {"type": "none", "role": "user"}
        told = after.get("role") not in (None, "assistant") or str(after.get("type")).endswith("_output")
        if told:
            required = "was provided without its required following item."
            yield _fault(f"Item '{items[n].get('id')}' of type 'reasoning' {required}", "input")


def _missing(path: str) -> Fail:
    return _fault(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def _fault(message: str, param: str | None, code: str | None = None) -> Fail:
    return Fail(400, message, param=param, code=code)
