"""Answers of Anthropic's messages, read and written, whole and streamed: nothing is added, nothing is lost."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from anthropic._models import validate_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects.base import BadAnswer, Features, UnaryReader
from route.dialects.conversion import Asked
from route.dialects.fields import Report
from route.dialects.messages import MESSAGES
from route.dialects.messages.answer_reading import MessagesReading
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.neutral import (
    Began,
    Closed,
    Counted,
    Delta,
    Event,
    Finished,
    Kind,
    Logprobs,
    Opened,
    Sealed,
    Stop,
)
from route.dialects.pipe import InOrder, Translated
from route.dialects.sse import Splitter
from tests.route.build import (
    BLOCK_STOP,
    MESSAGE_STOP,
    PING,
    RECEIPT,
    TEXT_START,
    Json,
    block_start,
    cuts,
    delta,
    documents,
    message_delta,
    message_event,
    message_start,
    read,
)

STREAM = Features("small", stream=True, tools_requested=False, images=False)
UNARY = Features("small", stream=False, tools_requested=False, images=False)
ASKED = Asked(body={"model": "small"}, created=7)
START = message_start(input_tokens=200, cache_read_input_tokens=800, output_tokens=1)
BEGAN = Began("msg_1", "small-2026-01")
COUNTED = Counted(Usage(input=200, cache_read=800, output=2), cache_said=True)
STOP_1 = message_event("content_block_stop", index=1)


def reading(*events: bytes) -> tuple[list[Event], Report]:
    """The neutral events of a stream."""
    report = Report()
    reader = MessagesReading(report)
    said = [read for event in Splitter().feed(b"".join(events)) for read in reader.feed(event)]
    return [*said, *reader.end()], report


def stream(*content: bytes) -> tuple[list[Event], Report]:
    """What stands between the beginning and the end of a stream with this content."""
    events, report = reading(START, *content, message_delta(output_tokens=2), MESSAGE_STOP)
    assert (events[0], *events[-2:]) == (BEGAN, Finished(0, Stop.END), COUNTED)
    return events[1:-2], report


def whole(**more: Any) -> tuple[list[Event], Report]:
    report = Report()
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    return list(MessagesReading(report).whole(answer | more)), report


def writing(*events: Event) -> tuple[Json, list[Json], Report]:
    """The whole answer, the stream's documents, both judged by the vendor's own client, and the report."""
    report = Report()
    message = MessagesWriting(ASKED, report).whole(events)
    validate_type(type_=Message, value=message)
    writer = MessagesWriting(ASKED, Report())
    wire = b"".join([*(writer.feed(event) for event in events), writer.end()])
    assert accumulated(wire) == plain(message)
    native = MESSAGES.reader(STREAM)
    passed, held = read(native, [wire])
    assert passed + held == wire
    assert native.repaired == set()
    unary = MESSAGES.reader(UNARY)
    read(unary, [json.dumps(message).encode()])
    assert unary.usage == native.usage
    return message, documents(wire), report


def accumulated(wire: bytes) -> Json:
    """What the vendor's client makes of a stream; it sees no event without its name."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in Splitter().feed(wire):
        document = json.loads(event.data or b"{}")
        if event.data is None or event.name == "ping":
            continue
        assert event.name == document["type"]
        typed: Any = validate_type(type_=RawMessageStreamEvent, value=document)  # type: ignore[arg-type]
        snapshot = accumulate_event(event=typed, current_snapshot=snapshot, json_bufs=buffers)
    return plain(json.loads(snapshot.to_json()))


def plain(message: Json) -> Json:
    """Without nulls, and without what the vendor's client does not take from a stream's end."""
    usage = {name: count for name, count in message["usage"].items() if count and name != "cache_creation"}
    said = {name: value for name, value in message.items() if value is not None and name != "x_router"}
    said["content"] = [{k: v for k, v in block.items() if v is not None} for block in message["content"]]
    return said | {"usage": usage}


def block(number: int, kind: Kind, *inner: Event, **more: Any) -> list[Event]:
    return [Opened(0, number, kind, **more), *inner, Closed(0, number)]


# Reading.


