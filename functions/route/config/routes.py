"""Routes: the providers' models as destinations of a request."""

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
    """A model of a provider, with all that is configured of it. One object serves all requests under one
    config.
    """

    provider: ProviderConfig
    model: ModelConfig
    capabilities: ResolvedCapabilities = field(default_factory=ResolvedCapabilities)

    @classmethod
    def of(cls, provider: ProviderConfig, model: ModelConfig, rules: Sequence[CapabilityRule]) -> Self:
        """The route of a provider's model. `rules`: the config's own rules about the capabilities of models."""
        return cls(provider, model, _capabilities(provider, model, rules))

    @cached_property
    def key(self) -> str:
        """The name under which the ledger counts the route."""
        return route_key(self.provider.name, self.model.model)

    @cached_property
    def name(self) -> str:
        """The name of the route in the config, `provider/model`."""
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
        """A digest of everything that is configured of the route and may change a decision."""
        rules = self.provider.model_dump(mode="json", include=_PROVIDER_RULES)
        return digest([rules, self.model.model_dump(mode="json"), asdict(self.capabilities)])


_PROVIDER_RULES = {"name", "kind", "enabled", "dialects", "paid", "subscription"}


def _capabilities(
    provider: ProviderConfig, model: ModelConfig, rules: Sequence[CapabilityRule]
) -> ResolvedCapabilities:
    """What a model can take. Limits in the model's own entry come before those of the rules."""
    known = capabilities_of(provider.kind, model.model, model.on_wire, model.capabilities, rules)
    return replace(
        known,
        context_tokens=model.context_tokens or known.context_tokens,
        max_output_tokens=model.max_output_tokens or known.max_output_tokens,
    )


def is_allowed(key: ApiKey, route: Route) -> bool:
    """Whether a key may use a route. A key with a list of models may use those models and routes alone."""
    return not key.models or route.model.model in key.models or route.name in key.models
