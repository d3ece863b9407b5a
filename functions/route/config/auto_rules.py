"""The rules of the auto-router, as the config file has them. `request/auto_router.py` applies them to requests."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from route.config.values import Name, Number, Strict, Whole

AUTO = "auto"
"""The name that a request gives as its profile when it wants these rules to choose one."""

DEFAULT = "default"
"""Stands in place of a rule's id where no rule has matched."""


@cache
def compiled(pattern: str) -> Any:
    """The pattern, compiled by `regex`, since Python's own engine has no time limit. ValueError for a
    faulty one.
    """
    import regex  # noqa: PLC0415 - the import takes 30 ms, and many configs have no patterns

    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


Flag = Annotated[bool, Field(strict=True)]


class Match(Strict):
    """What a rule looks for. Exactly one of these fields is given.

    `has_image: false` matches a message without any image, `has_tools: false` a request without tools.
    `code_fence_ratio_min`: the least share of a message's characters that stand inside code fences, the fences
    included. `content_regex` may match anywhere in the message; `model_pattern` must match the whole name of the
    requested model. `content_token_count_min`: estimated tokens of the whole request.
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
            instead = f", not {' and '.join(self.given)}" if self.given else ""
            raise ValueError(f"must have exactly one of {', '.join(type(self).model_fields)}{instead}")
        return self

    @property
    def given(self) -> list[str]:
        """The names of the fields that the file has."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class AutoRule(Strict):
    """Sends each request that matches to a profile. The receipt and the log name the rule by its id."""

    id: Name
    profile: str
    match: Match


class AutoRouter(Strict):
    """The rules, the first one that matches deciding, and where a request goes that none of them matches.

    A file without rules gets the bundled ones, as far as it has their profiles. A request that no rule matches
    goes to `default`, or to the file's default profile where that is not set.
    """

    rules: tuple[AutoRule, ...] = ()
    default: str | None = None

    def faults(self, profiles: Collection[str], *, is_default: bool) -> Iterable[str]:
        """Each fault with its path. `is_default`: the file's default profile is `auto`, so these rules must
        decide.
        """
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
        """The file's own rules, else the bundled ones, of which the last is left out where there is a
        `default`.
        """
        bundled = [rule for rule in BUNDLED if rule.profile in profiles]
        return self.rules or [rule for rule in bundled if not (self.default and rule is _ALWAYS)]

    def fallback(self, profiles: Collection[str]) -> str | None:
        """The profile of a request that no other rule matches; None where that is the file's default profile."""
        return self.default or next((rule.profile for rule in self.effective(profiles) if rule is _ALWAYS), None)


_ALWAYS = AutoRule(id="writing", profile="writing", match=Match.model_construct(model_pattern="(?s).*"))
"""The rule that matches every request. It is made without validation, which would compile its pattern at import.
"""

BUNDLED = (
    AutoRule(id="image", profile="multi", match=Match(has_image=True)),
    AutoRule(id="code", profile="coding", match=Match(code_fence_ratio_min=0.3)),
    _ALWAYS,
)