def test_a_stream_is_read_block_by_block() -> None:
    """Text in its pieces; thoughts with their seal at their end; a call's arguments as JSON."""
    events, report = stream(
        block_start(type="thinking", thinking="", signature=""),
        delta(type="thinking_delta", thinking="h"),
        delta(type="thinking_delta", thinking="m"),
        delta(type="signature_delta", signature="c2ln"),
        BLOCK_STOP,
        PING,
        block_start(1, type="text", text=""),
        delta(1, type="text_delta", text="x"),
        STOP_1,
        block_start(2, type="tool_use", id="toolu_1", name="f", input={}),
        delta(2, type="input_json_delta", partial_json=""),
        delta(2, type="input_json_delta", partial_json='{"a":'),
        delta(2, type="input_json_delta", partial_json="1}"),
    )
    assert events == [
        *block(0, Kind.THINKING, Delta(0, 0, "h"), Delta(0, 0, "m"), Sealed(0, 0, signature="c2ln")),
        *block(1, Kind.TEXT, Delta(0, 1, "x")),
        *block(2, Kind.TOOL_CALL, Delta(0, 2, '{"a":'), Delta(0, 2, "1}"), id="toolu_1", name="f"),
    ]
    assert report.dropped == ()


def test_what_a_block_starts_with_is_said_once() -> None:
    """Some gateways put all of a block into its start; deltas after it count alone for a call."""
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}}
    events, _ = stream(
        block_start(type="text", text="x"),
        BLOCK_STOP,
        block_start(1, **call),
        STOP_1,
        block_start(2, **call),
        delta(2, type="input_json_delta", partial_json="{}"),
        block_start(2, type="redacted_thinking", data="AA"),
    )
    assert events == [
        *block(0, Kind.TEXT, Delta(0, 0, "x")),
        *block(1, Kind.TOOL_CALL, Delta(0, 1, '{"a":1}'), id="a", name="f"),
        *block(2, Kind.TOOL_CALL, Delta(0, 2, "{}"), id="a", name="f"),
        *block(3, Kind.THINKING, Sealed(0, 3, redacted="AA")),
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events, _ = stream(block_start(type="tool_use", id="a", name="f", input={}), BLOCK_STOP)
    assert events == block(0, Kind.TOOL_CALL, Delta(0, 0, "{}"), id="a", name="f")


def test_what_the_vendors_servers_did_is_reported() -> None:
    """Calls of theirs, their results, citations, kinds of tomorrow; unknown events say nothing."""
    events, report = stream(
        block_start(type="server_tool_use", id="s", name="web_search", input={}),
        delta(type="input_json_delta", partial_json="{}"),
        BLOCK_STOP,
        block_start(1, type="web_search_tool_result", tool_use_id="s", content=[{"type": "x"}]),
        STOP_1,
        TEXT_START,
        delta(type="citations_delta", citation={"type": "char_location"}),
        delta(type="a_new_delta", x=1),
        delta(type="text_delta", text="x"),
        message_event("a_new_event", x=1),
        BLOCK_STOP,
    )
    assert events == block(0, Kind.TEXT, Delta(0, 0, "x"))
    names = ("a_new_delta", "citations", "server_tool_use", "web_search_tool_result")
    assert (report.dropped, report.refused) == (tuple(f"content[].{name}" for name in names), ())


def test_a_whole_answer_is_read_like_a_stream() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "AA"},
        {"type": "text", "text": "x", "citations": None},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "b", "name": "f", "input": '{"a":1}'},
    ]
    events, report = whole(content=content, stop_reason="tool_use", usage={"input_tokens": 1, "output_tokens": 2})
    assert events == [
        Began("msg_1", "m"),
        *block(0, Kind.THINKING, Delta(0, 0, "hm"), Sealed(0, 0, signature="c2ln")),
        *block(1, Kind.THINKING, Sealed(0, 1, redacted="AA")),
        *block(2, Kind.TEXT, Delta(0, 2, "x")),
        *block(3, Kind.TOOL_CALL, Delta(0, 3, '{"a":1}'), id="a", name="f"),
        *block(4, Kind.TOOL_CALL, Delta(0, 4, '{"a":1}'), id="b", name="f"),
        Finished(0, Stop.TOOL_CALLS),
        Counted(Usage(input=1, output=2), cache_said=False),
    ]
    assert report.dropped == ()


