"""instructor: every answer is an object, which it forces with a tool of its own. The second quotes the first."""

import os
from pathlib import Path
from typing import Any

import instructor  # type: ignore[import-not-found]
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel

IS_MESSAGES = os.environ["SURFACE"] == "messages"


class ReadFile(BaseModel):
    """Asks for the text of a file."""

    path: str


class Says(BaseModel):
    """The final answer."""

    text: str


def patched_client() -> Any:
    router, key = os.environ["ROUTER"], os.environ["KEY"]
    if IS_MESSAGES:
        return instructor.from_anthropic(Anthropic(base_url=router, api_key=key))
    return instructor.from_openai(OpenAI(base_url=f"{router}/v1", api_key=key))


def turns_of(call: ReadFile) -> list[dict[str, Any]]:
    """The call and its result, as the dialect writes them."""
    result = Path(call.path).read_text()
    if IS_MESSAGES:
        use = {"type": "tool_use", "id": "toolu_1", "name": "ReadFile", "input": call.model_dump()}
        answer = {"type": "tool_result", "tool_use_id": "toolu_1", "content": result}
        return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [answer]}]
    function = {"name": "ReadFile", "arguments": call.model_dump_json()}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    answer = {"role": "tool", "tool_call_id": "call_1", "content": result}
    return [{"role": "assistant", "content": None, "tool_calls": calls}, answer]


def converse(ask: Any) -> str:
    messages: list[dict[str, Any]] = [{"role": "user", "content": os.environ["PROMPT"]}]
    call = ask(ReadFile, messages)
    return str(ask(Says, [*messages, *turns_of(call)]).text)


client = patched_client()
options: dict[str, Any] = {"model": os.environ["MODEL"], "max_tokens": 1000, "max_retries": 0}
print(converse(lambda kind, messages: client.create(response_model=kind, messages=messages, **options)))


def last_partial(kind: type[BaseModel], messages: list[dict[str, Any]]) -> BaseModel:
    *_, last = client.create_partial(response_model=kind, messages=messages, **options)
    return last  # type: ignore[no-any-return]


print(converse(last_partial))
