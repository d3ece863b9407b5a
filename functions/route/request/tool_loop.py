"""The tool-loop guard: a model that makes the same call again and again, and gets the same answer.

Only the end of the conversation is looked at, so that a long one costs no more than a short one once it is read.
Arguments are compared and never shown.
"""

import json
import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from route.config.profiles import ToolLoopGuard
from route.dialects.base import Document, maps
from route.dialects.neutral import NeutralRequest, Text, ToolCall, ToolResult, Turn
from route.dialects.prompting import APPEND_SYSTEM
from route.errors import ApiError, BadRequest
from route.request.lazy_neutral import LazyNeutral
from route.request.parse import Request, estimate_tokens, storable

log = logging.getLogger("warmroute.route")

TOOL_LOOP = "tool_loop_detected"
"""The code of the refusal."""

HINT = (
    "You have made the same tool call with the same arguments several times in a row and got the same result each "
    "time. Do not make it again: use the result that you have, try something else, or say what you are missing."
)


@dataclass(frozen=True, slots=True)
class ToolLoop:
    """The call that is repeated, and how often it was made in a row."""

    tool_name: str
    repeat_count: int


@dataclass(frozen=True, slots=True)
class _ToolCall:
    """A call and what came of it. `what`: its arguments; `result` is None while it is not known."""

    namespace: str
    name: str
    what: Hashable
    result: Hashable = None

    def is_same(self, other: "_ToolCall") -> bool:
        return replace(self, result=None) == replace(other, result=None)


def detect(neutral: NeutralRequest, guard: ToolLoopGuard) -> ToolLoop | None:
    """The loop that the conversation ends in: at least `threshold` equal calls among the last `window`.

    Calls are equal by name, arguments and result; one that has no result yet equals any. Different results of the
    same call are polling.
    """
    calls = islice(_latest_calls(neutral.turns), guard.window)
    last = next(calls, None)
    if last is None:
        return None
    count, result = 1, last.result
    for call in calls:
        if not call.is_same(last) or (None not in (call.result, result) and call.result != result):
            break
        count, result = count + 1, call.result if result is None else result
    return ToolLoop(last.name, count) if count >= guard.threshold else None


def _latest_calls(turns: Sequence[Turn]) -> Iterator[_ToolCall]:
    """The assistant's calls, latest first, as far back as nobody has said anything but calls and results."""
    results: dict[str, Hashable] = {}
    for turn in reversed(turns):
        if turn.role == "user":
            found = [part for part in turn.parts if isinstance(part, ToolResult)]
            if not found:
                return
            # Where ids are used again in each turn, the result that is nearest to its call is taken last.
            results.update((part.call_id, _outcome(part)) for part in found)
        elif turn.role == "assistant":
            calls = [part for part in turn.parts if isinstance(part, ToolCall)]
            if not calls:
                return
            yield from reversed(_made_at_once(calls, results))


def _made_at_once(calls: Iterable[ToolCall], results: Mapping[str, Hashable]) -> list[_ToolCall]:
    """The calls of one turn. What was called twice in it was called once, with all that came of it."""
    made: dict[_ToolCall, set[Hashable]] = {}
    for call in calls:
        known = made.setdefault(_ToolCall(call.namespace, call.name, _arguments(call)), set())
        if call.id in results:
            known.add(results[call.id])
    return [replace(call, result=frozenset(known) or None) for call, known in made.items()]


def _arguments(call: ToolCall) -> Hashable:
    """As JSON, whatever the order of keys; as they stand, in a tuple, where they are none."""
    try:
        return (call.arguments,) if call.free else json.dumps(json.loads(call.arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return (call.arguments,)


def _outcome(result: ToolResult) -> Hashable:
    """What came of a call, without cache marks: clients move those on with each turn."""
    parts = (part.text if isinstance(part, Text) else replace(part, cache=None, at="") for part in result.parts)
    return (result.is_error, *parts)


def guard_tool_loop(request: Request) -> Request:
    """The request as it goes on, by the profile's action: marked, with a hint, or refused: ApiError 400."""
    guard = request.choice.profile.tool_loop
    if guard.action == "off" or not request.origin.is_inference or _ends_with_a_person(request.body):
        return request
    neutral = LazyNeutral(request.dialect, _tail(request.body, guard.window)).neutral
    loop = None if isinstance(neutral, BadRequest) else detect(neutral, guard)
    if loop is None:
        return request
    told = {
        "profile": request.choice.name,
        "tool_name": storable(loop.tool_name),
        "repeat_count": loop.repeat_count,
        "threshold": guard.threshold,
        "window": guard.window,
    }
    log.warning("tool-loop-detected", extra=told | {"action": guard.action})
    if guard.action == "break":
        raise _broken(told)
    marked = replace(request, origin=replace(request.origin, tool_loop=guard.action))
    return _hinted(marked) if guard.action == "inject" else marked


def _tail(body: Document, window: int) -> Document:
    """The body with the end of its conversation alone, as much as can hold the window's calls many times over.

    A long conversation is not read for its last few calls. It is cut before a turn of the assistant, or before a
    call where calls stand by themselves, so that no result is parted from its call.
    """
    field = "messages" if isinstance(body.get("messages"), list) else "input"
    said, left = body.get(field), window * _MANY_AT_ONCE
    if not isinstance(said, list):
        return body
    was_turn = False
    for place in range(len(said) - 1, -1, -1):
        entry = said[place] if isinstance(said[place], Mapping) else {}
        is_turn, is_call = entry.get("role") == "assistant", "call_id" in entry and "output" not in entry
        # Several entries of the assistant in a row are one turn, and so are those before a call of its own.
        left -= _MANY_AT_ONCE // 2 if is_turn and not was_turn else int(is_call)
        was_turn = is_turn or (is_call and was_turn)
        if left < 0 and (is_turn or is_call):
            return {**body, field: said[place:]}
    return body


_MANY_AT_ONCE = 16
"""Calls that an assistant may make in one turn, of which the window holds each but once."""


def _ends_with_a_person(body: Document) -> bool:
    """Whether the last word is no call and no result, so that the conversation need not be read to know."""
    said = body.get("messages") or body.get("input")
    last = said[-1] if isinstance(said, list) and said else None
    if not isinstance(last, Mapping) or last.get("role") != "user":
        return isinstance(said, str)
    return not any(block.get("type") == "tool_result" for block in maps(last.get("content")))


def _hinted(request: Request) -> Request:
    body = APPEND_SYSTEM[request.dialect.name](request.body, HINT)
    return replace(request, body=body, input_tokens=request.input_tokens + estimate_tokens(HINT))


def _broken(told: Mapping[str, Any]) -> ApiError:
    message = (
        "The model is in a loop: it has called {tool_name!r} at least {repeat_count} times in a row with the "
        "same arguments and result. Say something else to it, or start anew.".format_map(told)
    )
    return ApiError(400, TOOL_LOOP, message, detail={"tool_loop": dict(told)}, should_retry=False)