def test_usage_is_what_was_said_last_of_each_count() -> None:
    """A later event may leave out what it does not change. Thoughts and the hour's tier are counted apart."""
    ending = message_event(
        "message_delta",
        delta={"stop_reason": "end_turn"},
        usage={"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}, "input_tokens": None},
    )
    events, _ = reading(START, ending, MESSAGE_STOP)
    assert events[-1] == Counted(Usage(input=200, cache_read=800, output=9, reasoning=4), cache_said=True)
    tiers = {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}
    (*_, last), _ = whole(usage={"input_tokens": 1, "cache_creation_input_tokens": 3, "cache_creation": tiers})
    assert last == Counted(Usage(input=1, cache_write=1, cache_write_1h=2), cache_said=True)


def test_no_count_is_no_zero() -> None:
    """What comes after can estimate it."""
    assert whole()[0] == [Began("msg_1", "m"), Finished(0, Stop.END)]


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("end_turn", Stop.END),
        ("max_tokens", Stop.LENGTH),
        ("stop_sequence", Stop.STOP_SEQUENCE),
        ("tool_use", Stop.TOOL_CALLS),
        ("pause_turn", Stop.PAUSE),
        ("refusal", Stop.REFUSAL),
        ("model_context_window_exceeded", Stop.CONTEXT_FULL),
        ("of_tomorrow", "of_tomorrow"),
    ],
)
def test_why_it_stopped(word: str, stop: Stop | str) -> None:
    """Each word has its own, and comes back; one that is not known passes."""
    assert whole(stop_reason=word)[0][-1] == Finished(0, stop)
    message = MessagesWriting(ASKED, Report()).whole([BEGAN, Finished(0, stop)])
    assert message["stop_reason"] == word


def test_how_it_stopped() -> None:
    """The sequence, and why it was refused. The category is not carried."""
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    events, report = whole(stop_reason="refusal", stop_details=details)
    assert (events[-1], report.dropped) == (
        Finished(0, Stop.REFUSAL, explanation="No."),
        ("stop_details.category",),
    )
    ending = message_event(
        "message_delta", delta={"stop_reason": "refusal", "stop_details": details}, usage={"output_tokens": 1}
    )
    events, report = reading(START, ending, MESSAGE_STOP)
    assert events[-2] == Finished(0, Stop.REFUSAL, explanation="No.")
    assert report.dropped == ("stop_details.category",)
    assert whole(stop_reason="stop_sequence", stop_sequence="\n")[0][-1] == Finished(0, Stop.STOP_SEQUENCE, "\n")


def test_what_an_answer_says_besides_is_reported() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard"}
    _, report = whole(container={"id": "c"}, diagnostics=None, usage=usage)
    assert report.dropped == ("container", "usage.service_tier")


def test_what_is_no_answer() -> None:
    """A delta of nothing or of another kind, a call of nobody, no content."""
    for events in (
        [delta(type="text_delta", text="x")],
        [TEXT_START, delta(type="input_json_delta", partial_json="{}")],
        [block_start(type="tool_use", id="a", input={})],
        [b"event: ping\ndata: [1]\n\n"],
    ):
        with pytest.raises(BadAnswer):
            reading(START, *events)
    with pytest.raises(BadAnswer):
        whole(content="x")


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)
KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
TYPES = st.sampled_from(["text", "tool_use", "thinking", "text_delta", "signature_delta"]) | HOSTILE
THING = st.fixed_dictionaries(
    {"type": TYPES},
    optional=dict.fromkeys(("id", "name", "input", "text", "usage", "content", "stop_details"), HOSTILE),
)
HOSTILE_EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | HOSTILE},
    optional={"index": HOSTILE, "message": THING, "content_block": THING, "delta": THING, "usage": HOSTILE},
)


