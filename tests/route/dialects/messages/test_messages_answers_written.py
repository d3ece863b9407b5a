"""Answers of Anthropic's messages, written: whole and streamed, to the vendor's own client."""

from contextlib import nullcontext

import pytest

from ledger.usage import Usage
from route.dialects.base import BadAnswer
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.neutral import (
    AnswerEvent,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Finished,
    Logprobs,
    Opened,
    Sealed,
    Stop,
)
from tests.route.dialects.messages.messages_answers import BEGAN, COUNTED, block, writing


def test_an_answer_is_written_with_a_complete_usage_from_the_start() -> None:
    """Zeros until it is known; in the end every count again, since several clients read only this one."""
    message, wire, _ = writing(BEGAN, *block(0, BlockKind.TEXT, Delta(0, 0, "x")), Finished(0, Stop.END), COUNTED)
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
        *block(0, BlockKind.THINKING),
        *block(1, BlockKind.TEXT),
        *block(2, BlockKind.THINKING, Delta(0, 2, "hm"), Sealed(0, 2, signature="c2ln")),
        *block(3, BlockKind.THINKING, Sealed(0, 3, redacted="AA")),
        *block(4, BlockKind.THINKING, Sealed(0, 4, signature="eA")),
        *block(5, BlockKind.TEXT, Delta(0, 5, "x")),
        *block(6, BlockKind.TOOL_CALL, Delta(0, 6, '{"a":'), Delta(0, 6, "1}"), id="a", name="f"),
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
        *block(0, BlockKind.THINKING, Delta(0, 0, "hm"), Sealed(0, 0, encrypted="gAAA")),
        *block(1, BlockKind.THINKING, Sealed(0, 1, encrypted="gAAA")),
    )
    assert message["content"] == [{"type": "thinking", "thinking": "hm", "signature": ""}]
    assert report.dropped == ("reasoning.encrypted_content",)


def test_a_call_always_says_its_arguments() -> None:
    """Clients that look only at deltas see the empty object too. Free text is one parameter."""
    message, wire, _ = writing(
        BEGAN,
        *block(0, BlockKind.TOOL_CALL, id="a", name="f"),
        *block(1, BlockKind.TOOL_CALL, Delta(0, 1, "x"), Delta(0, 1, '"'), id="b", name="g", free=True),
    )
    assert [call["input"] for call in message["content"]] == [{}, {"input": 'x"'}]
    said = [d["delta"]["partial_json"] for d in wire if d["type"] == "content_block_delta"]
    assert said == ["{}", '{"input":"x\\""}']


def test_ids_of_calls_are_such_as_anthropic_takes_back() -> None:
    """A legal id stays; one with foreign characters, a repeated or an empty one gets a new one of its own."""
    ids = ["functions.f:0", "call_0", "call_0", ""]
    calls = [e for n, i in enumerate(ids) for e in block(n, BlockKind.TOOL_CALL, id=i, name="f")]
    message, _, _ = writing(BEGAN, *calls)
    given = [call["id"] for call in message["content"]]
    assert len(set(given)) == 4
    assert given[1] == "call_0"
    assert all(i.replace("_", "").replace("-", "").isalnum() for i in given)


@pytest.mark.parametrize(
    ("kind", "stop", "word"),
    [
        (BlockKind.TOOL_CALL, Stop.END, "tool_use"),
        (BlockKind.TOOL_CALL, Stop.LENGTH, "max_tokens"),
        (BlockKind.REFUSAL, Stop.END, "refusal"),
        (BlockKind.TEXT, Stop.END, "end_turn"),
    ],
)
def test_a_stop_agrees_with_what_was_said(kind: BlockKind, stop: Stop, word: str) -> None:
    """OpenAI says the same of a forced call, and of a refusal, as of any end."""
    message, _, _ = writing(BEGAN, *block(0, kind, Delta(0, 0, "{}"), name="f"), Finished(0, stop))
    assert message["stop_reason"] == word


def test_a_refusal_is_a_text_and_a_reason() -> None:
    """What it says is a text block, and why it was is in `stop_details`."""
    message, _, _ = writing(
        BEGAN, *block(0, BlockKind.REFUSAL, Delta(0, 0, "No.")), Finished(0, Stop.REFUSAL, None, "x")
    )
    assert message["content"] == [{"type": "text", "text": "No."}]
    assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": "x"}


def test_one_choice_is_all_there_is() -> None:
    """Others are reported, and so are likelihoods."""
    other: list[AnswerEvent] = [
        Opened(1, 0, BlockKind.TEXT),
        Delta(1, 0, "y"),
        Closed(1, 0),
        Finished(1, Stop.LENGTH),
    ]
    events = block(0, BlockKind.TEXT, Delta(0, 0, "x"), Logprobs(0, ({},)))
    message, _, report = writing(BEGAN, *events, *other, Finished(0, Stop.END))
    assert message["content"] == [{"type": "text", "text": "x"}]
    assert (message["stop_reason"], report.dropped) == ("end_turn", ("choices[]", "logprobs"))


def test_an_answer_without_an_id_or_any_event_is_one_all_the_same() -> None:
    """Its id depends on the question and the time alone."""
    message, _, _ = writing()
    assert (message["model"], message["content"], message["stop_reason"]) == ("small", [], "end_turn")
    assert message["id"].startswith("msg_")
    assert message["id"] != MessagesWriting(AnswerContext(created=8), Report()).whole([])["id"]


def test_all_tiers_of_the_cache_are_counted() -> None:
    """Writes are one sum and stand apart by tier; whole and stream say the same counts."""
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


@pytest.mark.parametrize("arguments", ["{oops", "[1]", "null", '{"a":1}}'])
def test_a_call_that_nobody_could_read_is_no_call(arguments: str) -> None:
    """Anthropic's callers get an object: another one than the model's own would be a call that it never made."""
    call: list[AnswerEvent] = [Opened(0, 0, BlockKind.TOOL_CALL, "c", "f"), Delta(0, 0, arguments), Closed(0, 0)]
    for stop, is_refused in ((Stop.TOOL_CALLS, True), (Stop.LENGTH, False)):
        made = MessagesWriting(AnswerContext({}, stream=True), Report())
        with pytest.raises(BadAnswer) if is_refused else nullcontext():
            for event in [BEGAN, *call, Finished(0, stop)]:
                made.feed(event)
