"""What is counted of a chat completion: its tool calls and its tokens, and who it says that it is."""

import json

import pytest

from ledger.usage import Usage
from route.dialects.chat import CHAT
from route.dialects.chat.native import ChatStream
from route.request.parse import storable
from tests.route.build import DONE, RECEIPT, ROLE, USAGE, Json, choice, chunk, documents, finishes, read, says
from tests.route.dialects.chat.chat_pieces import calls
from tests.route.dialects.chat.chat_streams import FEATURES, WHOLE, asked, call, steps, unary


@pytest.mark.parametrize(
    ("stream", "count"),
    [
        (says("a"), 0),
        (calls(call(0, "f", "{}")), 1),
        (calls(call(0, "f", '{"a"')) + calls(call(0, None, ":1}")), 1),
        (calls(call(0, "f"), call(1, "g")), 2),
        (calls(call(0, "f")) + calls(call(0, None, "{")) + calls(call(1, "g")) + calls(call(1, None, "{")), 2),
        (calls(call(0, "f")) + calls(call(0, "f"), index=1), 2),
        (
            chunk(choice({"function_call": {"name": "f"}})) + chunk(choice({"function_call": {"arguments": "{"}})),
            1,
        ),
        (calls(call(0, "f", "{", id="a")) + calls(call(0, "f", "}", id="a")), 1),
        (calls(call(0, "f", "{", id="a")) + calls(call(0, "f", "}", id=None)), 1),
        (calls(call(0, "f", "{}", id="a")) + calls(call(0, "f", "{}", id="b")), 2),
        (chunk(choice({"tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "f"}}]})), 2),
        (calls({"index": [0], "id": 7, "function": {"name": "f"}}, {"index": "x", "id": None}), 1),
    ],
    ids=[
        "none",
        "one",
        "split arguments",
        "parallel in one chunk",
        "parallel in turn",
        "two choices",
        "legacy",
        "name in each piece",
        "name in each piece and id in the first",
        "told apart by ids alone",
        "without an index",
        "of wrong types",
    ],
)
@pytest.mark.case("U6")
def test_tool_calls_are_counted(stream: bytes, count: int) -> None:
    """Each call once, however its arguments are cut: the evidence for a route's being able to call tools."""
    reader = asked()
    read(reader, [ROLE, stream, finishes(0), finishes(1), DONE])
    assert reader.tool_calls == count


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ({"content": "a"}, 0),
        ({"content": None, "tool_calls": [call(0, "f"), call(0, "g")]}, 2),
        ({"content": None, "tool_calls": None}, 0),
        ({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, 1),
    ],
)
@pytest.mark.case("U6")
def test_tool_calls_of_a_whole_answer_are_counted(message: Json, count: int) -> None:
    """As many as the message has, in today's form and in the one before it."""
    assert unary({"choices": [{"message": message}]}).tool_calls == count


FULL_USAGE = {
    "prompt_tokens": 2168,
    "completion_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 2048},
    "completion_tokens_details": {"reasoning_tokens": 12},
    "cost": 0.00012,
}


def streamed_reader(*, usage_asked: bool) -> ChatStream:
    reader = ChatStream(usage_asked=usage_asked)
    read(reader, [says("a", provider="Backend"), finishes(), chunk(usage=FULL_USAGE), DONE])
    return reader


@pytest.mark.case("C9")
def test_usage_is_metered_whoever_asked() -> None:
    """2048 read, 120 fresh, 30 out are these numbers: streamed asked, streamed unasked and whole."""
    readers = [streamed_reader(usage_asked=True), streamed_reader(usage_asked=False)]
    for reader in (*readers, unary(WHOLE | {"usage": FULL_USAGE})):
        assert reader.usage == Usage(input=120, cache_read=2048, output=30, reasoning=12)
        assert (reader.served_model, reader.served_by, reader.reported_usd) == (
            "small-2026-01",
            "Backend",
            0.00012,
        )


UNFIT = [
    ("eu\r\nx-evil: 1", "eux-evil: 1"),
    ("a\x00\x1b[31mb\x7f\x85", "a[31mb"),
    ("a\ud800b", "ab"),
    ("\n", ""),
    (" eu ", "eu"),
    ("é日😀" * 200, ("é日😀" * 200)[:256]),
    ("\x00" * 300 + "eu", "eu"),
    (7, ""),
]


@pytest.mark.parametrize(("said", "kept"), UNFIT)
def test_what_a_provider_says_of_itself_is_made_fit(said: object, kept: str) -> None:
    """Once, where it is read: a header, a fact and a receipt then say the same of it, and each can carry it."""
    reader = asked()
    read(reader, [says("a", provider=said, model=said), finishes(model=None), DONE])
    whole = unary(WHOLE | {"provider": said, "model": said})
    for one in (reader, whole):
        assert (one.served_by, one.served_model) == (kept, kept)
        assert storable(one.served_by) == one.served_by


@pytest.mark.case("U13")
@pytest.mark.parametrize("details", [{}, {"prompt_tokens_details": {"cached_tokens": 0}}])
def test_cached_tokens_reach_the_caller_as_they_came(details: Json) -> None:
    """An explicit 0 stays and absent stays absent, streamed and whole: the provider's bytes are not rebuilt."""
    usage = USAGE | details
    _, held = read(asked(), [says("a"), finishes(), chunk(usage=usage), DONE])
    whole = json.dumps(WHOLE | {"usage": usage}).encode()
    _, answer = read(CHAT.reader(FEATURES), [whole], RECEIPT)
    assert documents(held)[-1]["usage"] == json.loads(answer)["usage"] == usage


def test_no_usage_is_unknown_and_not_zero() -> None:
    """A provider that says nothing leaves None; what has passed is estimated at four characters a token."""
    reader = asked()
    pieces = [says("abcd"), says("e"), calls(call(0, "f", "xyz")), finishes(), DONE]
    read(reader, pieces)
    assert reader.usage is None
    assert reader.seen_usage == Usage(output=2)


def test_a_partial_count_is_completed_by_what_was_seen() -> None:
    """An interrupted stream's output is the larger of what was counted and what was seen."""
    reader = asked()
    steps(reader, says("x" * 400, usage={"prompt_tokens": 7, "completion_tokens": 3}))
    assert reader.seen_usage == Usage(input=7, output=100)
    steps(reader, says("x", usage={"prompt_tokens": 7, "completion_tokens": 500}))
    assert reader.seen_usage == Usage(input=7, output=500)


def test_a_whole_answer_without_usage_is_estimated_with_its_calls() -> None:
    """Arguments of a call are output too."""
    message = {"content": "abcd", "tool_calls": [call(0, "f", "x" * 36)]}
    assert unary({"choices": [{"message": message}]}).seen_usage == Usage(output=10)
