"""Answers that are read and written again: nothing is added, nothing is lost, wherever they are cut."""

import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects.base import Features
from route.dialects.fields import Report
from route.dialects.messages import MESSAGES
from route.dialects.messages.answer_reading import MessagesReading
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.neutral import (
    AnswerEvent,
    Began,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Finished,
    Opened,
    Sealed,
    Stop,
)
from route.dialects.pipe import TranslatedReader
from tests.route.build import (
    BLOCK_STOP,
    MESSAGE_STOP,
    PING,
    RECEIPT,
    TEXT_START,
    block_start,
    cuts,
    delta,
    documents,
    message_delta,
    message_event,
    read,
)
from tests.route.dialects.messages.messages_answers import (
    ASKED,
    COUNTED,
    START,
    STOP_1,
    STREAM,
    UNARY,
    accumulated,
    block,
    reading,
    writing,
)

COUNTS = st.integers(0, 10**6)
TEXTS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.none(), max_size=2)


@st.composite
def answers(draw: st.DrawFn) -> list[AnswerEvent]:
    """One choice, in the form in which it would be read."""
    events: list[AnswerEvent] = [Began(draw(st.text(min_size=1)), draw(st.text(min_size=1)))]
    kinds = draw(st.lists(st.sampled_from(["text", "thinking", "sealed", "redacted", "call"]), max_size=5))
    for number, kind in enumerate(kinds):
        said: list[AnswerEvent] = [Delta(0, number, text) for text in draw(TEXTS)]
        if kind == "text":
            events += block(number, BlockKind.TEXT, *said)
        elif kind == "call":
            arguments = json.dumps(draw(ARGUMENTS), separators=(",", ":"), ensure_ascii=False)
            cut = draw(st.integers(1, len(arguments) - 1))
            pieces = [Delta(0, number, arguments[:cut]), Delta(0, number, arguments[cut:])]
            events += block(
                number, BlockKind.TOOL_CALL, *pieces, id=f"call_{number}", name=draw(st.text(min_size=1))
            )
        elif kind == "redacted":
            events += block(number, BlockKind.THINKING, Sealed(0, number, redacted=draw(st.text(min_size=1))))
        else:
            seal: list[AnswerEvent] = (
                [Sealed(0, number, signature=draw(st.text(min_size=1)))] if kind == "sealed" else []
            )
            events += block(number, BlockKind.THINKING, *said, *seal)
    stop = draw(st.sampled_from(sorted({*Stop} - {Stop.END})))
    explanation = draw(st.none() | st.text()) if stop is Stop.REFUSAL else None
    usage = Usage(*(draw(COUNTS) for _ in range(6)))
    return [*events, Finished(0, stop, draw(st.none() | st.text()), explanation), Counted(usage, cache_said=True)]


def joined(events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    """With each block's text in one piece, and a call's arguments as JSON that is written in one way."""
    done: list[AnswerEvent] = []
    is_call = False
    for event in [*events]:
        is_call = event.kind is BlockKind.TOOL_CALL if isinstance(event, Opened) else is_call
        if isinstance(event, Delta) and isinstance(last := done[-1], Delta):
            done[-1] = Delta(0, event.block, last.text + event.text)
            continue
        if isinstance(event, Closed) and is_call and isinstance(last := done[-1], Delta):
            done[-1] = Delta(0, event.block, json.dumps(json.loads(last.text)))
        done.append(event)
    return done


@given(answers())
def test_what_is_written_is_read_as_it_was(events: list[AnswerEvent]) -> None:
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


def piped(features: Features) -> TranslatedReader:
    """An answer of Anthropic's on its way to a caller of the same dialect."""
    reading, writing = MessagesReading(Report()), MessagesWriting(ASKED, Report())
    readers = MESSAGES.reader(features), MESSAGES.reader(features)
    return TranslatedReader(*readers, reading, (), writing, stream=features.stream)


def through(pieces: Sequence[bytes], features: Features = STREAM) -> tuple[bytes, bytes, TranslatedReader]:
    pipe = piped(features)
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
    """Wherever it is cut, the caller gets the same bytes."""
    wire = recorded + ENDING
    assert b"".join(through(data.draw(cuts(wire)))[:2]) == b"".join(through([wire])[:2])


def test_the_first_word_goes_on_when_it_comes() -> None:
    """Not before it is there, and not only at the end."""
    pipe = through([RECORDED[0] + ENDING])[2]
    assert pipe.usage == COUNTED.usage
    pipe = piped(STREAM)
    assert pipe.feed(START + TEXT_START) == b""
    assert not pipe.content_seen
    assert b'"text":"x"' in pipe.feed(delta(type="text_delta", text="x"))
    assert pipe.content_seen


def test_a_whole_answer_comes_through() -> None:
    """It keeps all that it said, gains the receipt, and its usage is counted."""
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
    passed, held, pipe = through([json.dumps(answer).encode()], UNARY)
    translated = json.loads(passed + held)
    assert translated.pop("x_router") == RECEIPT
    assert translated.items() >= {**answer, "usage": translated["usage"]}.items()
    assert (pipe.usage, pipe.dropped) == (Usage(input=1, output=2), ())
