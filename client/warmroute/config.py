"""Where a client sends its calls: the router or, without any setting of ours, where the vendor's class would.

Who wins, from the first to the last:

1. `base_url=` and `api_key=` (or another credential argument), with the vendor's own meaning;
2. `WARMROUTE_URL` and `WARMROUTE_API_KEY`;
3. the vendor's own environment variables and defaults, only while no WARMROUTE_ setting applies.

So `OPENAI_BASE_URL` or `ANTHROPIC_API_KEY` never steer a client away from a configured router, and a vendor's
key is never sent to a router. `WARMROUTE_API_KEY` goes to the origin of `WARMROUTE_URL` and to no other host.

Our two headers (a session's id, the wish for a receipt) go

- with WARMROUTE_URL: to its origin and nowhere else;
- without it: to loopback and to Lambda function URLs; to a host that has answered as a router does, from the
  next call on; and, for calls inside a `client.session()`, to the `base_url=` that was given to that client.
  To a vendor they never go.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

URL_VARIABLE = "WARMROUTE_URL"
KEY_VARIABLE = "WARMROUTE_API_KEY"

Origin = tuple[str, str, int | None]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FUNCTION_URL = re.compile(r"[a-z0-9-]+\.lambda-url\.[a-z0-9-]+\.on\.aws")


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

    Raises `ConfigurationError` for a URL without a key, a key without a URL, and a URL that is none. A key
    without a URL is refused beside a `base_url=` of no vendor too: nobody has said that the router is there.
    """
    chosen = dict(arguments)
    if any(given(chosen.get(name)) for name in vendor.destinations):
        return chosen
    url, key = router_url(), os.environ.get(KEY_VARIABLE) or None
    has_credential = has_any_credential(chosen, vendor)
    if given(chosen.get("base_url")):
        base_url = str(chosen["base_url"])
        if key and not has_credential and not is_vendors(base_url):
            if url is None:
                remedy = "the router's URL, or pass api_key= beside base_url="
                raise _missing(URL_VARIABLE, present=KEY_VARIABLE, remedy=remedy)
            if is_router(base_url, url):
                chosen["api_key"] = key
        return chosen
    if url is None:
        if key:
            raise _missing(URL_VARIABLE, present=KEY_VARIABLE, remedy="the router's URL")
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


def is_router(url: str, configured: str | None) -> bool:
    """Whether a URL is known to lead to a router: to the configured one or, without one, by the look of its host.

    Loopback and Lambda function URLs look so: whoever calls these runs them.
    """
    if configured is not None:
        return origin_of(url) == origin_of(configured)
    host = _host(url)
    return _is_loopback(host) or _FUNCTION_URL.fullmatch(host) is not None


def is_vendors(url: str) -> bool:
    """Whether a URL leads to one of the vendors."""
    host = _host(url)
    return any(host == vendor.domain or host.endswith("." + vendor.domain) for vendor in (OPENAI, ANTHROPIC))


def origin_of(url: str) -> Origin:
    """Scheme, host and port: what a URL has in common with all others of its server."""
    parts = urlsplit(url)
    return parts.scheme, _host(url), parts.port or _DEFAULT_PORTS.get(parts.scheme)


def has_any_credential(arguments: Mapping[str, Any], vendor: Vendor) -> bool:
    """Whether the caller has given a credential of any kind."""
    return any(given(arguments.get(name)) for name in vendor.credentials)


def given(value: object) -> bool:
    """Whether an argument has been given. The vendors' "not given" marks are objects that are false."""
    return value is not None and bool(value)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _missing(variable: str, *, present: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{present} is set but {variable} is not: set it to {remedy}")
