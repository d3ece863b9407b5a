"""The destinations of a request: what is configured of each, by its name in the config."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ledger.items import ApiKey
from ledger.routes import route_key
from route.capabilities import CapabilityRule, Resolved, capabilities_of
from route.config import Config, ModelConfig, ProviderConfig


@dataclass(frozen=True, slots=True)
class Route:
    """A destination with what is configured of it."""

    provider: ProviderConfig
    model: ModelConfig
    able: Resolved = field(default_factory=Resolved)

    @property
    def key(self) -> str:
        return route_key(self.provider.name, self.model.model)

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.model}"


def routes_of(names: Iterable[str], config: Config) -> list[Route]:
    """The destinations with these config names, `provider/model`."""
    configured = config.routes
    return [Route(*configured[name], able=_able(*configured[name], config.capabilities)) for name in names]


def _able(provider: ProviderConfig, model: ModelConfig, rules: Sequence[CapabilityRule]) -> Resolved:
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
