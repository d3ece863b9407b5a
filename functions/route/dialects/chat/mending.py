"""Mends what providers get wrong in chat completions, in each chunk of a stream or in a whole answer.

It changes only what makes some client fail or misread the answer; a vendor's own fields stay as they are. Damage
that cannot be mended raises BadAnswer, so that another route is tried or the caller gets an error.
"""

from collections.abc import Callable, Mapping
from typing import Any

from route.dialects.base import BadAnswer, Document, encoded, with_members
from route.dialects.chat.call_mending import CallsMending, mend_arguments, mend_whole_calls
from route.dialects.mending import Repairs, bounded, derived_id, whole_number

_CHUNK: Document = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
_WHOLE: Document = {**_CHUNK, "object": "chat.completion"}
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_CUT = ("length", "content_filter")
_TEXT_PARTS = (None, "text", "output_text")


class ChunkMending:
    """Mends the chunks of one stream. It keeps the first head that came, to fill in what later chunks lack."""

    def __init__(self, names: set[str]) -> None:
        self._repairs = Repairs(names)
        self._head: Document = {}
        self._choices: dict[int, _ChoiceMending] = {}

    @property
    def calls(self) -> int:
        """How many tool calls have begun, those in the form before tools included."""
        return sum(choice.calls.count + bool(choice.legacy) for choice in self._choices.values())

    def mend(self, chunk: Document, data: bytes) -> bytes | None:
        """Mends the chunk in place. Returns the data that replaces it, or None where the chunk was sound."""
        missing = _mend_head(chunk, self._head, _CHUNK, lambda: data, self._repairs)
        _mend_usage(chunk, self._repairs)
        choices = chunk.get("choices")
        if choices is None and "choices" not in chunk:
            missing["choices"] = []
        else:
            chunk["choices"] = self._mended_choices(choices, data)
        chunk |= missing
        if missing:
            self._repairs.names.add("head")
        if self._repairs.settle() or (missing and b"\n" in data):
            return encoded(chunk)
        return with_members(data, missing) if missing else None

    def _mended_choices(self, choices: object, data: bytes) -> list[Document]:
        sound = _objects(choices, "choices", self._repairs)
        for place, choice in enumerate(sound):
            number = _mend_index(choice, place, self._repairs)
            state = self._choices.setdefault(number, _ChoiceMending(number, self._repairs))
            bounded(len(self._choices))
            if choice.get("delta") is None:
                choice["delta"] = {}
                self._repairs.note("delta")
            delta = choice["delta"]
            if not isinstance(delta, dict):
                raise BadAnswer("a choice's delta is no object")
            state.mend(choice, delta, str(self._head.get("id", "")), data)
        return sound


class _ChoiceMending:
    """Mends one choice of a stream. `legacy`: the function that it calls in the form before tools."""

    def __init__(self, number: int, repairs: Repairs) -> None:
        self.calls = CallsMending(number, repairs)
        self.legacy = ""
        self._repairs = repairs
        self._role = ""

    def mend(self, choice: Document, delta: Document, *seeds: str | bytes) -> None:
        self._mend_role(delta)
        _mend_texts(delta, self._repairs)
        _mend_logprobs(choice, self._repairs)
        self._mend_legacy(delta)
        if delta.get("tool_calls") is not None:
            delta["tool_calls"] = self.calls.mended(delta["tool_calls"], *seeds)
        _mend_finish(choice, self.calls.count > 0, bool(self.legacy), self._repairs)
        if choice.get("finish_reason"):
            self.calls.finish(delta, is_cut=choice["finish_reason"] in _CUT)

    def _mend_role(self, delta: Document) -> None:
        """Removes a repeated role: a client that joins all texts of the deltas would get `assistantassistant`."""
        role = delta.get("role")
        if role and role == self._role:
            del delta["role"]
            self._repairs.note("role")
        self._role = self._role or (role if isinstance(role, str) else "")

    def _mend_legacy(self, delta: Document) -> None:
        call = delta.get("function_call")
        if call is None:
            return
        if not isinstance(call, dict):
            raise BadAnswer("a function call is no object")
        name = call.get("name")
        if name and name == self.legacy:
            del call["name"]
            self._repairs.note("tool_repeat")
        elif isinstance(name, str):
            self.legacy += name
        mend_arguments(call, self._repairs)


