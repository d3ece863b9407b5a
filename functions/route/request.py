"""One request as the router sees it: who, which dialect, what it asks for, and for which chain of routes."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.items import ApiKey, Origin
from route.config import Config, ProfileConfig
from route.dialects.base import Dialect, Document, Features
from route.errors import BadRequest, Forbidden, NotFound
from route.wire import AGENT_HEADER, PROFILE_HEADER, RECEIPT_HEADER, SESSION_HEADER

log = logging.getLogger("warmroute.route")

SESSION_HEADERS = (SESSION_HEADER, "x-claude-code-session-id", "session-id", "x-session-id")
"""Ours first, then those of agents that say it on their own."""

MAX_LABEL = 256
_SIZES = ((1_000, "xs"), (8_000, "s"), (32_000, "m"), (128_000, "l"))
_WIDE = 0x2E80  # CJK and its neighbours start here: about one token a character, not a quarter


@dataclass(frozen=True, slots=True)
class Choice:
    """The chain that a request goes to and the rule that said so. `name` is empty where no profile is meant."""

    name: str
    profile: ProfileConfig
    rule: str
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Parsed and attributed, nothing decided. `headers` are lower-case; `input_tokens` is an estimate."""

    dialect: Dialect
    body: Document
    headers: Mapping[str, str]
    query: str
    features: Features
    choice: Choice
    origin: Origin
    key: ApiKey
    input_tokens: int
    receipt_asked: bool


def parse_body(data: bytes) -> Document:
    """A JSON object with every number and string as it came. Raises BadRequest."""
    try:
        body = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("invalid_json", f"The request body is not valid JSON: {_reason(error)}.") from None
    if not isinstance(body, dict):
        raise BadRequest("invalid_json", "The request body must be a JSON object.")
    return body


def _reason(error: Exception) -> str:
    """Where it is wrong, without repeating what stands there."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else "it has a number that JSON does not"


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def parse(
    dialect: Dialect, body: Document, headers: Mapping[str, str], query: str, key: ApiKey, config: Config
) -> Request:
    """Everything about a request that needs no table. Raises BadRequest, Forbidden or NotFound."""
    features = dialect.features(body)
    choice = choose(body, headers, features.requested_model, config)
    if key.profiles and choice.name not in key.profiles:
        raise Forbidden("profile_not_allowed", f"This API key may not use the profile {choice.name!r}.")
    tokens = estimate_tokens(body)
    origin = Origin(
        caller=key.caller,
        tenant=key.tenant,
        dialect=dialect.name,
        profile=choice.name,
        requested_model=features.requested_model,
        session=_session(features, headers),
        agent=_label("agent", headers.get(AGENT_HEADER, "")),
        stream=features.stream,
        tools_requested=features.tools_requested,
        size=next((name for limit, name in _SIZES if tokens < limit), "xl"),
        pinned=choice.pinned,
    )
    receipt_asked = headers.get(RECEIPT_HEADER) == "1"
    return Request(dialect, body, headers, query, features, choice, origin, key, tokens, receipt_asked)


def choose(body: Document, headers: Mapping[str, str], model: str, config: Config) -> Choice:
    """Body `profile` > header > alias > a model that names a profile, a route or a model > the default."""
    for rule, name in (
        ("body_profile", body.get("profile")),
        ("header_profile", headers.get(PROFILE_HEADER)),
    ):
        if name is not None:
            return _profile(str(name), rule, config)
    if model in config.aliases:
        target = config.aliases[model]
        log.info("alias-resolved", extra={"alias": model, "target": target})
        return _named(target, "alias", config) or _profile(target, "alias", config)
    named = _named(model, "model", config)
    if named:
        return named
    if config.unknown_model == "reject":
        raise NotFound("model_not_found", f"The model {model!r} is not configured in this router.")
    return Choice(config.default_profile, config.profiles[config.default_profile], "default")


def _named(name: str, rule: str, config: Config) -> Choice | None:
    """A profile, a pinned route (`provider/model`), or all routes of a model."""
    if name in config.profiles:
        return Choice(name, config.profiles[name], rule)
    routes = config.routes
    if name in routes:
        return Choice("", ProfileConfig(routes=(name,)), "pinned", pinned=True)
    of_model = tuple(route for route, (_, model) in routes.items() if model.model == name)
    return Choice("", ProfileConfig(routes=of_model), rule) if of_model else None


def _profile(name: str, rule: str, config: Config) -> Choice:
    if name not in config.profiles:
        known = ", ".join(sorted(config.profiles))
        raise BadRequest("unknown_profile", f"There is no profile {name[:MAX_LABEL]!r}. Known: {known}.")
    return Choice(name, config.profiles[name], rule)


def _session(features: Features, headers: Mapping[str, str]) -> str:
    said = (headers.get(name, "") for name in SESSION_HEADERS)
    return _label("session", features.session or next(filter(None, said), ""))


def _label(what: str, value: str) -> str:
    if len(value) > MAX_LABEL:
        raise BadRequest(f"invalid_{what}", f"The {what} is longer than {MAX_LABEL} characters.")
    return value


def estimate_tokens(value: object) -> int:
    """About how many input tokens a provider will bill for a body: all its text, schemas and tool results.

    A quarter of the characters, each wide character (CJK) counted whole; inline data counts as one image.
    """
    quarters = _quarters(value)
    return -(-quarters // 4)


def _quarters(value: object) -> int:
    if isinstance(value, str):
        wide = 0 if value.isascii() else sum(ord(c) >= _WIDE for c in value)
        return len(value) + 3 * wide
    if isinstance(value, Mapping):
        is_inline = value.get("type") == "base64" or str(value.get("url", "")).startswith("data:")
        return 4 * 1_000 if is_inline else sum(len(k) + _quarters(v) for k, v in value.items())
    if isinstance(value, list):
        return sum(map(_quarters, value))
    return 1
