"""The profile `auto`: which profile a request goes to by what it holds. Pure; the first rule that matches decides.

Four matchers look at the latest message of the user, and match nothing where there is none. The others look at
the request, and work in every dialect.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from route.config.auto_rules import AutoRule, Match, compiled
from route.dialects.neutral import Image, NeutralRequest, Text, ToolResult

log = logging.getLogger("warmroute.route")

PATTERN_S = 0.05
"""A pattern that takes longer for some text matches nothing: it runs over what callers send, and all wait."""

PATTERN_CHARS = 65_536
"""How much of a text a pattern sees: within a run of one character the engine does not look at its clock."""

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the user said last."""

    text: str
    has_image: bool


def _no_message() -> UserMessage | None:
    return None


@dataclass(frozen=True, slots=True)
class Subject:
    """What the rules look at. `tokens`: the estimate for all of it. `message`: asked where a rule needs it."""

    model: str = ""
    tokens: int = 0
    has_tools: bool = False
    message: Callable[[], UserMessage | None] = field(default=_no_message)


def latest_message(neutral: NeutralRequest) -> UserMessage | None:
    """The last turn of the user that holds more than results of tools; None without one."""
    for turn in reversed(neutral.turns):
        said = [part for part in turn.parts if not isinstance(part, ToolResult)]
        if turn.role == "user" and said:
            text = "\n".join(part.text for part in said if isinstance(part, Text))
            return UserMessage(text, any(isinstance(part, Image) for part in said))
    return None


def code_fence_ratio(text: str) -> float:
    """The share of characters inside code fences, from 0 to 1. One that is not closed runs to the end."""
    return sum(len(fenced) for fenced in _FENCED.findall(text)) / len(text) if text else 0.0


def _finds(search: Callable[..., object], text: str) -> bool:
    try:
        return search(text, timeout=PATTERN_S, endpos=PATTERN_CHARS) is not None
    except TimeoutError:
        log.warning("auto-router-pattern-slow", extra={"limit_s": PATTERN_S})
        return False


_ON_MESSAGE: Mapping[str, Callable[[Any, UserMessage], bool]] = {
    "has_image": lambda wanted, message: message.has_image is wanted,
    "code_fence_ratio_min": lambda least, message: code_fence_ratio(message.text) >= least,
    "content_contains": lambda words, message: words in message.text,
    "content_regex": lambda pattern, message: _finds(compiled(pattern).search, message.text),
}
_ON_REQUEST: Mapping[str, Callable[[Any, Subject], bool]] = {
    "model_pattern": lambda pattern, subject: _finds(compiled(pattern).fullmatch, subject.model),
    "content_token_count_min": lambda least, subject: subject.tokens >= least,
    "has_tools": lambda wanted, subject: subject.has_tools is wanted,
}


def _matches(match: Match, subject: Subject) -> bool:
    (name,) = match.given
    wanted = getattr(match, name)
    if name in _ON_REQUEST:
        return _ON_REQUEST[name](wanted, subject)
    message = subject.message()
    return message is not None and _ON_MESSAGE[name](wanted, message)


def first_match(rules: Iterable[AutoRule], subject: Subject) -> AutoRule | None:
    """The rule that decides; None when none matches."""
    return next((rule for rule in rules if _matches(rule.match, subject)), None)
