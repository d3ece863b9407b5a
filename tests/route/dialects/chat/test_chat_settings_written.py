"""The choice of tools and the options of a neutral request, in the words of chat completions."""

from dataclasses import replace
from typing import Any

import pytest

from route.dialects.conversion import Target
from route.dialects.neutral import Format, HostedTool, Option, ReasoningSettings, Tool, ToolChoice
from tests.route.build import Json
from tests.route.dialects.chat.chat_requests import TARGET, write

TOOL = Tool("f", at="tools[]")


def with_option(name: str, value: Any, target: Target = TARGET, **more: Any) -> tuple[Json, Any, Any]:
    """What the option adds to the body."""
    body, dropped, refused = write(target=target, options={name: Option(value, "its.place")}, **more)
    return {k: v for k, v in body.items() if k not in ("model", "messages")}, dropped, refused


def test_hosted_tools() -> None:
    """A tool of the provider's own is left out beside functions; alone it is what the request is about."""
    hosted = (HostedTool("web_search", "tools[].web_search"),)
    assert write(hosted_tools=hosted)[1:] == ((), ("tools[].web_search",))
    assert write(hosted_tools=hosted, tools=(TOOL,))[1:] == (("tools[].web_search",), ())


@pytest.mark.parametrize(
    ("choice", "tools", "dropped", "refused"),
    [
        (ToolChoice("auto"), (), ("c",), ()),
        (ToolChoice("none"), (), ("c",), ()),
        (ToolChoice("required"), (), (), ("c",)),
        (ToolChoice("named", "f"), (), (), ("c",)),
        (ToolChoice("named", "g"), (TOOL,), (), ("c",)),
        (ToolChoice("named", "f"), (TOOL,), (), ()),
        (ToolChoice("required"), (TOOL,), (), ()),
    ],
)
def test_choice(choice: ToolChoice, tools: tuple[Tool, ...], dropped: Any, refused: Any) -> None:
    """A choice goes with its tools; one that forces what is not there is refused."""
    body, *said = write(tools=tools, options={"tool_choice": Option(choice, "c")})
    assert said == [dropped, refused]
    assert ("tool_choice" in body) == (not dropped and not refused)


ABLE = replace(TARGET, max_output_tokens=100)


@pytest.mark.parametrize(
    ("name", "value", "target", "said"),
    [
        ("max_output_tokens", 5, TARGET, {"max_tokens": 5}),
        ("max_output_tokens", 100, ABLE, {"max_tokens": 100}),
        (
            "max_output_tokens",
            5,
            replace(TARGET, max_tokens_field="max_completion_tokens"),
            {"max_completion_tokens": 5},
        ),
        ("temperature", 2, TARGET, {"temperature": 2}),
        ("stop", ("a", "b", "c", "d"), TARGET, {"stop": ["a", "b", "c", "d"]}),
        ("n", 2, TARGET, {"n": 2}),
        ("logprobs", 0, TARGET, {"logprobs": True}),
        ("logprobs", 3, TARGET, {"logprobs": True, "top_logprobs": 3}),
        ("format", Format("json_object"), TARGET, {"response_format": {"type": "json_object"}}),
        (
            "format",
            Format("json_schema", {"type": "object"}),
            TARGET,
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}},
                }
            },
        ),
        ("reasoning", ReasoningSettings(True, "max"), TARGET, {"reasoning_effort": "max"}),
        ("reasoning", ReasoningSettings(False), TARGET, {"reasoning_effort": "none"}),
        ("service_tier", "flex", TARGET, {"service_tier": "flex"}),
        ("user", "u" * 64, TARGET, {"user": "u" * 64}),
        ("cache_key", "k", TARGET, {"prompt_cache_key": "k"}),
    ],
)
def test_carried_options(name: str, value: Any, target: Target, said: Json) -> None:
    """Each option in OpenAI's words."""
    assert with_option(name, value, target) == (said, (), ())


@pytest.mark.parametrize(
    ("name", "value", "target", "said"),
    [
        ("max_output_tokens", 101, ABLE, {"max_tokens": 100}),
        ("stop", ("a", "b", "c", "d", "e"), TARGET, {"stop": ["a", "b", "c", "d"]}),
        ("temperature", 1, replace(TARGET, sampling=False), {}),
        ("top_p", 1, replace(TARGET, sampling=False), {}),
        ("top_k", 40, TARGET, {}),
        ("metadata", {"a": "b"}, TARGET, {}),
        ("service_tier", "standard_only", TARGET, {}),
        ("parallel_tool_calls", False, TARGET, {}),
        ("reasoning", ReasoningSettings(True, "low"), replace(TARGET, thinking="none"), {}),
        ("reasoning", ReasoningSettings(True), TARGET, {}),
        ("reasoning", ReasoningSettings(True, "low", shown=True), TARGET, {"reasoning_effort": "low"}),
        ("no_such_option", 7, TARGET, {}),
    ],
)
def test_dropped_options(name: str, value: Any, target: Target, said: Json) -> None:
    """What cannot be said, or only in part, is reported at its place."""
    assert with_option(name, value, target) == (said, ("its.place",), ())


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_structured_output_that_cannot_be(kind: Any) -> None:
    """A caller who needs JSON is not given prose."""
    target = replace(TARGET, structured_output=False)
    assert with_option("format", Format(kind), target) == ({}, (), ("its.place",))


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(1, "low"), (3499, "low"), (3501, "medium"), (6499, "medium"), (6501, "high"), (9999, "high")],
)
def test_budget(budget: int, effort: str) -> None:
    """A budget is the nearest of the efforts that all models know, by its share of the output."""
    options = {
        "max_output_tokens": Option(10_000, "m"),
        "reasoning": Option(ReasoningSettings(True, "", budget), "r"),
    }
    body, dropped, refused = write(options=options)
    assert body["reasoning_effort"] == effort
    assert (dropped, refused) == ((), ())


def test_long_user() -> None:
    """One who has a longer id than OpenAI takes is known by its hash."""
    said = [with_option("user", user)[0]["user"] for user in ("u" * 65, "u" * 65, "u" * 66, "\ud800" * 65)]
    assert said[0] == said[1] != said[2]
    assert all(len(user) == 64 for user in said)
