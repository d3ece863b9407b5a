"""A call's arguments: an object in Anthropic's dialect, JSON as text in the neutral form."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from route.dialects.base import Document, dump

UNREAD = "arguments"
"""Under this name stands a text that is no JSON object, where only an object can stand."""
_MAX_DEPTH = 200
"""So deep both parsers and writers go with ease, inside of whatever else."""


def as_text(arguments: Mapping[str, Any]) -> str:
    """Raises ValueError for what is nested too deep to be written."""
    try:
        return dump(arguments).decode()
    except RecursionError:
        raise ValueError("nested too deep") from None


def as_object(arguments: str) -> Document:
    """The object that the text holds. A model's broken JSON is kept as it is, under `UNREAD`."""
    if not arguments.strip():
        return {}
    value = _parsed(arguments)
    return value if isinstance(value, dict) and _is_shallow(value, _MAX_DEPTH) else {UNREAD: arguments}


def is_object(arguments: str) -> bool:
    """Whether a caller who needs an object gets the model's own; nothing at all is an empty one."""
    return not arguments.strip() or isinstance(_parsed(arguments), dict)


def _parsed(arguments: str) -> object:
    """By the slower parser: the fast one makes floats of whole numbers beyond 64 bits."""
    try:
        return json.loads(arguments, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return None


def _number(said: str) -> float:
    """Raises ValueError for what could not be written again: no number, or one beyond all floats."""
    number = float(said)
    if not isfinite(number):
        raise ValueError(said)
    return number


def _is_shallow(value: object, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in inner)
