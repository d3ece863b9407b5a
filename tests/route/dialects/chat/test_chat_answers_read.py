"""An answer in chat completions, whole or streamed, read as events."""

import pytest

from ledger.usage import Usage
from route.dialects.base import BadAnswer
from route.dialects.chat.conversion import CONVERSION
from route.dialects.fields import Report
from route.dialects.neutral import (
    AnswerEvent,
    Began,
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
from route.dialects.sse import Splitter
from tests.route.build import DONE, ROLE, USAGE, Json, choice, chunk, finishes, says
from tests.route.build import event as wire_event
from tests.route.dialects.chat.chat_answers import (
    BEGAN,
    COUNTED,
    TOKEN,
    block,
    call,
    events_of,
    events_of_whole,
    said,
)
from tests.route.dialects.chat.chat_pieces import calls


def test_text() -> None:
    """Text is one block, closed when the choice ends; empty deltas are none."""
    assert said(ROLE, says("Hel"), says(""), says("lo"), finishes()) == [
        *block(BlockKind.TEXT, "Hel", "lo"),
        Finished(0, Stop.END),
    ]


def test_began() -> None:
    """Id, model and time come from the first chunk that has an id or a choice."""
    empty = wire_event({"id": "", "model": "", "choices": [], "prompt_filter_results": [{"index": 0}]})
    found, report = events_of(empty + says("Hi") + finishes() + DONE)
    assert found[0] == BEGAN
    assert sum(isinstance(event, Began) for event in found) == 1
    assert report.dropped == ("prompt_filter_results",)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning(name: str) -> None:
    """Reasoning is a block of its own, under either name."""
    thinks = chunk(choice({name: "Hm"}))
    assert said(thinks, says("Hi"), finishes()) == [
        *block(BlockKind.THINKING, "Hm"),
        *block(BlockKind.TEXT, "Hi", number=1),
        Finished(0, Stop.END),
    ]


def test_details() -> None:
    """With details the plain text is not said twice, seals are kept, and each index is a block."""
    sealed = {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    redacted = {"type": "reasoning.encrypted", "data": "r", "format": "anthropic-claude-v1", "index": 1}
    found = said(
        chunk(
            choice({"reasoning": "A", "reasoning_details": [{"type": "reasoning.text", "text": "A", "index": 0}]})
        ),
        chunk(
            choice({"reasoning": "B", "reasoning_details": [{"type": "reasoning.text", "text": "B", "index": 0}]})
        ),
        chunk(choice({"reasoning_details": [sealed]})),
        chunk(choice({"reasoning_details": [redacted]})),
        says("Hi"),
        finishes(),
    )
    assert found == [
        *block(BlockKind.THINKING, "A", "B", Sealed(0, 0, signature="s")),
        *block(BlockKind.THINKING, Sealed(0, 0, redacted="r"), number=1),
        *block(BlockKind.TEXT, "Hi", number=2),
        Finished(0, Stop.END),
    ]


def test_foreign_details() -> None:
    """A seal of a vendor that nobody here can give it back to is reported."""
    entry = {"type": "reasoning.encrypted", "data": "g", "format": "google-gemini-v1", "index": 0}
    found, report = events_of(chunk(choice({"reasoning_details": [entry]})) + says("Hi") + finishes() + DONE)
    assert not any(isinstance(event, Sealed) for event in found)
    assert report.dropped == ("choices[].delta.reasoning_details[]",)


def test_content_in_parts() -> None:
    """Some servers say text, and reasoning, as a list of parts."""
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hi"}]
    assert said(chunk(choice({"content": content})), finishes()) == [
        *block(BlockKind.THINKING, "Hm"),
        *block(BlockKind.TEXT, "Hi", number=1),
        Finished(0, Stop.END),
    ]


def test_refusal() -> None:
    """A refusal is a block of its own kind."""
    assert said(chunk(choice({"refusal": "No"})), finishes()) == [
        *block(BlockKind.REFUSAL, "No"),
        Finished(0, Stop.END),
    ]


def test_call_closes_when_it_is_complete() -> None:
    """A call ends when the next one begins and its arguments are an object; text before it ends, too."""
    reading = CONVERSION.answer_reading(Report())
    stream = b"".join(
        [
            says("Hi"),
            calls(call(0, "f", id="a", type="function")),
            calls(call(0, arguments='{"x"')),
            calls(call(0, arguments=":1}")),
            calls(call(1, "g", "{}", id="b")),
        ]
    )
    found = [one for event in Splitter().feed(stream) for one in reading.feed(event)]
    assert found[1:] == [
        *block(BlockKind.TEXT, "Hi"),
        *block(BlockKind.TOOL_CALL, '{"x"', ":1}", number=1, id="a", name="f"),
        Opened(0, 2, BlockKind.TOOL_CALL, id="b", name="g"),
        Delta(0, 2, "{}"),
    ]


def test_calls_that_overlap() -> None:
    """Pieces of calls that come crosswise are sorted by their index."""
    found = said(
        calls(call(0, "f", "{", id="a")),
        calls(call(1, "g", "{", id="b")),
        calls(call(0, arguments="}"), call(1, arguments="}")),
        finishes(reason="tool_calls"),
    )
    assert found == [
        *block(BlockKind.TOOL_CALL, "{", "}", id="a", name="f"),
        *block(BlockKind.TOOL_CALL, "{", "}", number=1, id="b", name="g"),
        Finished(0, Stop.TOOL_CALLS),
    ]


def test_name_in_pieces() -> None:
    """A name is whole when the arguments begin."""
    found = said(calls(call(0, "get_", id="a")), calls(call(0, "it")), calls(call(0, arguments="{}")), finishes())
    assert found[0] == Opened(0, 0, BlockKind.TOOL_CALL, id="a", name="get_it")


def test_custom_calls() -> None:
    """A call of a tool that takes text is free."""
    pieces = [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "g", "input": "x"}}]
    assert said(calls(*pieces), finishes(reason="tool_calls")) == [
        *block(BlockKind.TOOL_CALL, "x", id="a", name="g", free=True),
        Finished(0, Stop.TOOL_CALLS),
    ]


