"""Writes neutral events as an answer of OpenAI's responses, whole or as a stream.

A stream holds all content three times: in deltas, at the end of each part and item, and in its last event. Both
forms are built by the same steps; a whole answer is the response that the last event would hold.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ledger.usage import Usage
from route.dialects.base import encoded
from route.dialects.conversion import AnswerContext, AnswerWriting
from route.dialects.fields import Report
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
from route.dialects.responses.items import CallItem, MessageItem, OutputItem, ReasoningItem
from route.dialects.responses.reading import LOGPROBS
from route.dialects.responses.response_object import CallerToolNames, derived, echo, response_id, usage_document
from route.dialects.responses.seals import ID_PREFIX
from route.dialects.sse import encode

_CUT_SHORT = {
    Stop.LENGTH: "max_output_tokens",
    Stop.CONTEXT_FULL: "max_output_tokens",
    Stop.REFUSAL: "content_filter",
    "max_messages": "max_messages",
    "steered": "steered",
}
"""The reasons for which an answer is incomplete. After any other stop it is complete."""
_SAID = (Stop.END, Stop.TOOL_CALLS, *_CUT_SHORT)
"""The stops that this dialect can express."""


class ResponsesWriting(AnswerWriting):
    """Writes one answer. An item stays open until the next begins, so that it can still end as incomplete."""

    def __init__(self, asked: AnswerContext, report: Report) -> None:
        super().__init__(asked, report)
        include = asked.body.get("include")
        self._holds = (isinstance(include, list) and LOGPROBS in include) or bool(asked.body.get("top_logprobs"))
        self._names = CallerToolNames(asked.body)
        self._began: Began | None = None
        self._id = ""
        self._item: OutputItem | None = None
        self._output: list[Document] = []
        self._stop: Stop | str = Stop.END
        self._refused = False
        self._usage = Usage()
        self._number = 0
        self._wire: list[bytes] = []

    def whole(self, events: Sequence[AnswerEvent]) -> Document:
        for event in events:
            self._take(event)
        return self._finished()

    def feed(self, event: AnswerEvent) -> bytes:
        self._take(event)
        return self._written()

    def end(self) -> bytes:
        response = self._finished()
        self._emit(f"response.{response['status']}", response=response)
        return self._written()

    def _written(self) -> bytes:
        written, self._wire = b"".join(self._wire), []
        return written

    def _emit(self, kind: str, **fields: Any) -> None:
        if self.asked.stream:
            document = {"type": kind, "sequence_number": self._number, **fields}
            self._wire.append(encode(encoded(document), kind))
            self._number += 1

    def _take(self, event: AnswerEvent) -> None:
        if isinstance(event, Counted):
            self._usage = event.usage
            return
        self._begin(event if isinstance(event, Began) else Began())
        if isinstance(event, Began):
            return
        if event.choice:
            self.report.drop("choices[]")
            return
        match event:
            case Opened():
                self._open(event)
            case Finished():
                self._finish(event)
            case Delta() if self._item is not None and event.text:
                self._item.delta(event.text)
            case Sealed() if isinstance(self._item, ReasoningItem):
                self._item.seal(event)
            case Logprobs() if isinstance(self._item, MessageItem):
                self._item.logprobs(event.tokens)
            case Closed() | _:
                pass

    def _begin(self, began: Began) -> None:
        if self._began is not None:
            return
        self._began = began
        self._id = response_id(began.id, self.asked)
        response = self._response("in_progress")
        self._emit("response.created", response=response)
        self._emit("response.in_progress", response=response)

    def _open(self, event: Opened) -> None:
        if event.kind in (BlockKind.TEXT, BlockKind.REFUSAL):
            self._refused = self._refused or event.kind is BlockKind.REFUSAL
            if not isinstance(self._item, MessageItem):
                self._close("completed")
                self._item = MessageItem(self._emit, *self._next("msg"), holds=self._holds)
            self._item.begin(event.kind)
            return
        self._close("completed")
        if event.kind is BlockKind.THINKING:
            self._item = ReasoningItem(self._emit, *self._next(ID_PREFIX))
            return
        call = self._names.of(event)
        item_id, place = self._next("ctc" if call.free else "fc")
        call = replace(call, id=call.id or derived("call", item_id))
        self._item = CallItem(self._emit, item_id, place, call, wrapped=call.free and not event.free)

    def _next(self, prefix: str) -> tuple[str, int]:
        """The id and the index of the next item."""
        place = len(self._output)
        return derived(prefix, self._id, place), place

    def _close(self, status: str) -> None:
        if self._item is not None:
            self._output.append(self._item.end(status))
            self._item = None

    def _finish(self, event: Finished) -> None:
        self._stop = event.stop
        if event.stop not in _SAID:
            self.report.drop("stop_reason")
        if event.sequence is not None:
            self.report.drop("stop_sequence")
        if event.explanation and not self._refused:
            self._open(Opened(0, len(self._output), BlockKind.REFUSAL))
            self._take(Delta(0, len(self._output), event.explanation))
        self._close("incomplete" if event.stop in _CUT_SHORT else "completed")

    def _finished(self) -> Document:
        self._begin(Began())
        self._close("completed")
        reason = _CUT_SHORT.get(self._stop)
        response = self._response("incomplete" if reason else "completed")
        response["incomplete_details"] = {"reason": reason} if reason else None
        return response | {"usage": usage_document(self._usage)}

    def _response(self, status: str) -> Document:
        began = self._began or Began()
        created = self.asked.created if began.created is None else began.created
        return {
            "id": self._id,
            "object": "response",
            "created_at": created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": began.model or str(self.asked.body.get("model") or ""),
            "output": [*self._output],
            **echo(self.asked.body),
            "usage": None,
        }
