"""The vendors' own clients, strict about what they are sent, pointed at a stand-in; and one without any SDK."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai

from tests.fakes.provider import Provider

_STRICT: dict[str, Any] = {
    "api_key": "sk-a",
    "max_retries": 0,
    "timeout": 10,
    "_strict_response_validation": True,
}


def openai_of(provider: Provider, **given: Any) -> openai.OpenAI:
    """A client that validates every field of an answer and does not retry."""
    return openai.OpenAI(base_url=provider.base_url, **{**_STRICT, **given})


def anthropic_of(provider: Provider, **given: Any) -> anthropic.Anthropic:
    """The same for the other vendor's SDK."""
    return anthropic.Anthropic(base_url=provider.base_url, **{**_STRICT, **given})


def post(provider: Provider, path: str, body: Any, *, key: str = "sk-a") -> httpx2.Response:
    """The answer to a JSON body, as it came."""
    headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    return httpx2.post(f"{provider.origin}{path}", json=body, headers=headers, timeout=10)
