"""Bedrock's binary stream: what becomes of its frames, however they are cut, and of frames that are none."""

import base64
import json
import struct
import zlib
from itertools import combinations

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from route.calling.classify import classify
from route.dialects.base import BadAnswer, ErrorInAnswer
from route.dialects.messages import MESSAGES
from route.dialects.messages.native import MessagesStream
from route.providers.base import Decode
from route.providers.eventstream import CONTENT_TYPE, MAX_FRAME_BYTES, Frame, Frames
from tests.fakes.bedrock_frames import chunk, exception, frame
from tests.ledger.make import NOW
from tests.route.build import Json, cuts, documents
from tests.route.providers.bedrock_build import made

USAGE = {"input_tokens": 9, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 1}
EVENTS: list[Json] = [
    {
        "type": "message_start",
        "message": {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "content": [], "usage": USAGE}
        | {"model": "claude-sonnet-4-5-20250929"},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 'é "\\ \u2028 '}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 12}},
]
STREAM = b"".join(chunk(json.dumps(event).encode(), "abc"[: i % 4]) for i, event in enumerate(EVENTS))


def decoder() -> Decode:
    return made().decoder(CONTENT_TYPE)


def test_frames_become_what_anthropic_sends() -> None:
    """The same events by name, in order, with every field: what AWS adds goes along."""
    passed = decoder()(STREAM)
    assert documents(passed) == EVENTS
    names = [line.removeprefix(b"event: ").decode() for line in passed.splitlines() if line[:5] == b"event"]
    assert names == [event["type"] for event in EVENTS]


def test_the_reader_of_messages_reads_them() -> None:
    """Usage, model, content and end are where they are in any stream of this dialect."""
    reader = MessagesStream()
    passed = reader.feed(decoder()(STREAM))
    reader.end()
    assert reader.usage is not None
    assert (reader.usage.input, reader.usage.output, reader.done) == (9, 12, True)
    assert reader.served_model == "claude-sonnet-4-5-20250929"
    assert b"content_block_delta" in passed


def test_every_split_in_two_or_three_is_the_same_stream() -> None:
    """A chunk may end anywhere: in a length, a checksum, a header, the base64."""
    whole = decoder()(STREAM)
    small = STREAM[: len(STREAM) // 3]
    part = decoder()(small)
    for at in range(len(STREAM) + 1):
        decode = decoder()
        assert decode(STREAM[:at]) + decode(STREAM[at:]) == whole
    for a, b in combinations(range(0, len(small), 7), 2):
        decode = decoder()
        assert decode(small[:a]) + decode(small[a:b]) + decode(small[b:]) == part


def test_byte_by_byte() -> None:
    """The slowest network there is."""
    decode = decoder()
    assert b"".join(decode(STREAM[i : i + 1]) for i in range(len(STREAM))) == decoder()(STREAM)


@given(st.data())
def test_any_split_is_the_same_stream(data: st.DataObject) -> None:
    """Any number of pieces, empty ones included."""
    decode = decoder()
    assert b"".join(decode(piece) for piece in data.draw(cuts(STREAM))) == decoder()(STREAM)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20).filter(lambda t: len(t.encode()) < 256), st.text(max_size=30)
    ),
    st.binary(max_size=200),
)
def test_a_frame_is_read_as_botocore_reads_it(headers: dict[str, str], payload: bytes) -> None:
    """AWS's own reader is the judge of ours, and of the stand-in's writer."""
    raw = frame(headers, payload)
    theirs = EventStreamBuffer()
    theirs.add_data(raw)
    message = next(theirs)
    (ours,) = Frames().feed(raw)
    theirs_read: object = (message.headers, message.payload)
    assert (ours.headers, ours.payload) == theirs_read == (headers, payload)


def test_headers_of_other_types_are_passed_over() -> None:
    """Booleans, numbers, bytes, times and UUIDs: none that we need, all of them skipped by their length."""
    others = {
        "t": b"\0",
        "f": b"\1",
        "byte": b"\2\7",
        "short": b"\3" + struct.pack(">h", -2),
        "int": b"\4" + struct.pack(">i", -3),
        "long": b"\5" + struct.pack(">q", -4),
        "bytes": b"\6" + struct.pack(">H", 3) + b"abc",
        "time": b"\x08" + struct.pack(">q", 1),
        "uuid": b"\x09" + bytes(16),
    }
    (read,) = Frames().feed(frame({**others, ":message-type": "event"}, b"x"))
    assert read == Frame({":message-type": "event"}, b"x")


@pytest.mark.parametrize("at", range(len(chunk(b"{}"))))
def test_a_flipped_bit_is_no_answer(at: int) -> None:
    """Every byte is under one of the two checksums; a length that has grown waits for bytes that never come."""
    damaged = bytearray(chunk(b'{"type":"ping"}'))
    damaged[at] ^= 0x10
    with pytest.raises(BadAnswer):
        decoder()(bytes(damaged))


@pytest.mark.parametrize("keep", [1, 11, 12, 40, len(STREAM) - 1])
def test_a_torn_stream_is_no_answer(keep: int) -> None:
    """It stops inside a frame: the reader has seen no end, so there was none."""
    reader = MessagesStream()
    reader.feed(decoder()(STREAM[:keep]))
    with pytest.raises(BadAnswer):
        reader.end()


def test_json_in_place_of_frames_is_no_answer() -> None:
    """A gateway's page under AWS's content type: refused with its first 12 bytes, not awaited to its end."""
    with pytest.raises(BadAnswer):
        decoder()(b'{"message": "hello"}')


