"""Answers in chat completions, to and from events: whole and streamed, for clients as strict as the vendor's."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ledger.usage import Usage
from route.dialects.base import BadAnswer
from route.dialects.chat.conversion import CONVERSION
from route.dialects.chat.native import CHAT, ChatStream
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.names import wire_name
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
from route.dialects.pipe import InOrder, TranslatedReader
from route.dialects.sse import Splitter
from tests.route.build import DONE, ROLE, USAGE, Json, choice, chunk, cuts, documents, finishes, read, says
from tests.route.build import event as wire_event

ASKED = AnswerContext({"model": "default"}, stream=True, usage_asked=True, created=1700000000)
BEGAN = Began("chatcmpl-1", "small-2026-01", 1)
COUNTED = Counted(Usage(input=9, output=2))
TOKEN: Json = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}


def events_of(stream: bytes) -> tuple[list[AnswerEvent], Report]:
    """What a stream says, its blocks in order."""
    report = Report()
    reading, order = CONVERSION.answer_reading(report), InOrder()
    said = [one for event in Splitter().feed(stream) for one in reading.feed(event)]
    return [after for one in [*said, *reading.end()] for after in order.feed(one)], report


def events_of_whole(document: Json) -> tuple[list[AnswerEvent], Report]:
    report, order = Report(), InOrder()
    reading = CONVERSION.answer_reading(report)
    return [after for one in reading.whole(document) for after in order.feed(one)], report


def said(*chunks: bytes) -> list[AnswerEvent]:
    """What a stream says, from its first block on."""
    found, report = events_of(b"".join(chunks) + DONE)
    assert report.dropped == ()
    return [event for event in found if not isinstance(event, Began | Counted)]


def written(*events: AnswerEvent, asked: AnswerContext = ASKED) -> tuple[bytes, Report]:
    report = Report()
    writing = CONVERSION.answer_writing(asked, report)
    return b"".join(map(writing.feed, events)) + writing.end(), report


def whole(*events: AnswerEvent, asked: AnswerContext = ASKED) -> Json:
    """The unary answer, which the vendor's own types take as it is."""
    document = CONVERSION.answer_writing(asked, Report()).whole(events)
    if all(
        one["finish_reason"] in ("stop", "length", "tool_calls", "content_filter", "function_call")
        for one in document["choices"]
    ):
        ChatCompletion.model_validate(document, strict=True)
    return document


def message(*events: AnswerEvent, asked: AnswerContext = ASKED) -> Json:
    """Of the only choice, without what is null."""
    found = whole(BEGAN, *events, Finished(0, Stop.END), COUNTED, asked=asked)["choices"][0]["message"]
    return {name: value for name, value in found.items() if value is not None}


def deltas(*events: AnswerEvent, asked: AnswerContext = ASKED) -> list[Json]:
    """Of the only choice, after the role."""
    stream, _ = written(BEGAN, *events, asked=asked)
    first, *rest = [chunk["choices"][0]["delta"] for chunk in documents(stream) if chunk["choices"]]
    assert first == {"role": "assistant", "content": ""}
    return rest


def block(
    kind: BlockKind, *more: str | Sealed, number: int = 0, choice: int = 0, **opened: Any
) -> list[AnswerEvent]:
    inner = [Delta(choice, number, m) if isinstance(m, str) else replace(m, block=number) for m in more]
    return [Opened(choice, number, kind, **opened), *inner, Closed(choice, number)]


def call(index: int, name: str = "", arguments: str = "", **more: Any) -> Json:
    function = ({"name": name} if name else {}) | {"arguments": arguments}
    return {"index": index, "function": function, **more}


def calls(*pieces: Json) -> bytes:
    return chunk(choice({"tool_calls": list(pieces)}))


# Reading.


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


_LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.just("\ud800") | st.floats(allow_nan=False)
_NAMES = st.sampled_from(
    [
        *(
            "content",
            "tool_calls",
            "function_call",
            "function",
            "custom",
            "name",
            "arguments",
            "index",
            "id",
            "type",
        ),
        *("reasoning", "reasoning_content", "reasoning_details", "refusal", "logprobs", "finish_reason", "text"),
        *("usage", "prompt_tokens", "prompt_tokens_details", "cached_tokens", "created", "model", "thinking"),
    ]
)
_HOSTILE = st.recursive(
    _LEAVES | st.sampled_from(["reasoning.text", "reasoning.encrypted", "thinking", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(st.tuples(st.dictionaries(_NAMES, _HOSTILE), st.dictionaries(_NAMES, _HOSTILE)), max_size=4))
def test_hostile_answers(said: list[tuple[Json, Json]]) -> None:
    """Whatever a provider says: events that can be written, or a BadAnswer."""
    chunks = [{**top, "choices": [{"delta": delta, "message": delta, **delta}]} for top, delta in said]
    with suppress(BadAnswer):
        written(*events_of(b"".join(map(wire_event, chunks)))[0])
    for document in chunks:
        with suppress(BadAnswer):
            CONVERSION.answer_writing(ASKED, Report()).whole(events_of_whole(document)[0])


# Writing.


def test_written_stream() -> None:
    """The role, content, the end, usage without choices, the terminator; usage is null until then."""
    stream, report = written(BEGAN, *block(BlockKind.TEXT, "Hi"), Finished(0, Stop.END), COUNTED)
    chunks = documents(stream)
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "small-2026-01"}
    said = [{"role": "assistant", "content": ""}, {"content": "Hi"}, {}]
    ends = [None, None, "stop"]
    assert chunks[:-1] == [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}], "usage": None}
        for delta, end in zip(said, ends, strict=True)
    ]
    assert chunks[-1] == {**head, "choices": [], "usage": USAGE}
    assert stream.endswith(b"\n\n" + DONE)
    assert report.dropped == ()


def test_usage_that_was_not_asked_for() -> None:
    """Without the caller's word there is no usage at all."""
    stream, _ = written(
        BEGAN,
        *block(BlockKind.TEXT, "Hi"),
        Finished(0, Stop.END),
        COUNTED,
        asked=replace(ASKED, usage_asked=False),
    )
    assert all("usage" not in chunk and chunk["choices"] for chunk in documents(stream))


def test_head_is_never_empty() -> None:
    """Helpers need an id and a time, also where the provider said none."""
    stream, _ = written(Began(), *block(BlockKind.TEXT, "Hi"), Finished(0, Stop.END))
    for one in documents(stream):
        ChatCompletionChunk.model_validate(one, strict=True)
        assert one["id"].startswith("chatcmpl-")
        assert (one["created"], one["model"]) == (1700000000, "default")
    assert len({one["id"] for one in documents(stream)}) == 1


def test_written_calls() -> None:
    """Each call has its index, and its id and name once."""
    found = deltas(
        *block(BlockKind.TOOL_CALL, '{"a"', ":1}", id="a", name="f"),
        *block(BlockKind.TOOL_CALL, number=1, id="b", name="g"),
    )
    assert [delta["tool_calls"][0] for delta in found] == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


CUSTOM = replace(ASKED, body={"tools": [{"type": "custom", "custom": {"name": "g"}}]})


@pytest.mark.parametrize(
    ("asked", "free", "pieces", "expected"),
    [
        (CUSTOM, True, ["a", "b"], {"type": "custom", "custom": {"name": "g", "input": "ab"}}),
        (CUSTOM, False, ['{"input"', ':"ab"}'], {"type": "custom", "custom": {"name": "g", "input": "ab"}}),
        (CUSTOM, False, ["broken"], {"type": "custom", "custom": {"name": "g", "input": "broken"}}),
        (ASKED, True, ["a", "b"], {"type": "function", "function": {"name": "g", "arguments": '{"input":"ab"}'}}),
    ],
)
def test_written_free_calls(asked: AnswerContext, free: bool, pieces: list[str], expected: Json) -> None:
    """A caller gets text for the tools that it declared so, and JSON for all others."""
    found = message(*block(BlockKind.TOOL_CALL, *pieces, id="a", name="g", free=free), asked=asked)
    assert found["tool_calls"] == [{"id": "a", **expected}]


