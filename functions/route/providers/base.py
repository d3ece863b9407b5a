"""What a provider is: where a request goes, with which headers, and what can go wrong on the way there.

UpstreamError
├── Refused        the provider answered with a status ≥ 300
├── Unreachable    no connection, or it broke; `accepted` says whether the request may have been taken
└── TooSlow        one of the deadlines has passed
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from route.config import ProviderConfig
from route.dialects.base import Document, dump

PASSED_ON = ("anthropic-version", "anthropic-beta", "openai-beta", "idempotency-key")
"""Headers of the caller that belong to the request. Keys, organisations and projects are the caller's own."""

PASSED_BACK = ("anthropic-ratelimit-", "x-ratelimit-", "openai-processing-ms")
"""Prefixes of the provider's headers that tell the caller something about this answer."""


class UpstreamError(Exception):
    """The call did not bring an answer."""


class Refused(UpstreamError):
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


class Unreachable(UpstreamError):
    def __init__(self, reason: str, *, accepted: bool) -> None:
        super().__init__(reason)
        self.accepted = accepted


class TooSlow(UpstreamError):
    """`deadline`: `first_token`, `gap`, `attempt` or `request`."""

    def __init__(self, deadline: str) -> None:
        super().__init__(f"{deadline} deadline passed")
        self.deadline = deadline


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call: URL with query, headers with the key, JSON body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Provider(ABC):
    """One configured provider. `paths` maps the dialects it speaks to the end of its URL."""

    kind: ClassVar[str]
    paths: ClassVar[Mapping[str, str]]

    def __init__(self, config: ProviderConfig, api_key: str | None) -> None:
        self.config = config
        self._api_key = api_key

    @abstractmethod
    def auth_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The key as this provider wants it, given the headers that the caller's version asks for."""

    def outgoing(self, dialect: str, body: Document, headers: Mapping[str, str], query: str) -> Outgoing:
        """A call in one of the dialects of `paths`. `headers`: the caller's, lower-case."""
        passed = {name: headers[name] for name in PASSED_ON if name in headers}
        ours = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "warmroute"}
        configured = {name.lower(): value for name, value in self.config.headers.items()}
        url = self.config.base_url + self.paths[dialect] + (f"?{query}" if query else "")
        return Outgoing(url, {**ours, **passed, **self.auth_headers(passed), **configured}, dump(body))
