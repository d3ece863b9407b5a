"""Reads the tools of a request and the choice among them."""

from collections.abc import Callable, Mapping

from route.dialects.fields import Fields
from route.dialects.neutral import HostedTool, Option, Tool, ToolChoice
from route.errors import BadRequest


def read_tools(fields: Fields) -> tuple[list[Tool], list[HostedTool]]:
    """The tools that the caller runs, also those in namespaces, and the tools that the provider runs."""
    tools: list[Tool] = []
    hosted: list[HostedTool] = []
    for tool in fields.objects("tools"):
        kind = tool.take("type")
        if not isinstance(kind, str):
            raise _wrong(tool.at("type"))
        if kind == "namespace":
            tools += _namespace(tool)
        elif kind in _READ_TOOL:
            tools.append(_READ_TOOL[kind](tool, ""))
        else:
            tool.rest()
            hosted.append(HostedTool(kind, f"{tool.path}.{kind}"))
    return tools, hosted


def _namespace(fields: Fields) -> list[Tool]:
    name = fields.take("name", str)
    if not name:
        raise _wrong(fields.at("name"))
    if fields.peek("description") == "":
        fields.ignore("description")
    tools = []
    for tool in fields.objects("tools"):
        read = _READ_TOOL.get(str(tool.take("type")))
        if read is None:
            tool.rest()
            tool.report.drop(tool.path)
        else:
            tools.append(read(tool, name))
    return tools


def _function(fields: Fields, namespace: str) -> Tool:
    name = fields.take("name", str)
    if not name:
        raise _wrong(fields.at("name"))
    return Tool(
        name=name,
        description=fields.text("description"),
        parameters=fields.take("parameters", dict),
        strict=fields.take("strict", bool),
        namespace=namespace,
        at=fields.path,
    )


def _custom(fields: Fields, namespace: str) -> Tool:
    name = fields.take("name", str)
    if not name:
        raise _wrong(fields.at("name"))
    description = fields.text("description")
    form = fields.peek("format")
    if isinstance(form, Mapping) and form.get("type") == "text":
        fields.ignore("format")
    elif isinstance(form, Mapping) and isinstance(form.get("definition"), str):
        # In the description a grammar is not enforced: so `format` stays and is reported.
        grammar = f"The input must follow this {form.get('syntax') or 'grammar'}:\n{form['definition']}"
        description = f"{description}\n\n{grammar}" if description else grammar
    return Tool(name=name, description=description, namespace=namespace, free=True, at=fields.path)


_READ_TOOL: Mapping[str, Callable[[Fields, str], Tool]] = {"function": _function, "custom": _custom}

_Chosen = tuple[dict[str, Option], list[Tool], list[HostedTool]]


def read_tool_choice(fields: Fields, tools: list[Tool], hosted: list[HostedTool]) -> _Chosen:
    """The choice, and the tools that it leaves to choose from. Raises BadRequest."""
    at = "tool_choice"
    said = fields.peek(at)
    if said in ("auto", "none", "required"):
        fields.ignore(at)
        return {at: Option(ToolChoice(said), at)}, tools, hosted
    if not isinstance(said, Mapping):
        if said is not None:
            raise _wrong(at, "must be auto, none, required or an object")
        return {}, tools, hosted
    choice = fields.object(at)
    kind = choice.take("type")
    if isinstance(kind, str) and kind in _READ_TOOL:
        name = choice.take("name", str)
        if not name:
            raise _wrong(choice.at("name"))
        return {at: Option(ToolChoice("named", name), at)}, tools, hosted
    if kind == "allowed_tools" and choice.peek("mode") in ("auto", "required"):
        mode = choice.take("mode")
        return ({at: Option(ToolChoice(mode), at)}, *_allowed(choice, tools, hosted))
    choice.rest()
    fields.report.refuse(at)
    return {}, tools, hosted


def _allowed(choice: Fields, tools: list[Tool], hosted: list[HostedTool]) -> tuple[list[Tool], list[HostedTool]]:
    """The tools that may be called; the others need not be declared."""
    allowed = choice.take("tools", list) or []
    pairs = {(str(one.get("type")), str(one.get("name"))) for one in allowed if isinstance(one, Mapping)}
    kinds = {kind for kind, _ in pairs}
    own = [
        tool
        for tool in tools
        if ("custom" if tool.free else "function", tool.name) in pairs or ("namespace", tool.namespace) in pairs
    ]
    return own, [tool for tool in hosted if tool.kind in kinds]


def _wrong(at: str, must: str = "must be a string") -> BadRequest:
    return BadRequest("invalid_request", f"'{at}' {must}.", param=at)
