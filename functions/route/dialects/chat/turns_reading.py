"""Reads the messages of a chat completion as turns."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from route.dialects.base import dump, text
from route.dialects.chat.parts import malformed, needed, read_content
from route.dialects.chat.reasoning import read_thinking
from route.dialects.fields import Fields, Report
from route.dialects.marks import mark_of
from route.dialects.neutral import Document, Part, Refusal, Role, ToolCall, ToolResult, Turn

PATH = "messages[]"


def read_turns(messages: object, report: Report) -> tuple[Turn, ...]:
    """The turns: one for each message. Raises BadRequest for an entry that is no message."""
    if not isinstance(messages, list):
        raise malformed("messages", "a list")
    reading = _MessageReading()
    return tuple(reading.turn(message, report) for message in messages)


class _MessageReading:
    """Reads messages in order. `_legacy`: ids made for calls of the form before tools, by the function's name."""

    def __init__(self) -> None:
        self._legacy: dict[str, str] = {}
        self._legacy_calls = 0
        self._read: Mapping[str, Callable[[Fields], Turn]] = {
            "system": lambda fields: _plain("system", fields),
            "developer": lambda fields: _plain("developer", fields),
            "user": lambda fields: _plain("user", fields),
            "assistant": self._assistant,
            "tool": _tool,
            "function": self._function,
        }

    def turn(self, message: object, report: Report) -> Turn:
        if not isinstance(message, Mapping):
            raise malformed(PATH, "an object")
        read = self._read.get(text(message.get("role")))
        if read is None:
            raise malformed(f"{PATH}.role", f"one of {', '.join(self._read)}")
        fields = Fields(message, report, PATH)
        fields.ignore("role")
        return read(fields)

    def _assistant(self, fields: Fields) -> Turn:
        if fields.peek("audio") is not None:
            # It refers to a spoken answer that only its provider has.
            fields.ignore("audio")
            fields.report.refuse(fields.at("audio"))
        parts: list[Part] = [*read_thinking(fields), *read_content(fields)]
        refusal = fields.text("refusal")
        parts += [Refusal(text=refusal, at=fields.at("refusal"))] if refusal else []
        parts += [_call(call) for call in fields.objects("tool_calls")]
        if fields.peek("function_call") is not None:
            parts.append(self._legacy_call(fields.object("function_call")))
        return Turn("assistant", _marked(parts, fields), PATH)

    def _legacy_call(self, fields: Fields) -> ToolCall:
        name = needed(fields, "name")
        self._legacy[name] = f"call_function_{self._legacy_calls}"
        self._legacy_calls += 1
        return ToolCall(id=self._legacy[name], name=name, arguments=_arguments(fields), at=fields.path)

    def _function(self, fields: Fields) -> Turn:
        name = needed(fields, "name")
        result = ToolResult(call_id=self._legacy.get(name, ""), parts=read_content(fields), at=PATH)
        return Turn("user", (result,), PATH)


def _plain(role: Role, fields: Fields) -> Turn:
    return Turn(role, _marked(read_content(fields), fields), PATH)


def _tool(fields: Fields) -> Turn:
    call_id = needed(fields, "tool_call_id")
    result = ToolResult(call_id=call_id, parts=read_content(fields), cache=mark_of(fields), at=PATH)
    return Turn("user", (result,), PATH)


def _call(fields: Fields) -> ToolCall:
    is_free = fields.text("type") == "custom"
    inner = fields.object("custom" if is_free else "function")
    name = needed(inner, "name")
    arguments = needed(inner, "input") if is_free else _arguments(inner)
    cache, call_id = mark_of(fields), fields.text("id")
    fields.ignore("index")
    return ToolCall(id=call_id, name=name, arguments=arguments, free=is_free, cache=cache, at=fields.path)


def _arguments(function: Fields) -> str:
    """The arguments as JSON text; some clients send an object."""
    said: Document | None = function.take("arguments", Mapping)
    if said is not None:
        try:
            return dump(said).decode()
        except (RecursionError, ValueError):
            raise malformed(function.at("arguments"), "a text of fewer levels") from None
    return needed(function, "arguments") if "arguments" in function else ""


def _marked(parts: Iterable[Part], fields: Fields) -> tuple[Part, ...]:
    """The parts of a message. A cache mark on the message is meant for its last part."""
    found = tuple(parts)
    if not found or found[-1].cache is not None:
        return found
    mark = mark_of(fields)
    return found if mark is None else (*found[:-1], replace(found[-1], cache=mark))
