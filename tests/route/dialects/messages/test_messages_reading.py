"""Requests for Anthropic's messages, read: each field of the dialect is carried, refused or reported."""

from typing import Any

import pytest
import typing_extensions as te
from anthropic.types.beta import message_create_params as beta
from anthropic.types.message_create_params import MessageCreateParamsBase

from route.dialects.base import OUR_FIELDS
from route.dialects.messages import MESSAGES
from route.dialects.neutral import (
    File,
    Format,
    HostedTool,
    Image,
    NeutralRequest,
    Option,
    ReasoningSettings,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from route.errors import BadRequest
from tests.route.build import Json

MARK = {"type": "ephemeral"}
PART = "messages[].content[]"
USER: Json = {"role": "user", "content": "Hello"}


def read(body: Json) -> NeutralRequest:
    assert MESSAGES.conversion is not None
    return MESSAGES.conversion.read_request(body)


def asked(**more: Any) -> NeutralRequest:
    return read({"model": "m", "max_tokens": 64, "messages": [USER], **more})


def said(*blocks: Json, role: str = "user") -> NeutralRequest:
    """What one message with these blocks becomes."""
    return asked(messages=[{"role": role, "content": list(blocks)}])


def parts(*blocks: Json, role: str = "user") -> list[Any]:
    request = said(*blocks, role=role)
    assert (request.dropped, request.refused) == ((), ())
    return request.parts


def test_texts_stand_as_they_are_and_where_they_were() -> None:
    """A text for content is one part; a mark for the cache stays with its block."""
    request = asked(
        system="Be kind", messages=[USER, {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}]
    )
    assert request.turns == (
        Turn("system", (Text(text="Be kind", at="system"),), "system"),
        Turn("user", (Text(text="Hello", at="messages[].content"),), "messages[]"),
        Turn("assistant", (Text(text="Hi", at=PART),), "messages[]"),
    )
    assert parts({"type": "text", "text": "x", "cache_control": MARK}) == [Text(text="x", at=PART, cache=MARK)]


def test_the_first_system_block_of_claude_code_speaks_to_anthropic_alone() -> None:
    """It is left out and reported; a text that begins so anywhere else is the caller's."""
    billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"}
    request = asked(system=[billing, {"type": "text", "text": "Be kind"}])
    assert [part for turn in request.turns[:1] for part in turn.parts] == [Text(text="Be kind", at="system[]")]
    assert request.dropped == ("system[]",)
    assert len(asked(system=[{"type": "text", "text": "Be kind"}, billing]).turns[0].parts) == 2
    assert [turn.role for turn in asked(system=[billing]).turns] == ["user"]


def test_a_system_message_in_mid_talk_stays_at_its_place() -> None:
    """Claude Code's own setting on it is reported."""
    system = {"role": "system", "content": "Now", "output_config": {"effort": "low"}}
    request = asked(messages=[USER, system])
    assert [turn.role for turn in request.turns] == ["user", "system"]
    assert request.dropped == ("messages[].output_config",)


@pytest.mark.parametrize(("clear_at", "stays"), [("next_user_message", False), ("never", True)])
def test_a_system_message_for_one_turn_ends_with_it(clear_at: str, stays: bool) -> None:
    """Once the user has spoken again it is left out; until then it stays, and neither is a loss."""
    system = {"role": "system", "content": "Now", "clear_at": clear_at}
    assert ("system" in [turn.role for turn in asked(messages=[USER, system, USER]).turns]) is stays
    request = asked(messages=[USER, system])
    assert [turn.role for turn in request.turns] == ["user", "system"]
    assert request.dropped == ()


@pytest.mark.parametrize(
    ("source", "image"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "AA=="},
            {"media_type": "image/png", "data": "AA=="},
        ),
        ({"type": "url", "url": "https://a.example/b"}, {"url": "https://a.example/b"}),
        ({"type": "file", "file_id": "file_1"}, {"file_id": "file_1"}),
    ],
)
def test_images_and_documents_by_value_address_and_id(source: Json, image: Json) -> None:
    """Each source has its own field; an image keeps its mark, a document its title."""
    assert parts({"type": "image", "source": source, "cache_control": MARK}) == [
        Image(**image, at=PART, cache=MARK)
    ]
    assert parts({"type": "document", "source": source, "title": "b"}) == [File(**image, name="b", at=PART)]


def test_documents_of_text() -> None:
    """Plain, or in blocks; blocks with images among them stand by themselves. A context is a text before."""
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    assert parts({"type": "document", "source": source, "title": "t", "context": "c"}) == [
        Text(text="c", at=f"{PART}.context"),
        File(text="x", media_type="text/plain", name="t", at=PART),
    ]
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parts({"type": "document", "source": {"type": "content", "content": blocks}}) == [
        File(text="a\nb", at=PART)
    ]
    assert parts({"type": "document", "source": {"type": "content", "content": "a"}}) == [File(text="a", at=PART)]
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example"}}
    kinds = [
        type(p) for p in parts({"type": "document", "source": {"type": "content", "content": [*blocks, image]}})
    ]
    assert kinds == [Text, Text, Image]


