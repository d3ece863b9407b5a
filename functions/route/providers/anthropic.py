"""Anthropic. Two API versions are in use, and each wants its key in another header."""

from collections.abc import Mapping
from typing import ClassVar

from route.dialects.base import Document
from route.providers.base import Outgoing, Provider

DEFAULT_VERSION = "2023-06-01"
BEARER_SINCE = "2026-10-21"


class Anthropic(Provider):
    """`base_url` is the origin without `/v1`, as the vendor's SDK has it."""

    kind = "anthropic"
    paths: ClassVar[Mapping[str, str]] = {
        "messages": "/v1/messages",
        "count_tokens": "/v1/messages/count_tokens",
    }

    def addressed(self, dialect: str, body: Document, headers: Mapping[str, str], query: str) -> Outgoing:
        return super().addressed(dialect, body, {"anthropic-version": DEFAULT_VERSION, **headers}, query)

    def auth_headers(self, call: Outgoing) -> dict[str, str]:
        key = self._api_key
        if not key:
            return {}
        if call.headers["anthropic-version"] >= BEARER_SINCE:
            return {"authorization": f"Bearer {key}"}
        return {"x-api-key": key}
