"""The route key: one destination as one string, the same in facts, folds, plans and receipts."""

from functools import lru_cache
from typing import NamedTuple


class RouteKey(NamedTuple):
    """`provider`, `model`, and `served_by` where the provider reports a backend, else empty."""

    provider: str
    model: str
    served_by: str = ""


def _escape(part: str | None) -> str:
    return (part or "").replace("%", "%25").replace("|", "%7C")


def _unescape(part: str) -> str:
    return part.replace("%7C", "|").replace("%25", "%")


@lru_cache(maxsize=4096)
def route_key(provider: str | None, model: str | None, served_by: str | None = None) -> str:
    """`provider|model|served_by`; a missing part is the empty string, never `None`."""
    return "|".join((_escape(provider), _escape(model), _escape(served_by)))


@lru_cache(maxsize=4096)
def parse_route_key(key: str) -> RouteKey:
    """The parts of a key made by `route_key`. ValueError when it is not one."""
    parts = key.split("|")
    if len(parts) != 3:
        raise ValueError(f"not a route key: {key!r}")
    return RouteKey(*map(_unescape, parts))