def test_citations_and_search_results() -> None:
    """The texts are carried; where they come from is reported."""
    found = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}
    request = said({"type": "text", "text": "y", "citations": [{}]}, found)
    assert [part.text for part in request.parts if isinstance(part, Text)] == ["y", "x"]
    assert request.dropped == (f"{PART}.citations", f"{PART}.source", f"{PART}.title")


def test_thoughts_with_their_seals() -> None:
    """A thought keeps its signature; a redacted one is its seal alone."""
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    assert parts(thinking, {"type": "redacted_thinking", "data": "AA"}, role="assistant") == [
        Thinking(text="hm", signature="c2ln", at=PART),
        Thinking(redacted="AA", at=PART),
    ]


def test_calls_and_results() -> None:
    """Arguments are JSON as text; a result is a text, or texts, images and documents."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}, "caller": {"type": "direct"}}
    assert parts(call, role="assistant") == [ToolCall(id="toolu_1", name="f", arguments='{"a":[1]}', at=PART)]
    result = {"type": "tool_result", "tool_use_id": "toolu_1"}
    assert parts(result) == [ToolResult(call_id="toolu_1", parts=(), at=PART)]
    text = Text(text="42", at=f"{PART}.content")
    assert parts(result | {"content": "42", "is_error": True, "cache_control": MARK}) == [
        ToolResult(call_id="toolu_1", parts=(text,), is_error=True, at=PART, cache=MARK)
    ]
    shown = [
        {"type": "text", "text": "a"},
        {"type": "image", "source": {"type": "url", "url": "https://a.example"}},
        {"type": "tool_reference", "tool_name": "g"},
    ]
    (read_back,) = parts(result | {"content": shown})
    inside = f"{PART}.content[]"
    assert read_back.parts == (
        Text(text="a", at=inside),
        Image(url="https://a.example", at=inside),
        Text(text="g", at=inside),
    )


@pytest.mark.parametrize(
    ("role", "block"),
    [
        ("assistant", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        ("assistant", {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
        ("assistant", {"type": "mcp_tool_use", "id": "s"}),
        ("user", {"type": "container_upload", "file_id": "f"}),
        ("user", {"type": "a_new_kind", "x": 1}),
        ("user", {"type": "tool_use", "id": "a", "name": "f", "input": {}}),
        ("assistant", {"type": "tool_result", "tool_use_id": "a"}),
        ("system", {"type": "image", "source": {}}),
    ],
)
def test_blocks_that_no_other_dialect_has_are_refused(role: str, block: Json) -> None:
    """By name, and without a word of what is in them."""
    request = said(block, role=role)
    assert (request.refused, request.dropped) == ((f"{PART}.{block['type']}",), ())


def test_tools_that_come_and_go_in_mid_talk() -> None:
    """Those of the request are there from its start, which is reported; one that is new is refused."""
    known = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}
    assert said(known, role="system").dropped == (PART,)
    new = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {}}}
    assert said(new, role="system").refused == (f"{PART}.tool.tool_definition",)


def test_tools() -> None:
    """Functions are carried, what steers how they are sent is reported, all other types are hosted."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    function = {"name": "f", "description": "d", "input_schema": schema, "strict": True, "cache_control": MARK}
    knobs = {"eager_input_streaming": True, "defer_loading": True, "input_examples": [{}]}
    bash = {"type": "bash_20250124", "name": "bash"}
    request = asked(tools=[function, {"type": "custom", "name": "g", "input_schema": {}, **knobs}, bash])
    assert request.tools == (
        Tool("f", "d", schema, strict=True, cache=MARK, at="tools[]"),
        Tool("g", parameters={}, at="tools[]"),
    )
    assert request.hosted_tools == (HostedTool("bash_20250124", "tools[].bash_20250124"),)
    assert request.dropped == tuple(sorted(f"tools[].{name}" for name in knobs))


def test_a_placeholder_without_a_schema_is_no_tool() -> None:
    """With one it is carried like any other."""
    placeholder = {"name": "DeferredToolPlaceholder", "description": "d", "defer_loading": True}
    assert (asked(tools=[placeholder]).tools, asked(tools=[placeholder]).dropped) == ((), ("tools[]",))
    assert [tool.name for tool in asked(tools=[placeholder | {"input_schema": {}}]).tools] == [placeholder["name"]]


def test_settings() -> None:
    """Each by its neutral name, and where it stood."""
    request = asked(
        temperature=0.5,
        top_p=1,
        top_k=5,
        stop_sequences=["a", "b"],
        metadata={"user_id": "u"},
        stream=True,
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    )
    assert request.options == {
        "max_output_tokens": Option(64, "max_tokens"),
        "temperature": Option(0.5, "temperature"),
        "top_p": Option(1, "top_p"),
        "top_k": Option(5, "top_k"),
        "stop": Option(("a", "b"), "stop_sequences"),
        "user": Option("u", "metadata.user_id"),
        "parallel_tool_calls": Option(False, "tool_choice.disable_parallel_tool_use"),
        "tool_choice": Option(ToolChoice("named", "f"), "tool_choice"),
    }
    assert (request.stream, request.dropped, request.refused) == (True, (), ())


