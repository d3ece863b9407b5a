"""What a provider is: where a request goes, with which headers, and what can go wrong on the way there.

UpstreamError
├── Refused        the provider answered with a status ≥ 300
├── Unreachable    no connection, or it broke; `accepted` says whether the request may have been taken
└── TooSlow        one of the deadlines has passed
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ledger.moments import now_ms
from route.config.file import ConfigError
from route.config.providers import ModelConfig, ProviderConfig
from route.dialects.base import Document, dump

_ANTHROPIC = ("anthropic-version", "anthropic-beta")
_OPENAI = ("openai-beta", "idempotency-key")

PASSED_ON: Mapping[str, tuple[str, ...]] = {
    "messages": _ANTHROPIC,
    "count_tokens": _ANTHROPIC,
    "chat": _OPENAI,
    "responses": _OPENAI,
    "embeddings": _OPENAI,
}
"""Headers of the caller that belong to the request, by the dialect in which the provider gets it: one vendor's are
no business of another's. Keys, organisations and projects are the caller's own, and never go along."""

PASSED_BACK = ("anthropic-ratelimit-", "x-ratelimit-", "openai-processing-ms")
"""Prefixes of the provider's headers that tell the caller something about this answer."""

OURS = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "warmroute"}

Decode = Callable[[bytes], bytes]
"""What an answer's bytes are in its dialect, chunk by chunk. Stateful: one for each answer. Raises BadAnswer."""


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
    """One call: URL with query, headers with the key, body, which is JSON unless the headers say otherwise.

    `dropped`: what this provider would refuse a request for, and the answer does not depend on. `is_encoded`: the
    URL goes out as it stands, escapes and all.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    dropped: tuple[str, ...] = ()
    method: str = "POST"
    is_encoded: bool = False


class Provider(ABC):
    """One configured provider. `paths` maps the dialects that its kind speaks to the end of its URL.

    `clock`: ms since the epoch, for those that sign the time. Raises ConfigError for what it could never do.
    """

    kind: ClassVar[str]
    paths: ClassVar[Mapping[str, str]]

    def __init__(self, config: ProviderConfig, api_key: str | None, clock: Callable[[], int] = now_ms) -> None:
        self.config = config
        self._api_key = api_key
        self._clock = clock
        self.base_url = config.base_url
        self.unspoken: set[str] = set()
        """Dialects in which it turned out, while this process ran, that it cannot be spoken to."""
        for model in config.models:
            if unspoken := sorted({*self.spoken(config, model)} - {*self.paths}):
                known = ", ".join(self.paths)
                name = f"{config.name}/{model.model}"
                raise ConfigError(f"{name}: {unspoken[0]!r} is no dialect of its kind; there are {known}")

    @classmethod
    def spoken(cls, config: ProviderConfig, model: ModelConfig) -> tuple[str, ...]:
        """The dialects in which a model can be called, the best first: as configured, else as its kind has it."""
        return model.dialects or config.dialects or cls.native(model)

    @classmethod
    def native(cls, model: ModelConfig) -> tuple[str, ...]:
        """The dialects of a model of which nobody has said any."""
        return tuple(cls.paths)

    @abstractmethod
    def auth_headers(self, call: Outgoing) -> dict[str, str]:
        """What shows who we are, as this provider wants it; `call` is complete but for that."""

    def addressed(self, dialect: str, body: Document, headers: Mapping[str, str], query: str) -> Outgoing:
        """Where a body goes and as what. `headers`: those of the caller's that belong to the request."""
        return Outgoing(self.base_url + self.paths[dialect] + (f"?{query}" if query else ""), headers, dump(body))

    def outgoing(self, dialect: str, body: Document, headers: Mapping[str, str], query: str) -> Outgoing:
        """A call in one of the dialects of `paths`. `headers`: the caller's, lower-case. Configured ones win."""
        passed = {name: headers[name] for name in PASSED_ON.get(dialect, ()) if name in headers}
        configured = {name.lower(): value for name, value in self.config.headers.items()}
        call = self.addressed(dialect, body, passed, query)
        call = replace(call, headers={**OURS, **call.headers, **configured})
        return replace(call, headers={**call.headers, **self.auth_headers(call), **configured})

    def decoder(self, content_type: str) -> Decode:
        """For an answer with this content type: most send what their dialect says."""
        return bytes

    def refusal(self, dialect: str, refused: Refused) -> Refused:
        """The refusal in the dialect's own envelope and statuses, from a provider that has others."""
        return refused
