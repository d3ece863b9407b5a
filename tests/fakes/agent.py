"""What an ``Agent`` answers to one request, in any dialect."""

from __future__ import annotations

import re

from tests.fakes.reply import sample_arguments
from tests.fakes.steps import Agent, Answer, Json, ToolCall
from tests.fakes.wire import Tool, Wire


def agent_answer(agent: Agent, wire: Wire, body: Json) -> Answer:
    """A call while results are missing, then the final text; plain text where no tool fits."""
    results = wire.results(body)
    if len(results) >= agent.rounds:
        return _text(agent, wire, body, agent.final.replace("{result}", results[-1]))
    tool = _fitting(agent, wire, body)
    if tool is None:
        return _text(agent, wire, body, agent.plain)
    arguments = sample_arguments(tool) if agent.arguments is None else agent.arguments
    call = ToolCall(tool.name, arguments, namespace=tool.namespace)
    return Answer(tool_calls=(call,), thinking=agent.thinking, usage=agent.usage)


def _text(agent: Agent, wire: Wire, body: Json, text: str) -> Answer:
    """The text, unless the request wants JSON of some schema: then a value of that."""
    return Answer(text=None if wire.wanted_schema(body) is not None else text, usage=agent.usage)


def _fitting(agent: Agent, wire: Wire, body: Json) -> Tool | None:
    tools = wire.tools(body)
    if agent.tool is None:
        return wire.forced_tool(body) or next(iter(tools), None)
    exact = [tool for tool in tools if agent.tool in (tool.name, f"{tool.namespace}.{tool.name}")]
    searched = [tool for tool in tools if re.search(agent.tool, f"{tool.namespace}.{tool.name}")]
    named = [tool for tool in tools if re.search(agent.tool, tool.name)]
    return next(iter([*exact, *named, *searched]), None)
