"""Reads a request for Anthropic's messages into the neutral form."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from route.dialects.base import OUR_FIELDS, Document
from route.dialects.efforts import EFFORTS
from route.dialects.fields import Fields, Report
from route.dialects.marks import mark_of
from route.dialects.messages import content
from route.dialects.neutral import (
    Format,
    HostedTool,
    NeutralRequest,
    Option,
    ReasoningSettings,
    Role,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from route.errors import BadRequest

_BILLING = "x-anthropic-billing-header:"
"""The beginning of a first block that Claude Code sends for Anthropic's billing and not for the model."""
_STATEFUL = ("container", "thread", "mcp_servers")
"""Fields that need the vendor's own servers: a container, a kept thread, calls of remote tool servers."""
_SETTINGS: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "max_output_tokens": ("max_tokens", int),
    "temperature": ("temperature", (int, float)),
    "top_p": ("top_p", (int, float)),
    "top_k": ("top_k", int),
}
_CHOICES: Mapping[str, Literal["auto", "required", "none", "named"]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
    "tool": "named",
}
_THINKING = {"enabled": True, "adaptive": None, "disabled": False}
_EFFORTS = tuple(effort for effort in EFFORTS if effort != "minimal")
_SHOWN = {"summarized": True, "omitted": False}


def read_request(body: Document) -> NeutralRequest:
    """The body of a request as a neutral request. Raises BadRequest."""
    report = Report()
    fields = Fields(body, report)
    fields.ignore("model", *OUR_FIELDS)
    turns = (*_system(fields), *_turns(fields))
    tools = [tool for entry in fields.objects("tools") if (tool := _tool(entry)) is not None]
    options = dict(_options(fields))
    for name in _STATEFUL:
        if fields.take(name):
            report.refuse(name)
    return NeutralRequest(
        turns=turns,
        tools=tuple(tool for tool in tools if isinstance(tool, Tool)),
        hosted_tools=tuple(tool for tool in tools if isinstance(tool, HostedTool)),
        options=options,
        stream=fields.take("stream", bool) or False,
        dropped=report.dropped,
        refused=report.refused,
    )


def _system(fields: Fields) -> list[Turn]:
    parts = content.read(fields, "system", content.SYSTEM)
    first = parts[0] if parts else None
    if isinstance(first, Text) and first.at == "system[]" and first.text.startswith(_BILLING):
        fields.report.drop(first.at)
        parts = parts[1:]
    return [Turn("system", parts, "system")] if parts else []


def _turns(fields: Fields) -> list[Turn]:
    said = fields.peek("messages")
    if not isinstance(said, list):
        raise BadRequest("invalid_messages", "messages: must be a list", param="messages")
    if not all(isinstance(message, Mapping) for message in said):
        raise BadRequest("invalid_messages", "messages[]: must be an object", param="messages[]")
    messages = fields.objects("messages")
    last_user = max((i for i, message in enumerate(messages) if message.peek("role") == "user"), default=-1)
    turns = [_turn(message, before_user=place < last_user) for place, message in enumerate(messages)]
    return [turn for turn in turns if turn.parts]


def _turn(message: Fields, *, before_user: bool) -> Turn:
    role = message.text("role")
    if role not in content.BY_ROLE:
        at = message.at("role")
        raise BadRequest("invalid_messages", f"{at}: must be user, assistant or system", param=at)
    parts = content.read(message, "content", content.BY_ROLE[role])
    # A system message may be meant for a single turn of the user.
    if role == "system" and message.text("clear_at") == "next_user_message" and before_user:
        parts = ()
    return Turn(cast(Role, role), parts, message.path)


def _tool(entry: Fields) -> Tool | HostedTool | None:
    """A tool. One with a type of its own counts as hosted, since no other provider knows it."""
    kind = entry.text("type")
    if kind not in ("", "custom"):
        entry.rest()
        return HostedTool(kind, entry.at(kind))
    name = entry.text("name")
    if not name:
        at = entry.at("name")
        raise BadRequest("invalid_tools", f"{at}: must be a text", param=at)
    parameters: Mapping[str, Any] | None = entry.take("input_schema", Mapping)
    if parameters is None and entry.peek("defer_loading") is True:
        entry.rest()
        entry.report.drop(entry.path)
        return None
    return Tool(
        name,
        description=entry.text("description"),
        parameters=None if parameters is None else dict(parameters),
        strict=entry.take("strict", bool),
        cache=mark_of(entry),
        at=entry.path,
    )


def _options(fields: Fields) -> Iterable[tuple[str, Option]]:
    for name, (field, kind) in _SETTINGS.items():
        value = fields.take(field, kind)
        if name == "max_output_tokens" and value is not None and value < 1:
            # A limit of 0 only fills the prompt cache and asks for no answer.
            fields.report.refuse(field)
        elif value is not None:
            yield name, Option(value, field)
    stops = fields.take("stop_sequences", list) or []
    if any(not isinstance(stop, str) for stop in stops):
        fields.report.drop("stop_sequences[]")
    if texts := tuple(stop for stop in stops if isinstance(stop, str)):
        yield "stop", Option(texts, "stop_sequences")
    metadata = fields.object("metadata")
    if user := metadata.text("user_id"):
        yield "user", Option(user, metadata.at("user_id"))
    yield from _tool_choice(fields)
    config = fields.object("output_config")
    yield from _reasoning(fields, config)
    yield from _format(config, "format")
    if "format" not in config:
        yield from _format(fields, "output_format")


def _word(fields: Fields, name: str, known: Iterable[str]) -> str:
    """Takes a field whose value is one of the known words; any other value stays and is reported."""
    return fields.text(name) if fields.peek(name) in tuple(known) else ""


def _tool_choice(fields: Fields) -> Iterable[tuple[str, Option]]:
    choice = fields.object("tool_choice")
    single = choice.take("disable_parallel_tool_use", bool)
    if single is not None:
        yield "parallel_tool_calls", Option(not single, choice.at("disable_parallel_tool_use"))
    kind = _word(choice, "type", _CHOICES)
    if kind:
        name = choice.text("name") if kind == "tool" else ""
        yield "tool_choice", Option(ToolChoice(_CHOICES[kind], name), choice.path)
    elif "type" in choice:
        fields.report.refuse(choice.at("type"))


def _reasoning(fields: Fields, config: Fields) -> Iterable[tuple[str, Option]]:
    thinking = fields.object("thinking")
    mode = _word(thinking, "type", _THINKING)
    enabled = _THINKING.get(mode)
    effort = _word(config, "effort", _EFFORTS) if enabled is not False else ""
    if mode or effort:
        shown = _word(thinking, "display", _SHOWN) if enabled is not False else ""
        budget = thinking.take("budget_tokens", int) if enabled else None
        reasoning = ReasoningSettings(enabled, effort, budget, _SHOWN.get(shown))
        yield "reasoning", Option(reasoning, thinking.path if mode else config.at("effort"))


def _format(owner: Fields, name: str) -> Iterable[tuple[str, Option]]:
    """Structured output, from `output_config.format` or from `output_format`, its older name."""
    if name not in owner:
        return
    said = owner.object(name)
    schema: Mapping[str, Any] | None = said.take("schema", Mapping)
    if said.text("type") == "json_schema" and schema is not None:
        yield "format", Option(Format("json_schema", schema=dict(schema)), said.path)
    else:
        said.rest()
        owner.report.refuse(said.path)
