"""The profile `auto`: which profile a request goes to by what it holds. Pure; the first rule that matches decides.

Four matchers look at the latest message of the user, and match nothing where there is none. The others look at
the request, and work in every dialect.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from route.config.values import Name, Number, Strict, Whole
from route.dialects.neutral import Image, NeutralRequest, Text, ToolResult

log = logging.getLogger("warmroute.route")

AUTO = "auto"
"""The profile that a request asks for to be routed by these rules."""

DEFAULT = "default"
"""What stands for a rule's id where none has matched."""

PATTERN_S = 0.05
"""A pattern that takes longer for some text matches nothing: it runs over what callers send, and all wait."""

PATTERN_CHARS = 65_536
"""How much of a text a pattern sees: within a run of one character the engine does not look at its clock."""

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)

Flag = Annotated[bool, Field(strict=True)]


class Match(Strict):
    """Exactly one of these.

    `has_image: false` is a message without any image, `has_tools: false` a request without tools.
    `code_fence_ratio_min`: the share of a message's characters inside code fences, fences included.
    `content_regex` is searched for, `model_pattern` must fit the whole of the requested model.
    `content_token_count_min`: estimated tokens of the whole request.
    """

    has_image: Flag | None = None
    code_fence_ratio_min: Annotated[Number, Field(gt=0, le=1)] | None = None
    content_contains: Annotated[str, Field(min_length=1)] | None = None
    content_regex: Annotated[str, Field(min_length=1)] | None = None
    model_pattern: Annotated[str, Field(min_length=1)] | None = None
    content_token_count_min: Annotated[Whole, Field(ge=1)] | None = None
    has_tools: Flag | None = None

    @field_validator("content_regex", "model_pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            _compiled(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.given) != 1:
            said = f", not {' and '.join(self.given)}" if self.given else ""
            raise ValueError(f"must have exactly one of {', '.join(type(self).model_fields)}{said}")
        return self

    @property
    def given(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class AutoRule(Strict):
    """What matches goes to this profile. The id is what the receipt and the log call it."""

    id: Name
    profile: str
    match: Match


class AutoRouter(Strict):
    """`default`: where a request goes that no rule matches; without it, to the file's default profile.

    Without rules the bundled ones are taken, as far as their profiles exist.
    """

    rules: tuple[AutoRule, ...] = ()
    default: str | None = None

    def faults(self, profiles: Collection[str], *, is_default: bool) -> Iterable[str]:
        """What is wrong with it, each with its path. `is_default`: `auto` is the file's default profile."""
        ids = [rule.id for rule in self.rules]
        yield from (
            f"auto_router.rules: {i!r} is there twice" for i in sorted({i for i in ids if ids.count(i) > 1})
        )
        for i, rule in enumerate(self.rules):
            if rule.profile not in profiles:
                yield f"auto_router.rules.{i}.profile: no profile {rule.profile!r}"
        if self.default is not None and self.default not in profiles:
            yield f"auto_router.default: no profile {self.default!r}"
        if is_default and self.default is None and _ALWAYS not in self.effective(profiles):
            yield f"auto_router.default: needed where default_profile is {AUTO!r}"

    def effective(self, profiles: Collection[str]) -> Sequence[AutoRule]:
        """The file's own rules, or those that are bundled; the last of these gives way to a `default`."""
        bundled = [rule for rule in BUNDLED if rule.profile in profiles]
        return self.rules or [rule for rule in bundled if not (self.default and rule is _ALWAYS)]

    def fallback(self, profiles: Collection[str]) -> str | None:
        """The profile of what no other rule takes; None where that is the file's default profile."""
        return self.default or next((rule.profile for rule in self.effective(profiles) if rule is _ALWAYS), None)


_ALWAYS = AutoRule(id="writing", profile="writing", match=Match.model_construct(model_pattern="(?s).*"))
"""Not checked, so that nothing is compiled before somebody asks for it."""

BUNDLED = (
    AutoRule(id="image", profile="multi", match=Match(has_image=True)),
    AutoRule(id="code", profile="coding", match=Match(code_fence_ratio_min=0.3)),
    _ALWAYS,
)


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


@cache
def _compiled(pattern: str) -> Any:
    """By the one engine that can be told to stop. ValueError for what is no pattern."""
    import regex  # noqa: PLC0415 - 30 ms, for those who have patterns

    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


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
    "content_regex": lambda pattern, message: _finds(_compiled(pattern).search, message.text),
}
_ON_REQUEST: Mapping[str, Callable[[Any, Subject], bool]] = {
    "model_pattern": lambda pattern, subject: _finds(_compiled(pattern).fullmatch, subject.model),
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
