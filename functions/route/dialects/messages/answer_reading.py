"""Reads an answer of Anthropic's messages, whole or streamed, as neutral events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.usage import from_anthropic
from route.dialects import neutral, sse
from route.dialects.base import BadAnswer, Document, index_of, mapping, parse_object, text
from route.dialects.conversion import AnswerReading
from route.dialects.fields import Fields, Report
from route.dialects.messages import stops
from route.dialects.messages.arguments import as_text
from route.dialects.messages.content import ignore_direct_caller
from route.dialects.neutral import Began, BlockKind, Closed, Counted, Delta, Finished, Opened, Sealed, Stop

_DELTAS = {
    "text_delta": (BlockKind.TEXT, "text"),
    "thinking_delta": (BlockKind.THINKING, "thinking"),
    "input_json_delta": (BlockKind.TOOL_CALL, "partial_json"),
}
_KINDS = {
    "text": BlockKind.TEXT,
    "thinking": BlockKind.THINKING,
    "redacted_thinking": BlockKind.THINKING,
    "tool_use": BlockKind.TOOL_CALL,
}
_COUNTS = ("input_tokens", "output_tokens", "cache_creation", "output_tokens_details")
_CACHE_COUNTS = ("cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(slots=True)
class _OpenBlock:
    """An open block. `arguments`: those that stand in the start of a call, used where no delta brings any."""

    number: int
    kind: BlockKind
    signature: str = ""
    redacted: str = ""
    arguments: str = ""
    has_spoken: bool = False


class MessagesReading(AnswerReading):
    """Reads one answer."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self._open: dict[int, _OpenBlock | None] = {}
        """Open blocks by their index on the wire. None: a block of a kind that is left out."""
        self._blocks = 0
        self._usage: dict[str, Any] = {}
        self._finished = Finished(0, Stop.END)
        self._has_begun = self._has_ended = False

    def whole(self, document: Document) -> Iterable[neutral.AnswerEvent]:
        if not isinstance(document.get("content"), list):
            raise BadAnswer("the answer has no content")
        return [*self._message(Fields(document, self.report)), *self.end()]

    def feed(self, event: sse.Event) -> Iterable[neutral.AnswerEvent]:
        if event.data is None:
            return []
        document = parse_object(event.data)
        read = self._read(str(document.get("type") or event.name), document)
        if not read or self._has_begun:
            return read
        self._has_begun = True
        return read if isinstance(read[0], Began) else [Began(), *read]

    def end(self) -> Iterable[neutral.AnswerEvent]:
        """The end of the answer and its token counts, once."""
        if self._has_ended:
            return []
        self._has_ended = True
        return [*self._close_all(), self._finished, *self._counted()]

    def _read(self, kind: str, document: Document) -> list[neutral.AnswerEvent]:
        reads = {
            "message_start": self._began,
            "content_block_start": self._started,
            "content_block_delta": self._grew,
            "content_block_stop": self._stopped,
            "message_delta": self._ending,
            "message_stop": self._ended,
        }
        return reads[kind](document) if kind in reads else []

    def _began(self, document: Document) -> list[neutral.AnswerEvent]:
        return self._message(Fields(document.get("message"), self.report))

    def _started(self, document: Document) -> list[neutral.AnswerEvent]:
        number = index_of(document.get("index"))
        return [
            *self._close(number),
            *self._start(number, Fields(document.get("content_block"), self.report, "content[]")),
        ]

    def _grew(self, document: Document) -> list[neutral.AnswerEvent]:
        return self._delta(index_of(document.get("index")), mapping(document.get("delta")))

    def _stopped(self, document: Document) -> list[neutral.AnswerEvent]:
        return self._close(index_of(document.get("index")))

    def _ended(self, document: Document) -> list[neutral.AnswerEvent]:
        return list(self.end())

    def _message(self, message: Fields) -> list[neutral.AnswerEvent]:
        message.ignore("type", "role")
        events: list[neutral.AnswerEvent] = [Began(id=message.text("id"), model=message.text("model"))]
        for index, block in enumerate(message.objects("content")):
            events += [*self._start(index, block), *self._close(index)]
        self._stop(message)
        self._meter(message)
        return events

    def _ending(self, document: Document) -> list[neutral.AnswerEvent]:
        fields = Fields(document, self.report)
        fields.ignore("type")
        self._meter(fields)
        delta = fields.object("delta")
        # These fields are reported by the same paths as in a whole answer.
        delta.path = ""
        self._stop(delta)
        return []

    def _stop(self, fields: Fields) -> None:
        word, sequence = fields.text("stop_reason"), fields.take("stop_sequence", str)
        details = fields.object("stop_details")
        details.ignore("type")
        explanation = details.take("explanation", str)
        if word:
            self._finished = Finished(0, stops.read(word), sequence, explanation)

    def _meter(self, fields: Fields) -> None:
        """Keeps the latest counts. They are cumulative, and an event may leave out those that did not change."""
        usage = fields.take("usage", Mapping) or {}
        self._usage |= {name: value for name, value in usage.items() if value is not None}

    def _counted(self) -> list[neutral.AnswerEvent]:
        if not self._usage:
            return []
        Fields(self._usage, self.report, "usage").ignore(*_COUNTS, *_CACHE_COUNTS)
        return [Counted(from_anthropic(self._usage), any(name in self._usage for name in _CACHE_COUNTS))]

    def _start(self, index: int, fields: Fields) -> list[neutral.AnswerEvent]:
        word = fields.text("type")
        if word not in _KINDS:
            self._open[index] = None
            self.report.drop(fields.at(word) if word else fields.path)
            fields.rest()
            return []
        block = self._open[index] = _OpenBlock(self._blocks, _KINDS[word])
        self._blocks += 1
        opened = Opened(0, block.number, block.kind)
        if block.kind is BlockKind.TOOL_CALL:
            opened = _called(block, fields)
        block.signature, block.redacted = fields.text("signature"), fields.text("data")
        return [opened, *self._said(block, fields.text(word) if word in ("text", "thinking") else "")]

    def _delta(self, index: int, delta: Mapping[str, Any]) -> list[neutral.AnswerEvent]:
        if index not in self._open:
            raise BadAnswer("the answer goes on with a part that has not begun")
        block, word = self._open[index], text(delta.get("type"))
        if block is None:
            return []
        if word == "signature_delta":
            block.signature = text(delta.get("signature")) or block.signature
            return []
        if word not in _DELTAS:
            self.report.drop("content[].citations" if word == "citations_delta" else f"content[].{word}")
            return []
        kind, field = _DELTAS[word]
        if kind is not block.kind:
            raise BadAnswer("the answer goes on with a part in another kind")
        return self._said(block, text(delta.get(field)))

    def _said(self, block: _OpenBlock, said: str) -> list[neutral.AnswerEvent]:
        block.has_spoken = block.has_spoken or bool(said)
        return [Delta(0, block.number, said)] if said else []

    def _close(self, index: int) -> list[neutral.AnswerEvent]:
        block = self._open.pop(index, None)
        if block is None:
            return []
        events: list[neutral.AnswerEvent] = []
        if block.kind is BlockKind.TOOL_CALL and not block.has_spoken:
            events += self._said(block, block.arguments)
        if block.signature or block.redacted:
            events.append(Sealed(0, block.number, signature=block.signature, redacted=block.redacted))
        return [*events, Closed(0, block.number)]

    def _close_all(self) -> list[neutral.AnswerEvent]:
        return [event for index in list(self._open) for event in self._close(index)]


def _called(block: _OpenBlock, fields: Fields) -> Opened:
    """The start of a call. Its input may be an object or JSON text; in a stream it mostly comes later."""
    name = fields.text("name")
    if not name:
        raise BadAnswer("the answer calls a tool without a name")
    ignore_direct_caller(fields)
    try:
        block.arguments = fields.text("input") or as_text(fields.take("input", Mapping) or {})
    except ValueError:
        raise BadAnswer("the answer calls a tool with arguments that are nested too deep") from None
    return Opened(0, block.number, BlockKind.TOOL_CALL, id=fields.text("id"), name=name)
