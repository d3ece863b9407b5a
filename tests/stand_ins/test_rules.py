"""What the vendors refuse, the stand-ins refuse: a router that translates is held to the real rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import Answer, Provider
from tests.fakes.sdk import anthropic_of, post

USER = {"role": "user", "content": "Hi"}
FUNCTION = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "12"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
USING = {"role": "assistant", "content": [USE]}
USED = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12"}
TEXT = {"type": "text", "text": "So"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
ITEM_CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
ITEM_OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "12"}


@pytest.fixture(scope="module")
def oai() -> Iterator[Provider]:
    """One for all tests of this file, none of which leaves a trace in it."""
    with Provider("openai") as provider:
        yield provider


@pytest.fixture(scope="module")
def ant() -> Iterator[Provider]:
    """The same for the other vendor."""
    with Provider("anthropic") as provider:
        yield provider


def refusal(provider: Provider, path: str, body: Any) -> str:
    """The message of a refusal; nothing when the request was taken."""
    response = post(provider, path, {"model": "m", **body})
    assert (response.status_code == 200) == ("error" not in response.json() or not response.json()["error"])
    assert response.status_code in (200, 400, 404)
    return "" if response.status_code == 200 else str(response.json()["error"]["message"])


def chat(provider: Provider, *messages: Any, **more: Any) -> str:
    """What is wrong with a request for chat completions; nothing when it was taken."""
    return refusal(provider, "/v1/chat/completions", {"messages": list(messages), **more})


def say(provider: Provider, *messages: Any, **more: Any) -> str:
    """What is wrong with a request for messages; nothing when it was taken."""
    return refusal(provider, "/v1/messages", {"max_tokens": 64, "messages": list(messages), **more})


def respond(provider: Provider, given: Any, **more: Any) -> str:
    """What is wrong with a request for responses; nothing when it was taken."""
    return refusal(provider, "/v1/responses", {"input": given, **more})


class TestChat:
    @pytest.mark.parametrize(
        ("messages", "why"),
        [
            ([USER, CALLING, RESULT], ""),
            ([USER, CALLING, RESULT, USER], ""),
            ([{**USER, "role": "robot"}], "Invalid value: 'robot'"),
            ([{"role": "user"}], "expected a string, got null"),
            ([{"role": "user", "content": [{"type": "image", "source": {}}]}], "Invalid value: 'image'"),
            ([{"role": "system", "content": [{"type": "image_url"}]}], "Invalid value: 'image_url'"),
            ([USER, CALLING], "must be followed by tool messages"),
            ([USER, CALLING, USER], "must be followed by tool messages"),
            ([USER, CALLING, USER, RESULT], "must be followed by tool messages"),
            ([USER, RESULT], "must be a response to a preceeding message"),
            ([USER, CALLING, {**RESULT, "tool_call_id": "call_2"}], "not found in 'tool_calls'"),
            ([USER, CALLING, {"role": "tool", "content": "12"}], "Missing required parameter: 'tool_call_id'"),
            ([USER, {"role": "assistant", "content": "So", "tool_calls": []}], "empty array"),
            ([USER, {"role": "assistant", "tool_calls": [{**CALL, "id": "c" * 41}]}, USER], "string too long"),
            ([USER, {"role": "assistant", "tool_calls": [{**CALL, "id": None}]}], "tool_calls[0].id"),
        ],
    )
    def test_conversations(self, oai: Provider, messages: Any, why: str) -> None:
        """Roles, parts, and calls that are each answered right after the message that made them."""
        said = chat(oai, *messages, tools=[FUNCTION])
        assert (why in said) if why else said == ""

    def test_arguments_are_text(self, oai: Provider) -> None:
        """A call that is sent back has its arguments as a string."""
        broken = {**CALL, "function": {"name": "f", "arguments": {}}}
        said = chat(oai, USER, {"role": "assistant", "tool_calls": [broken]}, RESULT, tools=[FUNCTION])
        assert "expected a string" in said

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"tool_choice": "auto"}, "'tool_choice' is only allowed when 'tools'"),
            ({"parallel_tool_calls": True}, "'parallel_tool_calls' is only allowed"),
            ({"stream_options": {"include_usage": True}}, "'stream_options' parameter is only allowed"),
            ({"top_logprobs": 2}, "'top_logprobs' parameter is only allowed"),
            ({"max_tokens": 5, "max_completion_tokens": 5}, "at the same time"),
            ({"temperature": 3}, "Invalid 'temperature'"),
            ({"stop": ["a", "b", "c", "d", "e"]}, "array too long"),
            ({"tools": []}, "empty array"),
            ({"tools": [TOOL]}, "Missing required parameter"),
            ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "pattern"),
        ],
    )
    def test_options(self, oai: Provider, given: Any, why: str) -> None:
        """Options that need another, are out of range, or have the shape of another dialect."""
        assert why in chat(oai, USER, **given)


class TestMessages:
    @pytest.mark.parametrize(
        ("messages", "why"),
        [
            ([USER, USING, {"role": "user", "content": [USED]}], ""),
            ([USER, USING, {"role": "user", "content": [USED, TEXT]}], ""),
            ([USER, USER], ""),
            ([USER, {"role": "system", "content": "Be brief."}], ""),
            ([{**USER, "role": "assistant"}], "first message must use"),
            ([{**USER, "role": "tool"}], "Input should be 'user' or 'assistant'"),
            ([{"role": "user", "content": ""}], "must have non-empty content"),
            (
                [{"role": "user", "content": [{"type": "text", "text": ""}]}],
                "text content blocks must be non-empty",
            ),
            ([{"role": "user", "content": [{"type": "text", "text": " "}]}], "must contain non-whitespace text"),
            ([USER, {"role": "assistant", "content": "So "}], "cannot end with trailing whitespace"),
            ([USER, USING], "without `tool_result` blocks immediately after"),
            ([USER, USING, USER], "without `tool_result` blocks immediately after"),
            ([USER, USING, {"role": "user", "content": [TEXT, USED]}], "without `tool_result` blocks"),
            ([{"role": "user", "content": [USED]}], "unexpected `tool_use_id`"),
            ([USER, USING, {"role": "user", "content": [USED, {**USED, "tool_use_id": "x"}]}], "unexpected"),
            ([USER, {"role": "assistant", "content": [USE, USE]}, USER], "must be unique"),
            ([USER, {"role": "assistant", "content": [{**USE, "id": "call.1"}]}], "should match pattern"),
            ([USER, {"role": "assistant", "content": [{**USE, "input": "{}"}]}], "valid dictionary"),
            ([{"role": "user", "content": [USE]}], "can only be in `assistant`"),
        ],
    )
    def test_conversations(self, ant: Provider, messages: Any, why: str) -> None:
        """Roles, texts, and tool uses whose results stand first in the next turn; ids of the right shape."""
        said = say(ant, *messages, tools=[TOOL])
        assert (why in said) if why else said == ""

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"max_tokens": None}, "max_tokens: Field required"),
            ({"max_tokens": -1}, "greater than or equal to 1"),
            ({"temperature": 1.5}, "range: 0..1"),
            ({"stop_sequences": [" "]}, "non-whitespace"),
            ({"system": [{"type": "text", "text": ""}]}, "must be non-empty"),
            ({"tool_choice": {"type": "auto"}}, "while providing tools"),
            ({"tools": [{"name": "f"}]}, "input_schema: Field required"),
            ({"tools": [{"name": "f", "input_schema": {}}]}, "input_schema.type"),
            ({"tools": [{**TOOL, "name": "a.b"}]}, "should match pattern"),
            ({"tools": [TOOL, TOOL]}, "must be unique"),
            ({"thinking": {"type": "enabled", "budget_tokens": 1}}, "greater than or equal to 1024"),
            ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "must be greater than"),
        ],
    )
    def test_options(self, ant: Provider, given: Any, why: str) -> None:
        """Limits, names and schemas of tools, thinking budgets."""
        assert why in say(ant, USER, **given)

    def test_thinking_and_tools(self, ant: Provider) -> None:
        """With thinking on, a tool cannot be forced, and a turn that uses one must begin with thinking."""
        on: Any = {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL]}
        assert "tool_choice forces" in say(ant, USER, **on, tool_choice={"type": "any"})
        said = say(ant, USER, USING, {"role": "user", "content": [USED]}, **on)
        assert "Expected `thinking`" in said

    def test_signatures_are_the_stand_ins_own(self) -> None:
        """A block goes back as it came, or without its text; changed, unsigned or another's, it is refused."""
        with Provider("anthropic") as ant, Provider("anthropic", signer="else") as other:
            ant.plan(Answer(text="4", thinking="two and two", redacted="more"))
            with anthropic_of(ant) as client:
                said = client.messages.create(model="m", max_tokens=64, messages=[USER])  # type: ignore[list-item]
            thinking, redacted, text = (block.to_dict() for block in said.content)

            def again(block: Any, provider: Provider = ant) -> str:
                return say(provider, USER, {"role": "assistant", "content": [block, text]}, USER)

            assert again(thinking) == again({**thinking, "thinking": ""}) == again(redacted) == ""
            for change in ({"thinking": "three"}, {"signature": ""}, {"signature": "c2ln"}):
                assert "Invalid `signature` in `thinking` block" in again({**thinking, **change})
            assert "Invalid `signature`" in again(thinking, other)
            assert "Invalid `data`" in again({**redacted, "data": "c2ln"})