@given(st.lists(HOSTILE_EVENT, max_size=6))
def test_anything_in_a_stream_is_read_or_no_answer(events: list[Json]) -> None:
    """And what is read, whatever it was, is written as an answer that the vendor's client takes."""
    try:
        said, _ = reading(*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))
    except BadAnswer:
        return
    order = InOrder()
    said = [passed for event in said for passed in order.feed(event)]
    stops = [e for e in said if isinstance(e, Finished) and not isinstance(e.stop, Stop)]
    message = MessagesWriting(ASKED, Report()).whole([e for e in said if e not in stops])
    validate_type(type_=Message, value=message)


# Writing.


def test_an_answer_is_written_with_a_complete_usage_from_the_start() -> None:
    """Zeros until it is known; in the end every count again, since several clients read only this one."""
    message, wire, _ = writing(BEGAN, *block(0, Kind.TEXT, Delta(0, 0, "x")), Finished(0, Stop.END), COUNTED)
    zeros = {
        "input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert wire[0]["message"]["usage"] == zeros
    usage = zeros | {"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 2}
    assert wire[-2]["usage"] == usage
    assert message == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "small-2026-01",
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def test_blocks_come_one_after_another_and_none_of_them_is_empty() -> None:
    """What was opened and never filled has no number: clients would send it back, and Anthropic takes no blank."""
    events = [
        *block(0, Kind.THINKING),
        *block(1, Kind.TEXT),
        *block(2, Kind.THINKING, Delta(0, 2, "hm"), Sealed(0, 2, signature="c2ln")),
        *block(3, Kind.THINKING, Sealed(0, 3, redacted="AA")),
        *block(4, Kind.THINKING, Sealed(0, 4, signature="eA")),
        *block(5, Kind.TEXT, Delta(0, 5, "x")),
        *block(6, Kind.TOOL_CALL, Delta(0, 6, '{"a":'), Delta(0, 6, "1}"), id="a", name="f"),
    ]
    message, wire, report = writing(BEGAN, *events)
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "AA"},
        {"type": "thinking", "thinking": "", "signature": "eA"},
        {"type": "text", "text": "x"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
    ]
    assert [d["index"] for d in wire if d["type"] == "content_block_start"] == [0, 1, 2, 3, 4]
    assert report.dropped == ()


def test_unsealed_thoughts_have_an_empty_signature() -> None:
    """A seal of OpenAI's is dropped, and thoughts that are nothing but that are not there."""
    message, _, report = writing(
        BEGAN,
        *block(0, Kind.THINKING, Delta(0, 0, "hm"), Sealed(0, 0, encrypted="gAAA")),
        *block(1, Kind.THINKING, Sealed(0, 1, encrypted="gAAA")),
    )
    assert message["content"] == [{"type": "thinking", "thinking": "hm", "signature": ""}]
    assert report.dropped == ("reasoning.encrypted_content",)


def test_a_call_always_says_its_arguments() -> None:
    """Clients that look only at deltas see the empty object too. Free text is one parameter."""
    message, wire, _ = writing(
        BEGAN,
        *block(0, Kind.TOOL_CALL, id="a", name="f"),
        *block(1, Kind.TOOL_CALL, Delta(0, 1, "x"), Delta(0, 1, '"'), id="b", name="g", free=True),
    )
    assert [call["input"] for call in message["content"]] == [{}, {"input": 'x"'}]
    said = [d["delta"]["partial_json"] for d in wire if d["type"] == "content_block_delta"]
    assert said == ["{}", '{"input":"x\\""}']


def test_ids_of_calls_are_such_as_anthropic_takes_back() -> None:
    ids = ["functions.f:0", "call_0", "call_0", ""]
    calls = [e for n, i in enumerate(ids) for e in block(n, Kind.TOOL_CALL, id=i, name="f")]
    message, _, _ = writing(BEGAN, *calls)
    given = [call["id"] for call in message["content"]]
    assert len(set(given)) == 4
    assert given[1] == "call_0"
    assert all(i.replace("_", "").replace("-", "").isalnum() for i in given)


@pytest.mark.parametrize(
    ("kind", "stop", "word"),
    [
        (Kind.TOOL_CALL, Stop.END, "tool_use"),
        (Kind.TOOL_CALL, Stop.LENGTH, "max_tokens"),
        (Kind.REFUSAL, Stop.END, "refusal"),
        (Kind.TEXT, Stop.END, "end_turn"),
    ],
)
def test_a_stop_agrees_with_what_was_said(kind: Kind, stop: Stop, word: str) -> None:
    """OpenAI says the same of a forced call, and of a refusal, as of any end."""
    message, _, _ = writing(BEGAN, *block(0, kind, Delta(0, 0, "{}"), name="f"), Finished(0, stop))
    assert message["stop_reason"] == word


def test_a_refusal_is_a_text_and_a_reason() -> None:
    message, _, _ = writing(
        BEGAN, *block(0, Kind.REFUSAL, Delta(0, 0, "No.")), Finished(0, Stop.REFUSAL, None, "x")
    )
    assert message["content"] == [{"type": "text", "text": "No."}]
    assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": "x"}


def test_one_choice_is_all_there_is() -> None:
    """Others are reported, and so are likelihoods."""
    other = [Opened(1, 0, Kind.TEXT), Delta(1, 0, "y"), Closed(1, 0), Finished(1, Stop.LENGTH)]
    events = block(0, Kind.TEXT, Delta(0, 0, "x"), Logprobs(0, ({},)))
    message, _, report = writing(BEGAN, *events, *other, Finished(0, Stop.END))
    assert message["content"] == [{"type": "text", "text": "x"}]
    assert (message["stop_reason"], report.dropped) == ("end_turn", ("choices[]", "logprobs"))


def test_an_answer_without_an_id_or_any_event_is_one_all_the_same() -> None:
    """Its id depends on the question and the time alone."""
    message, _, _ = writing()
    assert (message["model"], message["content"], message["stop_reason"]) == ("small", [], "end_turn")
    assert message["id"].startswith("msg_")
    assert message["id"] != MessagesWriting(Asked(created=8), Report()).whole([])["id"]


def test_all_tiers_of_the_cache_are_counted() -> None:
    usage = Usage(input=1, cache_read=2, cache_write=3, cache_write_1h=4, output=9, reasoning=5)
    message, wire, _ = writing(BEGAN, Counted(usage))
    assert message["usage"] == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 2,
        "output_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens_details": {"thinking_tokens": 5},
    }
    assert wire[-2]["usage"] == message["usage"]


