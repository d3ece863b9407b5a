"""Requests of Responses, read to the neutral form: each field is carried, refused or reported, never lost."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.fields import Report
from route.dialects.neutral import (
    Audio,
    File,
    Format,
    HostedTool,
    Image,
    NeutralRequest,
    Option,
    Part,
    ReasoningSettings,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from route.dialects.responses.conversion import CONVERSION
from route.dialects.responses.seals import Seal, pack
from route.errors import BadRequest
from tests.route.dialects.responses.responses_requests import TARGET
from tests.route.dialects.responses.responses_wire import JSON

Json = dict[str, Any]
SEALED = pack(Seal(signature="sig", redacted="red"))


def read(body: Json | None = None, *items: Any, **more: Any) -> NeutralRequest:
    asked = {"model": "m", **({"input": list(items)} if items else {"input": "Hello"})}
    return CONVERSION.read_request(asked | (body or {}) | more)


def parts(*items: Any) -> list[list[Part]]:
    return [[*turn.parts] for turn in read(None, *items).turns]


def test_a_text_is_the_users() -> None:
    """An input of text alone is one turn of the user, and the instructions are the system's before it."""
    request = read(instructions="Be brief.")
    assert [(turn.role, turn.parts) for turn in request.turns] == [
        ("system", (Text(text="Be brief.", at="instructions"),)),
        ("user", (Text(text="Hello", at="input"),)),
    ]
    assert (request.dropped, request.refused) == ((), ())


def test_messages_of_both_kinds() -> None:
    """With and without a type, as text or in parts, of all four sides."""
    request = read(
        None,
        {"role": "developer", "content": "D"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "S"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "U"}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "A", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "No"},
            ],
        },
    )
    assert [turn.role for turn in request.turns] == ["developer", "system", "user", "assistant"]
    assert request.turns[3].parts == (Text(text="A", at=AT), Refusal(text="No", at=AT))
    assert (request.dropped, request.refused) == ((), ())


AT = "input[].content[]"


def test_what_an_assistant_does_in_one_go_is_one_turn() -> None:
    """Reasoning, text and calls; each result of a tool is a turn of the user."""
    request = read(
        None,
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "content": []},
        {"role": "assistant", "content": "So."},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "namespace": "n"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "text"},
        {"type": "function_call_output", "call_id": "c1", "output": "One"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "Two"}]},
    )
    assert [turn.role for turn in request.turns] == ["assistant", "user", "user"]
    assert request.turns[0].parts == (
        Thinking(text="Hm.", at="input[]"),
        Text(text="So.", at="input[].content"),
        ToolCall(id="c1", name="f", arguments="{}", namespace="n", at="input[]"),
        ToolCall(id="c2", name="g", arguments="text", free=True, at="input[]"),
    )
    one, two = (turn.parts[0] for turn in request.turns[1:])
    assert isinstance(one, ToolResult)
    assert isinstance(two, ToolResult)
    assert (one.call_id, one.free, one.parts) == ("c1", False, (Text(text="One", at="input[].output"),))
    assert (two.call_id, two.free, two.parts) == ("c2", True, (Text(text="Two", at="input[].output[]"),))
    assert (request.dropped, request.refused) == ((), ())


@pytest.mark.parametrize(
    ("encrypted", "seal"),
    [
        (SEALED, {"signature": "sig", "redacted": "red"}),
        ("gAAAA", {"encrypted": "gAAAA"}),
        (pack(Seal()), {}),
        ("warmroute:damaged", {}),
    ],
)
def test_a_seal_is_given_back_to_who_made_it(encrypted: str, seal: Json) -> None:
    """One that we packed is opened, OpenAI's stays as it is, an empty or damaged one is none."""
    item = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": encrypted,
    }
    assert parts(item) == [[Thinking(text="Hm.", at="input[]", **seal)]]


