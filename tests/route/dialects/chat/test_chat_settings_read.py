"""The tools and options of a chat completion are each taken, reported or refused."""

from typing import Any

import pytest

from route.dialects.base import OUR_FIELDS
from route.dialects.neutral import Format, HostedTool, ReasoningSettings, Tool, ToolChoice
from tests.route.build import Json, body
from tests.route.dialects.chat.chat_requests import MARK, read

FUNCTION: Json = {"type": "function", "function": {"name": "f"}}


def option(name: str, **asked: Any) -> Any:
    return read(body(**asked)).value(name)


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
