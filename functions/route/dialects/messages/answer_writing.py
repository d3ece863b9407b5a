"""Writes neutral events as an answer of Anthropic's messages, whole or streamed."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from ledger.usage import Usage
from route.dialects import neutral
from route.dialects.base import BadAnswer, Document, dump, text
from route.dialects.conversion import AnswerContext, AnswerWriting
from route.dialects.fields import Report
from route.dialects.messages import stops
from route.dialects.messages.arguments import as_object, as_text, is_object
from route.dialects.messages.ids import UniqueIds
from route.dialects.neutral import (
    FREE_INPUT,
    Began,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Finished,
    Logprobs,
    Opened,
    Sealed,
    Stop,
)
from route.dialects.sse import encode

_DELTAS = {
    BlockKind.TEXT: ("text_delta", "text"),
    BlockKind.REFUSAL: ("text_delta", "text"),
    BlockKind.THINKING: ("thinking_delta", "thinking"),
    BlockKind.TOOL_CALL: ("input_json_delta", "partial_json"),
}
_STARTS: dict[BlockKind, Document] = {
    BlockKind.TEXT: {"type": "text", "text": ""},
    BlockKind.REFUSAL: {"type": "text", "text": ""},
    BlockKind.THINKING: {"type": "thinking", "thinking": "", "signature": ""},
}


_CUT = (Stop.LENGTH, Stop.CONTEXT_FULL, Stop.REFUSAL, Stop.PAUSE)
"""Stops after which a call may be unfinished."""


class MessagesWriting(AnswerWriting):
    """Writes one answer as the events of a stream; a whole answer is what they add up to.

    A block starts only when it has content: clients send the blocks back as they got them, and Anthropic refuses
    blank text. So `index` counts the blocks that were started.
    """

    def __init__(self, asked: AnswerContext, report: Report) -> None:
        super().__init__(asked, report)
        self._id = ""
        self._index = 0
        self._block: Opened | None = None
        self._is_started = False
        self._arguments: list[str] = []
        self._has_unreadable_call = False
        self._redacted: list[str] = []
        self._ids = UniqueIds()
        self._kinds: set[BlockKind] = set()
        self._finished = Finished(0, Stop.END)
        self._usage = Usage()

    def whole(self, events: Sequence[neutral.AnswerEvent]) -> Document:
        return _added_up([*(d for event in events for d in self._said(event)), *self._ending()])

    def feed(self, event: neutral.AnswerEvent) -> bytes:
        return _encoded(self._said(event))

    def end(self) -> bytes:
        return _encoded(self._ending())

    def _said(self, event: neutral.AnswerEvent) -> list[Document]:
        match event:
            case Began():
                return self._begin(event)
            case Counted():
                self._usage = event.usage
            case Logprobs():
                self.report.drop("logprobs")
            case _ if event.choice != 0:
                self.report.drop("choices[]")
            case Finished():
                self._finished = event
                if self._has_unreadable_call and event.stop not in _CUT:
                    raise BadAnswer("the arguments of a tool call are not a JSON object")
            case Opened():
                return [*self._begin(Began()), *self._opened(event)]
            case Delta():
                return self._delta(event.text)
            case Sealed():
                return self._sealed(event)
            case Closed():
                return self._closed()
        return []

    def _begin(self, began: Began) -> list[Document]:
        """The first event, once. It holds all token counts, without which several clients fail."""
        if self._id:
            return []
        self._id = began.id or f"msg_{_digest(self.asked)}"
        message: Document = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": began.model or text(self.asked.body.get("model")),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(self._usage),
        }
        return [{"type": "message_start", "message": message}]

    def _opened(self, event: Opened) -> list[Document]:
        self._block, self._is_started, self._arguments = event, False, []
        if event.kind is not BlockKind.TOOL_CALL:
            return []
        call_id = self._ids.give(event.id or f"{self._id}#{self._index}")
        return [self._start({"type": "tool_use", "id": call_id, "name": event.name, "input": {}})]

    def _start(self, block: Document) -> Document:
        self._is_started = True
        if self._block is not None:
            self._kinds.add(self._block.kind)
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, said: str) -> list[Document]:
        block = self._block
        if block is None or not said:
            return []
        if block.kind is BlockKind.TOOL_CALL:
            self._arguments.append(said)
        if block.free:
            return []
        word, field = _DELTAS[block.kind]
        return [*self._started(block), self._grow({"type": word, field: said})]

    def _started(self, block: Opened) -> list[Document]:
        return [] if self._is_started else [self._start(dict(_STARTS[block.kind]))]

    def _grow(self, delta: Document) -> Document:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _sealed(self, event: Sealed) -> list[Document]:
        """A signature goes into the open block. Redacted reasoning becomes a block of its own after it."""
        if event.encrypted:
            self.report.drop("reasoning.encrypted_content")
        if event.redacted:
            self._redacted.append(event.redacted)
        if self._block is None or self._block.kind is not BlockKind.THINKING or not event.signature:
            return []
        delta = self._grow({"type": "signature_delta", "signature": event.signature})
        return [*self._started(self._block), delta]

    def _closed(self) -> list[Document]:
        block, said = self._block, []
        if block is not None and block.kind is BlockKind.TOOL_CALL:
            arguments = "".join(self._arguments)
            self._has_unreadable_call |= not block.free and not is_object(arguments)
            if block.free or not arguments:
                written = as_text({FREE_INPUT: arguments}) if block.free else "{}"
                said.append(self._grow({"type": "input_json_delta", "partial_json": written}))
        said += self._stopped()
        for data in self._redacted:
            said += [self._start({"type": "redacted_thinking", "data": data}), *self._stopped()]
        self._redacted, self._block = [], None
        return said

    def _stopped(self) -> list[Document]:
        if not self._is_started:
            return []
        self._is_started = False
        self._index += 1
        return [{"type": "content_block_stop", "index": self._index - 1}]

    def _ending(self) -> list[Document]:
        return [
            *self._begin(Began()),
            *self._closed(),
            {"type": "message_delta", "delta": self._stopping(), "usage": _usage(self._usage)},
            {"type": "message_stop"},
        ]

    def _stopping(self) -> Document:
        stop = self._finished.stop
        if stop is Stop.END and BlockKind.TOOL_CALL in self._kinds:
            # OpenAI ends a forced call with `stop`; agents go on only after `tool_use`.
            stop = Stop.TOOL_CALLS
        elif stop is Stop.END and BlockKind.REFUSAL in self._kinds:
            stop = Stop.REFUSAL
        said: Document = {"stop_reason": stops.write(stop), "stop_sequence": self._finished.sequence}
        if stop is not Stop.REFUSAL:
            return said
        details = {"type": "refusal", "category": None, "explanation": self._finished.explanation}
        return said | {"stop_details": details}


def _usage(usage: Usage) -> Document:
    """All counts that clients read, also those of 0; the tiers of the cache only where some tokens cost more."""
    said: Document = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if usage.cache_write_1h:
        said["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    return said | ({"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {})


def _digest(asked: AnswerContext) -> str:
    """Makes an id for an answer without one: the same for the same request at the same time."""
    return sha256(b"%d:%b" % (asked.created, dump(asked.body))).hexdigest()[:24]


def _encoded(documents: Iterable[Document]) -> bytes:
    return b"".join(encode(dump(document), document["type"]) for document in documents)


def _added_up(documents: Iterable[Document]) -> Document:
    """The message that the events of a stream add up to."""
    message: Document = {}
    blocks: list[Document] = []
    for document in documents:
        match document["type"]:
            case "message_start":
                message = dict(document["message"])
            case "content_block_start":
                blocks.append(dict(document["content_block"]))
            case "content_block_delta":
                _add(blocks[-1], document["delta"])
            case "message_delta":
                message |= document["delta"] | {"usage": document["usage"]}
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = as_object(block.pop("partial_json", ""))
    return message | {"content": blocks}


def _add(block: Document, delta: Document) -> None:
    for name, value in delta.items():
        if name != "type":
            block[name] = block.get(name, "") + value
