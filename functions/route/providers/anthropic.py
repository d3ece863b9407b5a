"""Anthropic. Two API versions are in use, and each wants its key in another header."""

from collections.abc import Mapping
from typing import ClassVar

from route.providers.base import Provider

DEFAULT_VERSION = "2023-06-01"
BEARER_SINCE = "2026-10-21"


class Anthropic(Provider):
    """`base_url` is the origin without `/v1`, as the vendor's SDK has it."""

    kind = "anthropic"
    paths: ClassVar[Mapping[str, str]] = {"messages": "/v1/messages"}

    def auth_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        version = headers.get("anthropic-version", DEFAULT_VERSION)
        key = self._api_key or ""
        auth = {"authorization": f"Bearer {key}"} if version >= BEARER_SINCE else {"x-api-key": key}
        return {"anthropic-version": version, **(auth if key else {})}
