"""Requests for Anthropic's messages with anything in the place of any part of them."""

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from route.dialects.messages import MESSAGES
from route.dialects.neutral import (
    NeutralRequest,
)
from route.errors import BadRequest
from tests.route.build import Json

MARK = {"type": "ephemeral"}
PART = "messages[].content[]"
USER: Json = {"role": "user", "content": "Hello"}


def read(body: Json) -> NeutralRequest:
    assert MESSAGES.conversion is not None
    return MESSAGES.conversion.read_request(body)


RICH: Json = {
    "model": "m",
    "max_tokens": 64,
    "system": [{"type": "text", "text": "s", "cache_control": MARK}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "d"}]},
                    "title": "t",
                },
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "h", "signature": "s"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "r"}]}],
        },
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
    "temperature": 1,
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], other)
    return copy


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(_places(RICH)[1:]), HOSTILE)
def test_anything_anywhere_is_read_or_a_bad_request(path: tuple[Any, ...], hostile: Any) -> None:
    """Wrong types, nulls, half characters and numbers beyond all sense, in the place of any part of a request."""
    with suppress(BadRequest):
        request = read(_with(RICH, path, hostile))
        assert all(isinstance(name, str) for name in (*request.dropped, *request.refused))


def test_nothing_of_a_request_that_others_understand_is_reported() -> None:
    """Of a bit of everything only where a search result comes from is reported, and nothing is refused."""
    request = read(RICH)
    assert request.refused == ()
    assert request.dropped == (f"{PART}.source", f"{PART}.title")
