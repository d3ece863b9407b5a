"""A caller's chat completion as a neutral request: all of it is taken, reported or refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import OUR_FIELDS
from route.dialects.chat.conversion import CONVERSION
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.neutral import (
    Audio,
    File,
    Format,
    HostedTool,
    Image,
    NeutralRequest,
    Part,
    ReasoningSettings,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from route.errors import BadRequest
from tests.route.build import Json, body

MARK = {"type": "ephemeral"}
AT = "messages[]"
FUNCTION: Json = {"type": "function", "function": {"name": "f"}}


def read(asked: Json) -> NeutralRequest:
    return CONVERSION.read_request(asked)


def turns(*messages: Json) -> tuple[Turn, ...]:
    return read({"messages": list(messages)}).turns


def parts(*content: Any, role: str = "user") -> tuple[Part, ...]:
    return turns({"role": role, "content": list(content)})[0].parts


def option(name: str, **asked: Any) -> Any:
    return read(body(**asked)).value(name)


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


def test_tools() -> None:
    """Functions, custom tools and functions of the old form; all others are the provider's own."""
    schema = {"type": "object", "properties": {}}
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}}
    asked = read(
        body(
            tools=[
                {
                    "type": "function",
                    "function": {"name": "f", "description": "F", "parameters": schema, "strict": True},
                    "cache_control": MARK,
                },
                {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
                {"type": "custom", "custom": {"name": "h", "description": "H", "format": grammar}},
                {"type": "web_search", "depth": 3},
            ],
            functions=[{"name": "old", "parameters": schema}],
            web_search_options={},
        )
    )
    told = "H\n\nThe input must follow this lark grammar:\nstart: X"
    assert asked.tools == (
        Tool("f", "F", schema, strict=True, cache=MARK, at="tools[]"),
        Tool("g", free=True, at="tools[]"),
        Tool("h", told, free=True, at="tools[]"),
        Tool("old", parameters=schema, at="functions[]"),
    )
    hosted = HostedTool("web_search", "tools[].web_search"), HostedTool("web_search", "web_search_options")
    assert asked.hosted_tools == hosted
    assert asked.value("parallel_tool_calls") is False
    assert asked.dropped == ("tools[].custom.format",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", "f")),
        ({"type": "custom", "custom": {"name": "g"}}, ToolChoice("named", "g")),
    ],
)
def test_tool_choice(said: Any, expected: ToolChoice) -> None:
    """Each form of the choice."""
    assert option("tool_choice", tools=[FUNCTION], tool_choice=said) == expected


@pytest.mark.parametrize("said", ["auto", "none", {"name": "f"}])
def test_choice_before_tools(said: Any) -> None:
    """`function_call` is the same choice among `functions`."""
    found = option("tool_choice", functions=[{"name": "f"}], function_call=said)
    assert (found.mode, found.name) == ((said, "") if isinstance(said, str) else ("named", "f"))


def test_allowed_tools() -> None:
    """A choice among some tools leaves the others out."""
    tools = [FUNCTION, {"type": "function", "function": {"name": "g"}}, {"type": "web_search"}]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    asked = read(body(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed}))
    assert [tool.name for tool in asked.tools] == ["g"]
    assert asked.hosted_tools == ()
    assert asked.value("tool_choice") == ToolChoice("required")


@pytest.mark.parametrize("said", ["sometimes", 7, {"type": "web_search"}, {"type": "function"}, []])
def test_unknown_tool_choice(said: Any) -> None:
    """A choice that is not understood matters."""
    assert read(body(tools=[FUNCTION], tool_choice=said)).refused == ("tool_choice",)


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("max_output_tokens", {"max_tokens": 5}, 5),
        ("max_output_tokens", {"max_completion_tokens": 5}, 5),
        ("temperature", {"temperature": 0}, 0),
        ("top_p", {"top_p": 0.5}, 0.5),
        ("top_k", {"top_k": 40}, 40),
        ("stop", {"stop": "a"}, ("a",)),
        ("stop", {"stop": ["a", "b"]}, ("a", "b")),
        ("stop", {"stop": []}, None),
        ("seed", {"seed": 7}, 7),
        ("n", {"n": 2}, 2),
        ("n", {"n": 1}, None),
        ("frequency_penalty", {"frequency_penalty": -1.5}, -1.5),
        ("presence_penalty", {"presence_penalty": 1}, 1),
        ("logit_bias", {"logit_bias": {"50": -100}}, {"50": -100}),
        ("logprobs", {"logprobs": True}, 0),
        ("logprobs", {"logprobs": True, "top_logprobs": 3}, 3),
        ("logprobs", {"logprobs": False}, None),
        ("parallel_tool_calls", {"parallel_tool_calls": False}, False),
        ("user", {"user": "u"}, "u"),
        ("user", {"safety_identifier": "s", "user": "s"}, "s"),
        ("metadata", {"metadata": {"a": "b"}}, {"a": "b"}),
        ("service_tier", {"service_tier": "flex"}, "flex"),
        ("verbosity", {"verbosity": "low"}, "low"),
        ("cache_key", {"prompt_cache_key": "k"}, "k"),
        ("format", {"response_format": {"type": "text"}}, None),
        ("format", {"response_format": {"type": "json_object"}}, Format("json_object")),
        (
            "format",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {}, "strict": True},
                }
            },
            Format("json_schema", {}, "a", "", True),
        ),
        ("reasoning", {"reasoning_effort": "low"}, ReasoningSettings(True, "low")),
        ("reasoning", {"reasoning_effort": "none"}, ReasoningSettings(False)),
        (
            "reasoning",
            {"reasoning": {"effort": "high", "exclude": True}},
            ReasoningSettings(True, "high", None, False),
        ),
        ("reasoning", {"reasoning": {"max_tokens": 2000}}, ReasoningSettings(True, "", 2000)),
        ("reasoning", {"reasoning": {"enabled": True}}, ReasoningSettings(True)),
        ("reasoning", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, ReasoningSettings(True, "", 1024)),
        ("reasoning", {"thinking": {"type": "disabled"}}, ReasoningSettings(False)),
    ],
)
def test_options(name: str, asked: Json, expected: Any) -> None:
    """Each option is read, and nothing of it is reported."""
    found = read(body(**asked))
    assert found.value(name) == expected
    assert (found.dropped, found.refused) == ((), ())


