"""Tokens of one attempt, normalised once: what each provider bills for, in the same five counts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from ledger.packing import packed, unpacked

MAX_TOKENS = 10**9
"""A count beyond this is a provider's mistake, and would not fit a table's numbers once it is multiplied."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; `input` is fresh input only, without what was read from or written to a cache.

    `reasoning` is part of `output`. `cache_write` is the 5-minute tier, `cache_write_1h` the one-hour tier.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All input that was billed, fresh or cached."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Usage)))

    def pack(self) -> dict[str, int]:
        """Counts by name without the zeros."""
        return packed(self)

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        return unpacked(cls, packed)


def _whole(value: object) -> int | None:
    """A token count from the wire, also as `1000.0` or `"1000"`; None for what is none, or beyond all sense."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < MAX_TOKENS else None


def _count(value: object) -> int:
    return _whole(value) or 0


def is_sound(usage: Mapping[str, Any]) -> bool:
    """Whether each count in a provider's `usage` that money depends on is one."""
    said = (usage.get(name) for name in (*_OPENAI_COUNTS, *_ANTHROPIC_COUNTS))
    return all(_whole(value) is not None for value in said if value is not None)


_OPENAI_COUNTS = ("prompt_tokens", "completion_tokens")
# Responses say `input_tokens` and `output_tokens` too.
_ANTHROPIC_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, Mapping) else {}


def from_openai(usage: Mapping[str, Any]) -> Usage:
    """From a chat `usage` object, whose `prompt_tokens` include the cached ones."""
    details = _part(usage, "prompt_tokens_details")
    prompt = _count(usage.get("prompt_tokens"))
    read = min(_count(details.get("cached_tokens")), prompt)
    written = min(_count(details.get("cache_write_tokens")), prompt - read)
    reasoning = _count(_part(usage, "completion_tokens_details").get("reasoning_tokens"))
    return Usage(
        input=prompt - read - written,
        cache_read=read,
        cache_write=written,
        output=_count(usage.get("completion_tokens")),
        reasoning=reasoning,
    )


def from_responses(usage: Mapping[str, Any]) -> Usage:
    """From a responses `usage` object: chat's counts under other names, the cached ones included in the input."""
    details = _part(usage, "input_tokens_details")
    prompt = _count(usage.get("input_tokens"))
    read = min(_count(details.get("cached_tokens")), prompt)
    written = min(_count(details.get("cache_write_tokens")), prompt - read)
    return Usage(
        input=prompt - read - written,
        cache_read=read,
        cache_write=written,
        output=_count(usage.get("output_tokens")),
        reasoning=_count(_part(usage, "output_tokens_details").get("reasoning_tokens")),
    )


def from_anthropic(usage: Mapping[str, Any]) -> Usage:
    """From a messages `usage` object, whose `input_tokens` exclude everything cached.

    `cache_creation` splits the written tokens in tiers; without it all of them are the 5-minute tier.
    """
    written = _count(usage.get("cache_creation_input_tokens"))
    one_hour = _count(_part(usage, "cache_creation").get("ephemeral_1h_input_tokens"))
    return Usage(
        input=_count(usage.get("input_tokens")),
        cache_read=_count(usage.get("cache_read_input_tokens")),
        cache_write=max(written - one_hour, 0),
        cache_write_1h=one_hour,
        output=_count(usage.get("output_tokens")),
        reasoning=_count(_part(usage, "output_tokens_details").get("thinking_tokens")),
    )
