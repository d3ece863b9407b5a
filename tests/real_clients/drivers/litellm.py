"""LiteLLM as a client: one function for both dialects, told by the prefix of the model's name."""

import json
import os
from pathlib import Path
from typing import Any

import litellm  # type: ignore[import-not-found]

PREFIX = {"chat": "openai", "messages": "anthropic"}[os.environ["SURFACE"]]
BASE = os.environ["ROUTER"] + ("/v1" if PREFIX == "openai" else "")
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL = {"name": "read_file", "description": "Returns the text of a file.", "parameters": PARAMETERS}


def complete(messages: list[Any], *, stream: bool) -> Any:
    answer = litellm.completion(
        model=f"{PREFIX}/{os.environ['MODEL']}",
        api_base=BASE,
        api_key=os.environ["KEY"],
        messages=messages,
        tools=[{"type": "function", "function": TOOL}],
        stream=stream,
    )
    return litellm.stream_chunk_builder(list(answer), messages=messages) if stream else answer


def converse(*, stream: bool) -> str:
    messages: list[Any] = [{"role": "user", "content": os.environ["PROMPT"]}]
    said = complete(messages, stream=stream).choices[0].message
    while said.tool_calls:
        messages.append(said.model_dump())
        for call in said.tool_calls:
            text = Path(json.loads(call.function.arguments)["path"]).read_text()
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
        said = complete(messages, stream=stream).choices[0].message
    return str(said.content)


print(converse(stream=False))
print(converse(stream=True))
