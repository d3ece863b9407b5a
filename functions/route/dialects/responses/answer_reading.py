"""Reads an answer of OpenAI's responses, whole or as a stream, as neutral events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.usage import from_responses
from route.dialects import sse
from route.dialects.base import BadAnswer, dump, index_of, mapping, maps, parse_object, text, unix_seconds
from route.dialects.conversion import AnswerReading
from route.dialects.fields import Report, drop_others
from route.dialects.neutral import (
    AnswerEvent,
    Began,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Document,
    Finished,
    Logprobs,
    Opened,
    Sealed,
    Stop,
)
from route.dialects.responses.response_object import ECHOED
from route.dialects.responses.seals import unpack

_BEGIN = ("response.created", "response.queued", "response.in_progress")
_END = ("response.completed", "response.incomplete")
_CUT_SHORT = {"max_output_tokens": Stop.LENGTH, "content_filter": Stop.REFUSAL}
_PARTS = {"output_text": (BlockKind.TEXT, "text"), "refusal": (BlockKind.REFUSAL, "refusal")}
_PLACED = (BlockKind.TEXT, BlockKind.REFUSAL)
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_STREAMED: Mapping[str, tuple[BlockKind, str]] = {
    "response.output_text.delta": (BlockKind.TEXT, "content_index"),
    "response.refusal.delta": (BlockKind.REFUSAL, "content_index"),
    "response.reasoning_summary_text.delta": (BlockKind.THINKING, "summary_index"),
    "response.reasoning_text.delta": (BlockKind.THINKING, "content_index"),
    "response.function_call_arguments.delta": (BlockKind.TOOL_CALL, ""),
    "response.custom_tool_call_input.delta": (BlockKind.TOOL_CALL, ""),
}
"""By the kind of a delta: the kind of block that it continues, and the field with the index of its part."""
_CALL_FIELDS = ("type", "id", "call_id", "name", "namespace", "status", "arguments", "input")
_INPUT_DETAILS = ("cached_tokens", "cache_write_tokens")
_OUTPUT_DETAILS = ("reasoning_tokens",)
_KNOWN = frozenset(ECHOED) - {"service_tier"} | {
    *("id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "model", "output"),
    *("usage", "store", "text", "prompt_cache_retention", "prompt_cache_options"),
}
"""The fields of a response that are read here or only repeat the request."""

_Key = tuple[int, BlockKind, int]
"""An item's number, the kind of block, and the part's index; reasoning and calls have a single part."""


@dataclass(slots=True)
class _OpenBlock:
    number: int
    chars: int = 0
    source: str = ""
    part: int = 0
    logprobs: bool = False


class ResponsesReading(AnswerReading):
    """Reads one answer. A block opens with its first content, so that there are no empty blocks.

    The finished item decides what its content is: whatever the deltas left out is added at its end.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self._began = False
        self._blocks: dict[_Key, _OpenBlock] = {}
        self._items: dict[int, int] = {}
        self._seen = 0
        self._ids: dict[str, int] = {}
        self._ended: set[int] = set()
        self._called = False

    def whole(self, document: Document) -> Iterable[AnswerEvent]:
        return [*self._begin(document), *self._end(document)]

    def feed(self, event: sse.Event) -> Iterable[AnswerEvent]:
        document = parse_object(event.data or b"")
        kind = text(document.get("type")) or event.name
        item = mapping(document.get("item"))
        if kind in _BEGIN:
            return self._begin(mapping(document.get("response")))
        if kind in _END:
            return self._end(mapping(document.get("response")))
        is_new = kind == "response.output_item.added"
        number = self._item_at(document.get("output_index"), is_new=is_new)
        if is_new and text(item.get("id")):
            self._ids[text(item.get("id"))] = number
        if kind in _STREAMED:
            return self._delta(kind, number, document)
        if kind == "response.output_item.added" and text(item.get("type")) in _CALLS:
            return self._call(number, item)
        if kind == "response.output_item.done":
            return self._item(number, item)
        return ()

    def _item_at(self, place: object, *, is_new: bool) -> int:
        """An item's number. Items are counted as they are added, since some servers give all the same index."""
        said = index_of(place)
        if is_new or said not in self._items:
            self._items[said] = self._seen
            self._seen += 1
        return self._items[said]

    def _begin(self, response: Mapping[str, Any]) -> list[AnswerEvent]:
        if self._began:
            return []
        self._began = True
        return [
            Began(text(response.get("id")), text(response.get("model")), unix_seconds(response.get("created_at")))
        ]

    def _delta(self, kind: str, number: int, document: Document) -> list[AnswerEvent]:
        said, (of, part_name) = text(document.get("delta")), _STREAMED[kind]
        part = index_of(document.get(part_name)) if part_name else 0
        if not said:
            return []
        if of is BlockKind.TOOL_CALL and (number, of, 0) not in self._blocks:
            raise BadAnswer("the stream has arguments of a call that it has not named")
        events, block = self._block((number, of, part if of in _PLACED else 0))
        if of is BlockKind.THINKING:
            # A summary repeats the reasoning beside it, so that only the one which comes first is kept.
            block.source = block.source or kind
            if block.source != kind:
                self.report.drop("output[].content" if "summary" in block.source else "output[].summary")
                return events
            said = f"\n\n{said}" if part != block.part and block.chars else said
            block.part = part
        return [*events, *_more(block, said), *_logprobs(block, document.get("logprobs"))]

    def _block(self, key: _Key, **call: Any) -> tuple[list[AnswerEvent], _OpenBlock]:
        """The block of a part, and the event that opens it where it is new."""
        if key in self._blocks:
            return [], self._blocks[key]
        block = self._blocks[key] = _OpenBlock(len(self._blocks))
        return [Opened(0, block.number, key[1], **call)], block

    def _call(self, number: int, item: Mapping[str, Any]) -> list[AnswerEvent]:
        self._called = True
        name = text(item.get("name"))
        if not name:
            raise BadAnswer("the answer calls a tool without a name")
        events, _ = self._block(
            (number, BlockKind.TOOL_CALL, 0),
            id=text(item.get("call_id")) or text(item.get("id")),
            name=name,
            namespace=text(item.get("namespace")),
            free=item.get("type") == "custom_tool_call",
        )
        return events

    def _item(self, number: int, item: Mapping[str, Any]) -> list[AnswerEvent]:
        """Events of an item that has ended: the content that deltas left out, and the end of its blocks."""
        if number in self._ended:
            return []
        self._ended.add(number)
        kind = text(item.get("type"))
        if kind == "message":
            events = self._message(number, item)
        elif kind == "reasoning":
            events = self._reasoning(number, item)
        elif kind in _CALLS:
            events = self._call(number, item)
            events += _rest(self._blocks[number, BlockKind.TOOL_CALL, 0], _arguments(item.get(_CALLS[kind])))
            drop_others(self.report, item, _CALL_FIELDS, "output[]")
        else:
            self.report.drop(f"output[].{kind or 'type'}")
            events = []
        return [*events, *(Closed(0, block.number) for key, block in self._blocks.items() if key[0] == number)]

    def _message(self, number: int, item: Mapping[str, Any]) -> list[AnswerEvent]:
        if item.get("phase"):
            self.report.drop("output[].phase")
        events: list[AnswerEvent] = []
        for place, part in enumerate(maps(item.get("content"))):
            kind, name = _PARTS.get(text(part.get("type")), (None, ""))
            if kind is None:
                self.report.drop(f"output[].content[].{text(part.get('type')) or 'type'}")
                continue
            if part.get("annotations"):
                self.report.drop("output[].content[].annotations")
            said = text(part.get(name))
            if not said and (number, kind, place) not in self._blocks:
                continue
            opened, block = self._block((number, kind, place))
            events += [*opened, *_rest(block, said)]
            if not block.logprobs:
                # The finished part repeats those of its deltas.
                events += _logprobs(block, part.get("logprobs"))
        return events

    def _reasoning(self, number: int, item: Mapping[str, Any]) -> list[AnswerEvent]:
        seal = unpack(text(item.get("encrypted_content")))
        is_sealed = bool(seal.signature or seal.redacted or seal.encrypted)
        summary, content = (
            "\n\n".join(filter(None, [text(part.get("text")) for part in maps(item.get(name))]))
            for name in ("summary", "content")
        )
        key = (number, BlockKind.THINKING, 0)
        if not (summary or content or is_sealed or key in self._blocks):
            return []
        events, block = self._block(key)
        if not block.source:
            if summary and content:
                self.report.drop("output[].content")
            events += _rest(block, summary or content)
        if is_sealed:
            events.append(Sealed(0, block.number, seal.signature, seal.redacted, seal.encrypted))
        return events

    def _end(self, response: Mapping[str, Any]) -> list[AnswerEvent]:
        items = maps(response.get("output"))
        events: list[AnswerEvent] = []
        if not self._seen or self._seen == len(items):
            # Items that were not streamed to their end stand here; in a whole answer these are all items.
            for number, item in enumerate(items):
                events += self._item(number, item)
        else:
            # Here only the ids tell which of these items were streamed.
            for item in items if self._ids else []:
                events += self._item(self._ids.get(text(item.get("id")), self._seen), item)
                self._seen += text(item.get("id")) not in self._ids
        for name, value in response.items():
            if value and name not in _KNOWN:
                self.report.drop(name)
        events.append(Finished(0, self._stop(response)))
        usage = response.get("usage")
        if isinstance(usage, Mapping):
            details, output = (mapping(usage.get(f"{side}_tokens_details")) for side in ("input", "output"))
            drop_others(self.report, details, _INPUT_DETAILS, "usage.input_tokens_details")
            drop_others(self.report, output, _OUTPUT_DETAILS, "usage.output_tokens_details")
            cache_said = details.get("cached_tokens") is not None
            events.append(Counted(from_responses(usage), cache_said))
        return events

    def _stop(self, response: Mapping[str, Any]) -> Stop | str:
        if response.get("status") == "incomplete":
            reason = text(mapping(response.get("incomplete_details")).get("reason"))
            return _CUT_SHORT.get(reason) or reason or Stop.LENGTH
        return Stop.TOOL_CALLS if self._called else Stop.END