def test_written_calls_before_tools() -> None:
    """Who declared functions gets the one call in the form of its time."""
    asked = replace(ASKED, body={"functions": [{"name": "f"}]})
    report = Report()
    events = [
        BEGAN,
        *block(BlockKind.TOOL_CALL, "{}", id="a", name="f"),
        *block(BlockKind.TOOL_CALL, "{}", number=1, id="b", name="f"),
        Finished(0, Stop.TOOL_CALLS),
    ]
    (found,) = CONVERSION.answer_writing(asked, report).whole(events)["choices"]
    assert found["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in found["message"]
    assert found["finish_reason"] == "function_call"
    assert report.dropped == ("tool_calls",)


def test_written_names() -> None:
    """A tool whose name had to be made legal is given back under its own."""
    asked = replace(ASKED, body={"tools": [{"type": "function", "function": {"name": "a.b"}}]})
    events = block(BlockKind.TOOL_CALL, "{}", id="a", name="a.b")
    assert message(*events, asked=asked)["tool_calls"][0]["function"]["name"] == "a.b"
    events = block(BlockKind.TOOL_CALL, "{}", id="a", name=wire_name("", "a.b"))
    assert message(*events, asked=asked)["tool_calls"][0]["function"]["name"] == "a.b"


def test_written_reasoning() -> None:
    """Reasoning is text for those who show it, and details for those who must send it back."""
    found = message(
        *block(BlockKind.THINKING, "A", "B", Sealed(0, 0, signature="s")),
        *block(BlockKind.THINKING, Sealed(0, 0, redacted="r"), number=1),
        *block(BlockKind.TEXT, "Hi", number=2),
    )
    assert found == {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "AB",
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "text": "AB",
                "index": 0,
                "signature": "s",
                "format": "anthropic-claude-v1",
            },
            {"type": "reasoning.encrypted", "data": "r", "format": "anthropic-claude-v1", "index": 1},
        ],
    }
    (turn,) = CONVERSION.read_request({"messages": [found]}).turns
    thoughts = [(p.text, p.signature, p.redacted) for p in turn.parts[:2]]  # type: ignore[attr-defined]
    assert thoughts == [("AB", "s", ""), ("", "", "r")]


@pytest.mark.parametrize(
    ("stop", "word", "dropped"),
    [
        (Stop.END, "stop", ()),
        (Stop.LENGTH, "length", ()),
        (Stop.STOP_SEQUENCE, "stop", ()),
        (Stop.TOOL_CALLS, "tool_calls", ()),
        (Stop.REFUSAL, "content_filter", ()),
        (Stop.PAUSE, "stop", ("stop_reason",)),
        (Stop.CONTEXT_FULL, "length", ()),
        ("eos_token", "eos_token", ()),
    ],
)
def test_written_stops(stop: Stop | str, word: str, dropped: tuple[str, ...]) -> None:
    """Each stop in OpenAI's words."""
    stream, report = written(BEGAN, *block(BlockKind.TEXT, "Hi"), Finished(0, stop))
    assert documents(stream)[-2]["choices"][0]["finish_reason"] == word
    assert report.dropped == dropped


def test_written_stop_sequence() -> None:
    """Which sequence it was cannot be said."""
    _, report = written(BEGAN, Finished(0, Stop.STOP_SEQUENCE, "END"))
    assert report.dropped == ("stop_sequence",)


def test_written_refusal() -> None:
    """Why it was refused is the refusal, unless the model gave one of its own."""
    end = Finished(0, Stop.REFUSAL, explanation="policy")
    (found,) = whole(BEGAN, end)["choices"]
    assert (found["message"]["refusal"], found["message"]["content"]) == ("policy", None)
    stream, report = written(BEGAN, *block(BlockKind.REFUSAL, "No"), end)
    assert b"policy" not in stream
    assert report.dropped == ("stop_details",)


@pytest.mark.parametrize(
    ("counted", "details"),
    [
        (Counted(Usage(input=10)), None),
        (Counted(Usage(input=10), cache_said=True), {"cached_tokens": 0}),
        (Counted(Usage(input=200, cache_read=800)), {"cached_tokens": 800}),
        (Counted(Usage(input=1, cache_write=2, cache_write_1h=3)), {"cache_write_tokens": 5}),
    ],
)
def test_written_usage(counted: Counted, details: Json | None) -> None:
    """The prompt is all of it; what is known of the cache is said, and nothing else."""
    usage = whole(BEGAN, Finished(0, Stop.END), counted)["usage"]
    assert usage["prompt_tokens"] == usage["total_tokens"] == counted.usage.prompt
    assert usage.get("prompt_tokens_details") == details
    assert "completion_tokens_details" not in usage


