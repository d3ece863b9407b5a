"""Writes a neutral request as a chat completion."""

from collections.abc import Callable, Mapping

from route.dialects.base import Document
from route.dialects.chat.parts import marked
from route.dialects.chat.turns_writing import write_turns
from route.dialects.conversion import Target
from route.dialects.efforts import CHAT_ASSUMED_OUTPUT_TOKENS, CHAT_EFFORTS, nearest_effort
from route.dialects.fields import Report
from route.dialects.names import end_user, wire_name
from route.dialects.neutral import FREE_INPUT, Format, NeutralRequest, Option, ReasoningSettings, Tool, ToolChoice

MAX_STOPS = 4
_SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias")
_SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
_FREE: Document = {
    "type": "object",
    "properties": {FREE_INPUT: {"type": "string"}},
    "required": [FREE_INPUT],
    "additionalProperties": False,
}
"""The parameters of a tool that takes free text, declared as a function."""


def write_request(request: NeutralRequest, target: Target, report: Report) -> Document:
    """The body for the target; whatever it cannot hold goes into the report."""
    body: Document = {"model": target.wire_model, "messages": write_turns(request.turns, target, report)}
    body |= _tools(request, target, report)
    for name, option in request.options.items():
        if name not in _OF_TOOLS:
            body |= _OPTIONS.get(name, _dropped)(_OptionWriting(name, option, request, target, report))
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _tools(request: NeutralRequest, target: Target, report: Report) -> Document:
    """The tools with the choice among them and whether several may be called at once; without tools none of it."""
    for hosted in request.hosted_tools:
        (report.drop if request.tools else report.refuse)(hosted.at)
    choice, parallel = (request.options.get(name) for name in _OF_TOOLS)
    if not request.tools:
        for option in (choice, parallel):
            if option is not None:
                is_forced = isinstance(option.value, ToolChoice) and option.value.mode in ("required", "named")
                (report.refuse if is_forced else report.drop)(option.at)
        return {}
    body: Document = {"tools": [_tool(tool, target, report) for tool in request.tools]}
    body |= {} if choice is None else _choice(choice, request.tools, report)
    return body if parallel is None else {**body, "parallel_tool_calls": parallel.value}


_OF_TOOLS = ("tool_choice", "parallel_tool_calls")


def _tool(tool: Tool, target: Target, report: Report) -> Document:
    said = {
        "name": wire_name(tool.namespace, tool.name),
        "description": tool.description or None,
        "parameters": _FREE if tool.free else tool.parameters,
        "strict": tool.strict,
    }
    function = {name: value for name, value in said.items() if value is not None}
    return marked({"type": "function", "function": function}, tool.cache, tool.at, target, report)


def _choice(option: Option, tools: tuple[Tool, ...], report: Report) -> Document:
    choice: ToolChoice = option.value
    if choice.mode != "named":
        return {"tool_choice": choice.mode}
    tool = next((tool for tool in tools if tool.name == choice.name), None)
    if tool is None:
        report.refuse(option.at)
        return {}
    return {"tool_choice": {"type": "function", "function": {"name": wire_name(tool.namespace, tool.name)}}}


class _OptionWriting:
    """An option, with everything on which its form on the wire may depend."""

    def __init__(self, name: str, option: Option, request: NeutralRequest, target: Target, report: Report) -> None:
        self.name, self.value, self.at = name, option.value, option.at
        self.request, self.target, self.report = request, target, report

    def dropped(self) -> Document:
        self.report.drop(self.at)
        return {}

    def refused(self) -> Document:
        self.report.refuse(self.at)
        return {}


def _dropped(said: _OptionWriting) -> Document:
    return said.dropped()


def _as_it_is(said: _OptionWriting) -> Document:
    return {said.name: said.value}


def _sampling(said: _OptionWriting) -> Document:
    return said.dropped() if said.target.sampling is False else {said.name: said.value}


def _max_tokens(said: _OptionWriting) -> Document:
    """The limit, at most what the model can write: some servers answer a larger one with a 400."""
    most = said.target.max_output_tokens
    if most is not None and said.value > most:
        said.report.drop(said.at)
    return {said.target.max_tokens_field: said.value if most is None else min(said.value, most)}


def _stop(said: _OptionWriting) -> Document:
    if len(said.value) > MAX_STOPS:
        said.report.drop(said.at)
    return {"stop": list(said.value[:MAX_STOPS])}


def _logprobs(said: _OptionWriting) -> Document:
    return {"logprobs": True} | ({"top_logprobs": said.value} if said.value else {})


def _format(said: _OptionWriting) -> Document:
    asked: Format = said.value
    if said.target.structured_output is False:
        return said.refused()
    if asked.kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    inner = {
        "name": asked.name or "answer",
        "description": asked.description or None,
        "schema": asked.schema,
        "strict": asked.strict,
    }
    schema = {name: value for name, value in inner.items() if value is not None}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _reasoning(said: _OptionWriting) -> Document:
    """The effort. There is no field for whether reasoning is shown, or turned on without an effort."""
    asked: ReasoningSettings = said.value
    word = "none" if asked.enabled is False else asked.effort or _effort_of_budget(said)
    if said.target.thinking == "none" or not word:
        return said.dropped()
    if asked.shown is not None:
        said.report.drop(said.at)
    return {"reasoning_effort": word}


def _effort_of_budget(said: _OptionWriting) -> str:
    """The effort whose share of the output is nearest to the budget; "" without a budget."""
    budget = said.value.budget_tokens
    if budget is None:
        return ""
    asked = said.request.value("max_output_tokens")
    most = asked or said.target.max_output_tokens or CHAT_ASSUMED_OUTPUT_TOKENS
    return nearest_effort(budget, most, CHAT_EFFORTS)


def _service_tier(said: _OptionWriting) -> Document:
    return {"service_tier": said.value} if said.value in _SERVICE_TIERS else said.dropped()


_OPTIONS: Mapping[str, Callable[[_OptionWriting], Document]] = {
    **dict.fromkeys(_SAMPLING, _sampling),
    "max_output_tokens": _max_tokens,
    "stop": _stop,
    "seed": _as_it_is,
    "n": _as_it_is,
    "logprobs": _logprobs,
    "format": _format,
    "reasoning": _reasoning,
    "user": lambda said: {"user": end_user(said.value)},
    "service_tier": _service_tier,
    "verbosity": _as_it_is,
    "cache_key": lambda said: {"prompt_cache_key": said.value},
}
"""By option. `metadata` is missing: OpenAI takes it only with `store`, others not at all."""
