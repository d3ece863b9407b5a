"""Conversations with tool calls in each dialect, for tests of the guard against repeated calls."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from route.config.file import Config
from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.messages import MESSAGES
from route.dialects.responses import RESPONSES
from route.request.parse import Request
from tests.route.build import Json, config, request


@dataclass(frozen=True)
class Call:
    """A call of a tool and what came of it; no result yet where that is None."""

    name: str = "Read"
    arguments: str = '{"path": "a"}'
    result: str | None = "same"
    id: str = ""


READ = Call()


OTHER = Call(arguments='{"path": "b"}')


Step = str | tuple[Call, ...]
"""What the user says (`user: …`), the assistant says (`…`), or the assistant calls at once."""


def _chat(steps: Sequence[Step]) -> Json:
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n, step in enumerate(steps):
        if isinstance(step, str):
            said.append(_words(step))
            continue
        calls = [(call.id or f"c{n}.{m}", call) for m, call in enumerate(step)]
        functions = [(i, {"name": call.name, "arguments": call.arguments}) for i, call in calls]
        made = [{"id": i, "type": "function", "function": function} for i, function in functions]
        said.append({"role": "assistant", "content": None, "tool_calls": made})
        said += [
            {"role": "tool", "tool_call_id": i, "content": c.result} for i, c in calls if c.result is not None
        ]
    return {"model": "", "messages": said}


def _messages(steps: Sequence[Step]) -> Json:
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n, step in enumerate(steps):
        if isinstance(step, str):
            said.append(_words(step))
            continue
        calls = [(call.id or f"c{n}.{m}", call) for m, call in enumerate(step)]
        made = [
            {"type": "tool_use", "id": i, "name": c.name, "input": json.loads(c.arguments, strict=False)}
            for i, c in calls
        ]
        said.append({"role": "assistant", "content": made})
        results = [
            {"type": "tool_result", "tool_use_id": i, "content": [{"type": "text", "text": c.result}]}
            for i, c in calls
            if c.result is not None
        ]
        said += [{"role": "user", "content": results}] if results else []
    return {"model": "", "max_tokens": 100, "messages": said}


def _responses(steps: Sequence[Step]) -> Json:
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n, step in enumerate(steps):
        if isinstance(step, str):
            said.append(_words(step))
            continue
        calls = [(call.id or f"c{n}.{m}", call) for m, call in enumerate(step)]
        said += [
            {"type": "function_call", "call_id": i, "name": c.name, "arguments": c.arguments} for i, c in calls
        ]
        said += [
            {"type": "function_call_output", "call_id": i, "output": c.result}
            for i, c in calls
            if c.result is not None
        ]
    return {"model": "", "input": said}


def _words(step: str) -> Json:
    role, _, words = step.rpartition(": ")
    return {"role": role or "assistant", "content": words}


TALKS = {CHAT: _chat, MESSAGES: _messages, RESPONSES: _responses}


DIALECTS = pytest.mark.parametrize("dialect", TALKS, ids=lambda dialect: dialect.name)


def guarded(dialect: Dialect, *steps: Step, **guard: Any) -> Request:
    """A request with this conversation, before its guard, under a profile with these numbers."""
    return request(TALKS[dialect](steps), dialect=dialect, config=guarding(**guard))


def guarding(**guard: Any) -> Config:
    return config(profiles={"default": {"routes": ["acme/small"], "tool_loop": guard}})
