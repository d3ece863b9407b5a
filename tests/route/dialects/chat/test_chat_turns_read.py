"""The messages of a chat completion become turns: texts, parts, calls, results and reasoning."""

from typing import Any

import pytest

from route.dialects.neutral import Audio, File, Image, Part, Refusal, Text, Thinking, ToolCall, ToolResult, Turn
from tests.route.build import Json
from tests.route.dialects.chat.chat_requests import MARK, read

AT = "messages[]"


def turns(*messages: Json) -> tuple[Turn, ...]:
    return read({"messages": list(messages)}).turns


def parts(*content: Any, role: str = "user") -> tuple[Part, ...]:
    return turns({"role": role, "content": list(content)})[0].parts


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_plain_turns(role: str) -> None:
    """A text is one part of a turn of its role, at its place; null and an empty text are none."""
    assert turns({"role": role, "content": "Hi"}) == (Turn(role, (Text(text="Hi", at=f"{AT}.content"),), AT),)  # type: ignore[arg-type]
    assert turns({"role": role, "content": ""}) == turns({"role": role}) == (Turn(role, (), AT),)  # type: ignore[arg-type]


def test_parts() -> None:
    """Every part of a content list has its place in the neutral form, with its mark."""
    url = "https://x.example/a.png"
    assert parts(
        {"type": "text", "text": "Hi", "cache_control": MARK},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,iVBO"}},
        {"type": "image_url", "image_url": url},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "https://x.example/a.pdf"}},
    ) == (
        Text(text="Hi", cache=MARK, at=f"{AT}.content[]"),
        Image(url=url, detail="low", at=f"{AT}.content[].image_url"),
        Image(media_type="image/png", data="iVBO", at=f"{AT}.content[].image_url"),
        Image(url=url, at=f"{AT}.content[].image_url"),
        Audio(data="UklG", format="wav", at=f"{AT}.content[].input_audio"),
        File(file_id="file-1", at=f"{AT}.content[].file"),
        File(media_type="application/pdf", data="JVBE", name="a.pdf", at=f"{AT}.content[].file"),
        File(url="https://x.example/a.pdf", at=f"{AT}.content[].file"),
    )


def test_data_url_without_base64() -> None:
    """A data URL that is percent-encoded holds the same bytes."""
    (image,) = parts({"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%2F%3E"}})
    assert isinstance(image, Image)
    assert (image.media_type, image.data, image.url) == ("image/svg+xml", "PHN2Zy8+", "")


def test_unknown_part_is_refused() -> None:
    """A part of an unknown kind may be what the question is about."""
    asked = read({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}]})
    assert asked.refused == (f"{AT}.content[].video_url",)


def test_mark_on_a_message() -> None:
    """A mark on a message is one on its last part; on the result of a tool it stays there."""
    (turn,) = turns({"role": "system", "content": "Be brief", "cache_control": MARK})
    assert turn.parts[0].cache == MARK
    (result,) = turns({"role": "tool", "tool_call_id": "c", "content": "3", "cache_control": MARK})
    assert result.parts[0].cache == MARK


def test_assistant() -> None:
    """Reasoning, text, a refusal and calls of both kinds are parts in this order."""
    (turn,) = turns(
        {
            "role": "assistant",
            "content": "Let me see",
            "reasoning_content": "Hm",
            "refusal": "No",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free"}},
                {"id": "c3", "type": "function", "function": {"name": "f", "arguments": {"b": 2}}},
            ],
        }
    )
    call = f"{AT}.tool_calls[]"
    assert turn.parts == (
        Thinking(text="Hm", at=f"{AT}.reasoning_content"),
        Text(text="Let me see", at=f"{AT}.content"),
        Refusal(text="No", at=f"{AT}.refusal"),
        ToolCall(id="c1", name="f", arguments='{"a":1}', at=call),
        ToolCall(id="c2", name="g", arguments="free", free=True, at=call),
        ToolCall(id="c3", name="f", arguments='{"b":2}', at=call),
    )


def test_results() -> None:
    """The result of a tool is a turn of the user."""
    (turn,) = turns({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "3"}]})
    assert turn.role == "user"
    assert turn.parts == (ToolResult(call_id="c1", parts=(Text(text="3", at=f"{AT}.content[]"),), at=AT),)


