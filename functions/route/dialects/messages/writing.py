"""Writes a neutral request as a request for Anthropic's messages."""

from typing import Any

from route.dialects.base import Document
from route.dialects.conversion import Target
from route.dialects.efforts import MESSAGES_ASSUMED_OUTPUT_TOKENS
from route.dialects.fields import Report
from route.dialects.messages import reasoning
from route.dialects.messages.cache_marks import CacheMarks
from route.dialects.messages.ids import tool_name
from route.dialects.messages.turns import MessageWriting
from route.dialects.neutral import FREE_INPUT, Format, NeutralRequest, Option, Tool, ToolChoice

MAX_USER_ID = 256
MIN_TOP_P_WITH_THINKING = 0.95
_REFUSED = ("n", "logprobs")
_CHOICES = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
_FREE = {"type": "object", "properties": {FREE_INPUT: {"type": "string"}}, "required": [FREE_INPUT]}


class _RemainingOptions:
    """A request's settings that are still unwritten. Those never taken are reported as dropped or refused."""

    def __init__(self, request: NeutralRequest, report: Report) -> None:
        self._left = dict(request.options)
        self._report = report

    def take(self, name: str) -> Option | None:
        return self._left.pop(name, None)

    def value(self, name: str) -> Any:
        option = self.take(name)
        return None if option is None else option.value

    def lose(self, *names: str) -> None:
        """Reports these settings as dropped, where they are set."""
        for name in names:
            if option := self.take(name):
                self._report.drop(option.at)

    def finish(self) -> None:
        for name, option in self._left.items():
            if name not in _REFUSED:
                self._report.drop(option.at)
            elif (name, option.value) != ("n", 1):
                self._report.refuse(option.at)


def write_request(request: NeutralRequest, target: Target, report: Report) -> Document:
    """A body that Anthropic accepts; whatever it cannot hold goes into the report."""
    marks = CacheMarks(report, are_taken=target.cache_control is not False)
    options = _RemainingOptions(request, report)
    history = MessageWriting(target, report, marks)
    for turn in request.turns:
        history.add(turn)
    limit = _max_tokens(options.take("max_output_tokens"), target, report)
    body: Document = {"model": target.wire_model, "max_tokens": limit, "stream": request.stream}
    body |= {"system": history.system} if history.system else {}
    body |= {"messages": history.messages()}
    room = reasoning.ThinkingLimits(limit, history.allows_budget)
    thinking = _thinking(options.take("reasoning"), target, report, room, is_forced=_is_forced(request))
    is_thinking = reasoning.is_thinking(thinking)
    body |= thinking
    body |= _tools(request, history, report, marks)
    body |= _tool_choice(request, options, report)
    body |= _sampling(options, target, report, is_thinking=is_thinking)
    body |= _stops(options.take("stop"), report)
    body |= _user(options.take("user"), report)
    if output_format := _format(options.take("format"), target, report):
        body["output_config"] = body.get("output_config", {}) | {"format": output_format}
    options.finish()
    marks.limit(body)
    return body


def _max_tokens(option: Option | None, target: Target, report: Report) -> int:
    most = target.max_output_tokens
    if option is None:
        return most or MESSAGES_ASSUMED_OUTPUT_TOKENS
    if most is not None and option.value > most:
        report.drop(option.at)
        return most
    if option.value < 1:
        report.refuse(option.at)
    return max(int(option.value), 1)


def _thinking(
    option: Option | None, target: Target, report: Report, room: reasoning.ThinkingLimits, *, is_forced: bool
) -> Document:
    """The reasoning fields: none beside a forced call, since Anthropic does not take both together."""
    if option is None:
        return {}
    written = reasoning.write(option.value, target.thinking, room)
    if written is None or (is_forced and reasoning.is_thinking(written)):
        report.drop(option.at)
        return {}
    return written


def _is_forced(request: NeutralRequest) -> bool:
    choice: ToolChoice | None = request.value("tool_choice")
    return bool(request.tools) and choice is not None and choice.mode in ("required", "named")


