"""Mends what providers get wrong in messages, in each event of a stream or in a whole message.

It changes only what makes some client fail or misread the answer; events, blocks and deltas of unknown kinds stay
as they are. Damage that cannot be mended raises BadAnswer, so that another route is tried or the caller gets an
error.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from route.dialects.base import BadAnswer, Document, encoded, mapping, text
from route.dialects.mending import Repairs, derived_id, whole_number
from route.dialects.messages.blocks import Blocks, OutgoingEvent
from route.dialects.messages.pieces import mend_blocks
from route.dialects.sse import Event, rewritten

_NAME = re.compile("[a-z][a-z0-9_.]*")
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_COUNTS = ("input_tokens", "output_tokens")


def kind_of(event: Event, document: Document) -> str:
    """The kind of an event: from its data, else from its name; a name of "error" always counts."""
    if event.name == "error":
        return "error"
    return text(document.get("type")) or event.name


class EventMending:
    """Mends the events of one stream. It has state: each stream needs a new one."""

    def __init__(self, names: set[str]) -> None:
        self._repairs = Repairs(names)
        self._blocks = Blocks(self._repairs)
        self._message_id = ""
        self._begun = False
        self._usage: Document = {}
        self._told: set[str] = set()
        """The counts that the provider's first event had, as far as they are known."""
        self._of: Mapping[str, Callable[[OutgoingEvent], list[Event]]] = {
            "message_start": self._begin,
            "content_block_start": lambda item: self._blocks.start(item, self._message_id, _data(item)),
            "content_block_delta": self._blocks.delta,
            "content_block_stop": self._blocks.stop,
            "message_delta": self._finish,
            "message_stop": lambda item: [*self._blocks.end(), item.sent()],
        }

    def mend(self, event: Event, document: Document) -> list[Event]:
        """The events that go to the caller now, mostly this one unchanged. Changes the document."""
        kind = kind_of(event, document)
        if kind == "error":
            return [event]
        if not kind:
            raise BadAnswer("an event of the stream is of no kind")
        event = self._named(event, document, kind)
        item = OutgoingEvent(document, event, self._repairs.settle())
        if kind not in self._of:
            return [item.sent()]
        if not self._begun and kind != "message_start":
            raise BadAnswer("the stream does not begin with its message")
        return self._of[kind](item)

    def _named(self, event: Event, document: Document, kind: str) -> Event:
        """Gives an event its kind as name and as type: some SDKs read only the one, some only the other."""
        if not _NAME.fullmatch(kind):
            return event
        if document.get("type") != kind:
            document["type"] = kind
            self._repairs.note("event_type")
        if event.name == kind:
            return event
        self._repairs.names.add("event_name")
        return rewritten(event, name=kind)

    def _begin(self, item: OutgoingEvent) -> list[Event]:
        if self._begun:
            raise BadAnswer("a second message begins inside the first")
        message = item.document.get("message")
        if not isinstance(message, dict):
            raise BadAnswer("the stream begins without its message")
        _mend_head(message, lambda: _data(item), self._repairs)
        if not isinstance(message.get("content"), list):
            message["content"] = []
            self._repairs.note("content")
        self._told |= {name for name, count in mapping(message.get("usage")).items() if count is not None}
        _mend_usage(message, dict.fromkeys(_COUNTS, 0), self._repairs)
        # Counts that were filled in too: what the last event repeats must be what the first one says.
        self._usage |= message["usage"]
        self._message_id, self._begun = message["id"], True
        item.changed = self._repairs.settle() or item.changed
        return [item.sent()]

    def _finish(self, item: OutgoingEvent) -> list[Event]:
        document, known = item.document, self._usage
        delta = document.get("delta")
        if not isinstance(delta, dict):
            delta = document["delta"] = {}
            self._repairs.note("delta")
        _mend_stop(delta, self._blocks.has_calls, self._repairs)
        _mend_usage(document, {"output_tokens": whole_number(known.get("output_tokens")) or 0}, self._repairs)
        usage: Document = document["usage"]
        # Counts are cumulative. Some clients read only the last event, where older servers give the output alone.
        for name in _INPUT_COUNTS:
            if usage.get(name) is None and known.get(name) is not None:
                usage[name] = known[name]
                self._repairs.note("usage_repeat" if name in self._told else "usage")
        known |= {name: value for name, value in usage.items() if value is not None}
        item.changed = self._repairs.settle() or item.changed
        return [*(self._blocks.end() if delta.get("stop_reason") else ()), item.sent()]


def mend_answer(document: Document, names: set[str]) -> bool:
    """Mends a whole message in place. Returns whether it has been changed."""
    repairs = Repairs(names)
    _mend_head(document, lambda: encoded({"": document.get("content")}), repairs)
    document["content"] = mend_blocks(document.get("content"), document["id"], repairs)
    has_calls = any(block["type"] == "tool_use" for block in document["content"])
    _mend_stop(document, has_calls, repairs)
    if document.get("stop_reason") is None:
        document["stop_reason"] = "tool_use" if has_calls else "end_turn"
        repairs.note("stop_reason")
    _mend_usage(document, dict.fromkeys(_COUNTS, 0), repairs)
    return repairs.settle()


def _data(item: OutgoingEvent) -> bytes:
    return (item.event.data if item.event else None) or b""


def _mend_head(message: Document, seed: Callable[[], bytes], repairs: Repairs) -> None:
    """Fills in id, type, role and model, which clients read without a check."""
    for name, only in (("type", "message"), ("role", "assistant")):
        if message.get(name) != only:
            message[name] = only
            repairs.note("head")
    for name in ("id", "model"):
        if not isinstance(message.get(name), str):
            message[name] = derived_id("msg_", seed()) if name == "id" else ""
            repairs.note("head")


def _mend_stop(holder: Document, has_calls: bool, repairs: Repairs) -> None:
    """Makes the stop reason a word or null, and after a call never `end_turn`, where agents would stop."""
    for name, kind in (("stop_sequence", str), ("stop_details", dict)):
        if not isinstance(holder.get(name), kind | None):
            holder[name] = None
            repairs.note("stop_reason")
    said: Any = holder.get("stop_reason")
    if said is not None and (not isinstance(said, str) or not said):
        holder["stop_reason"] = None
        repairs.note("stop_reason")
    elif said == "end_turn" and has_calls:
        holder["stop_reason"] = "tool_use"
        repairs.note("stop_reason")


def _mend_usage(holder: Document, needed: Mapping[str, int], repairs: Repairs) -> None:
    """Fills in the token counts that clients require, from those that are known; sound counts stay as they are."""
    usage = holder.get("usage")
    if not isinstance(usage, dict):
        usage = holder["usage"] = {}
    for name in (*needed, *(name for name in _INPUT_COUNTS if name not in needed and usage.get(name) is not None)):
        value = usage.get(name)
        fit = whole_number(value)
        if fit is None or fit is not value:
            usage[name] = needed.get(name, 0) if fit is None else fit
            repairs.note("usage")