def test_calls_before_tools() -> None:
    """A `function` message answers the latest call of that name, though neither has an id."""
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    result = {"role": "function", "name": "f", "content": "3"}
    ids = []
    for turn in turns(call, result, call, result):
        (part,) = turn.parts
        assert isinstance(part, ToolCall | ToolResult)
        ids.append(part.id if isinstance(part, ToolCall) else part.call_id)
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all(ids)


SIGNED: Json = {
    "type": "reasoning.text",
    "text": "A",
    "signature": "s1",
    "format": "anthropic-claude-v1",
    "index": 0,
}
REDACTED: Json = {"type": "reasoning.encrypted", "data": "r1", "format": "anthropic-claude-v1", "index": 1}
SUMMARY: Json = {"type": "reasoning.summary", "summary": "S", "format": "openai-responses-v1", "index": 0}
ENCRYPTED: Json = {"type": "reasoning.encrypted", "data": "e1", "format": "openai-responses-v1", "index": 1}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([SIGNED, REDACTED], [("A", "s1", "", ""), ("", "", "r1", "")]),
        ([SUMMARY, ENCRYPTED], [("S", "", "", "e1")]),
        (
            [{"type": "reasoning.text", "text": "A"}, {"type": "reasoning.encrypted", "data": "r"}],
            [("A", "", "", ""), ("", "", "r", "")],
        ),
        ([SIGNED, {**SIGNED, "index": 1}], [("A", "s1", "", "")] * 2),
        (
            [
                {"type": "reasoning.text", "text": "A", "index": 0},
                {"type": "reasoning.text", "text": "B", "index": 0},
                {"type": "reasoning.text", "signature": "s", "index": 0},
            ],
            [("AB", "s", "", "")],
        ),
        (
            [
                {"type": "reasoning.text", "text": "A", "index": 0},
                {"type": "reasoning.text", "text": "B", "index": 1},
            ],
            [("A", "", "", ""), ("B", "", "", "")],
        ),
    ],
)
def test_reasoning_details(details: list[Json], expected: list[tuple[str, str, str, str]]) -> None:
    """Entries of one block are put together, seals and all; the plain text beside them is theirs once more."""
    message = {"role": "assistant", "content": "x", "reasoning": "again", "reasoning_details": details}
    asked = read({"messages": [message]})
    thoughts = [part for part in asked.parts if isinstance(part, Thinking)]
    assert [(t.text, t.signature, t.redacted, t.encrypted) for t in thoughts] == expected
    assert (asked.dropped, asked.refused) == ((), ())


def test_seal_without_its_text() -> None:
    """Where the list has the seal alone, the text beside it belongs to it."""
    message = {"role": "assistant", "reasoning_content": "Hm", "reasoning_details": [{**SIGNED, "text": None}]}
    (thought,) = turns(message)[0].parts
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.signature) == ("Hm", "s1")


def test_litellm_blocks() -> None:
    """LiteLLM gives Anthropic's blocks as they are, and takes them back."""
    blocks = [{"type": "thinking", "thinking": "A", "signature": "s"}, {"type": "redacted_thinking", "data": "r"}]
    found = turns({"role": "assistant", "content": "x", "thinking_blocks": blocks})[0].parts
    at = f"{AT}.thinking_blocks[]"
    assert found[:2] == (Thinking(text="A", signature="s", at=at), Thinking(redacted="r", at=at))


@pytest.mark.parametrize("form", ["google-gemini-v1", "xai-responses-v1"])
@pytest.mark.parametrize("entry", [SIGNED, REDACTED])
def test_foreign_seals(entry: Json, form: str) -> None:
    """A seal that the neutral form cannot name is not passed off as another vendor's."""
    message = {"role": "assistant", "content": "x", "reasoning_details": [{**entry, "format": form}]}
    asked = read({"messages": [message]})
    assert asked.refused == (f"{AT}.reasoning_details[]",)
    assert not any(part.is_sealed for part in asked.parts if isinstance(part, Thinking))


def test_spoken_answer_in_the_history() -> None:
    """What an assistant said by voice is known to the provider that said it, and to no other."""
    assert read({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}).refused == (f"{AT}.audio",)
