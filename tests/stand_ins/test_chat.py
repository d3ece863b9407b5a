"""Chat completions against OpenAI's own SDK in strict mode: what the stand-in sends is what the vendor sends."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.fakes import Answer, Provider
from tests.fakes.sdk import openai_of
from tests.stand_ins.asking import ASK, CALLS, bare, chat, chat_chunks


def test_whole_and_streamed_answers_are_the_same(oai: Provider) -> None:
    """The chunks of a stream add up to the unary object: id, created, model, text, finish reason."""
    whole = chat(oai)
    chunks = chat_chunks(oai)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    assert {(c.id, c.created, c.model) for c in chunks} == {(whole.id, whole.created, whole.model)}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks][-2:] == [None, "stop"]
    assert whole._request_id == oai.requests[0].request_id


def test_same_request_same_object() -> None:
    """Without the cache two equal requests get equal objects; another prompt gets another id."""
    with Provider("openai", cache=False) as provider:
        first, second = chat(provider), chat(provider)
        assert first.to_dict() == second.to_dict()
        assert chat(provider, messages=[{"role": "user", "content": "else"}]).id != first.id


def test_usage_chunk_only_on_request(oai: Provider) -> None:
    """The usage chunk has no choices and comes last; only then do the others say ``usage: null``."""
    plain = bare(oai, {"model": "small", "messages": ASK, "stream": True}).content
    assert b"usage" not in plain
    assert plain.endswith(b"data: [DONE]\n\n")
    body = {"model": "small", "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    asked = bare(oai, body)
    lines = [json.loads(e[6:]) for e in asked.content.split(b"\n\n") if e.startswith(b"data: {")]
    assert all(line["usage"] is None for line in lines[:-1])
    assert lines[-1]["choices"] == []
    assert lines[-1]["usage"]["total_tokens"] > 0
    assert asked.headers["content-type"].startswith("text/event-stream")


def test_parallel_tool_calls(oai: Provider) -> None:
    """Streamed calls carry index always, id and name once, and their pieces join to the arguments."""
    oai.plan(Answer(tool_calls=CALLS), Answer(tool_calls=CALLS), Answer(tool_calls=CALLS))
    whole = chat(oai).choices[0]
    assert whole.finish_reason == "tool_calls"
    assert whole.message.content is None
    deltas = [d for c in chat_chunks(oai) for d in c.choices[0].delta.tool_calls or []]
    for at, call in enumerate(whole.message.tool_calls):
        mine = [d for d in deltas if d.index == at]
        assert [d.id for d in mine if d.id] == [call.id]
        assert [d.function.name for d in mine if d.function.name] == [call.function.name]
        assert "".join(d.function.arguments for d in mine) == call.function.arguments
        assert len(mine) > 2
    with openai_of(oai) as client, client.chat.completions.stream(model="m", messages=ASK) as stream:
        final = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [json.loads(c.function.arguments) for c in final] == [c.arguments for c in CALLS]


def test_choices_differ_by_index(oai: Provider) -> None:
    """With ``n`` choices each has its own text, whole and streamed."""
    whole = chat(oai, n=2).choices
    assert whole[0].message.content != whole[1].message.content
    texts = {0: "", 1: ""}
    for chunk in chat_chunks(oai, n=2):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert [texts[0], texts[1]] == [choice.message.content for choice in whole]


def test_parsed_answer_follows_the_schema(oai: Provider) -> None:
    """A request for a JSON schema gets a value of that schema, also through ``.parse``."""

    class Town(BaseModel):
        name: str
        people: int
        twins: list[str]

    with openai_of(oai) as client:
        parsed = client.chat.completions.parse(model="m", messages=ASK, response_format=Town)
    assert parsed.choices[0].message.parsed == Town(name="text", people=7, twins=["text"])


def test_refusal_thinking_and_truncation(oai: Provider) -> None:
    """A refusal is a field of its own; reasoning is counted; a small limit ends with ``length``."""
    oai.plan(Answer(refusal="No."), Answer(refusal="No."), Answer(text="4", thinking="two and two"))
    assert chat(oai).choices[0].message.refusal == "No."
    assert "".join(c.choices[0].delta.refusal or "" for c in chat_chunks(oai)) == "No."
    assert chat(oai).usage.completion_tokens_details.reasoning_tokens == 2
    assert chat(oai, max_tokens=2).choices[0].finish_reason == "length"


def test_forced_tool_is_called(oai: Provider) -> None:
    """``tool_choice`` that forces a tool gets a call whose arguments fit its schema."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    tools: Any = [{"type": "function", "function": {"name": "add", "parameters": schema}}]
    call = chat(oai, tools=tools, tool_choice="required").choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"n": 7})


def test_models() -> None:
    """The list and one entry; an unknown model is 404 ``model_not_found``."""
    with Provider("openai", models=["a", "b"]) as provider, openai_of(provider) as client:
        assert [m.id for m in client.models.list()] == ["a", "b"]
        assert client.models.retrieve("a").owned_by
        with pytest.raises(openai.NotFoundError) as caught:
            chat(provider, model="c")
        assert caught.value.code == "model_not_found"
