"""Requests written for a provider of Responses: each part is carried, refused or reported, never lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ToolParam
from pydantic import TypeAdapter

from route.dialects.conversion import Target
from route.dialects.neutral import (
    Audio,
    File,
    Format,
    HostedTool,
    Image,
    Option,
    Part,
    ReasoningSettings,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.route.dialects.responses.responses_requests import HELLO, Json, option, write

TOOL_LIST: TypeAdapter[Any] = TypeAdapter(list[ToolParam])


def test_a_request_is_written() -> None:
    """One system text is the instructions; nothing is kept; the vendor's own types take it."""
    body, report = write(
        Turn("system", (Text(text="Be brief."),)),
        Turn("developer", (Text(text="D"),)),
        HELLO,
        Turn(
            "assistant",
            (
                Thinking(text="Hm.", encrypted="gAAAA"),
                Text(text="So."),
                ToolCall(id="c1", name="f", arguments=""),
                ToolCall(id="c2", name="g", arguments="text", free=True, namespace="n"),
            ),
        ),
        Turn("user", (ToolResult(call_id="c1", parts=(Text(text="1"),)), ToolResult(call_id="c2", parts=()))),
        stream=True,
    )
    assert body == {
        "model": "small-2026-01",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "D"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "gAAAA",
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "namespace": "n", "input": "text"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": ""},
        ],
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
    }
    assert (report.dropped, report.refused) == ((), ())


def test_system_texts_that_are_no_instructions_are_messages() -> None:
    """Several texts keep their bounds, and a conversation of nothing else needs an input."""
    several = Turn("system", (Text(text="A"), Text(text="B")))
    assert "instructions" not in write(several, HELLO)[0]
    only, _ = write(Turn("system", (Text(text="A"),)))
    assert [item["role"] for item in only["input"]] == ["system"]


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("max_output_tokens", 16, {"max_output_tokens": 16}),
        ("temperature", 2, {"temperature": 2}),
        ("top_p", 0.5, {"top_p": 0.5}),
        ("n", 1, {}),
        ("stop", (), {}),
        ("logprobs", 0, {"include": ["message.output_text.logprobs"]}),
        ("logprobs", 5, {"include": ["message.output_text.logprobs"], "top_logprobs": 5}),
        ("user", "u", {"safety_identifier": "u"}),
        ("metadata", {"a": "b"}, {"metadata": {"a": "b"}}),
        ("service_tier", "flex", {"service_tier": "flex"}),
        ("verbosity", "low", {"text": {"verbosity": "low"}}),
        ("cache_key", "k", {"prompt_cache_key": "k"}),
        ("format", Format("json_object"), {"text": {"format": {"type": "json_object"}}}),
        (
            "format",
            Format("json_schema", {"type": "object"}, "", "", True),
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "answer",
                        "schema": {"type": "object"},
                        "strict": True,
                    }
                }
            },
        ),
        ("reasoning", ReasoningSettings(False), {"reasoning": {"effort": "none"}}),
        (
            "reasoning",
            ReasoningSettings(True, "high", None, True),
            {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        ),
        (
            "reasoning",
            ReasoningSettings(True, "", 16_000),
            {"reasoning": {"effort": "medium"}, "include": ["reasoning.encrypted_content"]},
        ),
    ],
)
def test_options_are_carried(name: str, value: object, written: Json) -> None:
    """Each has its field here, what is so anyway needs none, and nothing is reported."""
    body, report = option(name, value)
    assert {key: body[key] for key in body if key not in ("model", "input", "store")} == written
    assert (report.dropped, report.refused) == ((), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_k", 5),
        ("seed", 7),
        ("frequency_penalty", 0.1),
        ("presence_penalty", 0.1),
        ("logit_bias", {"1": 1}),
        ("max_output_tokens", 15),
        ("metadata", {"a": 1}),
        ("service_tier", "standard_only"),
        ("verbosity", "loud"),
        ("parallel_tool_calls", True),
        ("tool_choice", ToolChoice("required")),
        ("reasoning", ReasoningSettings(True)),
    ],
)
def test_options_are_dropped(name: str, value: object) -> None:
    """Because the dialect has no word for them, or takes none such."""
    _, report = option(name, value)
    assert (report.dropped, report.refused) == ((name,), ())


@pytest.mark.parametrize(
    ("name", "value"), [("n", 2), ("stop", ("END",)), ("tool_choice", ToolChoice("named", "gone"))]
)
def test_options_are_refused(name: str, value: object) -> None:
    """Because the answer would be another one."""
    _, report = option(name, value)
    assert (report.dropped, report.refused) == ((), (name,))


def test_what_the_model_cannot_do() -> None:
    """Sampling and thinking are dropped; images and structured output are refused; limits are the model's."""
    weak = Target(
        "m", max_output_tokens=100, images=False, structured_output=False, thinking="none", sampling=False
    )
    assert option("temperature", 1, target=weak)[1].dropped == ("temperature",)
    assert option("reasoning", ReasoningSettings(True, "low"), target=weak)[1].dropped == ("reasoning",)
    assert option("format", Format("json_object"), target=weak)[1].refused == ("format",)
    body, report = option("max_output_tokens", 101, target=weak)
    assert (body["max_output_tokens"], report.dropped) == (100, ("max_output_tokens",))
    assert write(Turn("user", (Image(url="u", at="i"),)), target=weak)[1].refused == ("i.image",)