def test_call_before_tools() -> None:
    """A call of the old form is a call; its id is made, the same each time."""
    stream = [chunk(choice({"function_call": {"name": "f", "arguments": "{}"}})), finishes(reason="function_call")]
    found = said(*stream)
    assert found == said(*stream)
    assert isinstance(found[0], Opened)
    assert found[0].id.startswith("call_")
    assert found[-1] == Finished(0, Stop.TOOL_CALLS)


def test_logprobs() -> None:
    """Logprobs follow the text that they are of."""
    one = choice({"content": "Hi"}) | {"logprobs": {"content": [TOKEN], "refusal": None}}
    assert said(chunk(one), finishes())[1:3] == [Delta(0, 0, "Hi"), Logprobs(0, (TOKEN,))]


def test_choices() -> None:
    """Each choice has its own blocks and its own end."""
    found = said(says("A"), says("B", 1), finishes(1, "length"), finishes(0))
    assert [event for event in found if event.choice == 1] == [  # type: ignore[union-attr]
        *block(BlockKind.TEXT, "B", choice=1),
        Finished(1, Stop.LENGTH),
    ]


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("stop", Stop.END),
        ("length", Stop.LENGTH),
        ("tool_calls", Stop.TOOL_CALLS),
        ("content_filter", Stop.REFUSAL),
        ("eos_token", "eos_token"),
    ],
)
def test_stops(reason: str, stop: Stop | str) -> None:
    """OpenAI's words, and any other as it is."""
    assert said(says("Hi"), finishes(reason=reason))[-1] == Finished(0, stop)


def test_stop_with_calls() -> None:
    """A call that was forced ends with `stop`; who is to run it must be told."""
    assert said(calls(call(0, "f", "{}", id="a")), finishes())[-1] == Finished(0, Stop.TOOL_CALLS)


