"""Builds the items of an answer; each item emits its own events of the stream."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from route.dialects.base import dump
from route.dialects.neutral import BlockKind, Document, Opened, Sealed
from route.dialects.responses.seals import Seal, pack


class EmitEvent(Protocol):
    """Emits an event of a kind with these fields, and numbers it."""

    def __call__(self, kind: str, **fields: Any) -> None: ...


class OutputItem(ABC):
    """An item of the output at its index. It begins when it is created, and ends once."""

    def __init__(self, emit: EmitEvent, item_id: str, place: int) -> None:
        self._emit, self._id, self._place = emit, item_id, place
        self._said: list[str] = []
        emit("response.output_item.added", output_index=place, item=self.document("in_progress"))

    @abstractmethod
    def document(self, status: str) -> Document:
        """The item as it is on the wire, with the content so far."""

    @abstractmethod
    def delta(self, said: str) -> None:
        """Adds content."""

    @abstractmethod
    def finish(self) -> None:
        """Emits the events that must come before the end of the item."""

    def end(self, status: str) -> Document:
        """Ends the item; returns it with its status."""
        self.finish()
        document = self.document(status)
        self._emit("response.output_item.done", output_index=self._place, item=document)
        return document

    def _more(self, kind: str, **fields: Any) -> None:
        self._emit(kind, item_id=self._id, output_index=self._place, **fields)

    @property
    def _whole(self) -> str:
        return "".join(self._said)


class MessageItem(OutputItem):
    """A message to the caller. Consecutive texts and refusals are the parts of one message.

    `holds`: a delta waits for the log probabilities of its tokens, which come after it.
    """

    def __init__(self, emit: EmitEvent, item_id: str, place: int, *, holds: bool) -> None:
        self._parts: list[Document] = []
        self._part: Document | None = None
        self._tokens: list[Document] = []
        self._holds, self._held = holds, ""
        super().__init__(emit, item_id, place)

    def document(self, status: str) -> Document:
        parts = [*self._parts]
        return {"id": self._id, "type": "message", "status": status, "role": "assistant", "content": parts}

    def begin(self, kind: BlockKind) -> None:
        """Begins the next part."""
        self.finish()
        text: Document = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._part = text if kind is BlockKind.TEXT else {"type": "refusal", "refusal": ""}
        self._content("response.content_part.added", part={**self._part})

    def delta(self, said: str) -> None:
        self._said.append(said)
        if self._holds:
            self._let_go()
            self._held = said
        else:
            self._delta(said, ())

    def logprobs(self, tokens: Sequence[Document]) -> None:
        self._tokens += tokens
        self._let_go(tokens)

    def _let_go(self, tokens: Sequence[Document] = ()) -> None:
        if self._held or tokens:
            said, self._held = self._held, ""
            self._delta(said, tokens)

    def _delta(self, said: str, tokens: Sequence[Document]) -> None:
        if self._part and self._part["type"] == "refusal":
            self._content("response.refusal.delta", delta=said)
        else:
            self._content("response.output_text.delta", delta=said, logprobs=list(tokens))

    def finish(self) -> None:
        if self._part is None:
            return
        self._let_go()
        whole, tokens = self._whole, [*self._tokens]
        if self._part["type"] == "refusal":
            part: Document = {"type": "refusal", "refusal": whole}
            self._content("response.refusal.done", refusal=whole)
        else:
            part = {**self._part, "text": whole, "logprobs": tokens}
            self._content("response.output_text.done", text=whole, logprobs=tokens)
        self._content("response.content_part.done", part=part)
        self._parts.append(part)
        self._part, self._said, self._tokens = None, [], []

    def _content(self, kind: str, **fields: Any) -> None:
        self._more(kind, content_index=len(self._parts), **fields)


class ReasoningItem(OutputItem):
    """The model's reasoning as a summary, with the seal by which its provider accepts it back."""

    def __init__(self, emit: EmitEvent, item_id: str, place: int) -> None:
        self._seal: Seal | None = None
        super().__init__(emit, item_id, place)

    def document(self, status: str) -> Document:
        item: Document = {"id": self._id, "type": "reasoning", "summary": self._summary()}
        return item if self._seal is None else item | {"encrypted_content": pack(self._seal)}

    def _summary(self) -> list[Document]:
        return [{"type": "summary_text", "text": self._whole}] if self._said else []

    def delta(self, said: str) -> None:
        if not self._said:
            self._of_summary("response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""})
        self._said.append(said)
        self._of_summary("response.reasoning_summary_text.delta", delta=said)

    def seal(self, event: Sealed) -> None:
        known = self._seal or Seal()
        self._seal = Seal(
            signature=known.signature + event.signature,
            redacted=event.redacted or known.redacted,
            encrypted=event.encrypted or known.encrypted,
        )

    def finish(self) -> None:
        # Also without a seal: when the caller sends the item back, it must be known that OpenAI never had it.
        self._seal = self._seal or Seal()
        for part in self._summary():
            self._of_summary("response.reasoning_summary_text.done", text=part["text"])
            self._of_summary("response.reasoning_summary_part.done", part=part)

    def _of_summary(self, kind: str, **fields: Any) -> None:
        self._more(kind, summary_index=0, **fields)


class CallItem(OutputItem):
    """A call of a tool. `wrapped`: its free text arrives as the only field of a JSON object."""

    def __init__(self, emit: EmitEvent, item_id: str, place: int, call: Opened, *, wrapped: bool) -> None:
        self._call, self._wrapped = call, wrapped
        super().__init__(emit, item_id, place)

    def document(self, status: str) -> Document:
        call = self._call
        kind, name = ("custom_tool_call", "input") if call.free else ("function_call", "arguments")
        item = {"id": self._id, "type": kind, "status": status, "call_id": call.id, "name": call.name}
        item[name] = "" if self._wrapped else self._whole
        return item | ({"namespace": call.namespace} if call.namespace else {})

    def delta(self, said: str) -> None:
        self._said.append(said)
        if not self._wrapped:
            self._event("delta", delta=said)

    def finish(self) -> None:
        if self._wrapped:
            wrapped, self._said, self._wrapped = self._whole, [], False
            self.delta(unwrapped(wrapped))
        elif not self._call.free and not self._whole.strip():
            # Callers parse the arguments, and an empty text is no JSON.
            self.delta("{}")
        name = "input" if self._call.free else "arguments"
        self._event("done", **{name: self._whole})

    def _event(self, what: str, **fields: Any) -> None:
        of = "custom_tool_call_input" if self._call.free else "function_call_arguments"
        self._more(f"response.{of}.{what}", **fields)


def unwrapped(arguments: str) -> str:
    """The free text in `{"input": text}`; any other arguments as they are."""
    try:
        said = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(said, dict) or set(said) != {"input"}:
        return arguments
    text = said["input"]
    return text if isinstance(text, str) else dump({"input": text}).decode()
