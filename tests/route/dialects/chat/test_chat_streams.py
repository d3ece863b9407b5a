"""OpenAI's chat completions, streamed: every byte passes in order, what is held back, and what is no answer."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects import base
from route.dialects.base import BadAnswer, ErrorInAnswer
from route.dialects.chat import CHAT
from route.dialects.chat.native import ChatStream
from route.dialects.sse import encode
from route.errors import ApiError
from tests.route.build import (
    DONE,
    RECEIPT,
    ROLE,
    Json,
    choice,
    chunk,
    cuts,
    documents,
    event,
    finishes,
    read,
    says,
)
from tests.route.dialects.chat.chat_pieces import USAGE_CHUNK, calls
from tests.route.dialects.chat.chat_streams import COMMENT, HEAD, WHOLE, asked, call, steps, unary, unasked

CONTENT: st.SearchStrategy[tuple[bytes, bytes]] = st.one_of(
    *(
        st.builds(
            lambda value, make=make: (make(value, usage=None), make(value)),
            st.text(min_size=1, max_size=8),
        )
        for make in (
            says,
            lambda text, **more: calls(call(0, None, text), **more),
            lambda text, **more: chunk(choice({"reasoning_content": text}), **more),
            lambda text, **more: chunk(choice({"refusal": text}, index=1), choice({"content": text}), **more),
        )
    ),
    st.just((COMMENT, COMMENT)),
)
"""Pieces of an answer: as the provider sends them when usage is asked for, and as without."""


ONE_CALL = calls(call(0, "f", "{}"))


@given(st.data(), st.lists(CONTENT, max_size=6), st.sampled_from([b"", COMMENT, ROLE]))
def test_every_byte_passes_once_and_in_order(
    data: st.DataObject, contents: list[tuple[bytes, bytes]], head: bytes
) -> None:
    """A caller who asked for usage gets the provider's bytes, however they were cut on the way."""
    pieces = b"".join(with_null for with_null, _ in contents)
    stream = head + ONE_CALL + pieces + finishes(0, "tool_calls") + finishes(1) + USAGE_CHUNK + DONE
    reader = asked()
    passed, held = read(reader, data.draw(cuts(stream)))
    assert passed + held == stream
    assert reader.repaired == set()


@given(st.data(), st.lists(CONTENT, max_size=6))
def test_a_caller_who_did_not_ask_sees_no_usage(data: st.DataObject, contents: list[tuple[bytes, bytes]]) -> None:
    """Without our asking there would be no usage chunk and no `"usage": null`: nothing else is missing."""
    end = finishes(0, "tool_calls") + finishes(1)
    stream = ROLE + ONE_CALL + b"".join(sent for sent, _ in contents) + end + USAGE_CHUNK + DONE
    passed, held = read(unasked(), data.draw(cuts(stream)))
    assert passed + held == ROLE + ONE_CALL + b"".join(bare for _, bare in contents) + end + DONE


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (b'{%b"n":123456789012345678901234567890,"usage":null}', b'{%b"n":123456789012345678901234567890}'),
        (b'{"usage":null,%b"a":1.0,"b":"\\u00e9"}', b'{%b"a":1.0,"b":"\\u00e9"}'),
        (b'{ %b "a" : [] , "usage" : null }', b'{ %b "a" : []  }'),
        (b'{%b"usage":null,"x":{"usage":null}}', b'{%b"x":{"usage":null}}'),
        (b'{%b"a":7,"\\u0075sage":null}', b'{%b"a":7}'),
        (b'{%b"x":"\\",\\"usage\\":null","usage":null}', b'{%b"x":"\\",\\"usage\\":null"}'),
    ],
)
def test_only_the_null_usage_is_cut_out(sent: bytes, left: bytes) -> None:
    """Numbers of any size, escapes, blanks and a `usage` deeper inside stay as the provider wrote them."""
    passed = b"".join(steps(unasked(), says("a"), event(sent % HEAD), says("b")))
    assert passed == says("a") + event(left % HEAD) + says("b")


