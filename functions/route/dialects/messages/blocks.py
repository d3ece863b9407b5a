"""Mends the blocks of a streamed message: one after another, numbered without gaps, each begun and ended once.

Several clients keep only one block open, find a block by its number in a list, or read a tool's input only from
deltas. Events of a block that arrive while another block is open wait until that one has ended.
"""

from dataclasses import dataclass, field

from route.dialects import base
from route.dialects.base import BadAnswer, Document, encoded, text
from route.dialects.mending import Repairs, bounded, whole_number
from route.dialects.messages.pieces import EMPTY, HOLDERS, mend_content, mend_delta
from route.dialects.sse import Event, encode, rewritten

_ONE_KIND = ("text", "thinking", "tool_use")


@dataclass(slots=True)
class OutgoingEvent:
    """An event for the caller. `event`: the provider's, or None. `changed`: its document was changed."""

    document: Document
    event: Event | None = None
    changed: bool = False

    def sent(self) -> Event:
        if self.event is not None:
            data = encoded(self.document) if self.changed else None
            return self.event if data is None else rewritten(self.event, data=data)
        kind, data = text(self.document.get("type")), encoded(self.document)
        return Event(encode(data, kind), kind, data)

    @property
    def size(self) -> int:
        return len(self.event.raw) if self.event else 0


@dataclass(slots=True)
class _MendedBlock:
    """A block that has begun. `index`: the provider's. `number`: the caller's index. `kind`: the type of block.

    `input`: the tool input that stood in its start, as JSON, until a delta brings it. `is_sealed`: only its stop
    can follow. `waiting`: its events until the blocks before it have ended.
    """

    index: int
    number: int
    kind: str
    input: str = ""
    is_sealed: bool = False
    is_ended: bool = False
    waiting: list[OutgoingEvent] = field(default_factory=list)


class Blocks:
    """Mends the blocks of one message. `has_calls`: the model has called a tool of the caller."""

    def __init__(self, repairs: Repairs) -> None:
        self.has_calls = False
        self._repairs = repairs
        self._live: dict[int, _MendedBlock] = {}  # those that have not ended, by the provider's index
        self._order: list[_MendedBlock] = []  # the one that is open, and those that wait for its end
        self._begun = 0
        self._last = -1
        self._held = 0
        self._ids: set[str] = set()
        self._out: list[Event] = []

    def start(self, item: OutgoingEvent, *seeds: str | bytes) -> list[Event]:
        index = self._index(item, self._last + 1)
        content = item.document.get("content_block")
        if not isinstance(content, dict):
            raise BadAnswer("a block begins without being said what it is")
        start = mend_content(content, self._ids, self._repairs, *seeds, self._begun)
        self._mark(item)
        if index in self._live:
            self._end(self._live[index])
        elif self._order and self._order[0].is_sealed:
            self._end(self._order[0])
        self.has_calls = self.has_calls or start.kind == "tool_use"
        block = self._begin(index, start.kind, item)
        block.input = start.input
        if start.delta is not None:
            self._give(block, _delta(start.delta))
        return self._flushed()

    def delta(self, item: OutgoingEvent) -> list[Event]:
        index = self._index(item, self._last)
        delta = item.document.get("delta")
        if not isinstance(delta, dict):
            raise BadAnswer("a block's delta is no object")
        kind, said = mend_delta(delta, self._repairs)
        self._mark(item)
        block = self._live.get(index)
        if block is None and said == "":
            self._repairs.note("delta")
            return self._flushed()
        holder = HOLDERS.get(kind)
        if block is None or (holder and block.kind in _ONE_KIND and block.kind != holder):
            block = self._begin_for(index, kind)
        if kind == "input_json_delta":
            if block.kind in EMPTY:
                raise BadAnswer("a tool's input stands in a block of another kind")
            block.input = "" if said else block.input
        block.is_sealed = block.is_sealed or kind == "signature_delta"
        self._give(block, item)
        return self._flushed()

    def stop(self, item: OutgoingEvent) -> list[Event]:
        index = self._index(item, self._last)
        self._mark(item)
        if index in self._live:
            self._end(self._live[index], item)
        else:
            self._repairs.note("block_stop")
        return self._flushed()

    def end(self) -> list[Event]:
        """Ends all blocks, before the events that end the message."""
        while self._order:
            self._end(self._order[0])
        return self._flushed()

    def _mark(self, item: OutgoingEvent) -> None:
        item.changed = self._repairs.settle() or item.changed

    def _flushed(self) -> list[Event]:
        self._repairs.settle()
        out, self._out = self._out, []
        return out

    def _index(self, item: OutgoingEvent, otherwise: int) -> int:
        said = whole_number(item.document.get("index"))
        return otherwise if said is None else said

    def _begin(self, index: int, kind: str, item: OutgoingEvent) -> _MendedBlock:
        block = _MendedBlock(index, self._begun, kind)
        self._live[index] = block
        self._order.append(block)
        self._last = index
        self._begun += 1
        bounded(self._begun)
        self._give(block, item)
        return block

    def _begin_for(self, index: int, kind: str) -> _MendedBlock:
        """Begins a block for a delta that has none, where its type tells which kind of block it needs."""
        if kind not in HOLDERS:
            raise BadAnswer("a delta belongs to no block")
        if index in self._live:
            self._end(self._live[index])
        self._repairs.note("block_start")
        content = dict(EMPTY[HOLDERS[kind]])
        return self._begin(
            index, content["type"], OutgoingEvent({"type": "content_block_start", "content_block": content})
        )

    def _end(self, block: _MendedBlock, item: OutgoingEvent | None = None) -> None:
        """Ends a block with the provider's stop event, or with one made here where there is none."""
        if block.input:
            self._give(block, _delta({"type": "input_json_delta", "partial_json": block.input}))
        if item is None:
            self._repairs.note("block_stop")
        self._give(block, item or OutgoingEvent({"type": "content_block_stop"}))
        del self._live[block.index]
        block.is_ended = True
        while self._order and self._order[0].is_ended:
            self._order.pop(0)
            self._open_next()

    def _open_next(self) -> None:
        if self._order:
            waiting, self._order[0].waiting = self._order[0].waiting, []
            self._held -= sum(item.size for item in waiting)
            self._out += [item.sent() for item in waiting]

    def _give(self, block: _MendedBlock, item: OutgoingEvent) -> None:
        index = item.document.get("index")
        if type(index) is not int or index != block.number:
            item.document["index"] = block.number
            if item.event is not None:
                item.changed = True
                self._repairs.note("block_index")
        if block is self._order[0]:
            if len(self._order) > 1 and item.event is not None:
                self._repairs.note("block_order")
            self._out.append(item.sent())
            return
        block.waiting.append(item)
        self._held += item.size
        if self._held > base.MAX_HELD_BYTES:
            raise BadAnswer("a block of the answer does not end")


def _delta(delta: Document) -> OutgoingEvent:
    return OutgoingEvent({"type": "content_block_delta", "delta": delta})
