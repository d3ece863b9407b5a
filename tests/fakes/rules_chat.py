"""What chat completions refuse with a 400, beyond missing fields. A router that translates is held to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.rules_numbers import is_outside
from tests.fakes.steps import Fail, Json

MAX_CALL_ID = 40
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
    "function": {"text"},
}


def chat_rules(body: Json) -> Iterator[Fail]:
    """A refusal for every rule that the request breaks."""
    yield from _options(body)
    for n, message in enumerate(body["messages"]):
        yield from _message(f"messages.[{n}]", message)
    yield from _pairs(body["messages"])


def _options(body: Json) -> Iterator[Fail]:
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            yield _fault(f"'{name}' is only allowed when 'tools' are specified.", name)
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield _fault(message, "stream_options")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield _fault("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield _fault(message, "max_tokens")
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("n", 1, 128), ("max_tokens", 1, 10**9)):
        if is_outside(body.get(name), low, high):
            yield _fault(f"Invalid '{name}': expected a value from {low} to {high}.", name)
    if isinstance(body.get("stop"), list) and len(body["stop"]) > 4:
        yield _fault("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop")
    if body.get("tools") == []:
        yield _fault("Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools")
    for n, tool in enumerate(body.get("tools") or []):
        inner = tool.get(str(tool.get("type")))
        if tool.get("type") not in ("function", "custom") or not isinstance(inner, Mapping):
            yield _fault(f"Missing required parameter: 'tools[{n}].function'.", f"tools[{n}].function")
        elif not _NAME.fullmatch(str(inner.get("name") or "")):
            pattern = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            yield _fault(f"Invalid 'tools[{n}].function.name': {pattern}", f"tools[{n}].function.name")


def _message(path: str, message: Any) -> Iterator[Fail]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in _PARTS:
        yield _fault(f"Invalid value: '{role}'. Supported values are: {', '.join(_PARTS)}.", f"{path}.role")
        return
    content, calls = message.get("content"), message.get("tool_calls")
    if content is None and not (role == "assistant" and (calls or message.get("refusal"))):
        yield _fault("Invalid value for 'content': expected a string, got null.", f"{path}.content")
    if content is not None and not isinstance(content, str | list):
        yield _fault(f"Invalid type for '{path}.content'.", f"{path}.content")
    for n, part in enumerate(content if isinstance(content, list) else []):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in _PARTS[role]:
            supported = ", ".join(sorted(_PARTS[role]))
            yield _fault(f"Invalid value: '{kind}'. Supported values are: {supported}.", f"{path}.content[{n}]")
        elif kind == "text" and not isinstance(part.get("text"), str):
            yield _fault("Missing required parameter: 'text'.", f"{path}.content[{n}].text")
    if calls is not None:
        yield from _calls(f"{path}.tool_calls", role, calls)


def _calls(path: str, role: str, calls: Any) -> Iterator[Fail]:
    if role != "assistant":
        yield _fault("'tool_calls' is only allowed in messages of role 'assistant'.", path)
    if not isinstance(calls, list) or not calls:
        yield _fault(f"Invalid '{path}': empty array. Expected an array with minimum length 1.", path)
        return
    for n, call in enumerate(calls):
        where = f"{path}[{n}]"
        call_id, kind = call.get("id"), call.get("type")
        if not isinstance(call_id, str) or not call_id:
            yield _fault(f"Missing required parameter: '{where}.id'.", f"{where}.id")
        elif len(call_id) > MAX_CALL_ID:
            message = f"Invalid '{where}.id': string too long. Expected a string with maximum length {MAX_CALL_ID}"
            yield _fault(f"{message}, but got a string with length {len(call_id)} instead.", f"{where}.id")
        inner = call.get(kind) if kind in ("function", "custom") else None
        if not isinstance(inner, Mapping):
            yield _fault(f"Missing required parameter: '{where}.function'.", f"{where}.function")
            continue
        if not _NAME.fullmatch(str(inner.get("name") or "")):
            yield _fault(f"Invalid '{where}.function.name': string does not match pattern.", f"{where}.function")
        if not isinstance(inner.get("input" if kind == "custom" else "arguments"), str):
            yield _fault(f"Invalid type for '{where}.function.arguments': expected a string.", f"{where}.function")


def _pairs(messages: list[Json]) -> Iterator[Fail]:
    """Calls are answered right after the message that made them, each once, and nothing else is."""
    open_ids: list[str] = []
    in_answers = False
    for n, message in enumerate(messages):
        if message.get("role") == "tool":
            call_id = message.get("tool_call_id")
            if not isinstance(call_id, str):
                yield _fault("Missing required parameter: 'tool_call_id'.", f"messages.[{n}].tool_call_id")
            elif not in_answers:
                must = "must be a response to a preceeding message with 'tool_calls'"
                yield _fault(f"messages with role 'tool' {must}.", f"messages.[{n}].role")
            elif call_id not in open_ids:
                found = "not found in 'tool_calls' of previous message"
                yield _fault(f"'tool_call_id' '{call_id}' {found}.", f"messages.[{n}].tool_call_id")
            else:
                open_ids.remove(call_id)
            continue
        yield from _unanswered(open_ids, n)
        calls = message.get("tool_calls") or []
        open_ids = [str(call.get("id")) for call in calls if isinstance(call, Mapping)]
        in_answers = bool(open_ids)
    yield from _unanswered(open_ids, len(messages))


def _unanswered(ids: list[str], n: int) -> Iterator[Fail]:
    if ids:
        must = "must be followed by tool messages responding to each 'tool_call_id'"
        missing = f"The following tool_call_ids did not have response messages: {', '.join(ids)}"
        yield _fault(f"An assistant message with 'tool_calls' {must}. {missing}", f"messages.[{n}].role")


def _fault(message: str, param: str) -> Fail:
    return Fail(400, message, param=param)
