"""The dial: whether a caller would rather have quality or a low price. The plan makes a floor of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from route.dialects.base import Document
from route.errors import BadRequest
from route.wire import MIN_QUALITY_HEADER, PREFERENCE_HEADER

PreferenceLevel = Literal["quality", "balanced", "cost"]
LEVELS: Mapping[object, PreferenceLevel] = {dial: dial for dial in get_args(PreferenceLevel)}

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST = 32


@dataclass(frozen=True, slots=True)
class Preference:
    """What a request says of quality. `min_quality`, from 0 to 1, is the caller's own floor."""

    dial: PreferenceLevel = "balanced"
    min_quality: float | None = None


def preference_of(body: Document, headers: Mapping[str, str]) -> Preference:
    """Body > header, each for itself. Raises BadRequest for what is neither a dial nor a quality."""
    hint, floor = body.get("routing_hint"), body.get("min_quality")
    hint = headers.get(PREFERENCE_HEADER) if hint is None else hint
    floor = _header_number(headers) if floor is None else floor
    return Preference("balanced" if hint is None else _level(hint), None if floor is None else _quality(floor))


def _level(said: object) -> PreferenceLevel:
    dial = LEVELS.get(said) if isinstance(said, str) else None
    if dial is None:
        known = ", ".join(sorted(LEVELS.values()))
        raise BadRequest(
            "unknown_preference", f"There is no such preference. Known: {known}.", param="routing_hint"
        )
    return dial


def _header_number(headers: Mapping[str, str]) -> float | None:
    """NaN, which is no quality, for what is no number."""
    said = headers.get(MIN_QUALITY_HEADER)
    if said is None:
        return None
    # Python also reads grouped digits, and those of other scripts.
    is_number = len(said) <= _LONGEST and _NUMBER.fullmatch(said)
    return float(said) if is_number else math.nan


def _quality(said: object) -> float:
    if isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said <= 1:
        return float(said)
    raise BadRequest("invalid_min_quality", "'min_quality' must be a number from 0 to 1.", param="min_quality")