def _tools(request: NeutralRequest, history: MessageWriting, report: Report, marks: CacheMarks) -> Document:
    """The tools. Without any, the tools that the history calls are declared but must not be called again."""
    for hosted in request.hosted_tools:
        (report.drop if request.tools else report.refuse)(hosted.at)
    tools: dict[str, Document] = {}
    for tool in request.tools:
        written = _tool(tool, report)
        if written["name"] in tools:
            report.drop(tool.at)
        else:
            tools[written["name"]] = marks.put(written, tool.cache, tool.at)
    if not tools and history.called:
        gone = [_tool(Tool(name), report) for name in history.called]
        return {"tools": gone, "tool_choice": {"type": "none"}}
    return {"tools": list(tools.values())} if tools else {}


def _tool(tool: Tool, report: Report) -> Document:
    name = tool_name(tool.namespace, tool.name)
    if not tool.namespace and name != tool.name:
        # The caller would not recognise a call under the changed name.
        report.refuse(f"{tool.at}.name")
    written: Document = {"name": name}
    if tool.description:
        written["description"] = tool.description
    schema = _FREE if tool.free else tool.parameters or {"type": "object", "properties": {}}
    written["input_schema"] = schema if schema.get("type") == "object" else {**schema, "type": "object"}
    return written | ({"strict": True} if tool.strict else {})


def _tool_choice(request: NeutralRequest, options: _RemainingOptions, report: Report) -> Document:
    """The choice among the tools, which Anthropic takes only together with tools."""
    option, parallel = options.take("tool_choice"), options.take("parallel_tool_calls")
    choice: ToolChoice = option.value if option else ToolChoice("auto")
    is_forced = choice.mode in ("required", "named")
    if not request.tools:
        for said in (one for one in (option, parallel) if one):
            (report.refuse if is_forced and said is option else report.drop)(said.at)
        return {}
    names = [tool_name(tool.namespace, tool.name) for tool in request.tools if tool.name == choice.name]
    written: Document = {"type": _CHOICES[choice.mode]} if option else {}
    if option and choice.mode == "named" and not names:
        report.refuse(option.at)
        written = {}
    elif choice.mode == "named":
        written["name"] = names[0]
    if parallel and parallel.value is False and choice.mode != "none":
        written = {"type": "auto"} | written | {"disable_parallel_tool_use": True}
    return {"tool_choice": written} if written else {}


def _sampling(options: _RemainingOptions, target: Target, report: Report, *, is_thinking: bool) -> Document:
    """Temperature or top_p, since Anthropic takes only one of them; with thinking only a top_p near 1."""
    if target.sampling is False:
        options.lose("temperature", "top_p", "top_k")
        return {}
    written: Document = {}
    temperature, top_p = options.take("temperature"), options.take("top_p")
    if temperature is not None:
        written["temperature"] = min(temperature.value, 1)
        if written["temperature"] != temperature.value or (is_thinking and temperature.value != 1):
            report.drop(temperature.at)
    if is_thinking:
        options.lose("top_k")
        written.pop("temperature", None)
    if top_p is not None and (written or (is_thinking and top_p.value < MIN_TOP_P_WITH_THINKING)):
        report.drop(top_p.at)
    elif top_p is not None:
        written["top_p"] = top_p.value
    top_k = options.value("top_k")
    return written | ({"top_k": top_k} if top_k is not None else {})


def _stops(option: Option | None, report: Report) -> Document:
    if option is None:
        return {}
    stops = [stop for stop in option.value if stop.strip()]
    if len(stops) < len(option.value):
        report.drop(option.at)
    return {"stop_sequences": stops} if stops else {}


def _user(option: Option | None, report: Report) -> Document:
    if option is None:
        return {}
    if len(option.value) > MAX_USER_ID:
        report.drop(option.at)
        return {}
    return {"metadata": {"user_id": option.value}}


def _format(option: Option | None, target: Target, report: Report) -> Document | None:
    """Structured output by a schema; Anthropic has no JSON output without one, and no name for it."""
    if option is None:
        return None
    wanted: Format = option.value
    if wanted.kind != "json_schema" or wanted.schema is None or target.structured_output is False:
        report.refuse(option.at)
        return None
    for name in ("name", "description"):
        if getattr(wanted, name):
            report.drop(f"{option.at}.{name}")
    return {"type": "json_schema", "schema": wanted.schema}
