"""Reads an answer in chat completions, whole or as a stream, as neutral events."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ledger.usage import from_openai
from route.dialects import neutral, sse
from route.dialects.base import BadAnswer, Document, index_of, mapping, maps, parse_object, text, unix_seconds
from route.dialects.chat.choice_reading import ChoiceReading
from route.dialects.conversion import AnswerReading
from route.dialects.fields import Report, drop_others
from route.dialects.neutral import Began, Counted, Finished, Stop

_DONE = b"[DONE]"
_STOPS: Mapping[str, Stop] = {
    "stop": Stop.END,
    "length": Stop.LENGTH,
    "tool_calls": Stop.TOOL_CALLS,
    "function_call": Stop.TOOL_CALLS,
    "content_filter": Stop.REFUSAL,
}
# `provider` and the cost in `usage` have been recorded by the reader that meters the answer.
_PROMPT_DETAILS = ("cached_tokens", "cache_write_tokens")
_OUTPUT_DETAILS = ("reasoning_tokens",)
_TOP = frozenset({"id", "object", "created", "model", "choices", "usage", "provider", "obfuscation", "error"})
_CHOICE = frozenset(
    {"index", "delta", "message", "finish_reason", "logprobs", "stop_reason", "native_finish_reason"}
)


class ChatAnswerReading(AnswerReading):
    """Reads one answer. A whole answer is read like a stream of one chunk."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self._choices: dict[int, ChoiceReading] = {}
        self._answer_id: str | None = None

    def whole(self, document: Document) -> Iterable[neutral.AnswerEvent]:
        yield from self._began(document, even_if_empty=True)
        for said in maps(document.get("choices")):
            yield from self._said(said, "message")
            yield from self._finish(self._choice(said), text(said.get("finish_reason")) or "stop", said)
        yield from self._rest(document)

    def feed(self, event: sse.Event) -> Iterable[neutral.AnswerEvent]:
        if event.data is None or event.data.strip() == _DONE:
            return
        chunk = parse_object(event.data)
        yield from self._began(chunk)
        for said in maps(chunk.get("choices")):
            yield from self._said(said, "delta")
            reason = said.get("finish_reason")
            if reason:
                yield from self._finish(self._choice(said), str(reason), said)
        yield from self._rest(chunk)

    def _began(self, document: Document, *, even_if_empty: bool = False) -> Iterator[neutral.AnswerEvent]:
        """The beginning, once. Some servers first send a chunk about the prompt, without id and choice."""
        answer_id = text(document.get("id"))
        if self._answer_id is not None or not (answer_id or document.get("choices") or even_if_empty):
            return
        self._answer_id = answer_id
        yield Began(answer_id, text(document.get("model")), unix_seconds(document.get("created")))

    def _choice(self, said: Mapping[str, Any]) -> ChoiceReading:
        number = index_of(said.get("index"))
        if number not in self._choices:
            self._choices[number] = ChoiceReading(number, self.report, self._answer_id or "")
        return self._choices[number]

    def _said(self, said: Mapping[str, Any], name: str) -> Iterator[neutral.AnswerEvent]:
        message = said.get(name)
        if message is not None and not isinstance(message, Mapping):
            raise BadAnswer(f"a choice's '{name}' is not an object")
        choice = self._choice(said)
        yield from choice.said(mapping(message), f"choices[].{name}", is_whole=name == "message")
        yield from choice.logprobs(mapping(said.get("logprobs")))
        drop_others(self.report, said, _CHOICE, "choices[]")

    def _finish(
        self, choice: ChoiceReading, reason: str, said: Mapping[str, Any]
    ) -> Iterator[neutral.AnswerEvent]:
        """The end of a choice, once. Some servers end calls with `stop`, as OpenAI ends a call that was forced."""
        if choice.is_finished:
            return
        yield from choice.finished()
        stop: Stop | str = _STOPS.get(reason, reason)
        sequence = text(said.get("stop_reason")) if stop is Stop.END else ""
        if stop is Stop.END and choice.has_called:
            stop = Stop.TOOL_CALLS
        elif sequence:
            stop = Stop.STOP_SEQUENCE
        yield Finished(choice.number, stop, sequence or None)

    def _rest(self, document: Document) -> Iterator[neutral.AnswerEvent]:
        usage = document.get("usage")
        if isinstance(usage, Mapping) and usage:
            details = mapping(usage.get("prompt_tokens_details"))
            drop_others(self.report, details, _PROMPT_DETAILS, "usage.prompt_tokens_details")
            output = mapping(usage.get("completion_tokens_details"))
            drop_others(self.report, output, _OUTPUT_DETAILS, "usage.completion_tokens_details")
            yield Counted(from_openai(usage), cache_said=details.get("cached_tokens") is not None)
        drop_others(self.report, document, _TOP)
