"""OpenAI and whoever speaks its dialect: OpenRouter, Ollama, vLLM, LM Studio, Groq and many more."""

from collections.abc import Mapping
from typing import ClassVar

from route.providers.base import Outgoing, Provider


class OpenAICompat(Provider):
    """`base_url` ends in `/v1`, as the vendor's SDK has it."""

    kind = "openai_compat"
    paths: ClassVar[Mapping[str, str]] = {
        "chat": "/chat/completions",
        "responses": "/responses",
        "embeddings": "/embeddings",
    }

    def auth_headers(self, call: Outgoing) -> dict[str, str]:
        return {"authorization": f"Bearer {self._api_key}"} if self._api_key else {}
