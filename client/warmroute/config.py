"""Where a client sends its calls: the router or, without any setting of ours, where the vendor's class would.

Who wins, from the first to the last:

1. `base_url=` and `api_key=` (or another credential argument), with the vendor's own meaning;
2. `WARMROUTE_URL` and `WARMROUTE_API_KEY`;
3. the vendor's own environment variables and defaults, only while no WARMROUTE_ setting applies.

So `OPENAI_BASE_URL` or `ANTHROPIC_API_KEY` never steer a client away from a configured router, and a vendor's
key is never sent to a router, nor the router's key to a vendor.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

URL_VARIABLE = "WARMROUTE_URL"
KEY_VARIABLE = "WARMROUTE_API_KEY"

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ConfigurationError(ValueError):
    """The WARMROUTE_ settings are incomplete or no URL; the message names the setting to change."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """What differs between the vendors' constructors.

    `path` is what the vendor's base URL has after the router's origin. `credentials` are arguments that
    stand in for `api_key`. `destinations` are arguments that name another destination than a URL: with one
    of them the caller has chosen, and nothing of ours applies.
    """

    domain: str
    path: str
    credentials: tuple[str, ...]
    destinations: tuple[str, ...]


OPENAI = Vendor(
    domain="openai.com",
    path="/v1",
    credentials=("api_key", "workload_identity"),
    destinations=("provider", "data_residency"),
)
ANTHROPIC = Vendor(
    domain="anthropic.com",
    path="",
    credentials=("api_key", "auth_token", "credentials"),
    destinations=("config", "profile"),
)


def configure(arguments: Mapping[str, Any], vendor: Vendor) -> dict[str, Any]:
    """The vendor's constructor arguments with the router's address and key filled in.

    Raises `ConfigurationError` for a URL without a key, a key without a URL, and a URL that is none.
    """
    chosen = dict(arguments)
    if any(_given(chosen.get(name)) for name in vendor.destinations):
        return chosen
    url, key = router_url(), os.environ.get(KEY_VARIABLE) or None
    has_credential = any(_given(chosen.get(name)) for name in vendor.credentials)
    if _given(chosen.get("base_url")):
        if key and not has_credential and is_router(str(chosen["base_url"]), url, vendor):
            chosen["api_key"] = key
        return chosen
    if url is None:
        if key:
            raise _missing(URL_VARIABLE, present=KEY_VARIABLE, remedy="the router's URL, or pass base_url=")
        return chosen
    if not has_credential:
        if key is None:
            raise _missing(KEY_VARIABLE, present=URL_VARIABLE, remedy="a key of the router, or pass api_key=")
        chosen["api_key"] = key
    return {**chosen, "base_url": url + vendor.path}


def router_url() -> str | None:
    """The router's URL from the environment, without a trailing slash or `/v1`; None when it is not set."""
    text = (os.environ.get(URL_VARIABLE) or "").strip()
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(f"{URL_VARIABLE} must be like https://router.example, not {text!r}")
    return text.rstrip("/").removesuffix("/v1").rstrip("/")


def is_router(base_url: str, url: str | None, vendor: Vendor) -> bool:
    """Whether `base_url` leads to a router: the configured one or, without one, any host but the vendor's."""
    if url is not None:
        return _origin(base_url) == _origin(url)
    host = (urlsplit(base_url).hostname or "").lower()
    return host != vendor.domain and not host.endswith("." + vendor.domain)


def _missing(variable: str, *, present: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{present} is set but {variable} is not: set it to {remedy}")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _given(value: object) -> bool:
    # The vendors' "not given" marks are objects of their own; both are false in a condition.
    return value is not None and bool(value)
