"""Writes a neutral request as a request for OpenAI's responses."""

from collections.abc import Callable, Mapping
from typing import Any

from route.dialects.conversion import Target
from route.dialects.efforts import EFFORTS, RESPONSES_ASSUMED_OUTPUT_TOKENS, RESPONSES_EFFORTS, nearest_effort
from route.dialects.fields import Report
from route.dialects.names import end_user
from route.dialects.neutral import OPTIONS, Document, NeutralRequest, Option, Thinking, Tool
from route.dialects.responses.input_writing import tool_name, write_turns
from route.dialects.responses.reading import ENCRYPTED, LOGPROBS

MIN_OUTPUT_TOKENS = 16
"""The smallest limit that the vendor accepts."""
_TIERS = ("auto", "default", "flex", "priority", "scale", "fast")
_VERBOSITY = ("low", "medium", "high")
_SAMPLING = ("temperature", "top_p")


def write_request(request: NeutralRequest, target: Target, report: Report) -> Document:
    """The body for the target. The provider shall store nothing, since no other dialect can refer to it."""
    head, items = write_turns(request, target, report)
    body: Document = {"model": target.wire_model, **head, "input": items, "store": False}
    if request.stream:
        body["stream"] = True
    writing = _OptionWriting(request, target, report)
    body |= writing.all()
    tools = _tools(request, report)
    if tools:
        body["tools"] = tools
    sealed = any(isinstance(part, Thinking) and part.encrypted for part in request.parts)
    if sealed or ("reasoning" in body and body["reasoning"].get("effort") != "none"):
        body["include"] = [ENCRYPTED, *body.get("include", ())]
    return body


class _OptionWriting:
    """Writes each option by the method of its name; an option without a method is reported as dropped."""

    def __init__(self, request: NeutralRequest, target: Target, report: Report) -> None:
        self.request, self.target, self.report = request, target, report

    def all(self) -> Document:
        body: Document = {}
        for name in OPTIONS:
            option = self.request.options.get(name)
            if option is None or option.value is None:
                continue
            for key, value in self._one(name, option).items():
                body[key] = body[key] | value if key == "text" and key in body else value
        return body

    def _one(self, name: str, option: Option) -> Document:
        write = _WRITTEN.get(name)
        written = write(self, option) if write else None
        if written is None:
            self.report.drop(option.at)
        return written or {}

    def max_output_tokens(self, option: Option) -> Document:
        most = max(min(option.value, self.target.max_output_tokens or option.value), MIN_OUTPUT_TOKENS)
        if most != option.value:
            self.report.drop(option.at)
        return {"max_output_tokens": most}

    def temperature(self, option: Option) -> Document | None:
        return None if self.target.sampling is False else {"temperature": option.value}

    def top_p(self, option: Option) -> Document | None:
        return None if self.target.sampling is False else {"top_p": option.value}

    def stop(self, option: Option) -> Document:
        """Refuses stop sequences: without them the answer would go on."""
        if option.value:
            self.report.refuse(option.at)
        return {}

    def n(self, option: Option) -> Document:
        if option.value != 1:
            self.report.refuse(option.at)
        return {}

    def logprobs(self, option: Option) -> Document:
        return {"include": [LOGPROBS]} | ({"top_logprobs": option.value} if option.value else {})

    def format(self, option: Option) -> Document:
        asked = option.value
        if self.target.structured_output is False:
            self.report.refuse(option.at)
            return {}
        if asked.kind == "json_object":
            return {"text": {"format": {"type": "json_object"}}}
        form = {"type": "json_schema", "name": asked.name or "answer", "schema": asked.schema or {}}
        form |= {"description": asked.description} if asked.description else {}
        form |= {} if asked.strict is None else {"strict": asked.strict}
        return {"text": {"format": form}}

    def verbosity(self, option: Option) -> Document | None:
        return {"text": {"verbosity": option.value}} if option.value in _VERBOSITY else None

    def reasoning(self, option: Option) -> Document | None:
        asked = option.value
        if self.target.thinking == "none":
            return None
        if asked.enabled is False:
            return {"reasoning": {"effort": "none"}}
        effort = asked.effort if asked.effort in EFFORTS else self._effort_of(asked.budget_tokens)
        if asked.effort and asked.budget_tokens:
            self.report.drop(option.at)
        said = ({"effort": effort} if effort else {}) | ({"summary": "auto"} if asked.shown else {})
        return {"reasoning": said} if said else None

    def _effort_of(self, budget: int | None) -> str:
        """The effort for a budget, by its share of the output; "" without a budget."""
        if not budget:
            return ""
        asked = self.request.value("max_output_tokens")
        most = asked or self.target.max_output_tokens or RESPONSES_ASSUMED_OUTPUT_TOKENS
        return nearest_effort(budget, most, RESPONSES_EFFORTS)

    def tool_choice(self, option: Option) -> Document | None:
        choice = option.value
        if choice.mode != "named":
            return {"tool_choice": choice.mode} if self.request.tools else None
        tool = next((tool for tool in self.request.tools if tool.name == choice.name), None)
        if tool is None:
            self.report.refuse(option.at)
            return {}
        return {"tool_choice": {"type": "custom" if tool.free else "function", "name": tool.name}}

    def parallel_tool_calls(self, option: Option) -> Document | None:
        return {"parallel_tool_calls": option.value} if self.request.tools else None

    def user(self, option: Option) -> Document:
        return {"safety_identifier": end_user(option.value)}

    def metadata(self, option: Option) -> Document | None:
        is_texts = all(isinstance(v, str) for pair in option.value.items() for v in pair)
        return {"metadata": dict(option.value)} if is_texts else None

    def service_tier(self, option: Option) -> Document | None:
        return {"service_tier": option.value} if option.value in _TIERS else None

    def cache_key(self, option: Option) -> Document:
        return {"prompt_cache_key": option.value}


_WRITTEN: Mapping[str, Callable[[_OptionWriting, Option], Document | None]] = {
    name: getattr(_OptionWriting, name) for name in OPTIONS if hasattr(_OptionWriting, name)
}
"""The methods by the option that they write; each returns None where its option is dropped."""


def _tools(request: NeutralRequest, report: Report) -> list[Document]:
    """The declarations of the tools; those of a namespace stand together in the place of its first tool."""
    for hosted in request.hosted_tools:
        (report.drop if request.tools else report.refuse)(hosted.at)
    written: list[Document] = []
    spaces: dict[str, list[Document]] = {}
    for tool in request.tools:
        if tool.cache is not None:
            report.drop(f"{tool.at}.cache_control")
        if tool_name(tool.name) != tool.name:
            # The caller would not recognise a call under the changed name.
            report.refuse(f"{tool.at}.name")
        if not tool.namespace:
            written.append(_tool(tool))
            continue
        if tool.namespace not in spaces:
            spaces[tool.namespace] = []
            space: Document = {"type": "namespace", "name": tool.namespace, "description": ""}
            written.append(space | {"tools": spaces[tool.namespace]})
        spaces[tool.namespace].append(_tool(tool))
    return written


def _tool(tool: Tool) -> Document:
    said: dict[str, Any] = {"type": "custom" if tool.free else "function", "name": tool.name}
    if tool.description:
        said["description"] = tool.description
    if tool.free:
        return said
    said["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    # Without this field the vendor tries to be strict, unlike all other dialects.
    said["strict"] = tool.strict or False
    return said
