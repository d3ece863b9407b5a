"""Reads the content of Anthropic's messages: a block becomes one or several parts, or is reported."""

from collections.abc import Callable, Mapping

from route.dialects.fields import Fields
from route.dialects.marks import MARK, mark_of
from route.dialects.messages.arguments import as_text
from route.dialects.neutral import File, Image, Part, Text, Thinking, ToolCall, ToolResult
from route.errors import BadRequest

BlockReader = Callable[[Fields], list[Part]]
BlockReaders = Mapping[str, BlockReader]


def read(owner: Fields, name: str, readings: BlockReaders) -> tuple[Part, ...]:
    """The parts of a field that holds a text or a list of blocks; none where it is missing. Raises BadRequest."""
    content = owner.peek(name)
    if content is None:
        return ()
    if not isinstance(content, str | list):
        raise _bad(owner.at(name), "must be a text or a list of blocks")
    if isinstance(content, str):
        return (Text(text=owner.text(name), at=owner.at(name)),)
    return tuple(part for block in owner.objects(name) for part in _parts(block, readings))


def _parts(block: Fields, readings: BlockReaders) -> list[Part]:
    """The parts of one block. An unknown block is refused, since it was content for the model."""
    kind = block.text("type")
    if kind in readings:
        return readings[kind](block)
    _refuse(block, kind)
    return []


def _refuse(fields: Fields, kind: str) -> None:
    fields.report.refuse(fields.at(kind) if kind else fields.path)
    fields.rest()


def _bad(path: str, fault: str) -> BadRequest:
    return BadRequest("invalid_messages", f"{path}: {fault}", param=path)


def _needed(fields: Fields, name: str) -> str:
    value: str | None = fields.take(name, str)
    if value is None:
        raise _bad(fields.at(name), "must be a text")
    return value


def _text(block: Fields) -> list[Part]:
    return [Text(text=_needed(block, "text"), at=block.path, cache=mark_of(block))]


_SOURCES = {"base64": ("media_type", "data"), "url": ("url",), "file": ("file_id",)}
"""The fields of each type of source, which have the same names in `Image` and `File`."""


def _image(block: Fields) -> list[Part]:
    source = block.object("source")
    kind = source.text("type")
    if kind not in _SOURCES:
        _refuse(source, kind)
        return []
    said = {name: _needed(source, name) for name in _SOURCES[kind]}
    return [Image(**said, at=block.path, cache=mark_of(block))]


def _document(block: Fields) -> list[Part]:
    """A document. Other dialects have no field for its `context`, which becomes a text before it."""
    source = block.object("source")
    kind = source.text("type")
    context = block.text("context")
    before: list[Part] = [Text(text=context, at=block.at("context"))] if context else []
    if kind == "content":
        inner = read(source, "content", _INSIDE)
        if not all(isinstance(part, Text) for part in inner):
            return [*before, *inner]
        said = {"text": _joined(inner, block)}
    elif kind == "text":
        source.ignore("media_type")
        said = {"text": _needed(source, "data"), "media_type": "text/plain"}
    elif kind in _SOURCES:
        said = {name: _needed(source, name) for name in _SOURCES[kind]}
    else:
        _refuse(source, kind)
        return before
    return [*before, File(**said, name=block.text("title"), at=block.path, cache=mark_of(block))]


def _search_result(block: Fields) -> list[Part]:
    """The texts of a search result; their source is reported."""
    found = _joined(read(block, "content", SYSTEM), block)
    return [Text(text=found, at=block.path, cache=mark_of(block))]


def _joined(parts: tuple[Part, ...], block: Fields) -> str:
    """Texts joined into one. Marks inside it would have no place and are reported."""
    for part in parts:
        if part.cache:
            block.report.drop(f"{part.at}.{MARK}")
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _tool_reference(block: Fields) -> list[Part]:
    """The name of a tool that a search for tools found; the tool itself is among the request's tools."""
    return [Text(text=_needed(block, "tool_name"), at=block.path, cache=mark_of(block))]


def _thinking(block: Fields) -> list[Part]:
    return [Thinking(text=block.text("thinking"), signature=block.text("signature"), at=block.path)]


def _redacted_thinking(block: Fields) -> list[Part]:
    return [Thinking(redacted=_needed(block, "data"), at=block.path)]


def ignore_direct_caller(block: Fields) -> None:
    """Takes the caller of a call where it is the model itself, which is the usual case and no loss."""
    caller = block.peek("caller")
    if isinstance(caller, Mapping) and caller.get("type") == "direct":
        block.ignore("caller")


def _tool_use(block: Fields) -> list[Part]:
    ignore_direct_caller(block)
    call_id, name = _needed(block, "id"), _needed(block, "name")
    if not name:
        raise _bad(block.at("name"), "must not be empty")
    try:
        arguments = as_text(block.take("input", Mapping) or {})
    except ValueError:
        raise _bad(block.at("input"), "is nested too deep") from None
    return [ToolCall(id=call_id, name=name, arguments=arguments, at=block.path, cache=mark_of(block))]


def _tool_result(block: Fields) -> list[Part]:
    return [
        ToolResult(
            call_id=_needed(block, "tool_use_id"),
            parts=read(block, "content", _RESULT),
            is_error=block.take("is_error", bool) or False,
            at=block.path,
            cache=mark_of(block),
        )
    ]


def _tool_change(block: Fields) -> list[Part]:
    """A tool that comes or goes in mid-conversation: it is dropped, since all are declared from the start."""
    tool = block.object("tool")
    kind = tool.text("type")
    if kind != "tool_reference":
        _refuse(tool, kind)
    tool.rest()
    block.rest()
    block.report.drop(block.path)
    return []


_INSIDE: BlockReaders = {"text": _text, "image": _image}
_SHOWN: BlockReaders = {**_INSIDE, "document": _document, "search_result": _search_result}
_RESULT: BlockReaders = {**_SHOWN, "tool_reference": _tool_reference}
BY_ROLE: Mapping[str, BlockReaders] = {
    "user": {**_SHOWN, "tool_result": _tool_result},
    "assistant": {
        "text": _text,
        "thinking": _thinking,
        "redacted_thinking": _redacted_thinking,
        "tool_use": _tool_use,
    },
    "system": {"text": _text, "tool_addition": _tool_change, "tool_removal": _tool_change},
}
"""The blocks that a message of each role may hold."""
SYSTEM: BlockReaders = {"text": _text}
"""The blocks that the request's own `system` may hold."""