@pytest.mark.parametrize(("word", "mode"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_choices_of_tools(word: str, mode: Any) -> None:
    """Each of Anthropic's words has a neutral one; `any` is `required`."""
    assert asked(tool_choice={"type": word}).value("tool_choice") == ToolChoice(mode)


@pytest.mark.parametrize(
    ("body", "reasoning", "at"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            ReasoningSettings(True, budget_tokens=2048),
            "thinking",
        ),
        ({"thinking": {"type": "disabled"}}, ReasoningSettings(False), "thinking"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ReasoningSettings(shown=False), "thinking"),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}},
            ReasoningSettings(effort="xhigh", shown=True),
            "thinking",
        ),
        ({"output_config": {"effort": "low"}}, ReasoningSettings(effort="low"), "output_config.effort"),
    ],
)
def test_reasoning(body: Json, reasoning: ReasoningSettings, at: str) -> None:
    """Thinking and effort are one option: on or off, budget, effort, and whether it is shown. Nothing is lost."""
    request = asked(**body)
    assert request.options["reasoning"] == Option(reasoning, at)
    assert (request.dropped, request.refused) == ((), ())


def test_an_effort_of_no_thought_is_reported() -> None:
    """Who does not want thoughts is not read as wanting many."""
    request = asked(thinking={"type": "disabled"}, output_config={"effort": "max"})
    assert request.value("reasoning") == ReasoningSettings(False)
    assert request.dropped == ("output_config.effort",)


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_structured_output(field: str) -> None:
    """In today's place, and in the one before it; a format of another type is refused."""
    schema = {"type": "object", "properties": {}}
    wanted = {"type": "json_schema", "schema": schema}
    body = {"output_config": {"format": wanted}} if field == "output_config" else {field: wanted}
    at = "output_config.format" if field == "output_config" else field
    assert asked(**body).options["format"] == Option(Format("json_schema", schema=schema), at)
    assert asked(output_format={"type": "grammar"}).refused == ("output_format",)


def test_no_answer_at_all_is_asked_of_anthropic_alone() -> None:
    """0 tokens fill its cache; 1 is the least that others give."""
    assert asked(max_tokens=0).refused == ("max_tokens",)
    assert asked(max_tokens=1).value("max_output_tokens") == 1


@pytest.mark.parametrize(
    ("name", "nothing", "something"),
    [
        ("mcp_servers", [], [{"type": "url", "url": "https://a.example", "name": "a"}]),
        ("container", None, "container_1"),
        ("thread", None, {"id": "t"}),
    ],
)
def test_what_only_the_vendors_servers_keep_is_refused(name: str, nothing: Any, something: Any) -> None:
    """It is named; empty or null asks for nothing."""
    assert asked(**{name: something}).refused == (name,)
    assert (asked(**{name: nothing}).refused, asked(**{name: nothing}).dropped) == ((), ())


CARRIED = {"model", "messages", "max_tokens", "stream", "system"}
FIELDS = {*te.get_type_hints(MessageCreateParamsBase), *te.get_type_hints(beta.MessageCreateParamsBase)}


@pytest.mark.parametrize("name", sorted({*FIELDS, "output_format", "of_tomorrow"} - CARRIED))
def test_no_field_of_the_sdk_is_lost_in_silence(name: str) -> None:
    """Whatever the vendor's SDK can send: one of a wrong type, or that we do not know, is reported by its name."""
    request = asked(**{name: object()})
    assert name in {*request.dropped, *request.refused}


def test_fields_of_the_routers_own_are_no_loss() -> None:
    """They are for us, so no provider misses them."""
    assert asked(**dict.fromkeys(OUR_FIELDS, "x")).dropped == ()


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [1]}, "messages[]"),
        ({"messages": [{"content": "x"}]}, "messages[].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, f"{PART}.text"),
        ({"messages": [USER], "system": 7}, "system"),
        ({"messages": [USER], "tools": [{"input_schema": {}}]}, "tools[].name"),
    ],
)
def test_what_is_no_request_is_named(body: Json, at: str) -> None:
    """The error says where it stands, as its parameter and in its message."""
    with pytest.raises(BadRequest) as bad:
        read(body)
    assert bad.value.param == at
    assert bad.value.message.startswith(f"{at}: ")


def test_arguments_nested_beyond_all_writing_are_a_bad_request() -> None:
    """The caller gets an error with the place, not a crash of ours."""
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(BadRequest) as bad:
        said({"type": "tool_use", "id": "a", "name": "f", "input": deep}, role="assistant")
    assert bad.value.param == f"{PART}.input"