@pytest.mark.parametrize("data", [b'{"choices": [],\ndata: "usage": {}}', b'{\r\ndata: "choices": []\r\ndata: }'])
def test_a_receipt_goes_into_data_of_several_lines(data: bytes) -> None:
    """It is one document on the wire, and stays one: a line of it without `data:` would be lost."""
    _, held = read(asked(), [says("a"), finishes(), b"data: " + data + b"\n\n", DONE], RECEIPT)
    [_, last] = documents(held)
    assert (last["choices"], last["x_router"]) == ([], RECEIPT)
    assert held.endswith(b"}\n\n" + DONE)


def test_a_null_usage_over_two_lines_is_removed_too() -> None:
    """Data in several lines is one document, and stays one."""
    passed = b"".join(steps(unasked(), b'data: {"choices": [],\ndata: "usage": null}\n\n', says("b")))
    [first, _] = documents(passed)
    assert "usage" not in first
    assert first["choices"] == []


def test_what_was_asked_for_keeps_its_null() -> None:
    """With `include_usage` every other chunk carries `"usage": null`, and clients may rely on it."""
    assert steps(asked(), says("a", usage=None)) == [says("a", usage=None)]


def test_nothing_goes_on_before_the_first_content() -> None:
    """Until there is content another route can still take over, so role, comments and blanks wait."""
    empty = says("")
    reader = asked()
    assert steps(reader, COMMENT, ROLE, empty) == [b"", b"", b""]
    assert not reader.content_seen
    assert steps(reader, says("a"), COMMENT, says("b")) == [COMMENT + ROLE + empty + says("a"), COMMENT, says("b")]
    assert reader.content_seen


@pytest.mark.parametrize(
    "piece",
    [
        {"content": "a"},
        {"reasoning_content": "a"},
        {"refusal": "no"},
        {"tool_calls": [call(0, "f")]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "x"}},
        {"role": "assistant", "content": "a"},
    ],
)
def test_anything_but_a_role_is_content(piece: Json) -> None:
    """The first token is whatever the caller can use first, also a field that we do not know."""
    assert steps(asked(), ROLE, chunk(choice(piece)))[1] != b""


def test_an_azure_preamble_stays_first() -> None:
    """A first chunk without choices (prompt filter results) keeps its place before the role and the content."""
    filters = chunk(prompt_filter_results=[])
    assert steps(unasked(), filters, ROLE, says("a")) == [b"", b"", filters + ROLE + says("a")]


def test_the_end_waits() -> None:
    """From the finish on everything is held until the ledger is closed."""
    reader = asked()
    assert steps(reader, says("a"), finishes(), COMMENT, USAGE_CHUNK, DONE) == [says("a"), b"", b"", b"", b""]
    reader.end()
    assert reader.tail(None) == finishes() + COMMENT + USAGE_CHUNK + DONE


def test_content_after_a_finish_keeps_the_order() -> None:
    """With two choices one finishes first: what is held goes on with the other's next content."""
    reader = asked()
    passed = steps(reader, says("a", 0), finishes(0), says("b", 1), finishes(1), DONE)
    assert passed == [says("a", 0), b"", finishes(0) + says("b", 1), b"", b""]
    reader.end()
    assert reader.tail(None) == finishes(1) + DONE


def test_a_whole_answer_in_one_event_waits_for_the_end() -> None:
    """Content in the finish chunk is delivered once, with the end."""
    only = chunk(choice({"content": "a"}, finish="stop"))
    assert read(asked(), [only, DONE]) == (b"", only + DONE)


def test_nothing_goes_on_after_the_terminator() -> None:
    """No client reads beyond `[DONE]`."""
    assert read(asked(), [says("a") + finishes() + DONE + says("b") + DONE]) == (says("a"), finishes() + DONE)


