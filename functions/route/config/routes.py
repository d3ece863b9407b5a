"""The destinations of a request: what is configured of each, by its name in the config."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

from ledger.items import ApiKey
from ledger.routes import route_key
from route.config.capabilities import CapabilityRule, ResolvedCapabilities, capabilities_of
from route.config.file import Config, ModelConfig, ProviderConfig
from route.digests import digest


@dataclass(frozen=True)
class Route:
    """A destination with what is configured of it. The same object for all requests under one config."""

    provider: ProviderConfig
    model: ModelConfig
    capabilities: ResolvedCapabilities = field(default_factory=ResolvedCapabilities)

    @cached_property
    def key(self) -> str:
        return route_key(self.provider.name, self.model.model)

    @cached_property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.model}"

    @cached_property
    def setup(self) -> str:
        """A digest of all that is configured of it and may decide something."""
        rules = self.provider.model_dump(mode="json", include=_PROVIDER_RULES)
        return digest([rules, self.model.model_dump(mode="json"), asdict(self.capabilities)])


_PROVIDER_RULES = {"name", "kind", "enabled", "dialects", "paid", "subscription"}


def routes_of(names: Iterable[str], config: Config) -> list[Route]:
    """The destinations with these config names, `provider/model`."""
    return [_route(name, config) for name in names]


def _route(name: str, config: Config) -> Route:
    provider, model = config.routes[name]
    route: Route | None = config.made.get(name)
    # A copy of a config with other parts begins with what was made of the first.
    if route is None or route.provider is not provider or route.model is not model:
        route = config.made[name] = Route(provider, model, _capabilities(provider, model, config.capabilities))
    return route


def _capabilities(
    provider: ProviderConfig, model: ModelConfig, rules: Sequence[CapabilityRule]
) -> ResolvedCapabilities:
    """What is known of a model: what its own entry says weighs most."""
    known = capabilities_of(provider.kind, model.model, model.on_wire, model.capabilities, rules)
    return replace(
        known,
        context_tokens=model.context_tokens or known.context_tokens,
        max_output_tokens=model.max_output_tokens or known.max_output_tokens,
    )


def is_allowed(key: ApiKey, route: Route) -> bool:
    """Whether a key may use a route: its models list, where it has one, names the model or the route."""
    return not key.models or route.model.model in key.models or route.name in key.models
