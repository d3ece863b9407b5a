"""Damage to chat completions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from tests.fakes.frames import Frame, each, lacking
from tests.fakes.steps import Json


def _calls(frame: Frame) -> Iterator[Json]:
    for choice in (frame.data or {}).get("choices") or []:
        yield from choice["delta"].get("tool_calls") or []


def _each_call(change: Callable[[Json], object]) -> Callable[[list[Frame]], list[Frame]]:
    def damage(frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            for call in _calls(frame):
                change(call)
        return frames

    return damage


def _id_repeated(frames: list[Frame]) -> list[Frame]:
    heads: dict[int, Json] = {}
    for frame in frames:
        for call in _calls(frame):
            head = heads.setdefault(call["index"], call)
            call.update(id=head["id"], type=head["type"])
            call["function"]["name"] = head["function"]["name"]
    return frames


def _arguments_object(frames: list[Frame]) -> list[Frame]:
    """Each call comes in one delta, with its arguments as an object."""
    heads: dict[int, Json] = {}
    texts: dict[int, str] = {}
    kept = []
    for frame in frames:
        calls = list(_calls(frame))
        if all(call["index"] not in heads for call in calls):
            kept.append(frame)
        for call in calls:
            heads.setdefault(call["index"], call)
            texts[call["index"]] = texts.get(call["index"], "") + call["function"]["arguments"]
    for index, head in heads.items():
        head["function"]["arguments"] = json.loads(texts[index] or "{}")
    return kept


def _choices(value: list[Json] | None, at: int) -> Callable[[list[Frame]], list[Frame]]:
    """There is one more chunk, whose ``choices`` have this value."""

    def damage(frames: list[Frame]) -> list[Frame]:
        odd = Frame({**(frames[0].data or {}), "choices": value})
        return [*frames[:at], odd, *frames[at:]]

    return damage


def _no_usage(frames: list[Frame]) -> list[Frame]:
    kept = [frame for frame in frames if frame.data is None or frame.data["choices"]]
    return each(lambda chunk: chunk.pop("usage", None))(kept)


def _usage_in_finish(frames: list[Frame]) -> list[Frame]:
    """Usage has no chunk of its own: it stands beside the finish reason, whether or not it was asked for."""
    usage = next((f.data["usage"] for f in frames if f.data and not f.data["choices"]), None)
    kept = [frame for frame in frames if frame.data is None or frame.data["choices"]]
    finish = next(frame for frame in reversed(kept) if frame.data is not None)
    finish.data = {**(finish.data or {}), "usage": usage}
    return kept


def _no_finish(frames: list[Frame]) -> list[Frame]:
    return [f for f in frames if not any(c["finish_reason"] for c in (f.data or {}).get("choices") or [])]


def _finish_missing(frames: list[Frame]) -> list[Frame]:
    """``finish_reason`` is missing, instead of null, until it has a value."""

    def change(chunk: Json) -> None:
        for choice in chunk.get("choices") or []:
            if choice["finish_reason"] is None:
                del choice["finish_reason"]

    return each(change)(frames)


def _role_repeated(frames: list[Frame]) -> list[Frame]:
    def change(chunk: Json) -> None:
        for choice in chunk.get("choices") or []:
            choice["delta"]["role"] = "assistant"

    return each(change)(frames)


STREAMED: Mapping[str, Callable[[list[Frame]], list[Frame]]] = {
    "same_index": _each_call(lambda call: call.update(index=0)),
    "index_gap": _each_call(lambda call: call.update(index=call["index"] * 2)),
    "no_index": _each_call(lambda call: call.pop("index")),
    "id_repeated": _id_repeated,
    "arguments_object": _arguments_object,
    "no_id": each(lambda chunk: chunk.pop("id")),
    "no_created": each(lambda chunk: chunk.pop("created")),
    "choices_null": _choices(None, 1),
    "choices_empty": _choices([], 0),
    "no_usage": _no_usage,
    "usage_in_finish": _usage_in_finish,
    "no_finish": _no_finish,
    "finish_missing": _finish_missing,
    "role_repeated": _role_repeated,
    "no_done": lambda frames: [frame for frame in frames if frame.data is not None],
}


def _each_message(change: Callable[[Json], object]) -> Callable[[Json], Json]:
    def damage(whole: Json) -> Json:
        for choice in whole["choices"]:
            change(choice["message"])
        return whole

    return damage


def _parsed_arguments(message: Json) -> None:
    for call in message.get("tool_calls") or []:
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])


def _no_call_ids(message: Json) -> None:
    for call in message.get("tool_calls") or []:
        del call["id"]


def _finish_null(whole: Json) -> Json:
    for choice in whole["choices"]:
        choice["finish_reason"] = None
    return whole


WHOLE: Mapping[str, Callable[[Json], Json]] = {
    "arguments_object": _each_message(_parsed_arguments),
    "no_call_ids": _each_message(_no_call_ids),
    "content_parts": _each_message(lambda m: m.update(content=[{"type": "text", "text": m["content"]}])),
    "no_id": lacking("id"),
    "no_created": lacking("created"),
    "no_usage": lacking("usage"),
    "choices_null": lambda whole: {**whole, "choices": None},
    "choices_empty": lambda whole: {**whole, "choices": []},
    "no_finish": _finish_null,
}
