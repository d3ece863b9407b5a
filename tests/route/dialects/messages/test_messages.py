"""Anthropic's messages: what passes, what is held back, what is counted, what is no answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects import base
from route.dialects.base import BadAnswer, ErrorInAnswer, Features
from route.dialects.messages import MESSAGES
from route.dialects.messages.native import MessagesStream
from route.dialects.readers import UnaryReader
from route.dialects.sse import encode
from route.errors import ApiError, BadRequest
from tests.route.build import (
    BLOCK_STOP,
    DONE,
    MESSAGE_STOP,
    PING,
    RECEIPT,
    TEXT_START,
    Json,
    block_start,
    body,
    cuts,
    delta,
    documents,
    event,
    message_delta,
    message_event,
    message_start,
    read,
)

START = message_start(input_tokens=9, output_tokens=1)
FEATURES = Features("small", stream=False, tools_requested=False, images=False)
FINISH = message_delta(input_tokens=9, output_tokens=2)
END = FINISH + MESSAGE_STOP
STOPPED = BLOCK_STOP + END
ODD = st.sampled_from([b"", PING, b": keepalive\n\n", message_event("a_new_kind", text="x")])


def text_delta(text: str, index: int = 0) -> bytes:
    return delta(index, type="text_delta", text=text)


def _block(index: int, start: Json, deltas: list[bytes]) -> bytes:
    stop = message_event("content_block_stop", index=index)
    return block_start(index, **start) + b"".join(deltas) + stop


KINDS: list[tuple[Json, st.SearchStrategy[Json]]] = [
    (
        {"type": "text", "text": ""},
        st.builds(lambda text: {"type": "text_delta", "text": text}, st.text(max_size=8))
        | st.just({"type": "citations_delta", "citation": {"type": "char_location"}}),
    ),
    (
        {"type": "thinking", "thinking": "", "signature": ""},
        st.builds(lambda text: {"type": "thinking_delta", "thinking": text}, st.text(max_size=8))
        | st.just({"type": "signature_delta", "signature": "c2ln"}),
    ),
    (
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        st.builds(lambda text: {"type": "input_json_delta", "partial_json": text}, st.text(max_size=8)),
    ),
    ({"type": "redacted_thinking", "data": "c2Vl"}, st.just({"type": "a_new_delta"})),
    ({"type": "a_new_block"}, st.just({"type": "a_new_delta", "what": 1})),
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Whole and sound ones, of blocks of every kind, pings and kinds that we do not know."""
    stream = draw(st.sampled_from([b"", PING])) + START
    for index in range(draw(st.integers(0, 4))):
        start, deltas = draw(st.sampled_from(KINDS))
        start = start | ({"id": f"toolu_{index}"} if start["type"] == "tool_use" else {})
        said = [delta(index, **one) for one in draw(st.lists(deltas, max_size=4))]
        pieces = [piece for one in said for piece in (one, draw(ODD))]
        stream += _block(index, start, pieces) + draw(st.sampled_from([b"", PING]))
    return stream + FINISH.replace(b"end_turn", b"max_tokens") + draw(st.sampled_from([b"", PING])) + MESSAGE_STOP


def steps(reader: MessagesStream, *events: bytes) -> list[bytes]:
    """What goes on after each event."""
    return [reader.feed(one) for one in events]


def unary(answer: Json) -> UnaryReader:
    reader = MESSAGES.reader(FEATURES)
    read(reader, [json.dumps(answer).encode()])
    assert isinstance(reader, UnaryReader)
    return reader


@given(st.data(), streams())
def test_every_byte_passes_once_and_in_order(data: st.DataObject, stream: bytes) -> None:
    """Pings, signatures, citations and kinds of events that we do not know too, however they were cut."""
    reader = MessagesStream()
    passed, held = read(reader, data.draw(cuts(stream)))
    assert passed + held == stream
    assert reader.repaired == set()


