"""The models that the stand-ins play: each asks for one look at a file, and then quotes what came back."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes import Agent, Answer, Fail, Record, Step, ToolCall

Json = dict[str, Any]
Policy = Step | Callable[[Record], Step]

OPENING = "It reads: "
THOUGHT = "What it says is in the file."
ASIDE = "Reading a file"
"""The answer to what agents ask beside the task: a title, a message for a commit."""


def agent(tool: str, arguments: Mapping[str, Any]) -> Agent:
    """A thought and a call of the tool that the pattern names, and then its result, quoted in a sentence."""
    return Agent(tool=tool, arguments=arguments, thinking=THOUGHT, final=OPENING + "{result}", plain=ASIDE)


def filler(tool: str, arguments: Mapping[str, Any], last_tool: str) -> Callable[[Record], Step]:
    """The same for a client that forces a tool on every answer: the last one carries the sentence."""

    def step(record: Record) -> Step:
        results = tool_results(record.body)
        call = ToolCall(last_tool, {"text": OPENING + results[-1]}) if results else ToolCall(tool, arguments)
        return Answer(tool_calls=[call])

    return step


def without_threads(policy: Policy) -> Callable[[Record], Step]:
    """The same by a provider that keeps no conversations, and says so as the vendor's SDKs expect it."""

    def step(record: Record) -> Step:
        if "thread" in record.body:
            return Fail(400, "thread: not here", code="thread_unsupported_request")
        return policy(record) if callable(policy) else policy

    return step


def editor(record: Record) -> Step:
    """A model for aider: edits `answer.txt`, and again when it is shown what the test printed, which it quotes."""
    body = record.body
    turns = body.get("messages") or body["input"]
    told = [body.get("system"), body.get("instructions"), *(turn.get("content") for turn in turns)]
    said = [_text(content) for content in told]
    if any("commit message" in text for text in said):
        return Answer(text=ASIDE)
    printed = said[-1].partition("output:")[2].split()
    sentence, word = (OPENING + printed[0], "done") if printed else ("It is opened.", "opened")
    return Answer(text=f"{sentence}\n\nanswer.txt\n```\n{word}\n```\n")


def tool_results(body: Json) -> list[str]:
    """The texts of all tool results in a request, in any dialect, in order."""
    found = []
    for message in body.get("messages") or []:
        content = message.get("content")
        if message.get("role") == "tool":
            found.append(_text(content))
        elif isinstance(content, list):
            found += [_text(block.get("content")) for block in content if block.get("type") == "tool_result"]
    items = body.get("input")
    for item in items if isinstance(items, list) else []:
        if str(item.get("type", "")).endswith("_call_output"):
            found.append(_text(item["output"]))
    return found


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content if isinstance(content, str) else json.dumps(content)
