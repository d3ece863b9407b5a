"""Reads the items in the `input` of a request as turns."""

from collections.abc import Callable
from typing import Any

from route.dialects.base import dump
from route.dialects.data_urls import read_data_url
from route.dialects.fields import Fields, Report
from route.dialects.neutral import (
    Audio,
    File,
    Image,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    join_assistant_turns,
)
from route.dialects.responses.seals import is_reference_to_ours, unpack
from route.errors import BadRequest

_AT = "input[]"
_ROLES: dict[str, Role] = {
    "user": "user",
    "system": "system",
    "developer": "developer",
    "assistant": "assistant",
}
_OWN_WORDS = ("type", "id", "status", "role", "content")


def read_input(body: Fields) -> list[Turn]:
    """The turns of the input. Consecutive items of the assistant become one turn. Raises BadRequest."""
    asked = body.take("input")
    if isinstance(asked, str):
        return [Turn("user", (Text(text=asked, at="input"),), "input")]
    if asked is None:
        return []
    if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
        raise _wrong("input", "must be a string or a list of objects")
    said: list[Turn] = []
    for item in asked:
        if is_reference_to_ours(item):
            # The caller sends only the id of reasoning that nobody keeps; the conversation goes on without it.
            body.report.drop(f"{_AT}.item_reference")
            continue
        said += _turns(Fields(item, body.report, _AT))
    return join_assistant_turns(said)


def _turns(item: Fields) -> list[Turn]:
    kind = item.take("type")
    if kind is None:
        kind = "message" if "role" in item else "item_reference"
    read = _ITEMS.get(kind) if isinstance(kind, str) else None
    if read is None:
        # It is part of the conversation, and no other form can express it.
        _refuse(item, _AT, kind)
        return []
    return [turn for turn in read(item) if turn.parts or turn.role != "assistant"]


def _message(item: Fields) -> list[Turn]:
    said = item.take("role", str)
    role = _ROLES.get(said or "")
    if role is None:
        raise _wrong(item.at("role"), "must be user, system, developer or assistant")
    parts = read_content(item, "content")
    item.ignore(*_OWN_WORDS)
    return [Turn(role, parts, _AT)]


def _reasoning(item: Fields) -> list[Turn]:
    summary, content = (_texts(item, name) for name in ("summary", "content"))
    if summary and content:
        # The summary repeats the content, and it is what callers are meant to keep.
        item.report.drop(item.at("content"))
    seal = unpack(item.text("encrypted_content"))
    item.ignore(*_OWN_WORDS)
    thinking = Thinking(
        text=summary or content,
        signature=seal.signature,
        redacted=seal.redacted,
        encrypted=seal.encrypted,
        at=_AT,
    )
    return [Turn("assistant", (thinking,) if thinking.text or thinking.is_sealed else (), _AT)]


def _texts(item: Fields, name: str) -> str:
    parts = item.objects(name)
    for part in parts:
        part.ignore("type")
    return "\n\n".join(filter(None, [part.text("text") for part in parts]))


def _call(item: Fields, *, free: bool) -> list[Turn]:
    item.ignore("id", "status")
    said = item.take("input" if free else "arguments", (str, dict))
    name, call_id = item.text("name"), item.text("call_id")
    if not name:
        raise _wrong(item.at("name"), "must be a string")
    call = ToolCall(
        id=call_id,
        name=name,
        arguments=_dumped(said) if isinstance(said, dict) else said or "",
        namespace=item.text("namespace"),
        free=free,
        at=_AT,
    )
    return [Turn("assistant", (call,), _AT)]


def _dumped(arguments: dict[str, Any]) -> str:
    try:
        return dump(arguments).decode()
    except (ValueError, RecursionError):
        raise _wrong(f"{_AT}.arguments", "cannot be read") from None


def _result(item: Fields, *, free: bool) -> list[Turn]:
    # The name of the tool stands in the call.
    item.ignore("id", "status", "name", "namespace")
    call_id = item.take("call_id", str)
    if call_id is None:
        raise _wrong(item.at("call_id"), "must be a string")
    parts = read_content(item, "output")
    return [Turn("user", (ToolResult(call_id=call_id, parts=parts, free=free, at=_AT),), _AT)]


_ITEMS: dict[str, Callable[[Fields], list[Turn]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": lambda item: _call(item, free=False),
    "custom_tool_call": lambda item: _call(item, free=True),
    "function_call_output": lambda item: _result(item, free=False),
    "custom_tool_call_output": lambda item: _result(item, free=True),
}


def read_content(item: Fields, name: str) -> tuple[Part, ...]:
    """The parts of a field that holds a text or a list of parts."""
    at = item.at(name)
    said = item.take(name)
    if isinstance(said, str):
        return (Text(text=said, at=at),) if said else ()
    if said is None:
        return ()
    if not isinstance(said, list) or not all(isinstance(part, dict) for part in said):
        raise _wrong(at, "must be a string or a list of objects")
    parts = [_part(Fields(part, item.report, f"{at}[]")) for part in said]
    return tuple(part for part in parts if part is not None)


def _part(part: Fields) -> Part | None:
    kind = part.take("type")
    read = _PARTS.get(kind) if isinstance(kind, str) else None
    if read is None:
        _refuse(part, part.path, kind)
        return None
    return read(part)


def _text(part: Fields) -> Part:
    said = part.take("text", str)
    if said is None:
        raise _wrong(part.at("text"), "must be a string")
    for name in ("annotations", "logprobs"):
        if part.peek(name) == []:
            part.ignore(name)
    return Text(text=said, at=part.path)


def _refusal(part: Fields) -> Part:
    return Refusal(text=part.text("refusal"), at=part.path)


def _image(part: Fields) -> Part:
    media_type, data, url = _data_url(part.text("image_url"))
    detail = part.text("detail")
    image = Image(
        url=url,
        media_type=media_type,
        data=data,
        file_id=part.text("file_id"),
        detail="" if detail == "auto" else detail,
        at=part.path,
    )
    if not (image.url or image.data or image.file_id):
        raise _wrong(part.at("image_url"), "must be a string")
    return image


def _file(part: Fields) -> Part:
    media_type, data, raw = _data_url(part.text("file_data"))
    file = File(
        url=part.text("file_url"),
        media_type=media_type or ("application/pdf" if raw else ""),
        data=data or raw,
        file_id=part.text("file_id"),
        name=part.text("filename"),
        at=part.path,
    )
    if not (file.url or file.data or file.file_id):
        raise _wrong(part.at("file_data"), "must be a string")
    return file


def _data_url(said: str) -> tuple[str, str, str]:
    """`(media type, base64, "")` of a base64 data URL; `("", "", text)` of any other text."""
    found = read_data_url(said)
    return (found.media_type, found.data, "") if found is not None and found.is_base64 else ("", "", said)


def _audio(part: Fields) -> Part:
    audio = part.object("input_audio")
    data, form = audio.take("data", str), audio.take("format", str)
    if not data or not form:
        raise _wrong(part.at("input_audio"), "must have data and a format")
    return Audio(data=data, format=form, at=part.path)


_PARTS: dict[str, Callable[[Fields], Part]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _refuse(fields: Fields, at: str, kind: object) -> None:
    """Refuses an item or part of a kind that only this dialect has, with all its fields."""
    report: Report = fields.report
    fields.rest()
    report.refuse(f"{at}.{kind}" if isinstance(kind, str) else f"{at}.type")


def _wrong(at: str, must: str) -> BadRequest:
    return BadRequest("invalid_input", f"'{at}' {must}.", param=at)
