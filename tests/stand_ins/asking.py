"""How the tests ask a stand-in: one short question in each dialect, by the vendor's own SDK or without any."""

from typing import Any

import httpx2

from tests.fakes import Provider, ToolCall
from tests.fakes.sdk import anthropic_of, openai_of, post

ASK: Any = [{"role": "user", "content": "What is warm?"}]
LONG = "Rules of the house. " * 40
"""800 characters: by the stand-ins' count 200 tokens, which is enough for a prompt cache."""

CALLS = [ToolCall("weather", {"city": "Oslo", "days": 3}), ToolCall("clock", {"zone": "CET"})]


def chat(provider: Provider, **given: Any) -> Any:
    """A whole chat completion."""
    with openai_of(provider) as client:
        return client.chat.completions.create(**{"model": "small", "messages": ASK, **given})


def chat_chunks(provider: Provider, **given: Any) -> list[Any]:
    """All chunks of a streamed one."""
    with openai_of(provider) as client:
        request: Any = {"model": "small", "messages": ASK, "stream": True, **given}
        with client.chat.completions.create(**request) as stream:
            return list(stream)


def say(provider: Provider, **given: Any) -> Any:
    """A whole message."""
    with anthropic_of(provider) as client:
        return client.messages.create(**{"model": "small", "max_tokens": 64, "messages": ASK, **given})


def say_streamed(provider: Provider, **given: Any) -> Any:
    """The message that the events of a stream add up to."""
    with anthropic_of(provider) as client:
        request: Any = {"model": "small", "max_tokens": 64, "messages": ASK, **given}
        with client.messages.stream(**request) as stream:
            return stream.get_final_message()


def bare(provider: Provider, body: Any, *, key: str = "sk-a") -> httpx2.Response:
    """The answer to a body in the vendor's main dialect, without any SDK between."""
    path = "/v1/chat/completions" if provider.kind == "openai" else "/v1/messages"
    return post(provider, path, body, key=key)
