"""Where a request goes that is passed through, and whether it may: by headers, a model's name, key and budgets."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.items import ApiKey
from ledger.snapshot import Snapshot
from route.config.file import Config
from route.config.profiles import ProfileConfig
from route.config.providers import ModelConfig, ProviderConfig
from route.dialects.base import Dialect, Document, dump, text
from route.errors import BadRequest, Forbidden, NotFound
from route.planning.budgets import BudgetStatus
from route.providers import KINDS
from route.providers.base import PASSED_ON
from route.request.auto_router import Subject
from route.request.incoming import Incoming
from route.request.parse import MAX_LABEL, parse_body
from route.request.paths import VERSION
from route.request.profile_choice import choose, default_choice
from route.wire import MODE_HEADER, PROFILE_HEADER

_ABOUT_THE_BODY = ("content-type", "accept")


def headers_passed_on(incoming: Incoming) -> dict[str, str]:
    """Those of the caller's headers that go along: what belongs to the request or describes its body."""
    names = (*PASSED_ON[incoming.dialect.name], *_ABOUT_THE_BODY)
    return {name: incoming.headers[name] for name in names if name in incoming.headers}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where it goes, by whose limits, and as what body. `model`: the one that it names, if that is one of ours."""

    provider: ProviderConfig
    model: ModelConfig | None
    wire_model: str
    profile_name: str
    profile: ProfileConfig
    body: bytes

    @property
    def model_name(self) -> str:
        return self.model.model if self.model else ""


def json_of(incoming: Incoming) -> Document:
    """The body, where it is a JSON object; an empty one where it is none, which is the provider's to judge."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or not incoming.body:
        return {}
    try:
        return parse_body(incoming.body)
    except BadRequest:
        return {}


def check_key(key: ApiKey) -> None:
    """Raises Forbidden for a key that may not use everything."""
    if key.models or key.profiles:
        message = "This API key is limited to models or profiles, to which such a request cannot be held."
        raise Forbidden("pass_through_not_allowed", message)


def check_provider(provider: ProviderConfig, config: Config, snapshot: Snapshot, now: int) -> None:
    """Raises Forbidden or BudgetExceeded for one that may not be called. `now`: ms since the epoch."""
    if not provider.enabled:
        raise Forbidden("provider_disabled", f"The provider {provider.name} is disabled in this router.")
    if refusal := BudgetStatus(config.budgets, snapshot, now).refusal_of(provider.name):
        raise refusal


def destination_of(incoming: Incoming, document: Document, config: Config) -> Destination:
    """The first route of the vendor, in the profile or in what the body's model names. BadRequest or NotFound."""
    vendor = incoming.dialect
    said = text(document.get("model"))
    named = _named(said, config)
    name, profile = named or _profile(incoming.headers, config)
    found = next((r for r in config.routes_of(profile.routes) if _is_of(r.provider.kind, vendor)), None)
    if found is None:
        kinds = " or ".join(kind for kind in KINDS if _is_of(kind, vendor))
        where = f"the profile {name!r}" if name else "what its model names"
        asked = f"{incoming.method} {incoming.path[:MAX_LABEL]}"
        raise NotFound("no_provider", f"{asked} goes to a provider of kind {kinds}, and {where} has none.")
    if not named:
        return Destination(found.provider, None, said, name, profile, incoming.body)
    wire = found.model.on_wire
    body = incoming.body if wire == said else dump(document | {"model": wire})
    return Destination(found.provider, found.model, wire, name, profile, body)


def _named(model: str, config: Config) -> tuple[str, ProfileConfig] | None:
    """What a body's model names, where that is a profile, an alias, a route or a model of ours."""
    try:
        choice = choose({}, {}, model, config)
    except NotFound:
        return None
    return None if choice.is_default else (choice.name, choice.profile)


def _profile(headers: Mapping[str, str], config: Config) -> tuple[str, ProfileConfig]:
    """The profile that a header names, or the default one. Raises BadRequest."""
    is_named = PROFILE_HEADER in headers or MODE_HEADER in headers
    choice = choose({}, headers, "", config) if is_named else default_choice(config, Subject())
    return choice.name, choice.profile


def _is_of(kind: str, vendor: Dialect) -> bool:
    """Whether a kind of provider has the vendor's API: its main dialect stands where the vendor has it."""
    return KINDS[kind].paths.get(vendor.name, "").endswith(vendor.path.removeprefix(VERSION))
