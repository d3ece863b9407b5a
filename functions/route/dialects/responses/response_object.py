"""Builds the response object of a translated answer, which repeats fields of the request."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from ledger.usage import Usage
from route.dialects.base import dump, mapping, maps, text
from route.dialects.conversion import AnswerContext
from route.dialects.names import MAX_NAME, wire_name
from route.dialects.neutral import Document, Opened

ECHOED: Mapping[str, tuple[type | tuple[type, ...], object]] = {
    "background": (bool, False),
    "instructions": (str, None),
    "max_output_tokens": (int, None),
    "max_tool_calls": (int, None),
    "metadata": (dict, {}),
    "parallel_tool_calls": (bool, True),
    "previous_response_id": (str, None),
    "prompt_cache_key": (str, None),
    "reasoning": (dict, {"effort": None, "summary": None}),
    "safety_identifier": (str, None),
    "service_tier": (str, "default"),
    "temperature": ((int, float), 1.0),
    "tool_choice": ((str, dict), "auto"),
    "tools": (list, []),
    "top_logprobs": (int, 0),
    "top_p": ((int, float), 1.0),
    "truncation": (str, "disabled"),
    "user": (str, None),
}
"""The fields of the request that a response repeats: the type of each, and its default."""

_LIMITS = (MAX_NAME, 128)
"""The lengths of names on the wires that have no namespaces."""


def echo(body: Document) -> Document:
    """The fields of a request as its response repeats them."""
    said = {name: _known(body.get(name), *rule) for name, rule in ECHOED.items()}
    return said | {"store": False, "text": {"format": {"type": "text"}} | dict(mapping(body.get("text")))}


def _known(value: object, kind: type | tuple[type, ...], otherwise: object) -> object:
    is_known = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return value if is_known else otherwise


def derived(prefix: str, *of: object) -> str:
    """An id that is derived from values, so that the same values give the same id."""
    source = "\0".join(str(one) for one in of).encode("utf-8", "surrogatepass")
    return f"{prefix}_{sha256(source).hexdigest()[:40]}"


def response_id(said: str, asked: AnswerContext) -> str:
    """The answer's id if it is of this dialect; else one derived from it, or from the request if it is empty."""
    if said.startswith("resp_"):
        return said
    return derived("resp", said) if said else derived("resp", asked.created, dump(asked.body))


def usage_document(usage: Usage) -> Document:
    """Token counts with all fields, since the vendor's types require them."""
    written = usage.cache_write + usage.cache_write_1h
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.output,
    }


class CallerToolNames:
    """Finds the caller's own names for tools that a model calls by their names on its wire."""

    def __init__(self, body: Document) -> None:
        self._known: dict[str, tuple[str, str, bool]] = {}
        for tool in maps(body.get("tools")):
            inside = maps(tool.get("tools")) if tool.get("type") == "namespace" else []
            space = text(tool.get("name")) if inside else ""
            for one in inside or [tool]:
                name = text(one.get("name"))
                for limit in _LIMITS:
                    known = (space, name, one.get("type") == "custom")
                    self._known.setdefault(wire_name(space, name, limit), known)

    def of(self, call: Opened) -> Opened:
        """The call under the caller's name and namespace, and with whether its tool takes free text."""
        space, name, free = self._known.get(wire_name(call.namespace, call.name), ("", "", False))
        return replace(call, namespace=space, name=name, free=free or call.free) if name else call
