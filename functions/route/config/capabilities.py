"""What a model can take, as data.

A flag of a model is looked up in the model's own entry first, then in the user's rules, then in the bundled rules.
The first of these that has the flag decides it, so a rule may be about one flag and leave the others to later
rules.
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
    """Flags of a model. None is unknown: such a model is sent the request, and its provider refuses what it cannot
    do.

    `documents` are PDFs. `thinking`, `cache_control`, `sampling`, `max_tokens_field` and `developer_role` are
    explained at `route.dialects.conversion.Target`.
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
    """Flags of every model whose name fits one of the globs in `match`, of any provider or of those of one `kind`.

    A glob is compared with a model's name and with its name on the wire, without regard to case, and with dots and
    dashes taken as equal. A glob without a `/` is compared with the name without its vendor, which stands in front
    (`openai/gpt-4o`, Bedrock's `us.anthropic.claude-…`). A glob with a `/` names the vendor too, so that it can
    tell two vendors' models of the same name apart.
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
    """Every flag and limit of one model, after all rules. None is unknown."""

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
    """What a model of a provider of this kind can take. `own`: the model's entry; `rules`: the user's, in
    order.
    """
    return _resolved(kind, model, wire_model, own, tuple(rules))


@lru_cache(maxsize=4096)
def _resolved(
    kind: str, model: str, wire_model: str, own: Capabilities, rules: tuple[CapabilityRule, ...]
) -> ResolvedCapabilities:
    names = {name for given in (model, wire_model) for name in _names(given)}
    fitting = (rule for rule in (*rules, *load_bundled()) if rule.kind in (None, kind) and _fits(rule, names))
    sources: list[Capabilities] = [own, *fitting]
    return ResolvedCapabilities(**{flag: _first(flag, sources) for flag in FLAGS})


def _first(flag: str, sources: Sequence[Capabilities]) -> Any:
    return next((value for source in sources if (value := getattr(source, flag, None)) is not None), None)


def _names(given: str) -> tuple[str, ...]:
    """A model's name as globs are compared with it: with its vendor, where it names one, and without."""
    plain = given.lower()
    # In an ARN or a path the model's name is the last part.
    *front, tail = plain.split("/")
    vendor = front[-1] if front else ""
    if bedrock := _BEDROCK.fullmatch(tail):
        vendor, tail = bedrock["vendor"], bedrock["tail"]
    return tuple(_with_dashes(name) for name in ((f"{vendor}/{tail}", tail) if vendor else (tail,)))


def _with_dashes(name: str) -> str:
    """What one vendor calls `gpt-4.1` is `gpt-4-1` at another."""
    return name.replace(".", "-")


def _fits(rule: CapabilityRule, names: Iterable[str]) -> bool:
    return any(_is_like(name, glob) for glob in _globs(rule) for name in names)


@cache
def _globs(rule: CapabilityRule) -> tuple[str, ...]:
    return tuple(_with_dashes(glob.lower()) for glob in rule.globs)


def _is_like(name: str, glob: str) -> bool:
    """Whether a glob fits. Most globs are a name or the beginning of one, which needs no regular expression:
    making those would take most of the time.
    """
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
    # libyaml reads the bundled file in 3 ms, Python's own loader in 25.
    return _RULES.validate_python(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506


_RULES = TypeAdapter(tuple[CapabilityRule, ...])
