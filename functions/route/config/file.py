"""The config file as a whole. It is read from YAML, and every name in it must lead somewhere."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from route.config.auto_rules import AUTO, AutoRouter
from route.config.capabilities import CapabilityRule
from route.config.profiles import ProfileConfig
from route.config.providers import KINDS, ProviderConfig
from route.config.routes import Route
from route.config.values import Money, Name, Strict

_SCOPE = re.compile(r"^provider:(?P<name>.+)$")
Alias = Annotated[str, Field(min_length=1, max_length=256)]


class ConfigError(Exception):
    """The file cannot be used. The message has one line for each fault, which begins with the path of its key."""


class BudgetConfig(Strict):
    """A limit on what one provider may cost per UTC day or month.

    `action: skip` passes the provider's routes over as soon as the spend reaches the limit. `action: warn` lets
    them be used, and each request that may use them writes a warning to the log. `mode: hard` also covers models
    without a price, by never calling them. `mode: soft` only looks at what has been spent, so that it is refused
    for a provider that has a model without a price.
    """

    scope: str
    period: Literal["day", "month"]
    limit_usd: Money
    action: Literal["warn", "skip"] = "skip"
    mode: Literal["soft", "hard"] = "soft"

    @field_validator("scope")
    @classmethod
    def _scope(cls, value: str) -> str:
        if not _SCOPE.match(value):
            raise ValueError("must be provider:NAME (budgets of other scopes are not enforced yet)")
        return value

    @property
    def provider(self) -> str:
        return self.scope.removeprefix("provider:")


class Config(Strict):
    """The whole file, checked.

    `allow_paid` counts for profiles that do not set it themselves. `mode_aliases` has the profile of each mode
    that callers may ask for.
    """

    providers: Annotated[tuple[ProviderConfig, ...], Field(min_length=1)]
    profiles: Annotated[dict[Name, ProfileConfig], Field(min_length=1)]
    budgets: tuple[BudgetConfig, ...] = ()
    aliases: dict[Alias, str] = Field(default_factory=dict)
    mode_aliases: dict[Alias, str] = Field(default_factory=dict)
    auto_router: AutoRouter = AutoRouter()
    capabilities: tuple[CapabilityRule, ...] = ()
    pass_through: bool = True
    default_profile: str
    allow_paid: Annotated[bool, Field(strict=True)] = False
    unknown_model: Literal["default", "reject"] = "default"

    @model_validator(mode="after")
    def _references(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterable[str]:
        """Names that lead nowhere and names that are there twice, each with the path of its key."""
        yield from self._provider_faults()
        yield from self._profile_faults()
        yield from self._budget_faults()
        for alias, target in self.aliases.items():
            if target not in self.choosable and target not in self.routes:
                yield f"aliases.{alias}: {target!r} is neither a profile nor a route"
        for mode, target in self.mode_aliases.items():
            if target not in self.choosable:
                yield f"mode_aliases.{mode}: no profile {target!r}"
        for i, rule in enumerate(self.capabilities):
            if rule.kind is not None and rule.kind not in KINDS:
                yield f"capabilities.{i}.kind: no kind {rule.kind!r}; there are {', '.join(KINDS)}"
        if self.default_profile not in self.choosable:
            yield f"default_profile: no profile {self.default_profile!r}"
        is_default = self.default_profile == AUTO and AUTO not in self.profiles
        yield from self.auto_router.faults(self.profiles, is_default=is_default)

    def _provider_faults(self) -> Iterable[str]:
        yield from (f"providers: {name!r} is there twice" for name in _twice(p.name for p in self.providers))
        for i, provider in enumerate(self.providers):
            twice = _twice(model.model for model in provider.models)
            yield from (f"providers.{i}.models: {name!r} is there twice" for name in twice)

    def _profile_faults(self) -> Iterable[str]:
        routes = self.routes
        for name, profile in self.profiles.items():
            yield from (f"profiles.{name}.routes: {r!r} is there twice" for r in _twice(profile.routes))
            for i, route in enumerate(profile.routes):
                if route not in routes:
                    yield f"profiles.{name}.routes.{i}: no route {route!r}; there are {', '.join(sorted(routes))}"

    def _budget_faults(self) -> Iterable[str]:
        names = [provider.name for provider in self.providers]
        for i, budget in enumerate(self.budgets):
            if budget.provider not in names:
                yield f"budgets.{i}.scope: no provider {budget.provider!r}"
            if budget.mode == "soft":
                yield from (f"budgets.{i}.scope: {fault}" for fault in self._unpriced(budget.provider))

    def _unpriced(self, name: str) -> Iterable[str]:
        """Each model of a provider that has no price, which makes the provider's spend unknown."""
        for i, provider in enumerate(self.providers):
            if provider.name == name:
                prices = map(provider.price_of, provider.models)
                unpriced = (f"providers.{i}.models.{j}" for j, price in enumerate(prices) if price is None)
                yield from (f"the spend would not be known, since {path} has no price" for path in unpriced)

    @property
    def choosable(self) -> set[str]:
        """The names that a caller may give as a profile: those in the file, and `auto` for the auto-router's
        choice.
        """
        return {*self.profiles, AUTO}

    @cached_property
    def routes(self) -> dict[str, Route]:
        """Every route by its name in the config, `provider/model`. They are made once and serve all requests."""
        routes = (Route.of(p, m, self.capabilities) for p in self.providers for m in p.models)
        return {route.name: route for route in routes}

    def routes_of(self, names: Iterable[str]) -> list[Route]:
        """The routes with these names, `provider/model`, in the given order."""
        return [self.routes[name] for name in names]


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


class _Twice(yaml.MarkedYAMLError):
    """A key is there twice. YAML itself would take the last of the two and drop the first in silence."""


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key which is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise _Twice(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return super().construct_mapping(node, deep)


def _place_of(error: yaml.YAMLError) -> str:
    """Line, column and fault. The text of the line is left out, because it may hold a secret."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ""
    mark = error.problem_mark
    quotes_nothing = isinstance(error, yaml.scanner.ScannerError | yaml.parser.ParserError | _Twice)
    return f" at line {mark.line + 1}, column {mark.column + 1}" + (f": {error.problem}" if quotes_nothing else "")


def parse_config(text: str) -> Config:
    """The config in this text. Raises ConfigError with the path of each faulty key."""
    try:
        document: Any = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML{_place_of(error)}") from None
    except ValueError:
        raise ConfigError("not YAML: it has a date or a number that there is not") from None
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(_fault_lines(error))) from None


def _fault_lines(error: ValidationError) -> Iterable[str]:
    """One line for each fault. The faulty value is left out, because it may hold a secret.

    Where every item of a list is faulty, pydantic also reports the list as too short, which it is not: that fault
    is left out too. Pydantic's word `tuple` becomes `list`, since YAML has no tuples.
    """
    faults = error.errors(include_input=False)
    for fault in faults:
        where = fault["loc"]
        is_echo = fault["type"] == "too_short" and any(
            len(other["loc"]) > len(where) and other["loc"][: len(where)] == where for other in faults
        )
        if not is_echo:
            message = "must be a list" if fault["type"] == "tuple_type" else fault["msg"]
            yield f"{'.'.join(map(str, where)) or '(file)'}: {message}"


def load_config(path: Path) -> Config:
    """The config in this file. Raises ConfigError, which names the file too."""
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    except ConfigError as error:
        raise ConfigError(f"{path}:\n{error}") from None