def test_media() -> None:
    """Images and files by URL, as data and by id; audio."""
    content = [
        {"type": "input_image", "detail": "auto", "image_url": "https://x/y.png"},
        {"type": "input_image", "detail": "low", "image_url": "data:image/jpeg;base64,AAAA"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
        {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,BBBB"},
        {"type": "input_file", "file_data": "CCCC"},
        {"type": "input_audio", "input_audio": {"data": "DDDD", "format": "wav"}},
    ]
    assert parts({"role": "user", "content": content}) == [
        [
            Image(url="https://x/y.png", at=AT),
            Image(media_type="image/jpeg", data="AAAA", detail="low", at=AT),
            Image(file_id="file-1", at=AT),
            File(url="https://x/y.pdf", at=AT),
            File(media_type="text/plain", data="BBBB", name="a.txt", at=AT),
            File(media_type="application/pdf", data="CCCC", at=AT),
            Audio(data="DDDD", format="wav", at=AT),
        ]
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "local_shell_call",
        "shell_call_output",
        "apply_patch_call",
        "computer_call",
        "web_search_call",
        "file_search_call",
        "mcp_call",
        "item_reference",
        "compaction",
        "future",
    ],
)
def test_a_history_that_only_this_dialect_can_say_is_refused(kind: str) -> None:
    """Each such item is refused by its type, an unknown one too."""
    request = read(None, {"type": kind, "id": "x", "status": "completed", "action": {"a": 1}}, {"role": "user"})
    assert request.refused == (f"input[].{kind}",)
    assert request.dropped == ()


def test_a_reference_needs_no_type() -> None:
    """An item with nothing but an id is one, and is refused as one."""
    assert read(None, {"id": "msg_1"}).refused == ("input[].item_reference",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt"}),
        ("background", True),
    ],
)
def test_what_only_one_provider_keeps_is_refused(name: str, value: object) -> None:
    """What is stored there cannot be had elsewhere: the field is named."""
    request = read({name: value})
    assert (request.refused, request.dropped) == ((name,), ())


@pytest.mark.parametrize(
    ("body", "dropped"),
    [
        ({"store": False, "background": False, "truncation": "disabled", "stream": True}, ()),
        ({"store": True}, ("store",)),
        ({"truncation": "auto"}, ("truncation",)),
        ({"include": ["reasoning.encrypted_content"]}, ()),
        ({"include": ["file_search_call.results", 5]}, ("include[]",)),
        ({"stream_options": {"include_obfuscation": False}}, ()),
        ({"stream_options": {"include_obfuscation": True}}, ("stream_options.include_obfuscation",)),
        ({"client_metadata": {"session_id": "s"}}, ("client_metadata",)),
        ({"max_tool_calls": 3, "future": {"a": 1}}, ("future", "max_tool_calls")),
        ({"temperature": "hot", "max_output_tokens": True}, ("max_output_tokens", "temperature")),
        ({"reasoning": {"effort": "absurd", "summary": "detailed"}}, ("reasoning.effort", "reasoning.summary")),
        ({"reasoning": 5}, ("reasoning",)),
        ({"text": {"format": {"type": "text"}, "odd": 1}}, ("text.odd",)),
        ({"tools": [{"type": "custom", "name": "p", "format": {"type": "text"}}]}, ()),
        ({"user": "u", "safety_identifier": "s"}, ("user",)),
        ({"session": "s", "profile": "p", "routing_hint": "cost", "min_quality": 0.5}, ()),
    ],
)
def test_what_is_left_is_reported(body: Json, dropped: tuple[str, ...]) -> None:
    """Each field that nobody took, and none that says only what is so anyway."""
    request = read(body)
    assert (request.dropped, request.refused) == (dropped, ())


def test_options() -> None:
    """Each where it stood."""
    request = read(
        {
            "max_output_tokens": 50,
            "temperature": 1,
            "top_p": 0.5,
            "parallel_tool_calls": False,
            "metadata": {"a": "b"},
            "service_tier": "flex",
            "prompt_cache_key": "k",
            "safety_identifier": "u",
            "include": ["message.output_text.logprobs"],
            "top_logprobs": 3,
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True},
                "verbosity": "low",
            },
            "reasoning": {"effort": "low", "summary": "auto"},
        }
    )
    assert request.options == {
        "max_output_tokens": Option(50, "max_output_tokens"),
        "temperature": Option(1, "temperature"),
        "top_p": Option(0.5, "top_p"),
        "parallel_tool_calls": Option(False, "parallel_tool_calls"),
        "metadata": Option({"a": "b"}, "metadata"),
        "service_tier": Option("flex", "service_tier"),
        "cache_key": Option("k", "prompt_cache_key"),
        "user": Option("u", "safety_identifier"),
        "logprobs": Option(3, "include[]"),
        "format": Option(Format("json_schema", {}, "n", "", True), "text.format"),
        "verbosity": Option("low", "text.verbosity"),
        "reasoning": Option(ReasoningSettings(True, "low", None, True), "reasoning"),
    }
    assert request.dropped == ()
    assert read({"reasoning": {"effort": "none"}}).value("reasoning") == ReasoningSettings(False)
    assert read({"text": {"format": {"type": "json_object"}}}).value("format") == Format("json_object")