def test_nothing_goes_on_before_the_first_content() -> None:
    """Start, ping and an empty text block promise nothing: another route can still take over."""
    reader = MessagesStream()
    assert steps(reader, START, PING, TEXT_START) == [b"", b"", b""]
    assert not reader.content_seen
    first = delta(type="text_delta", text="a")
    assert steps(reader, first, PING) == [START + PING + TEXT_START + first, PING]
    assert reader.content_seen


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        {"type": "thinking", "thinking": ""},
        {"type": "web_search_tool_result", "content": []},
    ],
)
def test_a_block_that_says_something_is_content(block: Json) -> None:
    """A tool's name or a thought can be used by the caller at once."""
    assert steps(MessagesStream(), START, block_start(**block)) == [b"", START + block_start(**block)]


def test_the_end_waits() -> None:
    """From the stop reason on everything is held until the ledger is closed."""
    reader = MessagesStream()
    opened = TEXT_START + text_delta("a")
    parts = steps(reader, START, opened, BLOCK_STOP, FINISH, PING, MESSAGE_STOP)
    assert parts == [b"", START + opened, BLOCK_STOP, b"", b"", b""]
    reader.end()
    assert reader.tail(None) == FINISH + PING + MESSAGE_STOP


def test_an_answer_without_content_waits_for_its_end() -> None:
    """A refusal may have no block at all: it is delivered whole."""
    whole = START + message_delta("refusal", input_tokens=9, output_tokens=0) + MESSAGE_STOP
    assert read(MessagesStream(), [whole]) == (b"", whole)


def test_nothing_goes_on_after_the_terminator() -> None:
    """Some gateways add a `[DONE]` of the other dialect: no client of this one reads it."""
    passed, held = read(MessagesStream(), [START + END + DONE])
    assert passed + held == START + END


@pytest.mark.parametrize(
    "stream",
    [
        START + delta(type="text_delta", text="a"),
        START + delta(type="text_delta", text="a") + BLOCK_STOP,
        START + message_delta(output_tokens=2),
        START + delta(type="text_delta", text="a") + BLOCK_STOP + MESSAGE_STOP,
        START + message_event("message_delta", delta={"stop_reason": None}, usage={}) + MESSAGE_STOP,
        START + message_event("message_delta", usage={}) + MESSAGE_STOP,
        START + END[:-1],
        START[:-9],
        START + DONE,
        b": keepalive\n\n",
        b"",
    ],
)
@pytest.mark.case("C19")
def test_an_unfinished_stream_is_a_failure(stream: bytes) -> None:
    """Without `message_stop`, or without a stop reason before it, some clients report an end that never was."""
    with pytest.raises(BadAnswer):
        read(MessagesStream(), [stream])


@pytest.mark.parametrize("torn", [b"event: ping\ndata: {\n\n", b"data: <html>\n\n", b"data: []\n\n", b"data:\n\n"])
def test_an_event_that_is_no_document_is_a_failure(torn: bytes) -> None:
    """A torn event is never passed on."""
    with pytest.raises(BadAnswer):
        read(MessagesStream(), [START, torn, END])


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    "sent", [event(ERROR, "error"), event(ERROR), event({"error": ERROR["error"]}, "error"), event(ERROR, "ping")]
)
@pytest.mark.parametrize("before", [b"", START, START + delta(type="text_delta", text="a")])
def test_an_error_event_is_an_error(sent: bytes, before: bytes) -> None:
    """By its name or by its type: one vendor's SDK passes over the error that lacks the name."""
    with pytest.raises(ErrorInAnswer) as caught:
        read(MessagesStream(), [before, sent])
    assert caught.value.document["error"] == ERROR["error"]


@pytest.mark.case("C9")
def test_usage_of_a_stream() -> None:
    """2048 read, 120 in, 30 out are these numbers: the counts in the last event are cumulative."""
    reader = MessagesStream()
    start = message_start(input_tokens=120, cache_read_input_tokens=2048, output_tokens=1)
    read(reader, [start, message_delta(output_tokens=30), MESSAGE_STOP])
    assert reader.usage == Usage(input=120, cache_read=2048, output=30)
    assert reader.served_model == "small-2026-01"


