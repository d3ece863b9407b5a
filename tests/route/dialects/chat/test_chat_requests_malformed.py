"""A chat completion that is malformed or hostile is a BadRequest, or a request that can be written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.chat.conversion import CONVERSION
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.neutral import Image
from route.errors import BadRequest
from tests.route.build import Json, body
from tests.route.dialects.chat.chat_requests import read


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"messages": None}, "messages"),
        ({"messages": ["hi"]}, "messages[]"),
        ({"messages": [{"role": "narrator"}]}, "messages[].role"),
        ({"messages": [{"role": ["user"]}]}, "messages[].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[].content[]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[].content[].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[].content[].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[].content[].file.file_data",
        ),
        ({"messages": [{"role": "tool", "content": "3"}]}, "messages[].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}]},
            "messages[].tool_calls[].function.name",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 7}}]}]},
            "messages[].tool_calls[].function.arguments",
        ),
        (body(tools=[{"type": "function", "function": {}}]), "tools[].function.name"),
    ],
)
def test_malformed(asked: Json, path: str) -> None:
    """What would be lost with its place, and cannot be understood, is the caller's fault, and named."""
    with pytest.raises(BadRequest) as caught:
        read(asked)
    assert caught.value.param == path


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800")
_WORDS = st.sampled_from(
    ["text", "image_url", "file", "function", "custom", "assistant", "tool", "user", "reasoning.text", "thinking"]
)
_NAMES = st.sampled_from(
    [
        *(
            "role",
            "type",
            "content",
            "text",
            "image_url",
            "url",
            "file",
            "file_data",
            "function",
            "custom",
            "name",
        ),
        *(
            "arguments",
            "input",
            "tool_calls",
            "function_call",
            "reasoning_details",
            "index",
            "tools",
            "tool_choice",
        ),
        *("allowed_tools", "mode", "response_format", "json_schema", "schema", "reasoning", "effort", "thinking"),
        *("stop", "n", "logprobs", "top_logprobs", "messages", "functions", "tool_call_id", "id", "cache_control"),
    ]
)
_HOSTILE = st.recursive(
    _LEAVES | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=6),
    max_leaves=30,
)
TARGETS = [Target("m"), Target("m", max_output_tokens=9, cache_control=True, sampling=False, thinking="none")]


@given(st.dictionaries(_NAMES, _HOSTILE, max_size=8), st.lists(st.dictionaries(_NAMES, _HOSTILE), max_size=3))
def test_hostile_requests(asked: Json, messages: list[Json]) -> None:
    """Whatever is sent: a request that can be written, or a BadRequest."""
    for message in messages:
        message.setdefault("role", "assistant")
    with suppress(BadRequest):
        found = read({**asked, "messages": messages})
        assert len(found.turns) == len(messages)
        for target in TARGETS:
            CONVERSION.write_request(found, target, Report())


def test_deep_arguments() -> None:
    """Arguments that are nested deeper than they can be written are the caller's fault."""
    deep: Json = {}
    for _ in range(100_000):
        deep = {"a": deep}
    call = {"id": "c", "function": {"name": "f", "arguments": deep}}
    with pytest.raises(BadRequest, match="arguments"):
        read({"messages": [{"role": "assistant", "tool_calls": [call]}]})


@pytest.mark.parametrize(
    "url", ["data:" + "a" * 200_000, "data:image/png" + ";x" * 100_000, "data:" + ";" * 200_000]
)
def test_a_long_url_takes_no_longer_than_its_length(url: str) -> None:
    """What is no data URL is passed as a URL; a search that grew with the square would not end here."""
    part = {"type": "image_url", "image_url": {"url": url}}
    (turn,) = CONVERSION.read_request({"messages": [{"role": "user", "content": [part]}]}).turns
    assert [part.url for part in turn.parts if isinstance(part, Image)] == [url]