TOOLS: list[Json] = [
    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "description": "F"},
    {"type": "custom", "name": "c"},
    {
        "type": "namespace",
        "name": "n",
        "tools": [{"type": "function", "name": "g"}, {"type": "custom", "name": "h"}],
    },
    {"type": "web_search", "search_context_size": "low"},
]


def test_tools() -> None:
    """Those of a namespace know it; those that the provider runs are told apart."""
    request = read(tools=TOOLS)
    assert request.tools == (
        Tool("f", "F", {"type": "object"}, True, at="tools[]"),
        Tool("c", free=True, at="tools[]"),
        Tool("g", namespace="n", at="tools[].tools[]"),
        Tool("h", namespace="n", free=True, at="tools[].tools[]"),
    )
    assert request.hosted_tools == (HostedTool("web_search", "tools[].web_search"),)
    assert request.dropped == ()


def test_a_grammar_is_told_to_the_model() -> None:
    """It cannot be enforced elsewhere, and that is reported."""
    form = {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    request = read(tools=[{"type": "custom", "name": "p", "description": "Patch.", "format": form}])
    assert request.tools[0].description == "Patch.\n\nThe input must follow this lark:\nstart: A"
    assert request.dropped == ("tools[].format",)


@pytest.mark.parametrize(
    ("choice", "mode", "name", "left"),
    [
        ("auto", "auto", "", "fcgh"),
        ("none", "none", "", "fcgh"),
        ("required", "required", "", "fcgh"),
        ({"type": "function", "name": "f"}, "named", "f", "fcgh"),
        ({"type": "custom", "name": "c"}, "named", "c", "fcgh"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            "required",
            "",
            "f",
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "n"}]},
            "auto",
            "",
            "gh",
        ),
    ],
)
def test_tool_choice(choice: object, mode: Any, name: str, left: str) -> None:
    """What may not be called needs no telling."""
    request = read(tools=TOOLS, tool_choice=choice)
    assert request.options["tool_choice"] == Option(ToolChoice(mode, name), "tool_choice")
    assert "".join(tool.name for tool in request.tools) == left
    assert (request.dropped, request.refused) == ((), ())


@pytest.mark.parametrize(
    "choice", [{"type": "web_search_preview"}, {"type": "mcp", "server_label": "s"}, {"type": []}]
)
def test_a_choice_of_what_the_provider_runs_is_refused(choice: object) -> None:
    """No other provider can be made to run it, and a type that is no word is refused too."""
    assert read(tools=TOOLS, tool_choice=choice).refused == ("tool_choice",)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": ["x"]}, "input"),
        ({"input": [{"role": "ghost", "content": ""}]}, "input[].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]}, "input[].content[].text"),
        ({"input": [{"type": "function_call", "arguments": "{}"}]}, "input[].name"),
        ({"input": [{"type": "function_call_output", "output": ""}]}, "input[].call_id"),
        ({"instructions": 5}, "instructions"),
        ({"tools": [{"name": "f"}]}, "tools[].type"),
        ({"tools": [{"type": "function"}]}, "tools[].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]}, "tools[].tools[].name"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(body: Json, param: str) -> None:
    """The error says where it stands, as its parameter and in its message."""
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert caught.value.param == param
    assert param in caught.value.message


BODY: Json = {
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAAA"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "One"},
    ],
    "tools": TOOLS,
    "tool_choice": "auto",
    "text": {"format": {"type": "json_schema", "schema": {}}},
    "reasoning": {"effort": "low"},
    "include": [],
    "stream_options": {},
    "prompt": None,
    "metadata": {},
    "top_logprobs": 1,
    "user": "u",
}


@given(st.data())
def test_hostile_requests_are_read_or_refused(data: st.DataObject) -> None:
    """Whatever stands where; and what is read can be written."""
    body = {**BODY, "input": [dict(item) for item in BODY["input"]], "tools": [dict(tool) for tool in TOOLS]}
    held = data.draw(st.sampled_from([body, body["reasoning"], *body["input"], *body["tools"]]))
    name = data.draw(st.sampled_from([*held, "namespace", "id", "role", "store", "background", "conversation"]))
    broken = {**held, name: data.draw(JSON)}
    for key in ("input", "tools"):
        body[key] = [broken if item is held else item for item in body[key]]
    body = broken if held is body else body
    with contextlib.suppress(BadRequest):
        CONVERSION.write_request(CONVERSION.read_request(body), TARGET, Report())
