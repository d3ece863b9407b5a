"""LangChain: a chat model with a bound tool, invoked and streamed, in the loop that its guide shows."""

import os
from pathlib import Path
from typing import Any

from langchain_anthropic import ChatAnthropic  # type: ignore[import-not-found]
from langchain_core.tools import tool  # type: ignore[import-not-found]
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]


def read_file(path: str) -> str:
    """Returns the text of a file."""
    return Path(path).read_text()


def chat_model() -> Any:
    router, key, name = os.environ["ROUTER"], os.environ["KEY"], os.environ["MODEL"]
    if os.environ["SURFACE"] == "messages":
        return ChatAnthropic(model=name, base_url=router, api_key=key)
    is_responses = os.environ["SURFACE"] == "responses"
    return ChatOpenAI(model=name, base_url=f"{router}/v1", api_key=key, use_responses_api=is_responses)


def streamed(model: Any, messages: list[Any]) -> Any:
    chunks = list(model.stream(messages))
    return sum(chunks[1:], chunks[0])


def converse(model: Any, reader: Any, ask: Any) -> str:
    messages: list[Any] = [("user", os.environ["PROMPT"])]
    answer = ask(model, messages)
    while answer.tool_calls:
        messages += [answer, *(reader.invoke(call) for call in answer.tool_calls)]
        answer = ask(model, messages)
    return str(answer.text)


reader = tool(read_file)
model = chat_model().bind_tools([reader])
print(converse(model, reader, lambda model, messages: model.invoke(messages)))
print(converse(model, reader, streamed))
