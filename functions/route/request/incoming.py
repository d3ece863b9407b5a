"""A request as it came, before anything in it is understood."""

from collections.abc import Mapping
from dataclasses import dataclass

from route.dialects.base import Dialect

RESERVE_S = 3.0
"""How much of the platform's time is kept for the closing writes and the last bytes."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """`dialect`: the path's, or that of the vendor whose API it is part of. `path`: as it came, with its escapes.

    `headers` have lower-case names. `arrived`: ms since the epoch. `deadline_s`: when its attempts must have
    ended, on the event loop's clock, so that what follows them still fits into the platform's time.
    """

    dialect: Dialect
    method: str
    path: str
    headers: Mapping[str, str]
    query: str
    body: bytes
    arrived: int
    deadline_s: float