def test_written_reasoning_tokens() -> None:
    """Tokens of reasoning are part of the output."""
    usage = whole(BEGAN, Finished(0, Stop.END), Counted(Usage(output=5, reasoning=3)))["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert usage["completion_tokens"] == 5


def test_empty_answer() -> None:
    """An answer of nothing is an empty text; beside calls, and refusals, there is no text."""
    assert message()["content"] == ""
    assert "content" not in message(*block(BlockKind.TOOL_CALL, "{}", id="a", name="f"))


# Both: what is written is read back as it was.

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
_PIECES = st.lists(_TEXTS, min_size=1, max_size=3)
_OBJECTS = st.sampled_from([("{}",), ('{"a"', ":1}"), ('{"b":', '{"c":[]}', "}")])


@st.composite
def _blocks(draw: st.DrawFn, choice: int) -> list[AnswerEvent]:
    kinds = draw(st.lists(st.sampled_from([*BlockKind, "redacted", "encrypted"]), max_size=5))
    events: list[AnswerEvent] = []
    # Neighbouring texts of one kind have no border on this wire.
    merged = (BlockKind.TEXT, BlockKind.REFUSAL)
    runs = [kind for key, run in groupby(kinds) for kind in ([key] if key in merged else run)]
    for number, kind in enumerate(runs):
        match kind:
            case BlockKind.TOOL_CALL:
                call_id = f"call_{choice}_{number}"
                events += block(kind, *draw(_OBJECTS), number=number, choice=choice, id=call_id, name=draw(_TEXTS))
            case BlockKind.THINKING:
                seals = draw(st.sampled_from([[Sealed(choice, number, signature="s")], []]))
                # An encrypted block would seal the one before it: the next one has its own seal.
                is_followed = number + 1 < len(runs) and runs[number + 1] == "encrypted"
                seals = [Sealed(choice, number, signature="s")] if is_followed else seals
                events += block(kind, *draw(_PIECES), *seals, number=number, choice=choice)
            case "redacted":
                events += block(BlockKind.THINKING, Sealed(choice, 0, redacted="r"), number=number, choice=choice)
            case "encrypted":
                seal = Sealed(choice, 0, encrypted="e")
                events += block(
                    BlockKind.THINKING, *draw(st.just([]) | _PIECES), seal, number=number, choice=choice
                )
            case BlockKind():
                events += block(kind, *draw(_PIECES), number=number, choice=choice)
    has_called = BlockKind.TOOL_CALL in runs
    stops = [Stop.TOOL_CALLS] if has_called else [Stop.END, Stop.LENGTH, Stop.REFUSAL, "eos_token"]
    return [*events, Finished(choice, draw(st.sampled_from(stops)))]


_USAGES = st.builds(
    Counted,
    st.builds(Usage, *[st.integers(0, 1000)] * 3, st.just(0), st.integers(500, 999), st.integers(0, 500)),
    st.just(True),
)


@st.composite
def _answers(draw: st.DrawFn) -> list[AnswerEvent]:
    choices = [draw(_blocks(number)) for number in range(draw(st.integers(1, 2)))]
    began = draw(st.builds(Began, _TEXTS, _TEXTS, st.integers(0, 2**40)))
    return [began, *(event for events in choices for event in events), draw(_USAGES)]


@given(_answers(), st.booleans())
def test_round_trip_of_streams(events: list[AnswerEvent], usage_asked: bool) -> None:
    """A written stream is whole to the reader of its dialect, and says what was written."""
    stream, report = written(*events, asked=replace(ASKED, usage_asked=usage_asked))
    reader = ChatStream(usage_asked=usage_asked)
    passed, tail = read(reader, [stream])
    assert passed + tail == stream
    assert reader.repaired <= ({"usage"} if not usage_asked else set())
    found, _ = events_of(passed + tail)
    assert found == [event for event in events if usage_asked or not isinstance(event, Counted)]
    assert report.dropped == ()


@given(_answers())
def test_round_trip_of_wholes(events: list[AnswerEvent]) -> None:
    """A whole answer says the same, each choice in the order in which a message can say it."""
    document = json.loads(json.dumps(whole(*events)))
    found, report = events_of_whole(document)
    assert report.dropped == ()
    assert (found[0], found[-1]) == (events[0], events[-1])
    for kind in (BlockKind.TEXT, BlockKind.REFUSAL, BlockKind.TOOL_CALL):
        assert _texts(found, kind) == _texts(events, kind)
    assert [e for e in found if isinstance(e, Finished)] == [e for e in events if isinstance(e, Finished)]
    assert _seals(found) == _seals(events)


def _texts(events: Iterable[AnswerEvent], kind: BlockKind) -> dict[int, str]:
    """All that each choice says in blocks of a kind."""
    kinds: dict[tuple[int, int], BlockKind] = {}
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, Opened):
            kinds[event.choice, event.block] = event.kind
        elif isinstance(event, Delta) and kinds[event.choice, event.block] is kind:
            texts[event.choice] = texts.get(event.choice, "") + event.text
    return texts


