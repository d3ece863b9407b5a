"""What a provider's error body says, whatever envelope it came in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from route.dialects.base import BadAnswer, mapping, parse_object, text

MESSAGES = ("message", "msg", "error", "detail", "errors", "Message", "error_description")
"""Where a message may stand, best first."""

TYPES = ("type", "__type", "error_type", "status")
MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A provider's words about an error; what it did not say is empty.

    `in_envelope`: as the vendors' SDKs read it, `{"error": {"message": …}}`.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    in_envelope: bool = False


def read_error_body(body: bytes) -> ErrorBody:
    """From the vendors' `{"error": {"message", …}}`, and from what servers that speak their dialects send instead.

    Empty for what is no JSON: a gateway's page says nothing to a program.
    """
    document = _document(body)
    error = document.get("error")
    # AWS's front has a wrapper of its own.
    inner = next((part for part in (error, document.get("Output")) if isinstance(part, Mapping)), document)
    message = _told(inner)
    # A broker repeats what the backend said to it, whole and as text.
    backend = _raw(mapping(inner.get("metadata")).get("raw"))
    return ErrorBody(
        message=": ".join(filter(None, (message, backend))),
        code=_word(inner.get("code")),
        type=next((word for name in TYPES if (word := text(inner.get(name)))), ""),
        param=text(inner.get("param")) or None,
        in_envelope=isinstance(error, Mapping) and bool(text(error.get("message"))),
    )


def _document(body: bytes) -> Mapping[str, Any]:
    """The object; or the first of a list, in which Google wraps its errors."""
    try:
        return parse_object(body)
    except BadAnswer:
        pass
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return mapping(parsed[0]) if isinstance(parsed, list) and parsed else {}


def _told(value: object, depth: int = 0) -> str:
    """A text, or the first one in an object or a list; web frameworks write `[{"loc": [place…], "msg"}]`."""
    if isinstance(value, str):
        return value.strip()
    if depth >= MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return _told(value[0], depth + 1) if value else ""
    fields = mapping(value)
    message = next((found for name in MESSAGES if (found := _told(fields.get(name), depth + 1))), "")
    where = fields.get("loc")
    place = ".".join(str(step) for step in where) if isinstance(where, list) else ""
    return f"{place}: {message}" if place and message else message


def _raw(value: object) -> str:
    raw = text(value).strip()
    return read_error_body(raw.encode("utf-8", "replace")).message if raw.startswith(("{", "[")) else raw


def _word(code: object) -> str:
    is_number = isinstance(code, int) and not isinstance(code, bool)
    return str(code) if is_number else text(code)