# Both.


COUNTS = st.integers(0, 10**6)
TEXTS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.none(), max_size=2)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """One choice, in the form in which it would be read."""
    events: list[Event] = [Began(draw(st.text(min_size=1)), draw(st.text(min_size=1)))]
    kinds = draw(st.lists(st.sampled_from(["text", "thinking", "sealed", "redacted", "call"]), max_size=5))
    for number, kind in enumerate(kinds):
        said: list[Event] = [Delta(0, number, text) for text in draw(TEXTS)]
        if kind == "text":
            events += block(number, Kind.TEXT, *said)
        elif kind == "call":
            arguments = json.dumps(draw(ARGUMENTS), separators=(",", ":"), ensure_ascii=False)
            cut = draw(st.integers(1, len(arguments) - 1))
            pieces = [Delta(0, number, arguments[:cut]), Delta(0, number, arguments[cut:])]
            events += block(number, Kind.TOOL_CALL, *pieces, id=f"call_{number}", name=draw(st.text(min_size=1)))
        elif kind == "redacted":
            events += block(number, Kind.THINKING, Sealed(0, number, redacted=draw(st.text(min_size=1))))
        else:
            seal: list[Event] = (
                [Sealed(0, number, signature=draw(st.text(min_size=1)))] if kind == "sealed" else []
            )
            events += block(number, Kind.THINKING, *said, *seal)
    stop = draw(st.sampled_from(sorted({*Stop} - {Stop.END})))
    explanation = draw(st.none() | st.text()) if stop is Stop.REFUSAL else None
    usage = Usage(*(draw(COUNTS) for _ in range(5)), reasoning=draw(COUNTS))
    return [*events, Finished(0, stop, draw(st.none() | st.text()), explanation), Counted(usage, cache_said=True)]


