"""Reads one choice of an answer in chat completions: its blocks, and the calls among them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from route.dialects.base import BadAnswer, mapping, maps, text
from route.dialects.chat.reasoning import DETAILS, PLAIN, ReasoningPiece, piece_of
from route.dialects.fields import Fields, Report, drop_others
from route.dialects.mending import derived_id, is_whole_object
from route.dialects.neutral import AnswerEvent, BlockKind, Closed, Delta, Logprobs, Opened, Sealed

_KNOWN = frozenset({"role", "content", "refusal", "tool_calls", "function_call", *DETAILS, *PLAIN})
_LEGACY = "function_call"


@dataclass(slots=True)
class _OpenCall:
    """A call that has begun. `block`: None until its name is known to be whole. `arguments`: the pieces so far."""

    id: str
    is_free: bool
    name: str = ""
    block: int | None = None
    is_closed: bool = False
    arguments: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing can follow: a JSON object has an end of its own, free text has none."""
        return not self.is_free and is_whole_object(self.arguments)


class ChoiceReading:
    """Turns the deltas of one choice into events. Calls may overlap; `pipe.InOrder` sorts them afterwards.

    `seeds`: what a missing id of a call is derived from.
    """

    def __init__(self, number: int, report: Report, *seeds: str) -> None:
        self.number = number
        self.is_finished = False
        self._report = report
        self._seeds = seeds
        self._blocks = 0
        self._open: tuple[BlockKind, int] | None = None
        self._thought = ReasoningPiece()
        self._calls: dict[object, _OpenCall] = {}

    @property
    def has_called(self) -> bool:
        return bool(self._calls)

    def said(self, message: Mapping[str, Any], path: str, *, is_whole: bool) -> Iterator[AnswerEvent]:
        """The events of a delta or a whole message. Raises BadAnswer where a text field holds something else."""
        yield from self._reasoning(message, path)
        for kind, more in _content(message.get("content"), f"{path}.content", self._report):
            yield from self._more(kind, more)
        yield from self._more(BlockKind.REFUSAL, _text(message.get("refusal")))
        for place, piece in enumerate(maps(message.get("tool_calls"))):
            # The dialect's reader has given each piece of a stream an index; whole calls are known by their place.
            yield from self._piece_of_call(piece, place if is_whole else piece.get("index"))
        legacy = message.get("function_call")
        if legacy:
            yield from self._piece_of_call({"function": legacy}, _LEGACY)
        drop_others(self._report, message, _KNOWN, path)

    def logprobs(self, said: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        for name in ("content", "refusal"):
            tokens = tuple(dict(token) for token in maps(said.get(name)))
            if tokens:
                yield Logprobs(self.number, tokens)

    def finished(self) -> Iterator[AnswerEvent]:
        """Ends all blocks that are open. Raises BadAnswer for a call without a name, which nobody could run."""
        self.is_finished = True
        yield from self._settle()
        for call in self._calls.values():
            if not call.is_closed and call.block is not None:
                yield Closed(self.number, call.block)

    def _settle(self) -> Iterator[AnswerEvent]:
        """Ends the open block and all complete calls, before another block begins."""
        if self._open is not None:
            yield Closed(self.number, self._open[1])
            self._open = None
        for call in self._calls.values():
            yield from self._open_call(call)
            if not call.is_closed and call.block is not None and call.is_complete:
                call.is_closed = True
                yield Closed(self.number, call.block)

    def _next_block(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _enter(self, kind: BlockKind) -> Iterator[AnswerEvent]:
        if self._open is None or self._open[0] is not kind:
            yield from self._settle()
            self._open = (kind, self._next_block())
            yield Opened(self.number, self._open[1], kind)

    def _more(self, kind: BlockKind, more: str) -> Iterator[AnswerEvent]:
        if more:
            yield from self._enter(kind)
            yield Delta(self.number, self._blocks - 1, more)

    def _reasoning(self, message: Mapping[str, Any], path: str) -> Iterator[AnswerEvent]:
        """Reasoning in lists of pieces with seals, or in plain fields, whose text the lists may repeat."""
        name = next((name for name in DETAILS if maps(message.get(name))), DETAILS[0])
        entries = [Fields(entry, Report()) for entry in maps(message.get(name))]
        pieces = [piece for piece in map(piece_of, entries) if piece is not None]
        if len(pieces) < len(entries) or any(piece.is_foreign for piece in pieces):
            self._report.drop(f"{path}.{name}[]")
        if not any(piece.text for piece in pieces):
            plain = next((more for more in map(_text, map(message.get, PLAIN)) if more), "")
            pieces = [ReasoningPiece(text=plain), *pieces]
        for piece in pieces:
            yield from self._thinking(piece)

    def _thinking(self, piece: ReasoningPiece) -> Iterator[AnswerEvent]:
        if not (piece.text or piece.is_sealed):
            return
        is_open = self._open is not None and self._open[0] is BlockKind.THINKING
        if is_open and not piece.joins(self._thought):
            yield from self._settle()
        yield from self._enter(BlockKind.THINKING)
        self._thought = replace(piece, text="")
        if piece.text:
            yield Delta(self.number, self._blocks - 1, piece.text)
        if piece.is_sealed:
            yield Sealed(self.number, self._blocks - 1, piece.signature, piece.redacted, piece.encrypted)

    def _piece_of_call(self, piece: Mapping[str, Any], key: object) -> Iterator[AnswerEvent]:
        is_free = piece.get("custom") is not None
        inner = mapping(piece.get("custom" if is_free else "function"))
        if key not in self._calls:
            yield from self._settle()
            made = derived_id("call_", *self._seeds, self.number, len(self._calls))
            self._calls[key] = _OpenCall(text(piece.get("id")) or made, is_free)
        call = self._calls[key]
        call.name += text(inner.get("name"))
        more = _text(inner.get("input" if is_free else "arguments"))
        if more:
            yield from self._open_call(call)
            call.arguments.append(more)
            yield Delta(self.number, call.block or 0, more)

    def _open_call(self, call: _OpenCall) -> Iterator[AnswerEvent]:
        """Begins a call's block, once its name is whole: some servers send a name in pieces."""
        if call.block is not None:
            return
        if not call.name:
            raise BadAnswer("the answer calls a tool without a name")
        call.block = self._next_block()
        yield Opened(self.number, call.block, BlockKind.TOOL_CALL, call.id, call.name, free=call.is_free)


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadAnswer("a part of the answer is not text")
    return value


def _content(content: object, path: str, report: Report) -> Iterator[tuple[BlockKind, str]]:
    """The content: a text, or with some servers a list of parts in which reasoning is one kind."""
    if not isinstance(content, list):
        yield BlockKind.TEXT, _text(content)
        return
    for part in maps(content):
        kind = part.get("type")
        if kind == "thinking":
            inner = part.get("thinking")
            yield (
                BlockKind.THINKING,
                inner if isinstance(inner, str) else "".join(text(one.get("text")) for one in maps(inner)),
            )
        elif kind in ("text", "output_text"):
            yield BlockKind.TEXT, _text(part.get("text"))
        else:
            report.drop(f"{path}[].{kind}")
