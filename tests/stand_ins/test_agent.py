"""A stand-in that plays a model at work: it calls a tool of its caller's, and says what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import Agent, Fail, Provider, ToolCall, step_from_json
from tests.fakes.sdk import anthropic_of, openai_of, post

Turns = list[Any]
SCHEMA: Any = {"type": "object", "properties": {"command": {"type": "string"}}}
BASH = Agent("Bash", {"command": "ls"}, final="Files: {result}", plain="A title")


@pytest.fixture
def oai(oai: Provider) -> Provider:
    """The stand-in of that name, with a model in it that works by itself."""
    oai.default = BASH
    return oai


def test_chat(oai: Provider) -> None:
    """Function and custom tools: a call, then the result in a sentence; without tools a plain text."""
    function: Any = {"type": "function", "function": {"name": "Bash", "parameters": SCHEMA}}
    other: Any = {"type": "function", "function": {"name": "Read", "parameters": SCHEMA}}
    custom: Any = {"type": "custom", "custom": {"name": "Bash"}}
    with openai_of(oai) as client:
        for tools, given in (([other, function], '{"command": "ls"}'), ([custom], "ls")):
            turns: Turns = [{"role": "user", "content": "What is here?"}]
            said: Any = client.chat.completions.create(model="m", messages=turns, tools=tools).choices[0].message
            [call] = said.tool_calls
            inner = call.custom.input if call.type == "custom" else call.function.arguments
            assert inner == given
            turns += [said, {"role": "tool", "tool_call_id": call.id, "content": "a.txt"}]
            for _ in range(2):
                final = client.chat.completions.create(model="m", messages=turns, tools=tools)
                assert final.choices[0].message.content == "Files: a.txt"
        plain = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Title?"}])
        assert plain.choices[0].message.content == "A title"
        unfit = client.chat.completions.create(model="m", messages=turns[:1], tools=[other])
        assert unfit.choices[0].message.content == "A title"


def test_messages(ant: Provider) -> None:
    """The same with blocks, streamed, with thinking that goes back and a result in parts."""
    ant.default = Agent("^Ba", {"command": "ls"}, final="Files: {result}", thinking="Look first.")
    tools: Any = [{"name": "Read", "input_schema": SCHEMA}, {"name": "Bash", "input_schema": SCHEMA}]
    turns: Turns = [{"role": "user", "content": "What is here?"}]
    with anthropic_of(ant) as client:
        ask: Any = {"model": "m", "max_tokens": 4000, "tools": tools}
        with client.messages.stream(messages=turns, **ask) as stream:
            said: Any = stream.get_final_message()
        assert [block.type for block in said.content] == ["thinking", "tool_use"]
        assert said.stop_reason == "tool_use"
        parts = [{"type": "text", "text": "a.txt"}, {"type": "text", "text": "b.txt"}]
        result = {"type": "tool_result", "tool_use_id": said.content[1].id, "content": parts}
        turns += [{"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
        assert client.messages.create(messages=turns, **ask).content[0].text == "Files: a.txt\nb.txt"


@pytest.mark.parametrize(
    ("tool", "agent", "wanted"),
    [
        ({"type": "function", "name": "shell", "parameters": SCHEMA}, Agent("shell"), '{"command": "text"}'),
        ({"type": "custom", "name": "apply_patch"}, Agent("patch", {"input": "*** Begin"}), "*** Begin"),
        ({"type": "custom", "name": "apply_patch"}, Agent(arguments="*** End"), "*** End"),
    ],
)
@pytest.mark.parametrize("namespace", [None, "files"])
def test_responses(oai: Provider, tool: Any, agent: Agent, wanted: str, namespace: str | None) -> None:
    """The same with items, for functions and custom tools, whether or not they are in a namespace."""
    oai.plan(Fail(500), agent)
    tools: Any = [{"type": "web_search"}, tool]
    if namespace:
        tools = [{"type": "namespace", "name": namespace, "description": "Files.", "tools": [tool]}]
    turns: Turns = [{"role": "user", "content": "What is here?"}]
    assert post(oai, "/v1/responses", {"model": "m", "input": turns}).status_code == 500
    with openai_of(oai) as client:
        [call] = client.responses.create(model="m", input=turns, tools=tools).output
        assert call.namespace == namespace  # type: ignore[union-attr]
        assert getattr(call, "arguments", None) or getattr(call, "input", None) == wanted
        output = {"type": f"{call.type}_output", "call_id": call.call_id, "output": "done"}  # type: ignore[union-attr]
        turns += [call.to_dict(), output]
        assert client.responses.create(model="m", input=turns, tools=tools).output_text == "The tool said: done"


def test_tools_in_a_namespace_are_found_by_their_full_name(oai: Provider) -> None:
    """``namespace.name`` names one of two tools of the same name."""
    oai.default = Agent("b.read", {})
    read = {"type": "function", "name": "read", "parameters": SCHEMA}
    tools: Any = [{"type": "namespace", "name": n, "description": n, "tools": [read]} for n in ("a", "b")]
    with openai_of(oai) as client:
        [call] = client.responses.create(model="m", input="Hi", tools=tools).output
    assert call.namespace == "b"  # type: ignore[union-attr]


def test_rounds_and_wanted_formats(oai: Provider) -> None:
    """As many calls as rounds; a request for JSON gets JSON, whatever else the agent would say."""
    oai.default = Agent(rounds=2)
    tools: Any = [{"type": "function", "function": {"name": "Bash", "parameters": SCHEMA}}]
    turns: Turns = [{"role": "user", "content": "Hi"}]
    kinds = []
    with openai_of(oai) as client:
        for n in range(3):
            said: Any = client.chat.completions.create(model="m", messages=turns, tools=tools).choices[0]
            kinds.append(said.finish_reason)
            if said.message.tool_calls:
                result = {"role": "tool", "tool_call_id": said.message.tool_calls[0].id, "content": str(n)}
                turns += [said.message, result]
        assert kinds == ["tool_calls", "tool_calls", "stop"]
        assert said.message.content == "The tool said: 1"
        wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
        shaped = client.chat.completions.create(model="m", messages=turns[:1], response_format=wanted)
        assert json.loads(shaped.choices[0].message.content or "") == {"command": "text"}


def test_as_json() -> None:
    """An agent and its like read the same from JSON."""
    given = {"agent": {"tool": "Bash", "arguments": {"command": "ls"}, "final": "{result}"}}
    assert step_from_json(given) == Agent("Bash", {"command": "ls"}, "{result}")
    assert step_from_json({"agent": "Bash"}) == Agent("Bash")
    call = {"name": "read", "namespace": "files"}
    damaged: Any = step_from_json({"damaged": {"kind": "crlf", "answer": {"tool_calls": [call]}}})
    assert damaged.answer.tool_calls == (ToolCall("read", namespace="files"),)
