"""Writes events as a chat completion: as the chunks of a stream, or as the document that they add up to."""

from collections.abc import Iterable, Sequence

from ledger.usage import Usage
from route.dialects import neutral
from route.dialects.base import Document, dump, text
from route.dialects.chat.call_writing import CallFormat
from route.dialects.chat.choice_writing import ChoiceWriting
from route.dialects.conversion import AnswerContext, AnswerWriting
from route.dialects.fields import Report
from route.dialects.mending import derived_id
from route.dialects.neutral import Began, Counted
from route.dialects.sse import encode

_DONE = b"data: [DONE]\n\n"
_SAID_ONCE = ("role", "id", "type", "name", "format", "index")
_LISTS = ("tool_calls", "reasoning_details")


class ChatAnswerWriting(AnswerWriting):
    """Writes one answer. A stream and a whole answer are built from the same pieces of choices."""

    def __init__(self, asked: AnswerContext, report: Report) -> None:
        super().__init__(asked, report)
        self._call_format = CallFormat.of(asked.body)
        self._began = Began()
        self._usage: Counted = Counted(Usage())
        self._choices: dict[int, ChoiceWriting] = {}

    def whole(self, events: Sequence[neutral.AnswerEvent]) -> Document:
        choices: dict[int, Document] = {}
        for piece in (piece for event in events for piece in self._pieces(event)):
            _add(choices.setdefault(piece["index"], _empty(piece["index"])), piece)
        said = [_settled(choices[number]) for number in sorted(choices)]
        return {**self._head("chat.completion"), "choices": said, "usage": usage_of(self._usage)}

    def feed(self, event: neutral.AnswerEvent) -> bytes:
        return b"".join(self._chunk([piece]) for piece in self._pieces(event))

    def end(self) -> bytes:
        usage = self._chunk([], usage_of(self._usage)) if self.asked.usage_asked else b""
        return usage + _DONE

    def _pieces(self, event: neutral.AnswerEvent) -> Iterable[Document]:
        match event:
            case Began():
                self._began = event
            case Counted():
                self._usage = event
            case _:
                if event.choice not in self._choices:
                    self._choices[event.choice] = ChoiceWriting(event.choice, self._call_format, self.report)
                return self._choices[event.choice].said(event)
        return ()

    def _head(self, kind: str) -> Document:
        began, asked = self._began, self.asked
        created = asked.created if began.created is None else began.created
        model = began.model or text(asked.body.get("model"))
        # An id made here may repeat within a second, which is harmless: nothing is looked up by it.
        made = began.id or derived_id("chatcmpl-", created, model)
        return {"id": made, "object": kind, "created": created, "model": model}

    def _chunk(self, choices: list[Document], usage: Document | None = None) -> bytes:
        chunk = {**self._head("chat.completion.chunk"), "choices": choices}
        if self.asked.usage_asked:
            chunk["usage"] = usage
        return encode(dump(chunk))


def usage_of(counted: Counted) -> Document:
    """The token counts in OpenAI's form, where the prompt includes what was read from a cache or written to it."""
    usage = counted.usage
    said: Document = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
    }
    written = usage.cache_write + usage.cache_write_1h
    details = {"cached_tokens": usage.cache_read} if counted.cache_said or usage.cache_read else {}
    details |= {"cache_write_tokens": written} if written else {}
    said |= {"prompt_tokens_details": details} if details else {}
    thought = {"completion_tokens_details": {"reasoning_tokens": usage.reasoning}}
    return said | (thought if usage.reasoning else {})


def _empty(number: int) -> Document:
    message = {"role": "assistant", "content": None, "refusal": None}
    return {"index": number, "message": message, "logprobs": None, "finish_reason": None}


def _add(choice: Document, piece: Document) -> None:
    """Adds a piece of a stream to the choice of a whole answer."""
    _grow(choice["message"], piece["delta"])
    choice["finish_reason"] = piece["finish_reason"] or choice["finish_reason"]
    if "logprobs" in piece:
        said = choice["logprobs"] or {"content": None, "refusal": None}
        for name, tokens in piece["logprobs"].items():
            said[name] = [*(said[name] or ()), *tokens] if tokens else said[name]
        choice["logprobs"] = said


def _grow(whole: Document, delta: Document) -> None:
    for name, more in delta.items():
        before = whole.get(name)
        if name in _LISTS:
            whole[name] = _grown(before or [], more)
        elif isinstance(more, dict):
            whole[name] = before or {}
            _grow(whole[name], more)
        elif before is None or name in _SAID_ONCE:
            whole[name] = more
        else:
            whole[name] = before + more


def _grown(entries: list[Document], pieces: Iterable[Document]) -> list[Document]:
    """Adds pieces to a list, in which all pieces with one index make up one entry."""
    for piece in pieces:
        if piece["index"] == len(entries):
            entries.append({})
        _grow(entries[piece["index"]], piece)
    return entries


def _settled(choice: Document) -> Document:
    """The finished choice: empty content is null beside calls or a refusal, and calls have no index."""
    message = choice["message"]
    if not message["content"] and any(message.get(name) for name in ("tool_calls", "function_call", "refusal")):
        message["content"] = None
    for call in message.get("tool_calls", ()):
        del call["index"]
    return choice
