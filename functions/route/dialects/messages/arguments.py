"""Converts the arguments of calls: objects in Anthropic's dialect, JSON text in the neutral form."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from route.dialects.base import Document, dump

UNREAD = "arguments"
"""The field under which a text that is no JSON object is put where an object is required."""
_MAX_DEPTH = 200
"""A depth that all parsers and writers handle, also inside other objects."""


def as_text(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON text. Raises ValueError where they are nested too deep to be written."""
    try:
        return dump(arguments).decode()
    except RecursionError:
        raise ValueError("nested too deep") from None


def as_object(arguments: str) -> Document:
    """The object that a JSON text holds. Broken JSON of a model is kept as text under `UNREAD`."""
    if not arguments.strip():
        return {}
    value = _parsed(arguments)
    return value if isinstance(value, dict) and _is_shallow(value, _MAX_DEPTH) else {UNREAD: arguments}


def is_object(arguments: str) -> bool:
    """Whether the text holds a JSON object; an empty text counts as an empty object."""
    return not arguments.strip() or isinstance(_parsed(arguments), dict)


def _parsed(arguments: str) -> object:
    """Uses the slower parser, since the fast one turns whole numbers beyond 64 bits into floats."""
    try:
        return json.loads(arguments, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return None


def _number(said: str) -> float:
    """A float. Raises ValueError for NaN and for infinity, which JSON cannot hold."""
    number = float(said)
    if not isfinite(number):
        raise ValueError(said)
    return number


def _is_shallow(value: object, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in inner)