def test_stop_sequence() -> None:
    """Some servers name the sequence; a number there is a token's."""
    for reason, end in [("END", Finished(0, Stop.STOP_SEQUENCE, "END")), (7, Finished(0, Stop.END))]:
        assert said(says("Hi"), chunk(choice(finish="stop") | {"stop_reason": reason}))[-1] == end


def test_finish_twice() -> None:
    """A choice ends once."""
    assert [type(e) for e in said(says("Hi"), finishes(), finishes())].count(Finished) == 1


@pytest.mark.parametrize(
    ("details", "cache_said"),
    [(None, False), ({}, False), ({"cached_tokens": 0}, True), ({"cached_tokens": 8}, True)],
)
def test_usage(details: Json | None, cache_said: bool) -> None:
    """Of the prompt, what was read from the cache is counted apart; a 0 that was said is one."""
    usage = {"prompt_tokens": 10, "completion_tokens": 2} | ({"prompt_tokens_details": details} if details else {})
    found, _ = events_of(says("Hi") + finishes() + chunk(usage=usage) + DONE)
    read = (details or {}).get("cached_tokens", 0)
    assert found[-1] == Counted(Usage(input=10 - read, cache_read=read, output=2), cache_said)


def test_what_is_not_carried() -> None:
    """What an answer says besides is reported, once for a whole stream; nothing is no loss."""
    audio = choice({"content": "Hi", "audio": {"id": "a"}, "annotations": []})
    _, report = events_of(chunk(audio, system_fingerprint="fp", service_tier=None) + says("x") + finishes() + DONE)
    assert report.dropped == ("choices[].delta.audio", "system_fingerprint")


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 7},
        {"refusal": {}},
        {"reasoning": 7},
        {"tool_calls": [{"index": 0, "function": {"arguments": 7}}]},
    ],
)
def test_no_text(delta: Json) -> None:
    """Text that is none is no answer."""
    with pytest.raises(BadAnswer):
        events_of(chunk(choice(delta)))


def test_call_without_a_name() -> None:
    """A call that nobody could run is no answer."""
    with pytest.raises(BadAnswer):
        events_of(calls(call(0, arguments="{}", id="a")) + finishes())


WHOLE: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "small-2026-01",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "Hm",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                ],
            },
            "logprobs": {"content": [TOKEN], "refusal": None},
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"role": "assistant", "content": "No"}, "finish_reason": None},
    ],
    "usage": USAGE,
}


def test_whole() -> None:
    """A whole answer says what a stream does; a choice without an end has ended nevertheless."""
    found, report = events_of_whole(WHOLE)
    assert found == [
        BEGAN,
        *block(BlockKind.THINKING, "Hm"),
        Opened(0, 1, BlockKind.TEXT),
        Delta(0, 1, "Hi"),
        *_call_events(1),
        Finished(0, Stop.TOOL_CALLS),
        *block(BlockKind.TEXT, "No", choice=1),
        Finished(1, Stop.END),
        COUNTED,
    ]
    assert report.dropped == ()


def _call_events(after: int) -> list[AnswerEvent]:
    return [
        Closed(0, after),
        *block(BlockKind.TOOL_CALL, "{}", number=after + 1, id="a", name="f"),
        Opened(0, after + 2, BlockKind.TOOL_CALL, id="b", name="f"),
        Delta(0, after + 2, "{}"),
        Logprobs(0, (TOKEN,)),
        Closed(0, after + 2),
    ]


def test_whole_calls_are_told_apart_by_their_place() -> None:
    """Some servers number them all 0, or not by numbers at all; only the pieces of a stream go by an index."""
    calls = [
        {"id": f"c{n}", "index": index, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, (name, index) in enumerate((("f", 0), ("g", 0), ("h", [])))
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    events = CONVERSION.answer_reading(Report()).whole(answer)
    assert [event.name for event in events if isinstance(event, Opened)] == ["f", "g", "h"]
