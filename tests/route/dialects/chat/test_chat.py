"""OpenAI's chat completions: what passes, what is held back, what is counted, what is no answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects import base
from route.dialects.base import BadAnswer, ErrorInAnswer, Features, UnaryReader
from route.dialects.chat import CHAT
from route.dialects.chat.native import ChatStream
from route.dialects.sse import encode
from route.errors import ApiError, BadRequest
from route.request.parse import storable
from tests.route.build import (
    DONE,
    RECEIPT,
    ROLE,
    USAGE,
    Json,
    body,
    choice,
    chunk,
    cuts,
    documents,
    event,
    finishes,
    read,
    says,
)

COMMENT = b": OPENROUTER PROCESSING\n\n"
USAGE_CHUNK = chunk(usage=USAGE)


def call(index: int, name: str | None = None, arguments: str = "", **more: Any) -> Json:
    """One piece of a tool call."""
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    first: Json = {"id": f"call_{index}_{name}", "type": "function"} if name else {}
    return {"index": index, **first, "function": function, **more}


def calls(*pieces: Json, index: int = 0, **more: Any) -> bytes:
    return chunk(choice({"tool_calls": list(pieces)}, index=index), **more)


def asked() -> ChatStream:
    return ChatStream(usage_asked=True)


def unasked() -> ChatStream:
    return ChatStream(usage_asked=False)


def steps(reader: ChatStream, *events: bytes) -> list[bytes]:
    """What goes on after each event."""
    return [reader.feed(one) for one in events]


HEAD = b'"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'


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


def unary(answer: Json) -> UnaryReader:
    reader = CHAT.reader(FEATURES)
    read(reader, [json.dumps(answer).encode()])
    assert isinstance(reader, UnaryReader)
    return reader


FEATURES = Features("small", stream=False, tools_requested=False, images=False)
WHOLE = {"model": "small-2026-01", "provider": "Backend", "choices": [{"message": {"content": "a"}}]}


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


def test_the_receipt_goes_into_the_usage_chunk_that_was_asked_for() -> None:
    """The last chunk before `[DONE]`, and no other byte changes."""
    passed, held = read(asked(), [says("a"), finishes(), USAGE_CHUNK, DONE], RECEIPT)
    assert passed == says("a")
    assert held.startswith(finishes())
    assert held.endswith(DONE)
    assert documents(held)[1] == documents(USAGE_CHUNK)[0] | {"x_router": RECEIPT}


@pytest.mark.parametrize(("make", "sent"), [(unasked, USAGE_CHUNK), (asked, b"")])
def test_without_a_usage_chunk_the_receipt_goes_into_the_finish(
    make: Callable[[], ChatStream], sent: bytes
) -> None:
    """It was withheld, or the provider sent none: never a new event, which some SDKs refuse."""
    _, held = read(make(), [says("a"), finishes(), COMMENT, sent, DONE], RECEIPT)
    assert documents(held) == [documents(finishes())[0] | {"x_router": RECEIPT}]
    assert held.endswith(COMMENT + DONE)


def test_without_asking_there_is_no_receipt() -> None:
    """The tail is the provider's own."""
    _, held = read(asked(), [says("a"), finishes(), USAGE_CHUNK, DONE])
    assert held == finishes() + USAGE_CHUNK + DONE


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_the_receipt_is_added_and_nothing_else(answer: Json, indent: int | None, ascii_only: bool) -> None:
    """For every object in every notation: all of the provider's bytes but the closing brace come first."""
    data = json.dumps(answer, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    spliced = base.splice(data, RECEIPT)
    assert spliced.startswith(data.rstrip().removesuffix(b"}").rstrip())
    assert json.loads(spliced) == answer | {"x_router": RECEIPT}


@pytest.mark.parametrize(
    "data",
    [
        b'{%b"n":123456789012345678901234567890}',
        b'{%b"a":1.0,"b":1E5,"c":0.1000000000000000055}',
        b'{%b"a":"\\u00e9\\ud83d\\ude00\\/"}',
        b'{%b"a":"\\ud800"}',
        b'{%b"a":1,"a":2}',
        b'{ %b "b" : [ { } ] ,\n\t"a" : { } }',
        b'{%b"a":NaN,"b":1e999}',
    ],
)
def test_an_answer_keeps_its_bytes(data: bytes) -> None:
    """Large numbers, `1.0`, escapes, lone surrogates, repeated keys and blanks are not read and rewritten."""
    data %= WHOLE_HEAD
    reader = CHAT.reader(FEATURES)
    for cut in range(0, len(data), 7):
        assert reader.feed(data[cut : cut + 7]) == b""
    reader.end()
    assert reader.tail(None) == data
    assert reader.tail(RECEIPT).startswith(data[:-1].rstrip() + b',"x_router":')


WHOLE_HEAD = HEAD.replace(b".chunk", b"").replace(
    b"[]", b'[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]'
)


def test_an_empty_object_gets_no_comma() -> None:
    """The one object where the receipt is not the next member but the first."""
    assert base.splice(b"{}\n", {"a": 1}) == b'{"x_router":{"a":1}}'


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"[]",
        b'"choices"',
        b"null",
        b'{"choices":[',
        b"{}",
        b'{"choices":null}',
        b'{"choices":[]}',
        b'{"choices":[null]}',
        b'{"id":"x"}',
        b'{"error":null}',
        b'{"choices":"x"}',
        '{"choices":[{}]}'.encode("utf-16"),
        b'{"choices":[{}],"n":' + b"9" * 5000 + b"}",
        b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_whole_answer_must_be_one(answer: bytes) -> None:
    """200 with a page, half a document, a list or nothing is a failure of the route, never passed on."""
    with pytest.raises(BadAnswer):
        read(CHAT.reader(FEATURES), [answer])


@pytest.mark.parametrize("said", [{"message": "busy"}, "busy", [1]])
def test_200_with_an_error_is_an_error(said: object) -> None:
    """The SDK would hand out an object without choices."""
    with pytest.raises(ErrorInAnswer):
        unary({"error": said, "choices": []})


def test_a_whole_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the limit it is kept, one byte more is a failure."""
    monkeypatch.setattr(base, "MAX_ANSWER_BYTES", 10)
    reader = CHAT.reader(FEATURES)
    reader.feed(b"x" * 10)
    with pytest.raises(BadAnswer):
        reader.feed(b"x")


def test_features_of_a_plain_request() -> None:
    """What is not said is not asked for."""
    features = CHAT.features(body(model="small"))
    assert features == Features("small", stream=False, tools_requested=False, images=False, usage_asked=False)


TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("more", "requested"),
    [
        ({"tools": [TOOL]}, True),
        ({"tools": [TOOL], "tool_choice": "auto"}, True),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, True),
        ({"functions": [{"name": "f"}]}, True),
        ({"tools": [TOOL], "tool_choice": "none"}, False),
        ({"tools": []}, False),
        ({"tools": None}, False),
        ({"tools": "f"}, False),
    ],
)
@pytest.mark.case("U6", "C5")
def test_tools_are_requested_when_some_may_be_called(more: Json, requested: bool) -> None:
    """`tools: []` is none, and `tool_choice: none` is no evidence."""
    assert CHAT.features(body(**more)).tools_requested is requested


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ([{"type": "text", "text": "image_url"}], False),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x"}}], True),
        ("image_url", False),
        (None, False),
        ([None, 1], False),
    ],
)
def test_images_are_seen_in_any_message(content: object, images: bool) -> None:
    """A part of that type, in the history too; a word in a text is none."""
    messages = [{"role": "user", "content": content}, {"role": "user", "content": "and now?"}]
    assert CHAT.features({"messages": messages}).images is images


@pytest.mark.parametrize(
    ("more", "usage_asked"),
    [
        ({"stream": True}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": None}, False),
    ],
)
def test_usage_is_asked_for_upstream_and_remembered(more: Json, usage_asked: bool) -> None:
    """It is always requested of the provider; whether the caller wanted it decides who sees it."""
    asking = body(**more)
    assert CHAT.features(asking).usage_asked is usage_asked
    assert CHAT.upstream_body(asking, "m")["stream_options"]["include_usage"] is True


def test_stream_options_keep_the_rest() -> None:
    """What else the caller says of the stream goes on."""
    asking = body(stream=True, stream_options={"include_obfuscation": False})
    assert CHAT.upstream_body(asking, "m")["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }


@pytest.mark.case("C1")
def test_a_body_goes_on_with_only_the_model_replaced() -> None:
    """Unknown fields too; what speaks to the router is left out, and the caller's body is not touched."""
    known: Json = {
        "response_format": {"type": "json_object"},
        "seed": 7,
        "stop": "x",
        "n": 2,
        "future": {"a": [1.0, None]},
    }
    asking = body(model="default", profile="p", session="s", **known)
    asking["messages"].append({"role": "developer", "content": "be brief", "cache_control": {"type": "ephemeral"}})
    before = json.dumps(asking)
    upstream = CHAT.upstream_body(asking, "small-2026-01")
    assert upstream == {"model": "small-2026-01", "messages": asking["messages"], **known}
    assert json.dumps(asking) == before


@pytest.mark.parametrize("messages", [None, "Hello", {"role": "user"}])
def test_messages_must_be_a_list(messages: object) -> None:
    """What no provider could take is told by parameter."""
    with pytest.raises(BadRequest) as caught:
        CHAT.features({"messages": messages})
    assert caught.value.param == "messages"


def test_the_end_of_an_interrupted_stream() -> None:
    """An error event that says why, then the terminator, so that no client waits."""
    end = CHAT.error_event(ApiError(502, "stream_interrupted", "It broke."), "inf_1")
    error = {"message": "It broke.", "type": "server_error", "param": None, "code": "stream_interrupted"}
    assert end == encode(base.dump({"error": error})) + DONE
