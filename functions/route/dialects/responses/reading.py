"""Reads a request for OpenAI's responses into the neutral form."""

from collections.abc import Mapping
from typing import Any

from route.dialects.base import OUR_FIELDS
from route.dialects.efforts import EFFORTS
from route.dialects.fields import Fields, Report
from route.dialects.neutral import Document, Format, NeutralRequest, Option, ReasoningSettings, Text, Turn
from route.dialects.responses.input_reading import read_input
from route.dialects.responses.tools import read_tool_choice, read_tools
from route.errors import BadRequest

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_STATES = ("previous_response_id", "conversation", "prompt")
"""Fields that refer to something on which the answer depends and which only one provider keeps."""
_DEFAULTS: Mapping[str, object] = {"store": False, "background": False, "truncation": "disabled"}
"""Fields with the value that describes every provider which keeps nothing."""


def read_request(body: Document) -> NeutralRequest:
    """The body of a request as a neutral request. Raises BadRequest."""
    report = Report()
    fields = Fields(body, report)
    fields.ignore("model", *OUR_FIELDS)
    turns = [*_instructions(fields), *read_input(fields)]
    tools, hosted = read_tools(fields)
    options: dict[str, Option] = {}
    for name, (at, kind) in _PLAIN.items():
        value = fields.take(at, kind)
        if value is not None:
            options.setdefault(name, Option(value, at))
    for read in (_text, _reasoning, _logprobs, _user):
        options |= read(fields)
    choice, tools, hosted = read_tool_choice(fields, tools, hosted)
    options |= choice
    stream = fields.take("stream", bool) is True
    _leave(fields)
    return NeutralRequest(
        turns=tuple(turns),
        tools=tuple(tools),
        hosted_tools=tuple(hosted),
        options=options,
        stream=stream,
        dropped=report.dropped,
        refused=report.refused,
    )


_NUMBER = (int, float)
_PLAIN: Mapping[str, tuple[str, Any]] = {
    "max_output_tokens": ("max_output_tokens", int),
    "temperature": ("temperature", _NUMBER),
    "top_p": ("top_p", _NUMBER),
    "parallel_tool_calls": ("parallel_tool_calls", bool),
    "metadata": ("metadata", Mapping),
    "service_tier": ("service_tier", str),
    "cache_key": ("prompt_cache_key", str),
}
"""Options that are a single value: the field of each, and its type."""


def _instructions(fields: Fields) -> list[Turn]:
    said = fields.take("instructions")
    if said is None or said == "":
        return []
    if not isinstance(said, str):
        raise BadRequest("invalid_instructions", "'instructions' must be a string.", param="instructions")
    return [Turn("system", (Text(text=said, at="instructions"),), "instructions")]


def _leave(fields: Fields) -> None:
    """Refuses or takes the last known fields; all others that are left are reported as dropped."""
    for name in _STATES:
        if fields.take(name) is not None:
            fields.report.refuse(name)
    for name, default in _DEFAULTS.items():
        if fields.peek(name) == default:
            fields.ignore(name)
    if fields.peek("background") is True:
        fields.ignore("background")
        fields.report.refuse("background")
    streaming = fields.object("stream_options")
    if streaming.peek("include_obfuscation") is False:
        streaming.ignore("include_obfuscation")


def _text(fields: Fields) -> dict[str, Option]:
    text = fields.object("text")
    options: dict[str, Option] = {}
    verbosity = text.text("verbosity")
    if verbosity:
        options["verbosity"] = Option(verbosity, "text.verbosity")
    form = text.object("format")
    kind = form.take("type")
    if kind == "json_schema":
        schema = form.take("schema", dict)
        if schema is None:
            raise BadRequest(
                "invalid_format", "'text.format.schema' must be an object.", param="text.format.schema"
            )
        said = Format(
            "json_schema", schema, form.text("name"), form.text("description"), form.take("strict", bool)
        )
        options["format"] = Option(said, "text.format")
    elif kind == "json_object":
        options["format"] = Option(Format("json_object"), "text.format")
    elif kind not in (None, "text"):
        form.rest()
        form.report.refuse("text.format")
    return options


def _reasoning(fields: Fields) -> dict[str, Option]:
    if not isinstance(fields.peek("reasoning"), Mapping):
        return {}
    asked = fields.object("reasoning")
    effort, shown = asked.peek("effort"), None
    if effort in (*EFFORTS, "none"):
        asked.ignore("effort")
    else:
        effort = None
    for name in ("summary", "generate_summary"):
        said = asked.peek(name)
        shown = True if isinstance(said, str) and said else shown
        if said == "auto":
            asked.ignore(name)  # no other dialect can express the length of a summary
    enabled = None if effort is None else effort != "none"
    if enabled is None and shown is None:
        return {}
    said = ReasoningSettings(enabled, effort if enabled else "", None, shown)
    return {"reasoning": Option(said, "reasoning")}


def _logprobs(fields: Fields) -> dict[str, Option]:
    named = fields.take("include", list) or []
    most = fields.take("top_logprobs", int)
    if any(name not in (ENCRYPTED, LOGPROBS) for name in named):
        fields.report.drop("include[]")
    if LOGPROBS not in named and not most:
        return {}
    return {"logprobs": Option(most or 0, "include[]" if LOGPROBS in named else "top_logprobs")}


def _user(fields: Fields) -> dict[str, Option]:
    """The end user, under the present name of the field or its older one."""
    for at in ("safety_identifier", "user"):
        said = fields.text(at)
        if said:
            return {"user": Option(said, at)}
    return {}
