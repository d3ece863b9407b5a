"""Reads the tools of a chat completion and the choice among them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from route.dialects.base import mapping, maps, text
from route.dialects.fields import Fields
from route.dialects.marks import mark_of
from route.dialects.neutral import HostedTool, Option, Tool, ToolChoice
from route.errors import BadRequest

_MODES: Mapping[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "none": ToolChoice("none"),
    "required": ToolChoice("required"),
    "any": ToolChoice("required"),
}


@dataclass(slots=True)
class Tools:
    """The tools of a request. `options`: the choice among them, and whether several may be called at once."""

    functions: list[Tool] = field(default_factory=list)
    hosted: list[HostedTool] = field(default_factory=list)
    options: dict[str, Option] = field(default_factory=dict)


def read_tools(body: Fields) -> Tools:
    """The tools in `tools`, and those in `functions`, the form before it."""
    tools = Tools()
    for fields in body.objects("tools"):
        _read_tool(fields, tools)
    if body.take("web_search_options") is not None:
        tools.hosted.append(HostedTool("web_search", "web_search_options"))
    parallel = body.take("parallel_tool_calls", bool)
    if parallel is not None:
        tools.options["parallel_tool_calls"] = Option(parallel, "parallel_tool_calls")
    for fields in body.objects("functions"):
        tools.functions.append(_function(fields))
        # Callers that use this form expect one call at a time.
        tools.options["parallel_tool_calls"] = Option(False, "functions")
    for name in ("tool_choice", "function_call"):
        choice = _read_choice(body, name, tools)
        if choice is not None:
            tools.options["tool_choice"] = Option(choice, name)
    return tools


def _read_tool(fields: Fields, tools: Tools) -> None:
    kind = text(fields.peek("type")) or "function"
    read = _READ.get(kind)
    if read is None:
        fields.rest()
        tools.hosted.append(HostedTool(kind, f"{fields.path}.{kind}"))
        return
    fields.ignore("type")
    tool = read(fields.object(kind))
    tools.functions.append(replace(tool, cache=mark_of(fields) or tool.cache, at=fields.path))


def _function(fields: Fields) -> Tool:
    parameters = fields.take("parameters", Mapping)
    return Tool(
        name=_name(fields),
        description=fields.text("description"),
        parameters=None if parameters is None else dict(parameters),
        strict=fields.take("strict", bool),
        cache=mark_of(fields),
        at=fields.path,
    )


def _custom(fields: Fields) -> Tool:
    """Moves a grammar to the description, where it is not enforced: so `format` stays and is reported."""
    description = fields.text("description")
    form = mapping(fields.peek("format"))
    grammar = mapping(form.get("grammar"))
    if form.get("type") == "text":
        fields.ignore("format")
    elif text(grammar.get("definition")):
        told = f"The input must follow this {text(grammar.get('syntax'))} grammar:\n{grammar['definition']}"
        description = f"{description}\n\n{told}" if description else told
    return Tool(name=_name(fields), description=description, free=True, at=fields.path)


_READ: Mapping[str, Callable[[Fields], Tool]] = {"function": _function, "custom": _custom}


def _name(fields: Fields) -> str:
    name = fields.text("name")
    if not name:
        path = fields.at("name")
        raise BadRequest("invalid_tools", f"'{path}' must be a text that is not empty.", param=path)
    return name


def _read_choice(body: Fields, name: str, tools: Tools) -> ToolChoice | None:
    said = body.take(name)
    if said is None:
        return None
    choice = _MODES.get(said) if isinstance(said, str) else _named(mapping(said), tools)
    if choice is None:
        body.report.refuse(name)
    return choice


def _named(said: Mapping[str, object], tools: Tools) -> ToolChoice | None:
    """The choice of one tool: `{"type": "function", "function": {"name"}}`, or `{"name"}` before tools."""
    if said.get("type") == "allowed_tools":
        return _allowed(mapping(said.get("allowed_tools")), tools)
    name = _chosen(said)
    return ToolChoice("named", name) if name else None


def _allowed(said: Mapping[str, object], tools: Tools) -> ToolChoice | None:
    """A choice among some of the tools: the others are left out, so that it is a choice among all."""
    names = {_chosen(tool) for tool in maps(said.get("tools"))}
    tools.functions = [tool for tool in tools.functions if tool.name in names]
    tools.hosted = []
    return _MODES.get(text(said.get("mode"))) if tools.functions else None


def _chosen(said: Mapping[str, object]) -> str:
    inner = said.get(text(said.get("type")), said)
    return text(mapping(inner).get("name"))