def _seals(events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    return [replace(event, block=0) for event in events if isinstance(event, Sealed)]


@given(_answers())
def test_vendors_helper(events: list[AnswerEvent]) -> None:
    """What the vendor's own helper makes of the stream is the whole answer, reasoning and seals included."""
    known = [replace(e, stop=Stop.END) if isinstance(e, Finished) and e.stop == "eos_token" else e for e in events]
    known = [replace(e, stop=Stop.END) if isinstance(e, Finished) and e.stop in _RAISES else e for e in known]
    stream, _ = written(*known)
    state = ChatCompletionStreamState()
    for one in documents(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate(one, strict=True))
    found = state.get_final_completion().to_dict()
    expected = whole(*known)
    assert found["usage"] == expected["usage"]
    for got, said in zip(_plain(found), _plain(expected), strict=True):
        assert got == said


_RAISES = (Stop.LENGTH, Stop.REFUSAL)


def _plain(document: Any) -> list[Json]:
    """Messages without what a helper adds: empty texts, parsed forms, indexes of calls."""
    plain = []
    for one in document["choices"]:
        found = {name: value for name, value in one["message"].items() if value and name != "parsed"}
        for tool_call in found.get("tool_calls", []):
            tool_call.pop("index", None)
            tool_call["function"].pop("parsed_arguments", None)
        plain.append(found)
    return plain


RECORDED = b"".join(
    [
        b": OPENROUTER PROCESSING\n\n",
        chunk(choice({"role": "assistant", "content": ""}), usage=None),
        chunk(choice({"reasoning_content": "Hm é"}), usage=None),
        says("Hel", usage=None),
        chunk(choice({"content": "lo"}) | {"logprobs": {"content": [TOKEN], "refusal": None}}, usage=None),
        calls(call(0, "f", id="a", type="function")),
        calls(call(0, arguments='{"x": "\\u00e9')),
        calls(call(0, arguments='"}')),
        calls(call(1, "g", "{}", id="b", type="function")),
        finishes(reason="tool_calls", usage=None),
        chunk(usage=USAGE),
        DONE,
    ]
)


def _translated() -> TranslatedReader:
    conversion = CONVERSION
    return TranslatedReader(
        ChatStream(usage_asked=True),
        ChatStream(usage_asked=True),
        conversion.answer_reading(Report()),
        [],
        conversion.answer_writing(ASKED, Report()),
        stream=True,
    )


@given(cuts(RECORDED))
def test_any_split(pieces: list[bytes]) -> None:
    """However a stream is cut on its way, it is translated to the same bytes."""
    passed, tail = read(_translated(), pieces)
    whole_passed, whole_tail = read(_translated(), [RECORDED])
    assert passed + tail == whole_passed + whole_tail
    assert events_of(passed + tail)[0] == events_of(RECORDED)[0]


def test_it_is_the_dialects_own() -> None:
    """The dialect can be translated."""
    assert CHAT.conversion is CONVERSION


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
