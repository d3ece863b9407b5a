"""The rules of the auto-router, as the config file has them; `request/auto_router.py` applies them to requests."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from route.config.values import Name, Number, Strict, Whole

AUTO = "auto"
"""The profile that a request asks for to be routed by these rules."""

DEFAULT = "default"
"""What stands for a rule's id where none has matched."""


@cache
def compiled(pattern: str) -> Any:
    """By the one engine that can be told to stop. ValueError for what is no pattern."""
    import regex  # noqa: PLC0415 - 30 ms, for those who have patterns

    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


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
            compiled(value)
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