@pytest.mark.case("C9")
def test_a_later_count_replaces_an_earlier_one() -> None:
    """Repeated counts are not added; a null changes nothing; the one-hour tier is told apart."""
    reader = MessagesStream()
    start = {
        "input_tokens": 5,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 7,
        "output_tokens": 1,
    }
    tiers = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}
    message = {"model": "m", "usage": start | {"cache_creation": tiers}}
    last = {"input_tokens": 5, "cache_read_input_tokens": None, "output_tokens": 30}
    steps(reader, message_event("message_start", message=message))
    steps(reader, message_event("message_delta", delta={}, usage=last), MESSAGE_STOP)
    assert reader.usage == Usage(input=5, cache_read=7, cache_write=100, cache_write_1h=200, output=30)


@pytest.mark.case("C9")
def test_usage_of_a_whole_answer() -> None:
    """The same numbers as streamed."""
    usage = {"input_tokens": 120, "cache_read_input_tokens": 2048, "output_tokens": 30}
    reader = unary({"model": "small-2026-01", "content": [], "usage": usage})
    assert reader.usage == Usage(input=120, cache_read=2048, output=30)
    assert reader.served_model == "small-2026-01"


def test_no_usage_is_unknown_and_not_zero() -> None:
    """What has passed is estimated at four characters a token: text, thinking and arguments, streamed or whole."""
    reader = MessagesStream()
    pieces = [
        message_event("message_start", message={}),
        TEXT_START + text_delta("abcd") + BLOCK_STOP,
        block_start(1, type="thinking", thinking="") + delta(1, type="thinking_delta", thinking="efgh"),
        delta(1, type="signature_delta", signature="x" * 99) + message_event("content_block_stop", index=1),
        block_start(2, type="tool_use", id="1", name="f", input={}),
        delta(2, type="input_json_delta", partial_json='{"a"'),
    ]
    steps(reader, *pieces)
    blocks = [{"type": "text", "text": "abcd"}, {"type": "thinking", "thinking": "efgh"}]
    whole = unary({"content": [*blocks, {"type": "tool_use", "name": "f", "input": {}}]})
    assert reader.usage is whole.usage is None
    assert reader.seen_usage == whole.seen_usage == Usage(output=3)