def test_an_early_terminator_is_the_end() -> None:
    """Nothing after it is passed on, and it is not either: what came before was no whole answer."""
    reader = asked()
    assert steps(reader, says("a"), DONE) == [says("a"), b""]
    assert reader.done
    assert steps(reader, says("b"), finishes(), DONE) == [b"", b"", b""]
    with pytest.raises(BadAnswer):
        reader.end()


def test_a_reader_says_when_its_terminator_has_come() -> None:
    """So that nobody waits for a connection's end; a whole document has no terminator but that."""
    reader = asked()
    steps(reader, says("a"), finishes(), USAGE_CHUNK)
    assert not reader.done
    steps(reader, DONE)
    assert reader.done
    assert not unary(WHOLE).done


def test_comments_begin_nothing() -> None:
    """A gateway sends them while it waits itself: until the first event the provider has not answered."""
    reader = asked()
    steps(reader, COMMENT, b"event: ping\n\n")
    assert not reader.began
    steps(reader, ROLE)
    assert reader.began


CUT = [
    pytest.param(ROLE + says("a"), id="no end at all"),
    pytest.param(ROLE + says("a") + DONE, id="done without a finish reason"),
    pytest.param(ROLE + says("a") + finishes() + USAGE_CHUNK[:-30], id="torn inside the usage"),
    pytest.param(says("a", 0) + says("b", 1) + finishes(0) + DONE, id="one of two choices unfinished"),
    pytest.param(DONE, id="nothing but done"),
    pytest.param(COMMENT, id="nothing but a comment"),
    pytest.param(b"", id="nothing"),
    pytest.param(says("a")[:-20], id="torn inside an event"),
]


@pytest.mark.parametrize("stream", CUT)
@pytest.mark.parametrize("make", [asked, unasked])
@pytest.mark.case("C19")
def test_an_unfinished_stream_is_a_failure(stream: bytes, make: Callable[[], ChatStream]) -> None:
    """Every choice needs its finish reason: else clients report "stop"."""
    with pytest.raises(BadAnswer):
        read(make(), [stream])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_stream_ends_when_every_choice_has(n: int) -> None:
    """Any number of choices, finished in any order, before one `[DONE]`."""
    stream = b"".join(says("a", i) for i in range(n)) + b"".join(finishes(i) for i in reversed(range(n))) + DONE
    passed, held = read(asked(), [stream])
    assert passed + held == stream


@pytest.mark.parametrize(
    "torn", [b"data: {\n\n", b"data: <html>\n\n", b"data: []\n\n", b"data: 1\n\n", b"data:\n\n", b"data: \xff\n\n"]
)
def test_an_event_that_is_no_document_is_a_failure(torn: bytes) -> None:
    """A torn event is never passed on: some clients end quietly there."""
    with pytest.raises(BadAnswer):
        read(asked(), [says("a"), torn])


def test_an_endless_event_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded for streams too."""
    monkeypatch.setattr("route.dialects.sse.MAX_EVENT_BYTES", 64)
    with pytest.raises(BadAnswer):
        asked().feed(b"data: " + b"x" * 64)


@pytest.mark.parametrize("name", ["", "error"])
@pytest.mark.parametrize("said", [{"message": "busy", "code": 429}, "busy"])
def test_an_error_event_is_an_error(said: object, name: str) -> None:
    """Whatever the event's name, and whether the error is an object or a string: with what it said."""
    with pytest.raises(ErrorInAnswer) as caught:
        read(asked(), [ROLE, event({"error": said}, name)])
    assert caught.value.document == {"error": said}


def test_a_null_error_is_none() -> None:
    """Some servers send `"error": null` with every chunk."""
    assert steps(asked(), says("a", error=None)) == [says("a", error=None)]


def test_the_end_of_an_interrupted_stream() -> None:
    """An error event that says why, then the terminator, so that no client waits."""
    end = CHAT.error_event(ApiError(502, "stream_interrupted", "It broke."), "inf_1")
    error = {"message": "It broke.", "type": "server_error", "param": None, "code": "stream_interrupted"}
    assert end == encode(base.dump({"error": error})) + DONE
