"""pydantic-ai: an agent with a tool over each of its three model classes, run and run streamed."""

import asyncio
import os
from pathlib import Path
from typing import Any

from pydantic_ai import Agent  # type: ignore[import-not-found]
from pydantic_ai.models.anthropic import AnthropicModel  # type: ignore[import-not-found]
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # type: ignore[import-not-found]
from pydantic_ai.providers.anthropic import AnthropicProvider  # type: ignore[import-not-found]
from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]


def read_file(path: str) -> str:
    """Returns the text of a file."""
    return Path(path).read_text()


def chosen_model() -> Any:
    router, key, name = os.environ["ROUTER"], os.environ["KEY"], os.environ["MODEL"]
    if os.environ["SURFACE"] == "messages":
        return AnthropicModel(name, provider=AnthropicProvider(base_url=router, api_key=key))
    kind = OpenAIChatModel if os.environ["SURFACE"] == "chat" else OpenAIResponsesModel
    return kind(name, provider=OpenAIProvider(base_url=f"{router}/v1", api_key=key))


async def main() -> None:
    agent = Agent(chosen_model(), tools=[read_file])
    whole = await agent.run(os.environ["PROMPT"])
    print(whole.output)
    async with agent.run_stream(os.environ["PROMPT"]) as streamed:
        print(await streamed.get_output())


asyncio.run(main())
