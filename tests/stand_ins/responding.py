"""How the tests ask for responses: a short question, some tools, and the calls that the model answers with."""

from typing import Any

from tests.fakes import Provider, ToolCall
from tests.fakes.sdk import openai_of

ASK = "What is warm?"
WEATHER: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
NAMESPACE: Any = {
    "type": "namespace",
    "name": "files",
    "description": "Files.",
    "tools": [{**WEATHER, "name": "read"}],
}
CUSTOM: Any = {"type": "custom", "name": "patch"}
TOOLS: list[Any] = [WEATHER, NAMESPACE, CUSTOM]
CALLS = [ToolCall("weather", {"city": "Oslo"}), ToolCall("read", {"path": "a"}), ToolCall("patch", "*** Begin")]


def respond(provider: Provider, **given: Any) -> Any:
    """A whole response."""
    with openai_of(provider) as client:
        return client.responses.create(**{"model": "small", "input": ASK, **given})


def stream(provider: Provider, **given: Any) -> list[Any]:
    """All events of a streamed one."""
    with openai_of(provider) as client:
        request: Any = {"model": "small", "input": ASK, "stream": True, **given}
        with client.responses.create(**request) as events:
            return list(events)
