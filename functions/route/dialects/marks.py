"""Marks for the prompt cache (`cache_control`) in the bodies of requests."""

from collections.abc import Mapping
from typing import Any

from route.dialects.base import Document
from route.dialects.fields import Fields

MARK = "cache_control"
_LISTS = ("system", "tools", "messages", "content")


def mark_of(fields: Fields) -> Document | None:
    """Takes an object's mark, as Anthropic and the gateways to its models have it; None where there is none."""
    mark: Mapping[str, Any] | None = fields.take(MARK, Mapping)
    return None if mark is None else dict(mark)


def without_cache_marks(body: Document) -> tuple[Document, tuple[str, ...]]:
    """The body without its marks, and the paths where they stood. Arguments of calls are not searched."""
    found: set[str] = set()
    return _unmarked(body, "", found), tuple(sorted(found))


def _unmarked(value: Mapping[str, Any], path: str, found: set[str]) -> Document:
    unmarked: Document = {}
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        if name == MARK:
            found.add(where)
        elif name in _LISTS and isinstance(inner, list):
            unmarked[name] = [_unmarked(i, f"{where}[]", found) if isinstance(i, Mapping) else i for i in inner]
        else:
            unmarked[name] = inner
    return unmarked
