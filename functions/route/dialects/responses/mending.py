"""Mends streams of OpenAI's responses that lack events.

The vendor's helper accepts nothing before `response.created`, and no text of an item or part that was not added
before. A missing event is inserted where the events that did come hold all that it needs.
"""

from collections.abc import Mapping
from typing import Any

from route.dialects.base import BadAnswer, Document, encoded, index_of, mapping, text
from route.dialects.sse import encode

_LIFECYCLE = ("response.queued", "response.in_progress", "response.completed", "response.incomplete")
_OF_PARTS = {"response.output_text.delta": "output_text", "response.refusal.delta": "refusal"}
_NAMELESS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_PARTS: Mapping[str, Document] = {
    "output_text": {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
    "refusal": {"type": "refusal", "refusal": ""},
}


class StreamMending:
    """Inserts missing events. It has state: each stream needs a new one. `mended`: what was inserted."""

    def __init__(self) -> None:
        self.mended: set[str] = set()
        self._created = False
        self._items: set[object] = set()
        self._parts: set[tuple[object, object]] = set()
        self._ended: dict[int, object] = {}

    @property
    def has_ended_items(self) -> bool:
        """Whether an item has been streamed to its end."""
        return bool(self._ended)

    def before(self, kind: str, document: Document) -> bytes:
        """The events that are missing before this one. Raises BadAnswer where they cannot be made."""
        if not self._created and kind.startswith("response."):
            self._created = True
            return self._creation(kind, document)
        item, part = index_of(document.get("output_index")), index_of(document.get("content_index"))
        match kind:
            case "response.output_item.added":
                self._items.add(item)
            case "response.output_item.done":
                self._ended[item] = document.get("item")
            case "response.content_part.added":
                self._parts.add((item, part))
                return self._item(item, document)
            case _ if kind in _NAMELESS and item not in self._items:
                raise BadAnswer("the stream has arguments of a call that it has not named")
            case _ if kind in _OF_PARTS:
                return self._item(item, document) + self._part(item, part, _OF_PARTS[kind], document)
        return b""

    def whole(self, document: Document) -> bytes | None:
        """The data of the last event with all finished items, where it came without any; else None."""
        response = mapping(document.get("response"))
        if response.get("output") or not self._ended:
            return None
        self.mended.add("output")
        output = [item for _, item in sorted(self._ended.items())]
        return encoded({**document, "response": {**response, "output": output}})

    def _creation(self, kind: str, document: Document) -> bytes:
        if kind == "response.created":
            return b""
        if kind not in _LIFECYCLE or not isinstance(document.get("response"), Mapping):
            raise BadAnswer("the stream began without its response")
        self.mended.add("response_created")
        began = {**document["response"], "status": "in_progress", "output": [], "usage": None}
        return _event("response.created", document, {"response": began})

    def _item(self, item: object, document: Document) -> bytes:
        if item in self._items:
            return b""
        self._items.add(item)
        self.mended.add("output_item_added")
        message: Document = {"id": text(document.get("item_id")), "type": "message", "status": "in_progress"}
        message |= {"role": "assistant", "content": []}
        return _event("response.output_item.added", document, {"output_index": item, "item": message})

    def _part(self, item: object, part: object, kind: str, document: Document) -> bytes:
        if (item, part) in self._parts:
            return b""
        self._parts.add((item, part))
        self.mended.add("content_part_added")
        place = {"item_id": text(document.get("item_id")), "output_index": item, "content_index": part}
        return _event("response.content_part.added", document, {**place, "part": _PARTS[kind]})


def _event(kind: str, beside: Document, fields: Mapping[str, Any]) -> bytes:
    """An inserted event. It repeats the sequence number of the event after it, since no number is free."""
    number = beside.get("sequence_number")
    return encode(encoded({"type": kind, "sequence_number": number, **fields}), kind)
