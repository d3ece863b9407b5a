"""What a caller reads in an answer, as vendors' SDKs hand it over: whole, or added up from a stream's events.

The adding up is the plainest that an application could do: it trusts indexes, and fails where they are wrong.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: Any


@dataclass
class Heard:
    """An answer as its caller reads it.

    `usage`: the counts that were said, under one set of names; `prompt` is everything that was read, cached or
    not. `turns`: what the caller sends back of it in its next request. `answer`: the SDK's own object.
    """

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    stop: str | None = None
    calls: list[Call] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    turns: list[Any] = field(default_factory=list)
    answer: Any = None


def chat_heard(whole: Json, message: Any, answer: Any) -> Heard:
    """From a chat completion as a document. `message`: what an application puts into its history."""
    [choice] = whole["choices"]
    said = choice["message"]
    calls = [call["function"] | {"id": call["id"]} for call in said.get("tool_calls") or []]
    return Heard(
        text=said.get("content") or "",
        thinking=said.get("reasoning_content") or "",
        refusal=said.get("refusal") or "",
        stop=choice["finish_reason"],
        calls=[Call(c["id"], c["name"], json.loads(c["arguments"])) for c in calls],
        usage=_openai_counts(whole.get("usage") or {}, "prompt", "completion"),
        turns=[message],
        answer=answer,
    )


def added_chunks(chunks: Iterable[Any]) -> Json:
    """A chat stream's chunks as the whole that they add up to."""
    message: Json = {"role": "assistant", "content": "", "tool_calls": [], "reasoning_details": []}
    finish, usage = None, None
    for chunk in (chunk.to_dict() for chunk in chunks):
        assert usage is None, "nothing comes after the usage"
        usage = chunk.get("usage")
        for choice in chunk["choices"]:
            assert finish is None, "nothing comes after the finish reason"
            assert choice["index"] == 0
            finish = choice.get("finish_reason")
            _grow(message, {k: v for k, v in choice["delta"].items() if k != "role" and v is not None})
    message = {name: value for name, value in message.items() if value != [] or name == "content"}
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def _grow(message: Json, delta: Json) -> None:
    for name, more in delta.items():
        if name in ("tool_calls", "reasoning_details"):
            for piece in more:
                _grow_entry(message[name], piece)
        else:
            message[name] = message.get(name, "") + more if isinstance(more, str) else more


def _grow_entry(entries: list[Json], piece: Json) -> None:
    """An entry of an indexed list: texts are added up, so that what is said twice is wrong."""
    index = piece["index"]
    assert index in (len(entries), len(entries) - 1), "entries come one after another"
    if index == len(entries):
        entries.append({})
    for name, more in piece.items():
        before = entries[index].get(name)
        if name == "function":
            inner = before or {}
            entries[index][name] = inner | {k: inner.get(k, "") + v for k, v in more.items()}
        elif isinstance(more, str) and name not in ("type", "format"):
            entries[index][name] = (before or "") + more
        else:
            entries[index][name] = more


def messages_heard(whole: Json, answer: Any) -> Heard:
    """From a message as a document."""
    blocks = whole["content"]
    usage = whole["usage"]
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    counts = {
        "prompt": usage["input_tokens"] + (read or 0) + (written or 0),
        "cached": read,
        "written": written,
        "written_1h": (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens"),
        "output": usage["output_tokens"],
        "reasoning": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    }
    return Heard(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        thinking="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        refusal=(whole.get("stop_details") or {}).get("explanation") or "",
        stop=whole["stop_reason"],
        calls=[Call(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"],
        usage={name: count for name, count in counts.items() if count is not None},
        turns=[{"role": "assistant", "content": answer.content if hasattr(answer, "content") else blocks}],
        answer=answer,
    )


def added_events(events: Iterable[Any]) -> Json:
    """A messages stream's events as the message that they add up to."""
    message: Json = {}
    blocks: list[Json] = []
    open_index: int | None = None
    for event in (event.to_dict() for event in events):
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                assert open_index is None, "blocks come one after another"
                open_index = event["index"]
                assert open_index == len(blocks), "without a gap"
                blocks.append(event["content_block"] | ({"json": ""} if "input" in event["content_block"] else {}))
            case "content_block_delta":
                assert event["index"] == open_index
                for name, more in event["delta"].items():
                    key = "json" if name == "partial_json" else name
                    if name != "type":
                        blocks[-1][key] = blocks[-1].get(key, "") + more
            case "content_block_stop":
                assert event["index"] == open_index
                open_index = None
            case "message_delta":
                message |= event["delta"] | {"usage": message["usage"] | event["usage"]}
    for block in blocks:
        if "json" in block:
            block["input"] = json.loads(block.pop("json") or "{}")
    return message | {"content": blocks}


def responses_heard(whole: Json, output: list[Any], answer: Any) -> Heard:
    """From a response as a document. `output`: what an application puts into its next input."""
    items = whole["output"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    thoughts = [part for item in items if item["type"] == "reasoning" for part in item.get("summary") or []]
    calls = [item for item in items if item["type"] == "function_call"]
    stop = (whole.get("incomplete_details") or {}).get("reason") or whole.get("status")
    return Heard(
        text="".join(part["text"] for part in parts if part["type"] == "output_text"),
        thinking="".join(part["text"] for part in thoughts),
        refusal="".join(part["refusal"] for part in parts if part["type"] == "refusal"),
        stop=stop,
        calls=[Call(c["call_id"], c["name"], json.loads(c["arguments"])) for c in calls],
        usage=_openai_counts(whole.get("usage") or {}, "input", "output"),
        turns=list(output),
        answer=answer,
    )


def added_response(events: Iterable[Any], *, exact: bool = True) -> Json:
    """The response in a stream's last event. `exact`: what the events before it said is the same, in order."""
    said: dict[int, str] = {}
    done: dict[int, Json] = {}
    numbers: list[int] = []
    final: Json = {}
    for event in (event.to_dict() for event in events):
        kind, index = event["type"], event.get("output_index")
        numbers.append(event.get("sequence_number"))
        if kind == "response.output_item.added":
            said[index] = ""
        elif kind == "response.output_item.done":
            done[index] = event["item"]
        elif kind.endswith(".delta"):
            said[index] += event["delta"]
        elif kind in ("response.completed", "response.incomplete"):
            final = event["response"]
    if exact:
        assert numbers == list(range(len(numbers)))
        assert list(said) == list(done) == list(range(len(final["output"]))), "items come one after another"
        assert [done[index] for index in said] == final["output"]
        assert list(said.values()) == [_item_text(item) for item in final["output"]]
    return final


def _item_text(item: Json) -> str:
    parts = [*(item.get("content") or []), *(item.get("summary") or [])]
    texts = [part.get("text") or part.get("refusal") or "" for part in parts]
    return "".join([*texts, item.get("arguments", ""), item.get("input", "")])


def _openai_counts(usage: Json, prompt: str, output: str) -> dict[str, int]:
    details = usage.get(f"{prompt}_tokens_details") or {}
    counts = {
        "prompt": usage.get(f"{prompt}_tokens"),
        "cached": details.get("cached_tokens"),
        "written": details.get("cache_write_tokens"),
        "output": usage.get(f"{output}_tokens"),
        "reasoning": (usage.get(f"{output}_tokens_details") or {}).get("reasoning_tokens"),
    }
    return {name: count for name, count in counts.items() if count is not None}