class TestResponses:
    @pytest.mark.parametrize(
        ("items", "why"),
        [
            ([USER, ITEM_CALL, ITEM_OUTPUT], ""),
            ([USER, ITEM_CALL, USER, ITEM_OUTPUT], ""),
            ([USER, {"role": "assistant", "content": [{"type": "output_text", "text": "So"}]}, USER], ""),
            ([USER, ITEM_CALL], "No tool output found for function call call_1"),
            ([USER, ITEM_OUTPUT], "No tool call found for function call output"),
            ([USER, {**ITEM_CALL, "id": "call_1"}, ITEM_OUTPUT], "Expected an ID that begins with 'fc'"),
            ([USER, {**ITEM_CALL, "arguments": {}}, ITEM_OUTPUT], "input[1].arguments"),
            ([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "Invalid value: 'text'"),
            ([{"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]}], "'output_text'"),
            ([RESULT], "Invalid value: 'tool'"),
            ([{"type": "reasoning", "summary": []}, USER], "without its required following item"),
            ([USER, {"type": "reasoning", "id": "rs_1", "summary": []}, ITEM_CALL, ITEM_OUTPUT], "not persisted"),
        ],
    )
    def test_items(self, oai: Provider, items: Any, why: str) -> None:
        """Calls and outputs in pairs, ids with their prefixes, parts by role, reasoning before what it led to."""
        said = respond(oai, items)
        assert (why in said) if why else said == ""

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"max_output_tokens": 5}, "Expected a value >= 16"),
            ({"tools": [FUNCTION]}, "Missing required parameter: 'tools[0].name'"),
            ({"tool_choice": "required"}, "no tools are specified"),
            ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ],
    )
    def test_options(self, oai: Provider, given: Any, why: str) -> None:
        """Limits, flat tools, named formats."""
        assert why in respond(oai, "Hi", **given)


