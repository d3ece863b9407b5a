"""The tools and settings of a request, as Anthropic takes them."""

from dataclasses import replace

import pytest

from route.dialects.neutral import (
    OPTIONS,
    Format,
    HostedTool,
    NeutralRequest,
    ReasoningSettings,
    Tool,
    ToolChoice,
)
from tests.route.build import Json
from tests.route.dialects.messages.messages_judge import (
    CALL,
    FUNCTION,
    HELLO,
    RESULT,
    TARGET,
    THOUGHT,
    assistant,
    body,
    text,
    user,
    whole,
    written,
)


def test_tools_have_a_schema_of_an_object() -> None:
    """Empty where there was none. Free text is one parameter; a namespace is part of the name."""
    empty = {"type": "object", "properties": {}}
    tools = [
        Tool("a", "d", None, strict=True),
        Tool("b", parameters={}, strict=False),
        Tool("c", parameters={"properties": {"x": {}}}),
        Tool("d", free=True),
        Tool("e", namespace="n"),
    ]
    assert whole(tools=tools)["tools"] == [
        {"name": "a", "description": "d", "input_schema": empty, "strict": True},
        {"name": "b", "input_schema": empty},
        {"name": "c", "input_schema": {"type": "object", "properties": {"x": {}}}},
        {
            "name": "d",
            "input_schema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
        },
        {"name": "n__e", "input_schema": empty},
    ]


def test_names_that_anthropic_does_not_take_are_refused() -> None:
    """128 characters are legal, 129 are not; what is in a namespace gets a legal name. Twice the same is once."""
    assert whole(tools=[Tool("x" * 128)])["tools"][0]["name"] == "x" * 128
    for name in ("x" * 129, "a.b", ""):
        assert body(tools=[Tool(name, at="tool")])[1].refused == ("tool.name",)
    whole(tools=[Tool("a.b", namespace="n")])
    assert body(tools=[FUNCTION, FUNCTION])[1].dropped == ("tools[].f",)


