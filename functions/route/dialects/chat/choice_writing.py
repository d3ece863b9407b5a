"""Writes one choice of an answer as pieces of a chat completion's stream."""

from collections.abc import Iterable, Iterator, Mapping

from route.dialects.base import Document
from route.dialects.chat.call_writing import CallFormat, CallWriting
from route.dialects.chat.reasoning import sealed_detail, signature_detail, text_detail
from route.dialects.fields import Report
from route.dialects.neutral import BlockKind, Closed, Delta, Finished, Logprobs, Opened, Sealed, Stop

ChoiceEvent = Opened | Delta | Sealed | Closed | Logprobs | Finished
_WORDS: Mapping[Stop, str] = {
    Stop.END: "stop",
    Stop.LENGTH: "length",
    Stop.STOP_SEQUENCE: "stop",
    Stop.TOOL_CALLS: "tool_calls",
    Stop.REFUSAL: "content_filter",
    Stop.PAUSE: "stop",
    Stop.CONTEXT_FULL: "length",
}


class ChoiceWriting:
    """Takes the events of one choice, whose blocks must come one after another."""

    def __init__(self, number: int, call_format: CallFormat, report: Report) -> None:
        self._number, self._call_format, self._report = number, call_format, report
        self._has_begun = False
        self._kind = BlockKind.TEXT
        self._call: CallWriting | None = None
        self._calls = 0
        self._details = 0
        self._detail: int | None = None
        self._has_refused = False

    def said(self, event: ChoiceEvent) -> Iterator[Document]:
        """The entries of chunks' `choices` that an event stands for. The role comes first."""
        if not self._has_begun:
            self._has_begun = True
            yield self._piece({"role": "assistant", "content": ""})
        match event:
            case Logprobs():
                tokens = list(event.tokens)
                is_refusal = self._kind is BlockKind.REFUSAL
                logprobs = {"content": None if is_refusal else tokens, "refusal": tokens if is_refusal else None}
                yield {**self._piece({}), "logprobs": logprobs}
            case Finished():
                yield from self._finished(event)
            case _:
                for delta in self._deltas(event):
                    yield self._piece(delta)

    def _piece(self, delta: Document, finish: str | None = None) -> Document:
        return {"index": self._number, "delta": delta, "finish_reason": finish}

    def _deltas(self, event: Opened | Delta | Sealed | Closed) -> Iterable[Document]:
        match event:
            case Opened():
                return self._opened(event)
            case Delta():
                return self._more(event.text)
            case Sealed():
                return self._sealed(event)
            case Closed():
                call, self._call = self._call, None
                return () if call is None else call.closed()

    def _opened(self, event: Opened) -> Iterator[Document]:
        self._kind, self._detail, self._call = event.kind, None, None
        if event.kind is not BlockKind.TOOL_CALL:
            return
        if self._call_format.is_legacy and self._calls:
            self._report.drop("tool_calls")
            return
        self._call = self._call_format.call(event, self._calls)
        self._calls += 1
        yield self._call.opened()

    def _more(self, more: str) -> Iterator[Document]:
        if not more:
            return
        match self._kind:
            case BlockKind.TEXT:
                yield {"content": more}
            case BlockKind.REFUSAL:
                self._has_refused = True
                yield {"refusal": more}
            case BlockKind.THINKING:
                yield {"reasoning_content": more, "reasoning_details": [text_detail(self._index(), more)]}
            case BlockKind.TOOL_CALL if self._call is not None:
                yield from self._call.said(more)

    def _index(self) -> int:
        """The index of the open block of reasoning; a block is counted when it gets content."""
        if self._detail is None:
            self._detail = self._next_index()
        return self._detail

    def _next_index(self) -> int:
        self._details += 1
        return self._details - 1

    def _sealed(self, event: Sealed) -> Iterator[Document]:
        if event.signature:
            yield {"reasoning_details": [signature_detail(self._index(), event.signature)]}
        for redacted, encrypted in ((event.redacted, ""), ("", event.encrypted)):
            if redacted or encrypted:
                # An entry without text needs an index of its own.
                detail = sealed_detail(self._next_index(), redacted=redacted, encrypted=encrypted)
                yield {"reasoning_details": [detail]}

    def _finished(self, event: Finished) -> Iterator[Document]:
        if event.explanation and not self._has_refused:
            yield self._piece({"refusal": event.explanation})
        elif event.explanation:
            self._report.drop("stop_details")
        if event.stop is Stop.PAUSE:
            self._report.drop("stop_reason")
        if event.sequence is not None:
            self._report.drop("stop_sequence")
        word = _WORDS[event.stop] if isinstance(event.stop, Stop) else event.stop
        if self._call_format.is_legacy and event.stop is Stop.TOOL_CALLS:
            word = "function_call"
        yield self._piece({}, word)
