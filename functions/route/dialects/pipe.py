"""Translates an answer while it passes: the provider's reader, a translation, then the caller's reader.

The provider's reader meters the answer, checks that it is whole, and holds back its head and tail. The caller's
reader does the same with the translated answer. So a translated stream goes to another route, fails and ends
under the same rules as one that passes unchanged.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from ledger.usage import Usage
from route.dialects.base import BadAnswer, Document, Reader, dump, parse_object
from route.dialects.conversion import AnswerReading, AnswerWriting
from route.dialects.neutral import AnswerEvent, Closed, Counted, Delta, Finished, Opened, Sealed
from route.dialects.sse import Splitter

InBlock = Opened | Delta | Sealed | Closed


class Step(Protocol):
    """A filter or a repair that changes events as they pass. It has state: each answer needs a new one.

    `repaired`: names of the faults that it has mended.
    """

    repaired: set[str]

    def feed(self, event: AnswerEvent) -> Iterable[AnswerEvent]:
        """The events that replace this one; what was held back comes before the event that ends its block."""


class InOrder:
    """Puts blocks one after another, numbers them without gaps and closes all of them, as several clients need.

    Events of a block that arrive while another block is open wait until that one is closed.
    """

    def __init__(self) -> None:
        self.repaired: set[str] = set()
        self._open: dict[int, int] = {}
        self._waiting: dict[int, dict[int, list[InBlock]]] = defaultdict(dict)
        self._numbers: dict[int, dict[int, int]] = defaultdict(dict)
        self._closed: set[tuple[int, int]] = set()

    def feed(self, event: AnswerEvent) -> Iterable[AnswerEvent]:
        if isinstance(event, Finished):
            return [*self._close_all(event.choice), event]
        return self._place(event) if isinstance(event, InBlock) else [event]

    def _place(self, event: InBlock) -> list[AnswerEvent]:
        """The event, if its block is the open one, and the events that waited for it."""
        passed: list[AnswerEvent] = []
        due = deque([event])
        while due:
            event = due.popleft()
            choice, block = event.choice, event.block
            if (choice, block) in self._closed:
                if isinstance(event, Delta) and event.text.strip():
                    raise BadAnswer("the answer goes on with a part that it had ended")
                continue
            if self._open.setdefault(choice, block) != block:
                self._waiting[choice].setdefault(block, []).append(event)
                continue
            numbers = self._numbers[choice]
            passed.append(replace(event, block=numbers.setdefault(block, len(numbers))))
            if isinstance(event, Closed):
                self._closed.add((choice, block))
                del self._open[choice]
                waiting = self._waiting[choice]
                # The block that has waited longest goes on; if it has ended already, the next one follows.
                due.extend(waiting.pop(next(iter(waiting))) if waiting else [])
        return passed

    def _close_all(self, choice: int) -> list[AnswerEvent]:
        passed: list[AnswerEvent] = []
        while choice in self._open:
            passed += self._place(Closed(choice, self._open[choice]))
        return passed


class TranslatedReader(Reader):
    """A reader of an answer in the provider's dialect that gives it to the caller in the caller's dialect.

    `inner` reads what the provider sends, `outer` reads what is written for the caller. The figures are those of
    `inner`, since they are billed. `input_tokens`: an estimate, for a provider that counts no tokens.
    """

    def __init__(
        self,
        inner: Reader,
        outer: Reader,
        reading: AnswerReading,
        steps: Sequence[Step],
        writing: AnswerWriting,
        *,
        stream: bool,
        input_tokens: int = 0,
    ) -> None:
        self._inner, self._outer = inner, outer
        self._reading, self._writing = reading, writing
        # A step may add or remove blocks, so they are put in order again after all steps.
        self._steps: tuple[Step, ...] = (InOrder(), *steps, *([InOrder()] if steps else []))
        self._stream, self._input_tokens = stream, input_tokens
        self._splitter = Splitter()
        self._counted = False
        self._late = b""
        super().__init__()

    def feed(self, chunk: bytes) -> bytes:
        try:
            return self._passed(chunk)
        finally:
            # Also after a fault: what came before it is billed.
            self._meter()

    def _passed(self, chunk: bytes) -> bytes:
        ready = self._inner.feed(chunk)
        if not self._stream or not ready:
            return b""
        passed = self._outer.feed(self._translated(ready))
        self.content_seen = self._outer.content_seen
        return passed

    def end(self) -> None:
        try:
            self._inner.end()
            rest = self._inner.tail(None)
            written = self._translated(rest) + self._closing() if self._stream else self._whole(rest)
            self._late = self._outer.feed(written)
            self._outer.end()
        finally:
            self._meter()
        self.content_seen = True

    def tail(self, receipt: Document | None) -> bytes:
        return self._late + self._outer.tail(receipt)

    def _meter(self) -> None:
        inner = self._inner
        self.usage, self.usage_is_sound = inner.usage, inner.usage_is_sound
        self.served_model, self.served_by = inner.served_model, inner.served_by
        self.reported_usd = inner.reported_usd
        # A call that a step found in the text counts too.
        self.tool_calls = max(inner.tool_calls, self._outer.tool_calls)
        self.output_chars, self.began, self.done = inner.output_chars, inner.began, inner.done
        self.repaired = inner.repaired.union(*(step.repaired for step in self._steps))

    @property
    def content_came(self) -> bool:
        return self._inner.content_seen

    @property
    def dropped(self) -> tuple[str, ...]:
        """Paths of what the caller's dialect cannot express of the answer."""
        return tuple(sorted({*self._reading.report.dropped, *self._writing.report.dropped}))

    def _translated(self, data: bytes) -> bytes:
        said = [event for event in self._splitter.feed(data) if event.data is not None]
        return self._written(event for one in said for event in self._reading.feed(one))

    def _written(self, events: Iterable[AnswerEvent]) -> bytes:
        return b"".join(self._writing.feed(event) for event in self._stepped(events))

    def _stepped(self, events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
        passed = list(events)
        self._counted = self._counted or any(isinstance(event, Counted) for event in passed)
        for step in self._steps:
            passed = [after for event in passed for after in step.feed(event)]
        return passed

    def _closing(self) -> bytes:
        return self._written([*self._reading.end(), *self._estimate()]) + self._writing.end()

    def _estimate(self) -> list[AnswerEvent]:
        """An estimate of the token counts where the provider gave none, since several clients fail without any.

        Only the provider's reader knows whether it gave some: mending has put zeros in place of missing counts.
        """
        inner = self._inner
        if self._counted and inner.usage is not None and inner.usage_is_sound:
            return []
        inner.repaired.add("usage")
        seen = inner.seen_usage
        return [Counted(seen if seen.prompt else seen + Usage(input=self._input_tokens))]

    def _whole(self, data: bytes) -> bytes:
        events = self._stepped(self._reading.whole(parse_object(data)))
        return dump(self._writing.whole([*events, *self._estimate()]))
