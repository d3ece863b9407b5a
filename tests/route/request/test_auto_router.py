"""What the matchers of the auto-router look at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.responses import RESPONSES
from route.request.auto_router import code_fence_ratio
from tests.route.build import Json, body, request
from tests.route.request.auto_rules import IMAGE, NOBODY, SAID, hit

DIALECTS = pytest.mark.parametrize("dialect", SAID, ids=lambda dialect: dialect.name)


@DIALECTS
@pytest.mark.case("C5")
def test_a_rule_sees_the_image_of_the_latest_message(dialect: Dialect) -> None:
    """In each dialect, and where a message is only counted; `false` is a message that has none."""
    with_image, without = SAID[dialect]([IMAGE[dialect]]), SAID[dialect]("hello")
    assert hit({"has_image": True}, with_image, dialect)
    assert not hit({"has_image": True}, without, dialect)
    assert hit({"has_image": False}, without, dialect)
    assert not hit({"has_image": False}, with_image, dialect)


@DIALECTS
def test_a_rule_reads_the_text_of_the_latest_message(dialect: Dialect) -> None:
    """`content_contains` knows case, `content_regex` is searched for anywhere."""
    asked = SAID[dialect]("Please Refactor this")
    assert hit({"content_contains": "Refactor"}, asked, dialect)
    assert not hit({"content_contains": "refactor"}, asked, dialect)
    assert hit({"content_regex": r"\bre\w+or\b|Ref"}, asked, dialect)
    assert not hit({"content_regex": "^this"}, asked, dialect)


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("", 0.0),
        ("no code", 0.0),
        ("``", 0.0),
        ("```a```", 1.0),
        ("1234```a```567890123", 7 / 20),
        ("```a``` and ```b```", 14 / 19),
        ("12345```ab", 5 / 10),
        ("```", 1.0),
    ],
)
@pytest.mark.case("C5")
def test_the_share_of_code_counts_fences_and_what_is_between(text: str, ratio: float) -> None:
    """Characters inside fences, fences included; one that is not closed runs to the end."""
    assert code_fence_ratio(text) == pytest.approx(ratio)


@given(st.text("`a\n", max_size=60))
def test_the_share_of_code_is_a_share(text: str) -> None:
    """Whatever the fences do."""
    assert 0 <= code_fence_ratio(text) <= 1


@DIALECTS
@pytest.mark.case("C5")
def test_a_share_of_code_is_enough_at_its_bound(dialect: Dialect) -> None:
    """6 of 20 characters are 0.3, and 6 of 21 are not."""
    assert hit({"code_fence_ratio_min": 0.3}, SAID[dialect]("x" * 14 + "``````"), dialect)
    assert not hit({"code_fence_ratio_min": 0.3}, SAID[dialect]("x" * 15 + "``````"), dialect)


def test_the_latest_message_is_what_a_person_said_last() -> None:
    """Results of tools that came after it are not: an agent's turn is routed by what it works on."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    talk: list[Json] = [
        {"role": "user", "content": "old words"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "new words"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found words"},
    ]
    for words, found in (("new", True), ("old", False), ("found", False), ("yes", False)):
        assert hit({"content_contains": words}, {"messages": talk}) is found
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "found"}
    beside = {"messages": [{"role": "user", "content": [result, {"type": "text", "text": "and now?"}]}]}
    assert hit({"content_contains": "and now?"}, beside, MESSAGES)
    assert not hit({"content_contains": "found"}, beside, MESSAGES)


UNREADABLE: Json = {"messages": [{"role": "oracle", "content": "hello"}]}


@pytest.mark.parametrize("asked", [UNREADABLE, NOBODY, {"messages": []}], ids=["unreadable", "system", "none"])
def test_without_a_message_only_the_request_is_looked_at(asked: Json) -> None:
    """No matcher on the latest message matches then, `has_image: false` neither; those on the request do."""
    on_message: list[Json] = [{"has_image": False}, {"has_image": True}, {"content_regex": "(?s).*"}]
    assert not any(hit(match, asked) for match in on_message)
    on_request: list[Json] = [{"has_tools": False}, {"model_pattern": ".*"}, {"content_token_count_min": 1}]
    assert all(hit(match, asked) for match in on_request)
    assert hit({"has_tools": False}, {"input": "hello"}, EMBEDDINGS)
    assert not hit({"content_contains": "hello"}, {"input": "hello"}, EMBEDDINGS)


def test_the_whole_of_the_requested_model_must_fit() -> None:
    """`fullmatch`: half of a name is none."""
    for model, fits in (("gpt-4o", True), ("gpt-4o-mini", False), ("my-gpt-4o", False), ("", False)):
        assert hit({"model_pattern": "gpt-4o|claude"}, body(model=model)) is fits


def test_no_tools_are_no_tools() -> None:
    """An empty list is none, in each dialect."""
    tools: dict[Dialect, Json] = {
        CHAT: {"type": "function", "function": {"name": "f"}},
        MESSAGES: {"name": "f", "input_schema": {}},
        RESPONSES: {"type": "function", "name": "f"},
    }
    for dialect, tool in tools.items():
        some, none = SAID[dialect]("hi") | {"tools": [tool]}, SAID[dialect]("hi") | {"tools": []}
        assert hit({"has_tools": True}, some, dialect)
        assert not hit({"has_tools": True}, none, dialect)
        assert hit({"has_tools": False}, none, dialect)
        assert not hit({"has_tools": False}, some, dialect)
    assert hit({"has_tools": True}, body(functions=[{"name": "f"}]))


@pytest.mark.case("C5")
def test_everything_in_a_request_counts_as_its_size() -> None:
    """A long text, the history, a 400,000-character tool result, and CJK by its own rate."""
    long = {"content_token_count_min": 32_000}
    assert hit(long, body("x" * 200_000))
    assert hit(long, {"messages": [{"role": "user", "content": "x" * 20_000}] * 10})
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "x" * 400_000}
    assert hit(long, {"messages": [{"role": "user", "content": [result]}]}, MESSAGES)
    assert hit(long, body("語" * 32_000))
    assert not hit(long, body("x" * 100_000))
    assert not hit(long, body("語" * 31_000))


def test_a_size_is_reached_at_its_bound() -> None:
    """As many tokens as the rule says are enough, one fewer are not."""
    tokens = request(body(profile="auto")).input_tokens
    assert hit({"content_token_count_min": tokens}, body())
    assert not hit({"content_token_count_min": tokens + 1}, body())
