"""The tool round trips of the demo, one per dialect: ask, be asked for a tool, answer, be answered."""

import json
from collections.abc import Sequence
from typing import Any

from local.demo_stage import DemoFault
from tests.fakes import Answer, Provider, ToolCall
from warmroute import AsyncAnthropic, OpenAI

QUESTION: dict[str, Any] = {"role": "user", "content": "How cold is it in Oslo?"}
ARGUMENTS = {"city": "Oslo"}
FOUND = "minus 4 degrees"
SAID = "It is minus 4 degrees in Oslo."
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

Answers = list[tuple[str, object]]
"""What each call was, in a word or two, and what the SDK returned."""


def _rehearse(provider: Provider) -> None:
    provider.plan(
        Answer(tool_calls=[ToolCall("temperature", ARGUMENTS)], delay_ms=30),
        Answer(text=SAID, delay_ms=30, gap_ms=5),
    )


def tools_openai(client: OpenAI, provider: Provider) -> Answers:
    """With whole answers. DemoFault when the tool call or the final answer is not what the model said."""
    _rehearse(provider)
    tool: Any = {"type": "function", "function": {"name": "temperature", "parameters": SCHEMA}}
    asked = client.chat.completions.create(model="chat", messages=[QUESTION], tools=[tool])  # type: ignore[list-item]
    message = asked.choices[0].message
    call: Any = _only(message.tool_calls or [])
    _check(call.function.name, json.loads(call.function.arguments))
    result = {"role": "tool", "tool_call_id": call.id, "content": FOUND}
    messages: list[Any] = [QUESTION, message.model_dump(exclude_none=True), result]
    told = client.chat.completions.create(model="chat", messages=messages, tools=[tool])
    if told.choices[0].message.content != SAID:
        raise DemoFault(f"after the tool's answer the model said {told.choices[0].message.content!r}")
    _check_received(provider, call.id, "tool_call_id", FOUND)
    return [("asks tool", asked), ("goes on", told)]


async def tools_anthropic(provider: Provider) -> Answers:
    """With streams. DemoFault when the tool call or the final answer is not what the model said."""
    _rehearse(provider)
    tool: Any = {"name": "temperature", "input_schema": SCHEMA}
    question: Any = QUESTION
    async with AsyncAnthropic() as client:
        async with client.messages.stream(
            model="claude", max_tokens=64, messages=[question], tools=[tool]
        ) as stream:
            asked = await stream.get_final_message()
        use: Any = _only([block for block in asked.content if block.type == "tool_use"])
        _check(use.name, use.input)
        result = {"type": "tool_result", "tool_use_id": use.id, "content": FOUND}
        messages: list[Any] = [
            question,
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]},
            {"role": "user", "content": [result]},
        ]
        async with client.messages.stream(
            model="claude", max_tokens=64, messages=messages, tools=[tool]
        ) as stream:
            told = await stream.get_final_message()
    if getattr(told.content[0], "text", None) != SAID:
        raise DemoFault(f"after the tool's answer the model said {told.content!r}")
    _check_received(provider, use.id, "tool_use_id", FOUND)
    return [("asks tool", asked), ("goes on", told)]


def _only(calls: Sequence[object]) -> object:
    if len(calls) != 1:
        raise DemoFault(f"the model asked for one tool, {len(calls)} calls arrived")
    return calls[0]


def _check(name: str, arguments: object) -> None:
    if (name, arguments) != ("temperature", ARGUMENTS):
        raise DemoFault(f"the tool call arrived as {name!r} with {arguments!r}")


def _check_received(provider: Provider, call_id: str, field: str, found: str) -> None:
    """DemoFault unless the provider got its own id back, with the tool's result."""
    body = json.dumps(provider.calls[-1].body)
    if f'"{field}": "{call_id}"' not in body or found not in body:
        raise DemoFault(f"the tool's result did not reach {provider.name} as it was sent")