def test_hosted_tools_are_dropped_beside_others_and_refused_alone() -> None:
    """With a function beside it the model can still act; without one nothing is left of what was asked."""
    hosted = (HostedTool("web_search", "tools[].web_search"),)
    assert written(NeutralRequest((HELLO,), tools=(FUNCTION,), hosted_tools=hosted))[1].dropped == (hosted[0].at,)
    assert written(NeutralRequest((HELLO,), hosted_tools=hosted))[1].refused == (hosted[0].at,)


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        ({}, None),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": ToolChoice("auto")}, {"type": "auto"}),
        ({"tool_choice": ToolChoice("required")}, {"type": "any"}),
        ({"tool_choice": ToolChoice("none"), "parallel_tool_calls": False}, {"type": "none"}),
        (
            {"tool_choice": ToolChoice("named", "f"), "parallel_tool_calls": False},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choices_of_tools(options: Json, choice: Json | None) -> None:
    """Each neutral word has Anthropic's; one call at a time is part of the choice, but not of `none`."""
    assert whole(tools=[FUNCTION], **options).get("tool_choice") == choice


def test_a_choice_of_what_is_not_there_is_refused() -> None:
    """Without tools Anthropic takes no choice: what did not force anything is dropped."""
    assert body(tools=[FUNCTION], tool_choice=ToolChoice("named", "g"))[1].refused == ("tool_choice",)
    assert body(tool_choice=ToolChoice("required"))[1].refused == ("tool_choice",)
    made, report = body(tool_choice=ToolChoice("auto"), parallel_tool_calls=False)
    assert ("tool_choice" in made, report.dropped) == (False, ("parallel_tool_calls", "tool_choice"))


def test_tools_that_were_called_are_declared_though_they_are_gone() -> None:
    """And may not be called."""
    made = whole(HELLO, assistant(CALL), user(RESULT))
    assert made["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert made["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("asked", "known", "limit"),
    [(None, None, 8192), (None, 4096, 4096), (100, None, 100), (4096, 4096, 4096)],
)
def test_how_long_an_answer_may_be(asked: int | None, known: int | None, limit: int) -> None:
    """As long as was asked, else as the model can, else 8192 tokens: Anthropic wants a limit."""
    options: Json = {} if asked is None else {"max_output_tokens": asked}
    assert whole(target=replace(TARGET, max_output_tokens=known), **options)["max_tokens"] == limit


def test_no_answer_is_longer_than_the_model_can() -> None:
    """A limit above the model's becomes the model's, and that is reported."""
    made, report = body(target=replace(TARGET, max_output_tokens=4096), max_output_tokens=4097)
    assert (made["max_tokens"], report.dropped) == (4096, ("max_output_tokens",))


def test_sampling() -> None:
    """Temperature ends at 1, and excludes top_p."""
    assert whole(temperature=1, top_k=5).items() >= {"temperature": 1, "top_k": 5}.items()
    assert whole(top_p=0.5)["top_p"] == 0.5
    made, report = body(temperature=1.1, top_p=0.5)
    assert (made["temperature"], "top_p" in made, report.dropped) == (1, False, ("temperature", "top_p"))
    made, report = body(target=replace(TARGET, sampling=False), temperature=0.5, top_p=0.5, top_k=5)
    assert report.dropped == ("temperature", "top_k", "top_p")
    assert not {"temperature", "top_p", "top_k"} & set(made)


THINKS: Json = {"reasoning": ReasoningSettings(effort="high"), "max_output_tokens": 10_000}


def test_a_model_that_thinks_is_not_steered() -> None:
    """No temperature but 1, no top_k, no top_p below 0.95."""
    made, report = body(tools=[FUNCTION], temperature=0.5, top_p=0.94, top_k=5, **THINKS)
    assert report.dropped == ("temperature", "top_k", "top_p")
    assert not {"temperature", "top_p", "top_k"} & set(made)
    made = whole(tools=[FUNCTION], temperature=1, top_p=0.95, tool_choice=ToolChoice("none"), **THINKS)
    assert (made["top_p"], made["tool_choice"]) == (0.95, {"type": "none"})


def test_a_forced_tool_weighs_more_than_thinking() -> None:
    """Anthropic takes one of them, and who forces a call waits for it."""
    made, report = body(tools=[FUNCTION], tool_choice=ToolChoice("required"), **THINKS)
    assert (made["tool_choice"], "thinking" in made, report.dropped) == ({"type": "any"}, False, ("reasoning",))


@pytest.mark.parametrize(
    ("thinking", "reasoning", "limit", "said"),
    [
        (
            None,
            ReasoningSettings(effort="minimal"),
            20_000,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            "budget",
            ReasoningSettings(effort="max"),
            20_000,
            {"thinking": {"type": "enabled", "budget_tokens": 19_000}},
        ),
        (
            "budget",
            ReasoningSettings(effort="low"),
            2000,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (
            "budget",
            ReasoningSettings(effort="low"),
            1025,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        ("budget", ReasoningSettings(True), 20_000, {"thinking": {"type": "enabled", "budget_tokens": 10_000}}),
        (
            "budget",
            ReasoningSettings(budget_tokens=9999),
            2000,
            {"thinking": {"type": "enabled", "budget_tokens": 1999}},
        ),
        ("budget", ReasoningSettings(effort="none"), 20_000, {"thinking": {"type": "disabled"}}),
        ("budget", ReasoningSettings(False), 20_000, {"thinking": {"type": "disabled"}}),
        (
            "adaptive",
            ReasoningSettings(effort="minimal", shown=True),
            20_000,
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        ),
        ("adaptive", ReasoningSettings(), 20_000, {"thinking": {"type": "adaptive"}}),
        ("adaptive", ReasoningSettings(False), 20_000, {"thinking": {"type": "disabled"}}),
        (
            "adaptive",
            ReasoningSettings(budget_tokens=10_000),
            20_000,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
        ),
        ("effort", ReasoningSettings(effort="xhigh"), 20_000, {"output_config": {"effort": "xhigh"}}),
        ("none", ReasoningSettings(False), 20_000, {}),
    ],
)
def test_reasoning(thinking: str | None, reasoning: ReasoningSettings, limit: int, said: Json) -> None:
    """By a budget, by the model's own choice, by effort alone, or not at all."""
    made = whole(target=replace(TARGET, thinking=thinking), reasoning=reasoning, max_output_tokens=limit)
    assert {name: made[name] for name in ("thinking", "output_config") if name in made} == said


@pytest.mark.parametrize(
    ("thinking", "reasoning", "limit"),
    [
        ("budget", ReasoningSettings(effort="high"), 1024),
        ("budget", ReasoningSettings(shown=True), 20_000),
        ("effort", ReasoningSettings(False), 20_000),
        ("effort", ReasoningSettings(True), 20_000),
        ("none", ReasoningSettings(effort="low"), 20_000),
    ],
)
def test_reasoning_that_cannot_be_asked_for_is_dropped(
    thinking: str, reasoning: ReasoningSettings, limit: int
) -> None:
    """Where the model has no word for it, or the limit no room, none is written and that is reported."""
    made, report = body(target=replace(TARGET, thinking=thinking), reasoning=reasoning, max_output_tokens=limit)
    assert report.dropped == ("reasoning",)
    assert not {"thinking", "output_config"} & set(made)


def test_no_budget_in_a_loop_that_began_without_thoughts() -> None:
    """Anthropic refuses it. With thoughts before the call it goes on, and after the loop it may begin."""
    for thoughts, is_thinking in (((), False), ((THOUGHT,), True)):
        made, report = body(HELLO, assistant(*thoughts, CALL), user(RESULT), tools=[FUNCTION], **THINKS)
        assert (("thinking" in made), report.dropped == ()) == (is_thinking, is_thinking)
    whole(HELLO, assistant(CALL), user(RESULT), assistant(text("x")), HELLO, tools=[FUNCTION], **THINKS)
    for begun in ((text("x"),), (THOUGHT, text("x"))):
        assert body(HELLO, assistant(*begun), **THINKS)[1].dropped == ("reasoning",)


def test_structured_output() -> None:
    """A schema stays as it is; its name and JSON without one cannot be said."""
    schema = {"type": "object"}
    wanted = Format("json_schema", schema=schema, name="n", description="d", strict=True)
    made, report = body(format=wanted)
    assert made["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert report.dropped == ("format.description", "format.name")
    assert body(format=Format("json_object"))[1].refused == ("format",)
    assert body(format=wanted, target=replace(TARGET, structured_output=False))[1].refused == ("format",)
    made, _ = body(
        format=wanted, reasoning=ReasoningSettings(effort="low"), target=replace(TARGET, thinking="effort")
    )
    assert set(made["output_config"]) == {"format", "effort"}


def test_words_to_stop_at() -> None:
    """Blank ones, empty or white space alone, are left out and reported: Anthropic takes none such."""
    assert whole(stop=("a", "b"))["stop_sequences"] == ["a", "b"]
    made, report = body(stop=("a", "\n"))
    assert (made["stop_sequences"], report.dropped) == (["a"], ("stop",))
    assert "stop_sequences" not in body(stop=("",))[0]


def test_the_users_id_has_256_characters_at_most() -> None:
    """A longer one is dropped and reported, not cut: it would be another user's."""
    assert whole(user="u" * 256)["metadata"] == {"user_id": "u" * 256}
    made, report = body(user="u" * 257)
    assert ("metadata" in made, report.dropped) == (False, ("user",))


SAID = {"max_output_tokens", "temperature", "top_p", "top_k", "stop", "format", "reasoning", "user"}


@pytest.mark.parametrize("name", sorted({*OPTIONS, "of_tomorrow"} - SAID - {"tool_choice", "parallel_tool_calls"}))
def test_no_setting_is_lost_in_silence(name: str) -> None:
    """What would make another answer of it is refused."""
    setting: Json = {name: 2}
    _, report = body(**setting)
    assert (name in report.refused) is (name in ("n", "logprobs"))
    assert name in {*report.dropped, *report.refused}


def test_one_choice_is_what_anthropic_gives() -> None:
    """Likelihoods are refused also where only the chosen token's are asked for."""
    whole(n=1)
    assert body(logprobs=0)[1].refused == ("logprobs",)
