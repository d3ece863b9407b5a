"""The destinations of a request: what is configured of each, by its name in the config."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Self

from ledger.items import ApiKey
from ledger.prices import Price
from ledger.routes import route_key
from route.config.capabilities import CapabilityRule, ResolvedCapabilities, capabilities_of
from route.config.providers import ModelConfig, ProviderConfig
from route.digests import digest


@dataclass(frozen=True)
class Route:
    """A destination with what is configured of it. The same object for all requests under one config."""

    provider: ProviderConfig
    model: ModelConfig
    capabilities: ResolvedCapabilities = field(default_factory=ResolvedCapabilities)

    @classmethod
    def of(cls, provider: ProviderConfig, model: ModelConfig, rules: Sequence[CapabilityRule]) -> Self:
        """`rules`: what the config says of capabilities of models that it does not list one by one."""
        return cls(provider, model, _capabilities(provider, model, rules))

    @cached_property
    def key(self) -> str:
        return route_key(self.provider.name, self.model.model)

    @cached_property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.model}"

    @property
    def list_price(self) -> Price | None:
        """What the provider asks for by its list; None where nobody knows."""
        return self.model.list_price

    @property
    def price(self) -> Price | None:
        """What a call costs here; see `ProviderConfig.price_of`."""
        return self.provider.price_of(self.model)

    @cached_property
    def setup(self) -> str:
        """A digest of all that is configured of it and may decide something."""
        rules = self.provider.model_dump(mode="json", include=_PROVIDER_RULES)
        return digest([rules, self.model.model_dump(mode="json"), asdict(self.capabilities)])


_PROVIDER_RULES = {"name", "kind", "enabled", "dialects", "paid", "subscription"}


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