def _more(block: _OpenBlock, said: str) -> list[AnswerEvent]:
    block.chars += len(said)
    return [Delta(0, block.number, said)] if said else []


def _rest(block: _OpenBlock, whole: str) -> list[AnswerEvent]:
    """The rest of a text that the deltas left out."""
    return _more(block, whole[block.chars :])


def _logprobs(block: _OpenBlock, said: object) -> list[AnswerEvent]:
    tokens = tuple(
        {**_token(token), "top_logprobs": [_token(one) for one in _spoken(token.get("top_logprobs"))]}
        for token in _spoken(said)
    )
    block.logprobs = block.logprobs or bool(tokens)
    return [Logprobs(0, tokens)] if tokens else []


def _spoken(said: object) -> list[Mapping[str, Any]]:
    return [token for token in maps(said) if isinstance(token.get("logprob"), int | float)]


def _token(token: Mapping[str, Any]) -> Document:
    """A token in the form of chat completions, where the bytes are required."""
    said, spelt = text(token.get("token")), token.get("bytes")
    spelt = spelt if isinstance(spelt, list) else list(said.encode("utf-8", "surrogatepass"))
    return {"token": said, "logprob": token["logprob"], "bytes": spelt}


def _arguments(said: object) -> str:
    if not isinstance(said, Mapping):
        return text(said)
    try:
        return dump(said).decode()
    except RecursionError:
        raise BadAnswer("the answer has arguments that cannot be read") from None