@pytest.mark.parametrize(
    ("budget", "most", "effort"),
    [(1024, 10_240, "minimal"), (3499, 10_000, "low"), (3501, 10_000, "medium"), (9_000, 10_000, "max")],
)
def test_a_budget_is_the_nearest_effort(budget: int, most: int, effort: str) -> None:
    """By its share of all that may be said."""
    options = {
        "max_output_tokens": Option(most, "m"),
        "reasoning": Option(ReasoningSettings(True, "", budget), "r"),
    }
    assert write(options=options)[0]["reasoning"] == {"effort": effort}


@pytest.mark.parametrize(
    ("part", "refused", "dropped"),
    [
        (Thinking(text="Hm.", signature="s", at="p"), ("p.thinking",), ()),
        (Thinking(redacted="r", at="p"), ("p.thinking",), ()),
        (Thinking(text="Hm.", at="p"), (), ("p.thinking",)),
        (Image(file_id="file_anthropics", at="p"), ("p.image",), ()),
        (File(file_id="file_anthropics", at="p"), ("p.document",), ()),
        (Audio(data="D", format="wav", at="p"), ("p.audio",), ()),
        (Text(text="x", at="p", cache={"type": "ephemeral"}), (), ("p.cache_control",)),
    ],
)
def test_parts_that_cannot_be_said(part: Part, refused: tuple[str, ...], dropped: tuple[str, ...]) -> None:
    """What would change the answer is refused; unsealed thoughts and marks for the cache are dropped."""
    _, report = write(HELLO, Turn("user", (part,)))
    assert (report.refused, report.dropped) == (refused, dropped)


def test_media_is_written() -> None:
    """Each as the vendor has it; a text document as the text that it is."""
    body, report = write(
        Turn(
            "user",
            (
                Image(url="https://x/y.png", detail="low"),
                Image(media_type="image/jpeg", data="AAAA"),
                File(media_type="application/pdf", data="BBBB"),
                File(url="https://x/y.pdf"),
                File(file_id="file-1"),
                File(text="Long.", name="a.txt"),
            ),
        )
    )
    assert body["input"][0]["content"] == [
        {"type": "input_image", "detail": "low", "image_url": "https://x/y.png"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/jpeg;base64,AAAA"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,BBBB"},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_text", "text": "a.txt\n\nLong."},
    ]
    assert (report.dropped, report.refused) == ((), ())


@pytest.mark.parametrize(
    ("parts", "output"),
    [
        ((Text(text="No such file"),), "Error: No such file"),
        ((Text(text="Error: none"),), "Error: none"),
        ((), "Error"),
    ],
)
def test_a_result_that_is_an_error_says_so(parts: tuple[Part, ...], output: str) -> None:
    """There is no field for it."""
    body, _ = write(Turn("user", (ToolResult(call_id="c", parts=parts, is_error=True),)))
    assert body["input"][0]["output"] == output


def test_a_result_may_hold_an_image_and_belongs_to_its_call() -> None:
    """A result of a tool that takes free text is of another type, also where only the call knows that."""
    call = ToolCall(id="c", name="f", arguments="x", free=True)
    image = ToolResult(call_id="c", parts=(Text(text="See:"), Image(url="u")))
    body, _ = write(HELLO, Turn("assistant", (call,)), Turn("user", (image, Text(text="Well?"))))
    assert [item["type"] for item in body["input"]] == [
        "message",
        "custom_tool_call",
        "custom_tool_call_output",
        "message",
    ]
    assert [part["type"] for part in body["input"][2]["output"]] == ["input_text", "input_image"]


@given(st.text(max_size=80), st.text(max_size=80))
def test_ids_and_names_fit(one: str, other: str) -> None:
    """A call and its result keep the same id, and different calls different ones."""
    calls = [ToolCall(id=call_id, name="f", arguments="{}") for call_id in (one, other)]
    results = [ToolResult(call_id=call_id, parts=()) for call_id in (one, other)]
    items = write(HELLO, Turn("assistant", tuple(calls)), Turn("user", tuple(results)))[0]["input"][1:]
    ids = [item["call_id"] for item in items]
    assert ids[:2] == ids[2:]
    assert (ids[0] == ids[1]) == (one == other)
    assert all(0 < len(call_id) <= 64 for call_id in ids)


def test_tools_are_written() -> None:
    """Those of a namespace together; strict only where that was asked for."""
    tools = (
        Tool("f", "F", {"type": "object"}, True, at="t"),
        Tool("g", namespace="n"),
        Tool("p", free=True, cache={"type": "ephemeral"}, at="t"),
        Tool("h", namespace="n"),
    )
    hosted = (HostedTool("web_search", "tools[].web_search"),)
    choice = {"tool_choice": Option(ToolChoice("named", "p"), "tool_choice")}
    body, report = write(tools=tools, hosted_tools=hosted, options=choice)
    empty = {"type": "object", "properties": {}}
    inner = [{"type": "function", "name": name, "parameters": empty, "strict": False} for name in "gh"]
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "F", "parameters": {"type": "object"}, "strict": True},
        {"type": "namespace", "name": "n", "description": "", "tools": inner},
        {"type": "custom", "name": "p"},
    ]
    assert body["tool_choice"] == {"type": "custom", "name": "p"}
    assert (report.dropped, report.refused) == (("t.cache_control", "tools[].web_search"), ())
    TOOL_LIST.validate_python(body["tools"])
    assert write(hosted_tools=hosted)[1].refused == ("tools[].web_search",)
    assert write(tools=(Tool("näme", at="t"),))[1].refused == ("t.name",)
