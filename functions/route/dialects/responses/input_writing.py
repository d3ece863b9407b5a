"""Writes the turns of a conversation as the `input` of a request."""

from collections.abc import Callable

from route.dialects.conversion import Target
from route.dialects.data_urls import base64_url
from route.dialects.fields import Report
from route.dialects.names import wire_name
from route.dialects.neutral import (
    Document,
    File,
    Image,
    NeutralRequest,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

_OWN_FILE = "file-"
"""The beginning of file ids that providers of this dialect give out."""
_ERROR = "Error"
MAX_CALL_ID = 64
MAX_TOOL_NAME = 128


def tool_name(name: str) -> str:
    """A tool's name as this dialect allows it."""
    return wire_name("", name, MAX_TOOL_NAME)


def _call_id(call_id: str) -> str:
    """The caller's id of a call, unless it is too long or empty."""
    return call_id if 0 < len(call_id) <= MAX_CALL_ID else wire_name("", call_id, MAX_CALL_ID)


def write_turns(request: NeutralRequest, target: Target, report: Report) -> tuple[Document, list[Document]]:
    """The field that holds the system prompt, where it can be one, and the items of the input."""
    turns = list(request.turns)
    head: Document = {}
    if len(turns) > 1 and (text := _instructions(turns[0], report)) is not None:
        head = {"instructions": text}
        del turns[0]
    free = {part.id for part in request.parts if isinstance(part, ToolCall) and part.free}
    writing = _ItemWriting(target, report, free)
    return head, [item for turn in turns for item in writing.turn(turn)]


def _instructions(turn: Turn, report: Report) -> str | None:
    """The system prompt, where it is a single text; else None."""
    if turn.role != "system" or len(turn.parts) != 1:
        return None
    part = turn.parts[0]
    if not isinstance(part, Text) or not part.text:
        return None
    _drop_cache(part, report)
    return part.text


def _drop_cache(part: Part, report: Report) -> None:
    if part.cache is not None:
        report.drop(f"{part.at}.cache_control")


class _ItemWriting:
    def __init__(self, target: Target, report: Report, free: set[str]) -> None:
        self._target, self._report, self._free = target, report, free

    def turn(self, turn: Turn) -> list[Document]:
        """The items of a turn: texts and images in messages, and between them calls, results and reasoning."""
        items: list[Document] = []
        content: list[Document] = []

        def flush() -> None:
            if content:
                items.append({"type": "message", "role": turn.role, "content": [*content]})
                content.clear()

        for part in turn.parts:
            _drop_cache(part, self._report)
            if type(part) in _ITEM:
                item = _ITEM[type(part)](self, part)
                flush()
                items += [item] if item else []
            else:
                content += self._content(part, turn.role)
        flush()
        return items

    def _content(self, part: Part, role: str) -> list[Document]:
        match part:
            case Text():
                return [_text(part.text, "output_text" if role == "assistant" else "input_text")]
            case Refusal() if role == "assistant":
                return [{"type": "refusal", "refusal": part.text}]
            case Refusal():
                return [_text(part.text, "input_text")]
            case Image() if role != "assistant":
                return self._image(part)
            case File() if role != "assistant":
                return self._file(part)
            case _:
                self._report.refuse(part.path)
                return []

    def _image(self, part: Image) -> list[Document]:
        url = part.url or (base64_url(part.media_type or "image/png", part.data) if part.data else "")
        if self._target.images is False or not (url or part.file_id.startswith(_OWN_FILE)):
            self._report.refuse(part.path)
            return []
        place = {"image_url": url} if url else {"file_id": part.file_id}
        return [{"type": "input_image", "detail": part.detail or "auto", **place}]

    def _file(self, part: File) -> list[Document]:
        if part.text:
            return [_text(part.titled_text, "input_text")]
        if part.url:
            return [{"type": "input_file", "file_url": part.url}]
        if part.data:
            media_type = part.media_type or "application/pdf"
            name = part.name or f"document.{media_type.rpartition('/')[2]}"
            data = base64_url(media_type, part.data)
            return [{"type": "input_file", "filename": name, "file_data": data}]
        if part.file_id.startswith(_OWN_FILE):
            return [{"type": "input_file", "file_id": part.file_id}]
        self._report.refuse(part.path)
        return []

    def thinking(self, part: Thinking) -> Document | None:
        """Reasoning with OpenAI's seal. With another seal it is refused, without any it is dropped."""
        if part.signature or part.redacted:
            self._report.refuse(part.path)
            return None
        if not part.encrypted:
            self._report.drop(part.path)
            return None
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        return {"type": "reasoning", "summary": summary, "encrypted_content": part.encrypted}

    def call(self, part: ToolCall) -> Document:
        said = {"call_id": _call_id(part.id), "name": tool_name(part.name)}
        said |= {"namespace": part.namespace} if part.namespace else {}
        if part.free:
            return {"type": "custom_tool_call", **said, "input": part.arguments}
        return {"type": "function_call", **said, "arguments": part.arguments or "{}"}

    def result(self, part: ToolResult) -> Document:
        free = part.free or part.call_id in self._free
        for inner in part.parts:
            _drop_cache(inner, self._report)
        content = [said for inner in part.parts for said in self._content(inner, "user")]
        if part.is_error and not _is_error(content):
            content = _as_error(content)
        plain = len(content) == 1 and content[0]["type"] == "input_text"
        return {
            "type": "custom_tool_call_output" if free else "function_call_output",
            "call_id": _call_id(part.call_id),
            "output": content[0]["text"] if plain else content or "",
        }


_ITEM: dict[type[Part], Callable[[_ItemWriting, Part], Document | None]] = {
    Thinking: _ItemWriting.thinking,  # type: ignore[dict-item]
    ToolCall: _ItemWriting.call,  # type: ignore[dict-item]
    ToolResult: _ItemWriting.result,  # type: ignore[dict-item]
}
"""The parts that become items of their own instead of content of a message."""


def _text(text: str, kind: str) -> Document:
    return {"type": kind, "text": text}


def _is_error(content: list[Document]) -> bool:
    return bool(content) and str(content[0].get("text", "")).startswith(_ERROR)


def _as_error(content: list[Document]) -> list[Document]:
    """The content of a result marked as an error by its first word, since there is no field for it."""
    if content and content[0]["type"] == "input_text":
        return [_text(f"{_ERROR}: {content[0]['text']}", "input_text"), *content[1:]]
    return [_text(_ERROR, "input_text"), *content]