class TestStrictness:
    @pytest.mark.parametrize(
        ("kind", "path", "body", "field"),
        [
            ("openai", "/v1/chat/completions", {"messages": [USER], "profile": "x"}, "profile"),
            ("openai", "/v1/chat/completions", {"messages": [{**USER, "id": "x"}]}, "messages[0].id"),
            (
                "openai",
                "/v1/chat/completions",
                {"messages": [{"role": "user", "content": [{**TEXT, "cache_control": {}}]}]},
                "messages[0].content[0].cache_control",
            ),
            ("openai", "/v1/responses", {"input": "Hi", "messages": []}, "messages"),
            ("openai", "/v1/responses", {"input": [{**ITEM_CALL, "index": 0}, ITEM_OUTPUT]}, "input[0].index"),
            ("anthropic", "/v1/messages", {"max_tokens": 9, "messages": [USER], "stop": "x"}, "stop"),
            (
                "anthropic",
                "/v1/messages",
                {"max_tokens": 9, "messages": [{**USER, "name": "x"}]},
                "messages.0.name",
            ),
            (
                "anthropic",
                "/v1/messages",
                {"max_tokens": 9, "messages": [USER], "tools": [{**TOOL, "function": {}}]},
                "tools.0.function",
            ),
        ],
    )
    def test_unknown_fields(self, kind: Any, path: str, body: Any, field: str) -> None:
        """``strict=True`` refuses, by its path, a field that the vendor's SDK does not have; else it passes."""
        with Provider(kind, strict=True) as strict, Provider(kind) as plain:
            assert field in refusal(strict, path, body)
            assert refusal(plain, path, body) == ""
            assert strict.calls == []

    def test_lax(self) -> None:
        """``strict=False`` takes what breaks the rules."""
        with Provider("openai", strict=False) as oai, Provider("anthropic", strict=False) as ant:
            assert chat(oai, USER, RESULT) == ""
            assert say(ant, USING) == ""
