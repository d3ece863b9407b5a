"""Answers of Anthropic's messages, read: whole and streamed."""

import json

import pytest
from anthropic._models import validate_type
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects.base import BadAnswer
from route.dialects.fields import Report
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.neutral import (
    Began,
    BlockKind,
    Counted,
    Delta,
    Finished,
    Sealed,
    Stop,
)
from route.dialects.pipe import InOrder
from tests.route.build import (
    BLOCK_STOP,
    MESSAGE_STOP,
    PING,
    TEXT_START,
    Json,
    block_start,
    delta,
    message_event,
)
from tests.route.dialects.messages.messages_answers import (
    ASKED,
    BEGAN,
    START,
    STOP_1,
    block,
    reading,
    stream,
    whole,
)


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
        *block(0, BlockKind.THINKING, Delta(0, 0, "h"), Delta(0, 0, "m"), Sealed(0, 0, signature="c2ln")),
        *block(1, BlockKind.TEXT, Delta(0, 1, "x")),
        *block(2, BlockKind.TOOL_CALL, Delta(0, 2, '{"a":'), Delta(0, 2, "1}"), id="toolu_1", name="f"),
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
        *block(0, BlockKind.TEXT, Delta(0, 0, "x")),
        *block(1, BlockKind.TOOL_CALL, Delta(0, 1, '{"a":1}'), id="a", name="f"),
        *block(2, BlockKind.TOOL_CALL, Delta(0, 2, "{}"), id="a", name="f"),
        *block(3, BlockKind.THINKING, Sealed(0, 3, redacted="AA")),
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """Arguments are JSON also where none came: a client parses them."""
    events, _ = stream(block_start(type="tool_use", id="a", name="f", input={}), BLOCK_STOP)
    assert events == block(0, BlockKind.TOOL_CALL, Delta(0, 0, "{}"), id="a", name="f")


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
    assert events == block(0, BlockKind.TEXT, Delta(0, 0, "x"))
    names = ("a_new_delta", "citations", "server_tool_use", "web_search_tool_result")
    assert (report.dropped, report.refused) == (tuple(f"content[].{name}" for name in names), ())


def test_a_whole_answer_is_read_like_a_stream() -> None:
    """Each block gives the events that it gives in a stream; arguments may be an object or its text."""
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
        *block(0, BlockKind.THINKING, Delta(0, 0, "hm"), Sealed(0, 0, signature="c2ln")),
        *block(1, BlockKind.THINKING, Sealed(0, 1, redacted="AA")),
        *block(2, BlockKind.TEXT, Delta(0, 2, "x")),
        *block(3, BlockKind.TOOL_CALL, Delta(0, 3, '{"a":1}'), id="a", name="f"),
        *block(4, BlockKind.TOOL_CALL, Delta(0, 4, '{"a":1}'), id="b", name="f"),
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
    """A field that has no neutral form is named, inside the usage too; one that is null says nothing."""
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
