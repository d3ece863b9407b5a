"""Writes neutral turns as Anthropic's `system` and `messages`, by Anthropic's rules.

The system's turns go into `system`. Neighbouring turns of one side become one message, so that the sides
alternate, and the user comes first. The results of calls stand first in the message after the calls. No text is
blank, and a last text of the assistant, which the model would continue, does not end in a blank.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from itertools import takewhile

from route.dialects.base import Document
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.messages import media
from route.dialects.messages.arguments import as_object
from route.dialects.messages.cache_marks import CacheMarks
from route.dialects.messages.ids import UniqueIds, tool_name
from route.dialects.neutral import (
    FREE_INPUT,
    File,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

NOTHING_SAID = "."
"""The user's text where the history begins with the assistant or has only a system prompt."""


@dataclass(slots=True)
class _Message:
    role: str
    results: list[Document] = field(default_factory=list)
    blocks: list[Document] = field(default_factory=list)

    @property
    def content(self) -> list[Document]:
        return self.results + self.blocks


@dataclass(frozen=True, slots=True)
class _UnansweredCall:
    """A call without a result so far. `message`: the number of the message in which it stands."""

    wire_id: str
    message: int
    at: str


class MessageWriting:
    """Writes a request's turns, which it takes in order."""

    def __init__(self, target: Target, report: Report, marks: CacheMarks) -> None:
        self.system: list[Document] = []
        self.called: dict[str, None] = {}
        """The names on the wire of all tools that the history calls."""
        self._target, self._report, self._marks = target, report, marks
        self._messages: list[_Message] = []
        self._ids = UniqueIds()
        self._open: dict[str, deque[_UnansweredCall]] = defaultdict(deque)

    def add(self, turn: Turn) -> None:
        for part in turn.parts:
            if turn.role in ("system", "developer"):
                self.system += self._system(part)
            elif turn.role == "assistant":
                self._assistant(part)
            else:
                self._user(part)

    def messages(self) -> list[Document]:
        """All messages, once every turn has been added."""
        for call in (call for calls in self._open.values() for call in calls):
            self._report.refuse(call.at)
        if not self._messages and not self.system:
            self._report.refuse("messages")  # there is nothing to answer
        if not self._messages or self._messages[0].role == "assistant":
            self._messages.insert(0, _Message("user", blocks=[_text(NOTHING_SAID)]))
        last = self._messages[-1]
        if last.role == "assistant" and last.blocks[-1]["type"] == "text":
            last.blocks[-1]["text"] = last.blocks[-1]["text"].rstrip()
        return [{"role": message.role, "content": message.content} for message in self._messages]

    @property
    def allows_budget(self) -> bool:
        """Whether Anthropic accepts a reasoning budget after this history.

        The model must have reasoned before each call of the current tool loop, and the last message must not be
        one of the assistant, which the model would have to continue.
        """
        if self._messages and self._messages[-1].role == "assistant":
            return False
        loop = takewhile(lambda message: message.role == "assistant" or message.results, reversed(self._messages))
        starts = [message.blocks[0]["type"] for message in loop if message.role == "assistant"]
        return all(start in ("thinking", "redacted_thinking") for start in starts)

    def _put(self, role: str, block: Document, part: Part) -> None:
        self._of(role).blocks.append(self._marks.put(block, part.cache, part.at))

    def _of(self, role: str) -> _Message:
        """The current message of a role: the last one, or a new one where the last is the other side's."""
        if not self._messages or self._messages[-1].role != role:
            self._messages.append(_Message(role))
        return self._messages[-1]

    def _system(self, part: Part) -> list[Document]:
        if not isinstance(part, Text):
            self._report.refuse(part.path)
            return []
        block = self._said(part, part.text)
        return [self._marks.put(block, part.cache, part.at)] if block else []

    def _said(self, part: Part, text: str) -> Document | None:
        """A text as a block; None where it is blank."""
        if text.strip():
            return _text(text)
        self._marks.lose(part.cache, part.at)
        return None

    def _user(self, part: Part) -> None:
        if isinstance(part, ToolResult):
            self._result(part)
        elif block := self._shown(part):
            self._put("user", block, part)

    def _shown(self, part: Part) -> Document | None:
        """A part that the user or a tool shows to the model, as a block; None where it is reported instead."""
        match part:
            case Text() | Refusal():
                return self._said(part, part.text)
            case Image():
                return media.image(part, self._target, self._report)
            case File():
                return media.document(part, self._target, self._report)
            case _:
                self._report.refuse(part.path)
                return None

    def _assistant(self, part: Part) -> None:
        match part:
            case Text() | Refusal():
                if block := self._said(part, part.text):
                    self._put("assistant", block, part)
            case Thinking():
                self._thought(part)
            case ToolCall():
                self._call(part)
            case _:
                self._report.refuse(part.path)

    def _thought(self, part: Thinking) -> None:
        if part.signature:
            block = {"type": "thinking", "thinking": part.text, "signature": part.signature}
            self._of("assistant").blocks.append(block)
        if part.redacted:
            self._of("assistant").blocks.append({"type": "redacted_thinking", "data": part.redacted})
        if part.encrypted:
            self._report.refuse(part.path)
        elif not part.is_sealed:
            self._report.drop(part.path)
        self._marks.lose(part.cache, part.at)

    def _call(self, part: ToolCall) -> None:
        name = tool_name(part.namespace, part.name)
        self.called[name] = None
        arguments = {FREE_INPUT: part.arguments} if part.free else as_object(part.arguments)
        wire_id = self._ids.give(part.id)
        self._put("assistant", {"type": "tool_use", "id": wire_id, "name": name, "input": arguments}, part)
        self._open[part.id].append(_UnansweredCall(wire_id, len(self._messages) - 1, part.at))

    def _result(self, part: ToolResult) -> None:
        """Writes a result into the message after its call, wherever it stood. Without a call it is refused."""
        calls = self._open[part.call_id]
        if not calls:
            self._report.refuse(part.path)
            return
        call = calls.popleft()
        if call.message + 1 == len(self._messages):
            self._messages.append(_Message("user"))
        shown = [self._shown(replace(inner, cache=None)) for inner in part.parts]
        content = [one for one in shown if one]
        block: Document = {"type": "tool_result", "tool_use_id": call.wire_id, "content": content}
        if part.is_error:
            # The content of an error must not be empty.
            block |= {"is_error": True, "content": content or [_text("Error")]}
        # Anthropic takes no marks inside a result; a mark on the result covers the same content.
        inside = [inner for inner in part.parts if inner.cache]
        lifted = inside.pop() if inside and not part.cache else part
        for inner in inside:
            self._marks.lose(inner.cache, inner.at)
        self._messages[call.message + 1].results.append(self._marks.put(block, lifted.cache, lifted.at))


def _text(text: str) -> Document:
    return {"type": "text", "text": text}
