"""How many input tokens a request is estimated to have."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from route.request.parse import (
    estimate_tokens,
)
from tests.route.build import Json, body, request


@pytest.mark.parametrize(
    ("tokens", "size"),
    [(999, "xs"), (1_000, "s"), (7_999, "s"), (8_000, "m"), (31_999, "m"), (32_000, "l"), (128_000, "xl")],
)
def test_size_buckets(tokens: int, size: str) -> None:
    """Each bound belongs to the larger bucket."""
    asked = body("")
    missing = 4 * tokens - 4 * estimate_tokens(asked)
    asked["messages"][0]["content"] = "x" * missing
    assert request(asked).origin.size == size


@pytest.mark.case("C5")
def test_everything_that_will_be_billed_counts() -> None:
    """A 400,000-character tool result, the history, schemas and the system prompt: a quarter each."""
    large = "x" * 400_000
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": large}]}
    for asked in (
        {"messages": [{"role": "user", "content": [result]}]},
        {"messages": [{"role": "tool", "content": large}, {"role": "user", "content": "and?"}]},
        {"messages": [], "system": large},
        {"messages": [], "tools": [{"description": large}]},
    ):
        assert 100_000 <= estimate_tokens(asked) < 100_100


@pytest.mark.case("C5")
def test_two_hundred_thousand_characters_are_a_long_context() -> None:
    """At least 32,000 tokens."""
    assert estimate_tokens(body("x" * 200_000)) >= 32_000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("é" * 4, 1),
        ("日本語", 3),
        ("日abcd", 2),
        ("한국", 2),
        ("😀", 1),
    ],
)
@pytest.mark.case("C5")
def test_wide_characters_count_whole(text: str, tokens: int) -> None:
    """Latin text is a quarter of a token a character, rounded up; CJK and its neighbours a whole one."""
    assert estimate_tokens(text) == tokens


PICTURE = "iVBORw0KGgo" * 50_000


INLINE: dict[str, Json] = {
    "Anthropic image": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
    "OpenAI image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
    "OpenAI image text": {"type": "image_url", "image_url": f"data:image/png;base64,{PICTURE}"},
    "OpenAI file": {
        "type": "file",
        "file": {"filename": "a", "file_data": f"data:application/pdf;base64,{PICTURE}"},
    },
    "OpenAI audio": {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}},
}


@pytest.mark.parametrize("part", INLINE.values(), ids=INLINE.keys())
def test_inline_data_does_not_count_by_its_length(part: Json) -> None:
    """A picture of half a megabyte is not 130,000 tokens; it is about one picture."""
    assert 1_000 <= estimate_tokens(part) < 1_100


@pytest.mark.parametrize(
    "value",
    [
        {"type": "text", "text": "data:" + "x" * 40_000},
        {"url": "data:x", "content": "x" * 40_000},
        {"type": "base64", "note": "x" * 40_000},
        {"format": "csv", "data": "x" * 40_000, "name": "a"},
    ],
)
def test_nothing_hides_behind_inline_data(value: Json) -> None:
    """Text beside it, or text that only begins like it, counts."""
    assert estimate_tokens(value) >= 10_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(st.lists(JSON))
@example([0, 0, None])
def test_more_is_never_estimated_as_less(values: list[Any]) -> None:
    """Each part adds, so a longer conversation never looks shorter."""
    sizes = [estimate_tokens(values[:n]) for n in range(len(values) + 1)]
    assert sizes == sorted(sizes)
