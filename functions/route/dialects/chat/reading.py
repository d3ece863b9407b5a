"""Reads a request in chat completions into the neutral form."""

from collections.abc import Mapping

from route.dialects.base import OUR_FIELDS, Document, text
from route.dialects.chat.tools_reading import read_tools
from route.dialects.chat.turns_reading import read_turns
from route.dialects.efforts import EFFORTS
from route.dialects.fields import Fields, Report
from route.dialects.neutral import Format, NeutralRequest, Option, ReasoningSettings

_NUMBER = (int, float)
_PLAIN: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "temperature": ("temperature", _NUMBER),
    "top_p": ("top_p", _NUMBER),
    "top_k": ("top_k", int),
    "seed": ("seed", int),
    "frequency_penalty": ("frequency_penalty", _NUMBER),
    "presence_penalty": ("presence_penalty", _NUMBER),
    "logit_bias": ("logit_bias", Mapping),
    "metadata": ("metadata", Mapping),
    "service_tier": ("service_tier", str),
    "verbosity": ("verbosity", str),
    "prompt_cache_key": ("cache_key", str),
}
"""By the name of a field on the wire: the option that it is, and the type of its value."""
_LIMITS = ("max_completion_tokens", "max_tokens")
_USERS = ("safety_identifier", "user")
_EFFORTS = ("none", *EFFORTS)
_THINKING: Mapping[str, bool | None] = {"enabled": True, "adaptive": None, "disabled": False}


def read_request(body: Document) -> NeutralRequest:
    """The body of a request as a neutral request. Raises BadRequest."""
    report = Report()
    fields = Fields(body, report)
    fields.ignore("model", "stream_options", *OUR_FIELDS)
    turns = read_turns(fields.take("messages"), report)
    tools = read_tools(fields)
    options = {**_options(fields), **tools.options}
    stream = fields.take("stream", bool) is True
    _read_modalities(fields)
    return NeutralRequest(
        turns=turns,
        tools=tuple(tools.functions),
        hosted_tools=tuple(tools.hosted),
        options=options,
        stream=stream,
        dropped=report.dropped,
        refused=report.refused,
    )


def _options(fields: Fields) -> dict[str, Option]:
    options: dict[str, Option] = {}
    for name, (option, kind) in _PLAIN.items():
        value = fields.take(name, kind)
        if value is not None:
            options[option] = Option(value, name)
    several = {
        "max_output_tokens": _first(fields, _LIMITS, int),
        "user": _first(fields, _USERS, str),
        "stop": _stop(fields),
        "n": _n(fields),
        "logprobs": _logprobs(fields),
        "format": _format(fields),
        "reasoning": _reasoning(fields),
    }
    return options | {name: option for name, option in several.items() if option is not None}


def _first(fields: Fields, names: tuple[str, ...], kind: type) -> Option | None:
    """An option with several names, of which the newest counts. Another of the same value is not reported."""
    found: Option | None = None
    for name in names:
        if found is None:
            value = fields.take(name, kind)
            found = None if value is None else Option(value, name)
        elif fields.peek(name) == found.value:
            fields.ignore(name)
    return found


def _stop(fields: Fields) -> Option | None:
    said = fields.peek("stop")
    words = [said] if isinstance(said, str) else said
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    fields.ignore("stop")
    return Option(tuple(words), "stop") if words else None


def _n(fields: Fields) -> Option | None:
    """The number of choices. One is the default of every provider and need not be asked for."""
    n = fields.take("n", int)
    return None if n is None or n == 1 else Option(n, "n")


def _logprobs(fields: Fields) -> Option | None:
    if not fields.take("logprobs", bool):
        return None
    return Option(fields.take("top_logprobs", int) or 0, "logprobs")


def _format(fields: Fields) -> Option | None:
    if fields.peek("response_format") is None:
        return None
    inner = fields.object("response_format")
    kind = inner.text("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Option(Format("json_object"), inner.path)
    if kind != "json_schema":
        inner.rest()
        fields.report.refuse("response_format")
        return None
    said = inner.object("json_schema")
    schema = said.take("schema", Mapping)
    name, description, strict = said.text("name"), said.text("description"), said.take("strict", bool)
    found = Format("json_schema", None if schema is None else dict(schema), name, description, strict)
    return Option(found, said.path)


def _reasoning(fields: Fields) -> Option | None:
    """OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, and `thinking` of gateways to Anthropic."""
    at = [name for name in ("reasoning_effort", "reasoning", "thinking") if name in fields]
    if not at:
        return None
    asked = fields.object("reasoning")
    thinking = fields.object("thinking")
    efforts = [_effort(fields, "reasoning_effort"), _effort(asked, "effort")]
    effort = next((word for word in efforts if word is not None), None)
    budget = asked.take("max_tokens", int) or thinking.take("budget_tokens", int)
    hidden = asked.take("exclude", bool)
    enabled = [asked.take("enabled", bool), _THINKING.get(thinking.text("type"))]
    if effort is not None or budget is not None:
        enabled.append(effort != "none")
    found = ReasoningSettings(
        enabled=next((word for word in enabled if word is not None), None),
        effort="" if effort is None or effort == "none" else effort,
        budget_tokens=budget,
        shown=None if hidden is None else not hidden,
    )
    if found == ReasoningSettings():
        fields.report.drop(at[0])
        return None
    return Option(found, at[0])


def _effort(fields: Fields, name: str) -> str | None:
    """An effort that is known; any other stays and is reported."""
    return fields.text(name) if text(fields.peek(name)) in _EFFORTS else None


def _read_modalities(fields: Fields) -> None:
    """Refuses answers that are not only text, since they cannot be translated."""
    said = fields.take("modalities")
    if said is None or said == ["text"]:
        return
    fields.ignore("audio")
    fields.report.refuse("modalities")
