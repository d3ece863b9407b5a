"""Writes turns as messages of a chat completion."""

import hashlib
from collections.abc import Iterable, Sequence

from route.dialects.base import Document, dump
from route.dialects.chat.parts import content_of, marked, write_part
from route.dialects.chat.reasoning import details_of
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.names import wire_name
from route.dialects.neutral import (
    FREE_INPUT,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    join_assistant_turns,
)

MAX_CALL_ID = 40
_ERROR = "Error"


def write_turns(turns: Iterable[Turn], target: Target, report: Report) -> list[Document]:
    """The messages that the turns become."""
    writing = _MessageWriting(target, report)
    for turn in join_assistant_turns(turns):
        writing.add(turn)
    writing.flush()
    return writing.messages


class _MessageWriting:
    """Writes turns in order. `_attached`: parts of results that must wait for a message of the user."""

    def __init__(self, target: Target, report: Report) -> None:
        self.messages: list[Document] = []
        self._target, self._report = target, report
        self._attached: list[Document] = []
        self._calls, self._results = _CallIds(), _CallIds()

    def add(self, turn: Turn) -> None:
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
        for result in results:
            self._result(result)
        if results and not rest:
            return
        if turn.role == "user":
            attached, self._attached = self._attached, []
            self._say("user", [*attached, *self._written(rest, refused=(Thinking, ToolCall))])
            return
        self.flush()
        if turn.role == "assistant":
            self._assistant(rest)
        else:
            role = turn.role if self._target.developer_role else "system"
            self._say(role, self._written(rest, only=Text))

    def flush(self) -> None:
        """Writes the parts that wait for a message of the user."""
        if self._attached:
            self._say("user", self._attached)
            self._attached = []

    def _say(self, role: str, parts: list[Document]) -> None:
        self.messages.append({"role": role, "content": content_of(parts)})

    def _written(
        self, parts: Sequence[Part], *, only: type[Part] = Part, refused: tuple[type[Part], ...] = ()
    ) -> list[Document]:
        """The parts on the wire, without those that this role's messages cannot hold; these are refused."""
        written = []
        for part in parts:
            if not isinstance(part, only) or isinstance(part, refused):
                self._report.refuse(part.path)
                continue
            document = write_part(part, self._target, self._report)
            written += [] if document is None else [document]
        return written

    def _assistant(self, parts: Sequence[Part]) -> None:
        thoughts = [part for part in parts if isinstance(part, Thinking)]
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        said = [part for part in parts if not isinstance(part, Thinking | ToolCall)]
        message: Document = {"role": "assistant"}
        if len(said) == 1 and isinstance(said[0], Refusal) and said[0].cache is None:
            message |= {"content": None, "refusal": said[0].text}
        else:
            spoken = [part for part in said if isinstance(part, Text | Refusal)]
            for part in said:
                if not isinstance(part, Text | Refusal):
                    self._report.refuse(part.path)
            content = content_of(self._written(spoken))
            message["content"] = content or (None if calls else "")
        message |= {"tool_calls": calls} if calls else {}
        self.messages.append(message | self._reasoning(thoughts))

    def _reasoning(self, thoughts: Sequence[Thinking]) -> Document:
        """Reasoning of the history, which only gateways to Anthropic (they take cache marks) want back."""
        for thought in thoughts:
            if thought.cache is not None:
                self._report.drop(f"{thought.at}.cache_control")
        if self._target.cache_control is True and thoughts:
            return {"reasoning_details": details_of(thoughts)}
        for thought in thoughts:
            if thought.is_sealed:
                self._report.refuse(thought.path)
            else:
                self._report.drop(thought.path)
        return {}

    def _call(self, part: ToolCall) -> Document:
        arguments = dump({FREE_INPUT: part.arguments}).decode() if part.free else part.arguments or "{}"
        function = {"name": wire_name(part.namespace, part.name), "arguments": arguments}
        call = {"id": self._calls.of(part.id), "type": "function", "function": function}
        return marked(call, part.cache, part.at, self._target, self._report)

    def _result(self, result: ToolResult) -> None:
        call_id = self._results.of(result.call_id)
        written = self._written(result.parts, refused=(Thinking, ToolCall, ToolResult, Refusal))
        texts = [part for part in written if part["type"] == "text"]
        others = [part for part in written if part["type"] != "text"]
        if result.is_error:
            texts = _as_error(texts)
        if others:
            note = {"type": "text", "text": f"Attached to the result of tool call {call_id}:"}
            self._attached += [note, *others]
            texts = texts or [{"type": "text", "text": "(see the attachment in the next message of the user)"}]
        if result.cache is not None:
            texts = texts or [{"type": "text", "text": ""}]
            texts[-1] = marked(texts[-1], result.cache, result.at, self._target, self._report)
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content_of(texts)})


def _as_error(texts: list[Document]) -> list[Document]:
    """The texts of a result marked as an error by their first word, since there is no field for it."""
    first = texts[0]["text"] if texts else ""
    if first.startswith(_ERROR):
        return texts
    said = f"{_ERROR}: {first}" if first else _ERROR
    return [{**texts[0], "text": said}, *texts[1:]] if texts else [{"type": "text", "text": said}]


class _CallIds:
    """Makes ids of calls, or of their results, legal: not empty and not too long.

    The first call without an id and the first result without one get the same id, and so on.
    """

    def __init__(self) -> None:
        self._empty = 0

    def of(self, call_id: str) -> str:
        if not call_id:
            self._empty += 1
            return f"call_{self._empty}"
        if len(call_id) <= MAX_CALL_ID:
            return call_id
        return f"call_{hashlib.sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
