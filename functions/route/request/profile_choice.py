"""Which profile, or which routes, a request goes to."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from route.config.auto_rules import AUTO, DEFAULT
from route.config.file import Config
from route.config.profiles import ProfileConfig
from route.dialects.base import Document
from route.errors import BadRequest, NotFound
from route.request import auto_router
from route.request.auto_router import Subject
from route.wire import MODE_HEADER, PROFILE_HEADER

log = logging.getLogger("warmroute.route")

_MAX_ECHO = 256
"""Characters of a name that an error repeats."""


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """The chain that a request goes to and the rule that said so. `name` is empty where no profile is meant.

    `is_default`: nothing that the request says names it.
    """

    name: str
    profile: ProfileConfig
    rule: str
    pinned: bool = False
    is_default: bool = False


def choose(
    body: Document, headers: Mapping[str, str], model: str, config: Config, subject: Subject | None = None
) -> ProfileChoice:
    """Body `profile` > header > mode > alias > a model that names a profile, a route or a model > the default.

    `subject`: what the auto-router's rules look at, where it comes to them. Raises BadRequest or NotFound.
    """
    subject = subject or Subject(model)
    for rule, name in (
        ("body_profile", body.get("profile")),
        ("header_profile", headers.get(PROFILE_HEADER)),
    ):
        if name is not None:
            return _profile(str(name), rule, config, subject)
    if (mode := headers.get(MODE_HEADER)) is not None:
        return _profile(_of_mode(mode, config), "header_mode", config, subject)
    if model in config.aliases:
        target = config.aliases[model]
        log.info("alias-resolved", extra={"alias": model, "target": target})
        return _named(target, "alias", config, subject) or _profile(target, "alias", config, subject)
    named = _named(model, "model", config, subject)
    if named:
        return named
    if config.unknown_model == "reject":
        raise NotFound("model_not_found", f"The model {model[:_MAX_ECHO]!r} is not configured in this router.")
    return default_choice(config, subject)


def default_choice(config: Config, subject: Subject) -> ProfileChoice:
    """Of a request that names nothing of ours."""
    return replace(_profile(config.default_profile, "default", config, subject), is_default=True)


def _of_mode(mode: str, config: Config) -> str:
    if mode not in config.mode_aliases:
        known = ", ".join(sorted(config.mode_aliases)) or "none"
        raise BadRequest("unknown_mode", f"There is no mode {mode[:_MAX_ECHO]!r}. Known: {known}.")
    return config.mode_aliases[mode]


def _named(name: str, rule: str, config: Config, subject: Subject) -> ProfileChoice | None:
    """A profile, a pinned route (`provider/model`), or all routes of a model."""
    if name in config.choosable:
        return _profile(name, rule, config, subject)
    routes = config.routes
    if name in routes:
        return ProfileChoice("", _chain((name,), config), "pinned" if rule == "model" else rule, pinned=True)
    of_model = tuple(route.name for route in routes.values() if route.model.model == name)
    return ProfileChoice("", _chain(of_model, config), rule) if of_model else None


def _chain(routes: tuple[str, ...], config: Config) -> ProfileConfig:
    """Routes that a request names itself, by the default profile's limits but for what chooses among routes."""
    is_auto = config.default_profile not in config.profiles
    name = config.auto_router.fallback(config.profiles) if is_auto else config.default_profile
    limits = config.profiles[name] if name else ProfileConfig(routes=routes)
    named = {"routes": routes, "order": "static", "quality_floor": None, "latency_slo_ms": None, "adaptive": False}
    return limits.model_copy(update=named)


def _profile(name: str, rule: str, config: Config, subject: Subject) -> ProfileChoice:
    """The profile of this name, or the one that the auto-router chooses. Raises BadRequest."""
    if name in config.profiles:
        return ProfileChoice(name, config.profiles[name], rule)
    if name == AUTO:
        return _routed(config, subject)
    known = ", ".join(sorted(config.choosable))
    raise BadRequest("unknown_profile", f"There is no profile {name[:_MAX_ECHO]!r}. Known: {known}.")


def _routed(config: Config, subject: Subject) -> ProfileChoice:
    """What the first rule says that matches; the config's check has seen to it that something does."""
    rules = config.auto_router
    found = auto_router.first_match(rules.effective(config.profiles), subject)
    name = found.profile if found else rules.default or config.default_profile
    rule = found.id if found else DEFAULT
    log.info("auto-router-resolved", extra={"rule": rule, "profile": name})
    return ProfileChoice(name, config.profiles[name], f"{AUTO}:{rule}")