def _headed(total: int, headers: int) -> bytes:
    head = struct.pack(">II", total, headers)
    return head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(
    ("total", "headers"), [(15, 0), (16, 1), (MAX_FRAME_BYTES + 1, 0), (2**32 - 1, 2**32 - 1), (0, 0)]
)
def test_an_impossible_length_is_no_answer(total: int, headers: int) -> None:
    """Shorter than its own overhead, or so long that it would be collected for ever."""
    with pytest.raises(BadAnswer):
        Frames().feed(_headed(total, headers))


def test_a_frame_of_the_greatest_length_is_awaited() -> None:
    """The boundary's other side; and an empty frame is one."""
    assert Frames().feed(_headed(MAX_FRAME_BYTES, 0)) == []
    assert Frames().feed(frame({}, b"")) == [Frame({}, b"")]


@pytest.mark.parametrize("value", [b"\x0a", b"\x07\x00", b"\x07\x00\x09ab", b"\x07\x00\x02\xff\xfe", b"\x05\x00"])
def test_headers_that_cannot_be_read_are_no_answer(value: bytes) -> None:
    """An unknown type, a length that is cut or too long, text that is no UTF-8: with good checksums."""
    with pytest.raises(BadAnswer):
        Frames().feed(frame({"x": value}, b""))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'{"bytes": "%"}',
        b'{"bytes": 7}',
        b'{"bytes": "' + base64.b64encode(b'{"type":"ping"}').replace(b"e", b"e%", 1) + b'"}',
        b'{"bytes": "' + base64.b64encode(b"[1]") + b'"}',
        b'{"bytes": "' + base64.b64encode(b"\xff") + b'"}',
        b"{}",
    ],
)
def test_a_chunk_without_an_event_is_no_answer(payload: bytes) -> None:
    """Whole frames can still hold anything."""
    with pytest.raises(BadAnswer):
        decoder()(frame({":message-type": "event", ":event-type": "chunk"}, payload))


@pytest.mark.parametrize("name", ["ping\n\ndata: {}", "", "ÄÖ", "a" * 65, 7, None])
def test_no_event_can_become_two(name: object) -> None:
    """What is no plain word is no event's name, and line breaks between tokens of JSON do not end the event."""
    event = json.dumps({"type": name}, indent=1).replace("\n", "\r\n").encode()
    passed = decoder()(chunk(event))
    assert passed.count(b"\n\n") == 1
    assert b"event:" not in passed
    assert documents(passed) == [{"type": name}]


def test_what_says_nothing_is_nothing() -> None:
    """Frames of kinds that are to come: no content, and no fault."""
    for headers in ({":message-type": "event", ":event-type": "initial-response"}, {":message-type": "new"}, {}):
        assert decoder()(frame(headers, b"{}")) == b""


EXCEPTIONS = [
    ("throttlingException", "rate_limit_error", "rate_limited", True),
    ("validationException", "invalid_request_error", "invalid_request", False),
    ("internalServerException", "api_error", "server_error", True),
    ("modelStreamErrorException", "api_error", "server_error", True),
    ("modelTimeoutException", "timeout_error", "timeout", True),
    ("serviceUnavailableException", "overloaded_error", "overloaded", True),
    ("somethingNewException", "api_error", "server_error", True),
]


@pytest.mark.parametrize(("name", "kind", "verdict", "onwards"), EXCEPTIONS)
def test_an_exception_is_anthropic_s_error_event(name: str, kind: str, verdict: str, onwards: bool) -> None:
    """With AWS's word as code and its message; and it means what the same failure means anywhere."""
    passed = decoder()(exception(name, "So it is."))
    assert passed.startswith(b"event: error\n")
    (document,) = documents(passed)
    assert document["type"] == "error"
    assert document["error"] == {"type": kind, "message": "So it is.", "code": name}
    with pytest.raises(ErrorInAnswer) as caught:
        MESSAGES.reader(MESSAGES.features({"messages": [], "stream": True})).feed(passed)
    judged = classify(caught.value, NOW)
    assert (str(judged.kind), judged.next) == (verdict, onwards)


def test_a_model_s_own_status_weighs_more() -> None:
    """`modelStreamErrorException` says what the model said: a 400 of its own is the request's fault."""
    own = {"originalStatusCode": 400, "originalMessage": "prompt is too long"}
    (document,) = documents(decoder()(exception("modelStreamErrorException", "Failed.", **own)))
    assert (document["error"]["type"], document["error"]["message"]) == (
        "invalid_request_error",
        "prompt is too long",
    )


@pytest.mark.parametrize("own", [True, 200, 999, "400", None])
def test_what_is_no_status_of_an_error_is_none(own: object) -> None:
    """Then AWS's word for it counts."""
    (document,) = documents(decoder()(exception("validationException", "No.", originalStatusCode=own)))
    assert document["error"]["type"] == "invalid_request_error"


def test_an_error_frame_is_one_too() -> None:
    """What AWS's front says before any model: code and message stand in its headers."""
    headers = {":message-type": "error", ":error-code": "ThrottlingException", ":error-message": "Slow down."}
    (document,) = documents(decoder()(frame(headers, b"")))
    assert document["error"] == {
        "type": "rate_limit_error",
        "message": "Slow down.",
        "code": "ThrottlingException",
    }


def test_an_exception_without_words_still_is_one() -> None:
    """Empty, torn or missing payloads."""
    for payload in (b"", b"{", b"[]", b'{"message": 7}'):
        headers = {":message-type": "exception", ":exception-type": "throttlingException"}
        (document,) = documents(decoder()(frame(headers, payload)))
        assert document["error"]["message"] == "throttlingException"


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream; charset=utf-8", ""])
def test_other_answers_pass_as_they_came(kind: str) -> None:
    """A whole answer is JSON, the OpenAI-compatible path and gateways send plain events."""
    assert made().decoder(kind)(b"data: {}\n\n") == b"data: {}\n\n"