def joined(events: Iterable[Event]) -> list[Event]:
    """With each block's text in one piece."""
    done: list[Event] = []
    for event in events:
        if isinstance(event, Delta) and done and isinstance(last := done[-1], Delta):
            done[-1] = Delta(0, event.block, last.text + event.text)
        else:
            done.append(event)
    return done


@given(answers())
def test_what_is_written_is_read_as_it_was(events: list[Event]) -> None:
    """Streamed piece by piece, and whole."""
    message, wire, report = writing(*events)
    streamed, said = reading(*(message_event(d.pop("type"), **d) for d in wire))
    assert streamed == events
    assert joined(MessagesReading(said).whole(message)) == joined(events)
    assert (report.dropped, said.dropped) == ((), ())


RECORDED = [
    START + TEXT_START + PING + delta(type="text_delta", text="Hé\u2028llo") + BLOCK_STOP,
    START
    + block_start(type="thinking", thinking="", signature="")
    + delta(type="thinking_delta", thinking="hm")
    + delta(type="signature_delta", signature="c2ln")
    + BLOCK_STOP
    + block_start(1, type="tool_use", id="toolu_1", name="f", input={})
    + delta(1, type="input_json_delta", partial_json="")
    + delta(1, type="input_json_delta", partial_json='{"a":')
    + b": keepalive\r\n\r\n"
    + delta(1, type="input_json_delta", partial_json="1}")
    + STOP_1,
    START + block_start(type="redacted_thinking", data="AA") + BLOCK_STOP,
]
ENDING = message_delta("max_tokens", output_tokens=2) + MESSAGE_STOP


def through(pieces: Sequence[bytes], *, streamed: bool = True) -> tuple[bytes, bytes, Translated]:
    """An answer of Anthropic's, translated for a caller of the same dialect."""
    features = STREAM if streamed else UNARY
    pipe = Translated(
        MESSAGES.reader(features),
        MESSAGES.reader(features),
        MessagesReading(Report()),
        (),
        MessagesWriting(ASKED, Report()),
        stream=streamed,
    )
    passed, held = read(pipe, pieces, RECEIPT)
    return passed, held, pipe


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_stream_is_the_same_answer_wherever_it_is_cut(recorded: bytes) -> None:
    """In two pieces at every place: the same bytes, and to the vendor's client the same message."""
    wire = recorded + ENDING
    passed, held, _ = through([wire])
    for place in range(len(wire) + 1):
        assert b"".join(through([wire[:place], wire[place:]])[:2]) == passed + held
    assert accumulated(passed + held) == accumulated(wire)
    assert documents(held)[-1]["x_router"] == RECEIPT


@given(st.data(), st.sampled_from(RECORDED))
def test_a_stream_is_the_same_answer_in_any_number_of_pieces(data: st.DataObject, recorded: bytes) -> None:
    wire = recorded + ENDING
    assert b"".join(through(data.draw(cuts(wire)))[:2]) == b"".join(through([wire])[:2])


def test_the_first_word_goes_on_when_it_comes() -> None:
    """Not before it is there, and not only at the end."""
    pipe = through([RECORDED[0] + ENDING])[2]
    assert pipe.usage == COUNTED.usage
    features = STREAM
    pipe = Translated(
        MESSAGES.reader(features),
        MESSAGES.reader(features),
        MessagesReading(Report()),
        (),
        MessagesWriting(ASKED, Report()),
        stream=True,
    )
    assert pipe.feed(START + TEXT_START) == b""
    assert not pipe.content_seen
    assert b'"text":"x"' in pipe.feed(delta(type="text_delta", text="x"))
    assert pipe.content_seen


def test_a_whole_answer_comes_through() -> None:
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    passed, held, pipe = through([json.dumps(answer).encode()], streamed=False)
    translated = json.loads(passed + held)
    assert translated.pop("x_router") == RECEIPT
    assert translated.items() >= {**answer, "usage": translated["usage"]}.items()
    assert (pipe.usage, pipe.dropped) == (Usage(input=1, output=2), ())
    assert isinstance(MESSAGES.reader(UNARY), UnaryReader)