def mend_answer(document: Document, names: set[str]) -> bool:
    """Mends a whole answer in place. Returns whether it has been changed."""
    repairs = Repairs(names)
    missing = _mend_head(document, {}, _WHOLE, lambda: encoded({"": document.get("choices")}), repairs)
    if missing:
        document |= missing
        repairs.note("head")
    _mend_usage(document, repairs)
    document["choices"] = _objects(document.get("choices"), "choices", repairs)
    bounded(len(document["choices"]))
    for place, choice in enumerate(document["choices"]):
        number = _mend_index(choice, place, repairs)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise BadAnswer("a choice has no message")
        if message.get("role") != "assistant":
            message["role"] = "assistant"
            repairs.note("role")
        _mend_texts(message, repairs)
        _mend_logprobs(choice, repairs)
        if message.get("tool_calls") is not None:
            message["tool_calls"] = mend_whole_calls(
                message["tool_calls"],
                f"{document['id']}\0{number}",
                repairs,
                is_cut=choice.get("finish_reason") in _CUT,
            )
        legacy = message.get("function_call")
        if isinstance(legacy, dict):
            mend_arguments(legacy, repairs)
        has_calls, has_legacy = bool(message.get("tool_calls")), bool(legacy)
        _mend_finish(choice, has_calls, has_legacy, repairs)
        if choice.get("finish_reason") is None:
            choice["finish_reason"] = "tool_calls" if has_calls else "function_call" if has_legacy else "stop"
            repairs.note("finish_reason")
    return repairs.settle()


def _mend_head(
    document: Document, first: Document, defaults: Document, seed: Callable[[], bytes], repairs: Repairs
) -> Document:
    """Replaces id, kind, time and model where they are of a wrong type. Returns those that are missing.

    `first`: the first values that came, which are used instead.
    """
    missing: Document = {}
    for name, default in defaults.items():
        value = document.get(name)
        fit = whole_number(value) if name == "created" else value if isinstance(value, str) else None
        if fit:
            first.setdefault(name, fit)
        if fit is None:
            if name == "id":
                first.setdefault(name, derived_id("chatcmpl-", seed()))
            fit = first.get(name, default)
        if name not in document:
            missing[name] = fit
        elif fit is not value:
            document[name] = fit
            repairs.note("head")
    return missing


def _objects(value: object, what: str, repairs: Repairs) -> list[Document]:
    """A list of objects without its nulls; an empty list for null."""
    if value is None:
        repairs.note(what)
        return []
    if not isinstance(value, list):
        raise BadAnswer(f"the answer's {what} are no list")
    sound = [item for item in value if item is not None]
    if len(sound) < len(value):
        repairs.note(what)
    if not all(isinstance(item, dict) for item in sound):
        raise BadAnswer(f"one of the answer's {what} is no object")
    return sound


def _mend_index(choice: Document, place: int, repairs: Repairs) -> int:
    """The index of a choice; its place in the list where the index is missing."""
    said = whole_number(choice.get("index"))
    number = place if said is None or said < 0 else said
    if number is not choice.get("index"):
        choice["index"] = number
        repairs.note("choice_index")
    return number


def _mend_usage(document: Document, repairs: Repairs) -> None:
    """Makes token counts numbers, and `usage` null where it is no object. The original has been metered before."""
    usage = document.get("usage")
    if usage is None:
        return
    if not isinstance(usage, dict):
        document["usage"] = None
        repairs.note("usage")
        return
    for name in _COUNTS:
        said = usage.get(name)
        fit = whole_number(said)
        if fit is None or fit is not said:
            usage[name] = fit or 0
            repairs.note("usage")


def _mend_logprobs(choice: Document, repairs: Repairs) -> None:
    if not isinstance(choice.get("logprobs"), dict | None):
        choice["logprobs"] = None
        repairs.note("logprobs")


def _mend_texts(message: Document, repairs: Repairs) -> None:
    for name in ("content", "refusal"):
        if message.get(name) is not None:
            _mend_text(message, name, repairs)


def _mend_text(message: Document, name: str, repairs: Repairs) -> None:
    """Joins text that comes in parts. A list with parts of a vendor's own kinds stays as it is."""
    value = message[name]
    if isinstance(value, str):
        return
    if not isinstance(value, list) or not all(isinstance(part, str | dict) for part in value):
        raise BadAnswer(f"the answer's {name} is no text")
    texts = [part if isinstance(part, str) else _text_of(part) for part in value]
    known = [one for one in texts if one is not None]
    if len(known) == len(texts):
        message[name] = "".join(known)
        repairs.note(name)


def _text_of(part: Mapping[str, Any]) -> str | None:
    said = part.get("text")
    return said if isinstance(said, str) and part.get("type") in _TEXT_PARTS else None


def _mend_finish(choice: Document, has_calls: bool, has_legacy: bool, repairs: Repairs) -> None:
    """Replaces `stop` beside calls, with which OpenAI itself ends a forced call: agents would stop there."""
    said = choice.get("finish_reason")
    if said is None:
        return
    mended: str | None = said if isinstance(said, str) and said else None
    if said == "stop" and (has_calls or has_legacy):
        mended = "tool_calls" if has_calls else "function_call"
    if mended != said:
        choice["finish_reason"] = mended
        repairs.note("finish_reason")
