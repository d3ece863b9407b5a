"""What a model can take, as data: a model's own entries, then the user's rules, then the bundled ones.

Of each flag the first that says it counts, so that a rule about one flag leaves the others to those after it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

BUNDLED = Path(__file__).parent / "data" / "capabilities.yaml"

ThinkingStyle = Literal["none", "budget", "adaptive", "effort"]
TokensField = Literal["max_tokens", "max_completion_tokens"]
Flag = Annotated[bool, Field(strict=True)]
Tokens = Annotated[int, Field(gt=0, strict=True)]
Glob = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^\S+$")]


class Capabilities(BaseModel):
    """Flags of a model; None is unknown, and taken as able, since the provider knows best.

    `documents`: PDFs. `thinking`, `cache_control`, `sampling`, `max_tokens_field`, `developer_role`: see
    `route.dialects.conversion.Target`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tools: Flag | None = None
    images: Flag | None = None
    documents: Flag | None = None
    audio: Flag | None = None
    thinking: ThinkingStyle | None = None
    structured_output: Flag | None = None
    cache_control: Flag | None = None
    sampling: Flag | None = None
    max_tokens_field: TokensField | None = None
    developer_role: Flag | None = None


class CapabilityRule(Capabilities):
    """Flags of every model whose name fits one of the globs in `match`, of any provider or those of one `kind`.

    A glob is held against a model's name and its name on the wire, whatever the case, with dots and dashes alike.
    One without a `/` leaves out the vendor in front (`openai/gpt-4o`, Bedrock's `us.anthropic.claude-…`); one with
    it names the vendor, so that two vendors' models with the same tail stay apart.
    """

    match: Glob | Annotated[tuple[Glob, ...], Field(min_length=1)]
    kind: str | None = None
    context_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None

    @property
    def globs(self) -> tuple[str, ...]:
        return (self.match,) if isinstance(self.match, str) else self.match


@dataclass(frozen=True, slots=True)
class ResolvedCapabilities:
    """Every flag of one model; None is unknown."""

    tools: bool | None = None
    images: bool | None = None
    documents: bool | None = None
    audio: bool | None = None
    thinking: str | None = None
    structured_output: bool | None = None
    cache_control: bool | None = None
    sampling: bool | None = None
    max_tokens_field: str | None = None
    developer_role: bool | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None


FLAGS = tuple(field.name for field in fields(ResolvedCapabilities))

_VENDORS = (
    "ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|nvidia|openai|qwen|writer|zai"
)
_BEDROCK = re.compile(rf"(?:[a-z-]+\.)?(?P<vendor>{_VENDORS})\.(?P<tail>.+)")


def capabilities_of(
    kind: str, model: str, wire_model: str, own: Capabilities, rules: Iterable[CapabilityRule] = ()
) -> ResolvedCapabilities:
    """Of one model of a provider of this kind. `own`: the model's entry; `rules`: the user's, in order."""
    return _resolved(kind, model, wire_model, own, tuple(rules))


@lru_cache(maxsize=4096)
def _resolved(
    kind: str, model: str, wire_model: str, own: Capabilities, rules: tuple[CapabilityRule, ...]
) -> ResolvedCapabilities:
    names = {name for given in (model, wire_model) for name in _names(given)}
    fitting = (rule for rule in (*rules, *load_bundled()) if rule.kind in (None, kind) and _fits(rule, names))
    said: list[Capabilities] = [own, *fitting]
    return ResolvedCapabilities(**{flag: _first(flag, said) for flag in FLAGS})


def _first(flag: str, said: Sequence[Capabilities]) -> Any:
    return next((value for each in said if (value := getattr(each, flag, None)) is not None), None)


def _names(given: str) -> tuple[str, ...]:
    """A name as globs see it: with its vendor, where it has one, and without."""
    plain = given.lower()
    # An ARN or a path says the model's name last, and who serves it first.
    *front, tail = plain.split("/")
    vendor = front[-1] if front else ""
    if bedrock := _BEDROCK.fullmatch(tail):
        vendor, tail = bedrock["vendor"], bedrock["tail"]
    return tuple(_alike(name) for name in ((f"{vendor}/{tail}", tail) if vendor else (tail,)))


def _alike(name: str) -> str:
    """`gpt-4.1` is `gpt-4-1` elsewhere."""
    return name.replace(".", "-")


def _fits(rule: CapabilityRule, names: Iterable[str]) -> bool:
    return any(_is_like(name, glob) for glob in _globs(rule) for name in names)


@cache
def _globs(rule: CapabilityRule) -> tuple[str, ...]:
    return tuple(_alike(glob.lower()) for glob in rule.globs)


def _is_like(name: str, glob: str) -> bool:
    """Most globs are the beginning of a name: those need no regular expression, which takes long to make."""
    head = glob.removesuffix("*")
    if not any(sign in head for sign in "*?["):
        return name.startswith(head) if head != glob else name == glob
    return fnmatchcase(name, glob)


@cache
def load_bundled() -> tuple[CapabilityRule, ...]:
    """The rules that come with the router."""
    return parse_rules(BUNDLED.read_text(encoding="utf-8"))


def parse_rules(text: str) -> tuple[CapabilityRule, ...]:
    """A list of rules in YAML. Raises yaml.YAMLError or pydantic's ValidationError."""
    # libyaml reads ours in 3 ms where Python's own loader needs 25.
    return _RULES.validate_python(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506


_RULES = TypeAdapter(tuple[CapabilityRule, ...])
