"""Events written as an answer in chat completions, for clients as strict as the vendor's."""

from dataclasses import replace

import pytest
from openai.types.chat import ChatCompletionChunk

from ledger.usage import Usage
from route.dialects.chat.conversion import CONVERSION
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.names import wire_name
from route.dialects.neutral import AnswerEvent, Began, BlockKind, Counted, Finished, Sealed, Stop
from tests.route.build import DONE, USAGE, Json, documents
from tests.route.dialects.chat.chat_answers import ASKED, BEGAN, COUNTED, block, message, whole, written


def deltas(*events: AnswerEvent, asked: AnswerContext = ASKED) -> list[Json]:
    """Of the only choice, after the role."""
    stream, _ = written(BEGAN, *events, asked=asked)
    first, *rest = [chunk["choices"][0]["delta"] for chunk in documents(stream) if chunk["choices"]]
    assert first == {"role": "assistant", "content": ""}
    return rest


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