@pytest.mark.parametrize(
    ("asked", "dropped"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"temperature": "warm"}, "temperature"),
        ({"seed": True}, "seed"),
        ({"stop": [1]}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"reasoning": {}}, "reasoning"),
        ({"store": True}, "store"),
        ({"prediction": {"type": "content"}}, "prediction"),
        ({"no_such_field": 0}, "no_such_field"),
        ({"messages": [{"role": "user", "content": "x", "name": "amy"}]}, "messages[].name"),
    ],
)
def test_dropped(asked: Json, dropped: str) -> None:
    """What cannot be taken, and does not matter, is reported under its own name."""
    assert read(body(**asked)).dropped == (dropped,)


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"response_format": {"type": "grammar", "value": "x"}}, "response_format"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "ash"}}, "modalities"),
    ],
)
def test_refused(asked: Json, refused: str) -> None:
    """What cannot be taken, and would make another answer."""
    found = read(body(**asked))
    assert (found.refused, found.dropped) == ((refused,), ())


def test_our_own_fields() -> None:
    """What speaks to the router, and what says how to send the answer, is no part of the question."""
    asked = body(stream=True, stream_options={"include_usage": True}, modalities=["text"])
    found = read(asked | dict.fromkeys(OUR_FIELDS, "x"))
    assert found.stream
    assert (found.dropped, found.refused) == ((), ())


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"messages": None}, "messages"),
        ({"messages": ["hi"]}, "messages[]"),
        ({"messages": [{"role": "narrator"}]}, "messages[].role"),
        ({"messages": [{"role": ["user"]}]}, "messages[].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[].content[]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[].content[].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[].content[].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[].content[].file.file_data",
        ),
        ({"messages": [{"role": "tool", "content": "3"}]}, "messages[].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}]},
            "messages[].tool_calls[].function.name",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 7}}]}]},
            "messages[].tool_calls[].function.arguments",
        ),
        (body(tools=[{"type": "function", "function": {}}]), "tools[].function.name"),
    ],
)
def test_malformed(asked: Json, path: str) -> None:
    """What would be lost with its place, and cannot be understood, is the caller's fault, and named."""
    with pytest.raises(BadRequest) as caught:
        read(asked)
    assert caught.value.param == path


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800")
_WORDS = st.sampled_from(
    ["text", "image_url", "file", "function", "custom", "assistant", "tool", "user", "reasoning.text", "thinking"]
)
_NAMES = st.sampled_from(
    [
        *(
            "role",
            "type",
            "content",
            "text",
            "image_url",
            "url",
            "file",
            "file_data",
            "function",
            "custom",
            "name",
        ),
        *(
            "arguments",
            "input",
            "tool_calls",
            "function_call",
            "reasoning_details",
            "index",
            "tools",
            "tool_choice",
        ),
        *("allowed_tools", "mode", "response_format", "json_schema", "schema", "reasoning", "effort", "thinking"),
        *("stop", "n", "logprobs", "top_logprobs", "messages", "functions", "tool_call_id", "id", "cache_control"),
    ]
)
_HOSTILE = st.recursive(
    _LEAVES | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=6),
    max_leaves=30,
)


TARGETS = [Target("m"), Target("m", max_output_tokens=9, cache_control=True, sampling=False, thinking="none")]


@given(st.dictionaries(_NAMES, _HOSTILE, max_size=8), st.lists(st.dictionaries(_NAMES, _HOSTILE), max_size=3))
def test_hostile_requests(asked: Json, messages: list[Json]) -> None:
    """Whatever is sent: a request that can be written, or a BadRequest."""
    for message in messages:
        message.setdefault("role", "assistant")
    with suppress(BadRequest):
        found = read({**asked, "messages": messages})
        assert len(found.turns) == len(messages)
        for target in TARGETS:
            CONVERSION.write_request(found, target, Report())


def test_deep_arguments() -> None:
    """Arguments that are nested deeper than they can be written are the caller's fault."""
    deep: Json = {}
    for _ in range(100_000):
        deep = {"a": deep}
    call = {"id": "c", "function": {"name": "f", "arguments": deep}}
    with pytest.raises(BadRequest, match="arguments"):
        read({"messages": [{"role": "assistant", "tool_calls": [call]}]})


@pytest.mark.parametrize(
    "url", ["data:" + "a" * 200_000, "data:image/png" + ";x" * 100_000, "data:" + ";" * 200_000]
)
def test_a_long_url_takes_no_longer_than_its_length(url: str) -> None:
    """What is no data URL is passed as a URL; a search that grew with the square would not end here."""
    part = {"type": "image_url", "image_url": {"url": url}}
    (turn,) = CONVERSION.read_request({"messages": [{"role": "user", "content": [part]}]}).turns
    assert [part.url for part in turn.parts if isinstance(part, Image)] == [url]
