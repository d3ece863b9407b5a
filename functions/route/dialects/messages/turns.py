"""From neutral turns to Anthropic's `system` and `messages`, by the rules that Anthropic holds them to.

Turns of the system go before all others. Neighbours of one side become one message, so that the sides take
turns. Each call is answered in the message after it, results first. No text is blank, none that the assistant
would go on with ends in a blank, and the user speaks first.
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
"""What the user says where the history begins with the assistant, or with nothing but a system prompt."""


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
    """A call that has no result yet. `message`: the number of the message that it stands in."""

    wire_id: str
    message: int
    at: str


class MessageWriting:
    """Takes a request's turns in order."""

    def __init__(self, target: Target, report: Report, marks: CacheMarks) -> None:
        self.system: list[Document] = []
        self.called: dict[str, None] = {}
        """The names of all tools that were called, as they are on the wire."""
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
        """All of them, once every turn has been added."""
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
        """Whether Anthropic lets a model think that has a budget: it must have thought before each call of the
        loop that it is in, and cannot go on with what was put into its mouth.
        """
        if self._messages and self._messages[-1].role == "assistant":
            return False
        loop = takewhile(lambda message: message.role == "assistant" or message.results, reversed(self._messages))
        starts = [message.blocks[0]["type"] for message in loop if message.role == "assistant"]
        return all(start in ("thinking", "redacted_thinking") for start in starts)

    def _put(self, role: str, block: Document, part: Part) -> None:
        self._of(role).blocks.append(self._marks.put(block, part.cache, part.at))

    def _of(self, role: str) -> _Message:
        """The message in which this side is speaking now."""
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
        """A text as a block: none where it is blank."""
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
        """What the user or a tool shows to the model."""
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
        """Goes into the message after its call, wherever it stood. One without a call is refused by Anthropic."""
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
            # An error must say something.
            block |= {"is_error": True, "content": content or [_text("Error")]}
        # Anthropic takes no marks inside of a result, and one on it covers the same.
        inside = [inner for inner in part.parts if inner.cache]
        lifted = inside.pop() if inside and not part.cache else part
        for inner in inside:
            self._marks.lose(inner.cache, inner.at)
        self._messages[call.message + 1].results.append(self._marks.put(block, lifted.cache, lifted.at))


def _text(text: str) -> Document:
    return {"type": "text", "text": text}