@pytest.mark.parametrize(
    ("blocks", "count"),
    [
        ([], 0),
        ([{"type": "text", "text": "a"}], 0),
        ([{"type": "tool_use", "id": "1", "name": "f", "input": {}}], 1),
        ([{"type": "tool_use", "id": str(i), "name": "f", "input": {}} for i in range(3)], 3),
        ([{"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}], 0),
    ],
)
@pytest.mark.case("U6")
def test_tool_calls_are_counted(blocks: list[Json], count: int) -> None:
    """Each call of the caller's tools once, streamed and whole; the provider's own tools are not the caller's."""
    reader = MessagesStream()
    stream = [_block(i, block, []) for i, block in enumerate(blocks)]
    read(reader, [START, *stream, END])
    assert reader.tool_calls == count
    assert unary({"content": blocks}).tool_calls == count


def test_the_receipt_goes_into_message_stop() -> None:
    """The closing event keeps its name; no other byte changes."""
    passed, held = read(MessagesStream(), [START + END], RECEIPT)
    stop = encode(base.splice(b'{"type": "message_stop"}', RECEIPT), "message_stop")
    assert passed + held == START + FINISH + stop
    assert documents(stop) == [{"type": "message_stop", "x_router": RECEIPT}]


def test_without_asking_there_is_no_receipt() -> None:
    """The tail is the provider's own."""
    passed, held = read(MessagesStream(), [START + END])
    assert passed + held == START + END


@pytest.mark.parametrize(
    "data",
    [
        b'{%b"content":[],"n":123456789012345678901234567890}',
        b'{%b"content":[{"type":"thinking","thinking":"","signature":"\\u00e9\\/"}],"a":1.0}',
        b'{ %b "content" : [ ] ,\n "a" : 1, "a" : 2 }',
    ],
)
def test_an_answer_keeps_its_bytes(data: bytes) -> None:
    """Signatures are bytes that must come back as they were, so nothing is read and rewritten."""
    data %= HEAD
    _, plain = read(MESSAGES.reader(FEATURES), [data])
    _, with_receipt = read(MESSAGES.reader(FEATURES), [data], RECEIPT)
    assert plain == data
    assert with_receipt.startswith(data[:-1].rstrip() + b',"x_router":')


HEAD = (
    b'"id":"msg_1","type":"message","role":"assistant","model":"m","stop_reason":"end_turn",'
    b'"usage":{"input_tokens":9,"output_tokens":2},'
)


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"{}", b'{"content":null}', b'{"content":7}', b'{"type":"message"}', b'{"a":'],
)
def test_a_whole_answer_must_be_one(answer: bytes) -> None:
    """200 with a page, half a document or no content is a failure of the route, never passed on."""
    with pytest.raises(BadAnswer):
        read(MESSAGES.reader(FEATURES), [answer])


def test_200_with_an_error_is_an_error() -> None:
    """The SDK would hand out a message with `content=None`."""
    with pytest.raises(ErrorInAnswer) as caught:
        unary(ERROR)
    assert caught.value.document == ERROR


TOOL = {"name": "f", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("more", "requested"),
    [
        ({}, False),
        ({"tools": [TOOL]}, True),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, True),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, False),
        ({"tools": []}, False),
    ],
)
@pytest.mark.case("U6", "C5")
def test_tools_are_requested_when_some_may_be_called(more: Json, requested: bool) -> None:
    """`tools: []` is none, and `tool_choice: none` is no evidence."""
    assert MESSAGES.features(body(**more)).tools_requested is requested


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ([IMAGE], True),
        ([{"type": "tool_result", "tool_use_id": "1", "content": [IMAGE]}], True),
        ([{"type": "tool_result", "tool_use_id": "1", "content": "image"}], False),
        ("image", False),
        ([None], False),
    ],
)
def test_images_are_seen_also_in_tool_results(content: object, images: bool) -> None:
    """A screenshot that a tool took needs eyes as much as one that the user sent."""
    assert MESSAGES.features({"messages": [{"role": "user", "content": content}]}).images is images


@pytest.mark.case("C1")
def test_a_body_goes_on_with_only_the_model_replaced() -> None:
    """Cache marks, thinking and unknown fields too; what speaks to the router is left out."""
    known: Json = {
        "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
        "stream": True,
    }
    known |= {"thinking": {"type": "adaptive"}, "max_tokens": 5, "metadata": {"user_id": "u"}, "future": [1.0]}
    asking = body(model="default", profile="p", session="s", routing_hint="cost", min_quality=0.5, **known)
    upstream = MESSAGES.upstream_body(asking, "small-2026-01")
    assert upstream == {"model": "small-2026-01", "messages": asking["messages"], **known}
    assert asking["session"] == "s"


@pytest.mark.parametrize("messages", [None, "Hello", {}])
def test_messages_must_be_a_list(messages: object) -> None:
    """What no provider could take is told by parameter."""
    with pytest.raises(BadRequest) as caught:
        MESSAGES.features({"messages": messages})
    assert caught.value.param == "messages"


def test_the_end_of_an_interrupted_stream() -> None:
    """An error event with its name, which one SDK goes by, then the terminator."""
    end = MESSAGES.error_event(ApiError(502, "stream_interrupted", "It broke."), "inf_1")
    error = {"type": "api_error", "message": "It broke.", "code": "stream_interrupted"}
    document = {"type": "error", "error": error, "request_id": "inf_1"}
    assert end.startswith(encode(base.dump(document), "error"))
    assert documents(end)[-1] == {"type": "message_stop"}
