"""openai-agents: an agent over chat completions or responses, run and run streamed."""

import asyncio
import os
from pathlib import Path
from typing import Any

from agents import (  # type: ignore[import-not-found]
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI

MODELS: dict[str, Any] = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


def read_file(path: str) -> str:
    """Returns the text of a file."""
    return Path(path).read_text()


async def main() -> None:
    client = AsyncOpenAI(base_url=os.environ["ROUTER"] + "/v1", api_key=os.environ["KEY"])
    model = MODELS[os.environ["SURFACE"]](model=os.environ["MODEL"], openai_client=client)
    agent = Agent(name="reader", instructions="Be exact.", model=model, tools=[function_tool(read_file)])
    whole = await Runner.run(agent, os.environ["PROMPT"])
    print(whole.final_output)
    streamed = Runner.run_streamed(agent, os.environ["PROMPT"])
    async for _event in streamed.stream_events():
        pass
    print(streamed.final_output)


asyncio.run(main())
