"""Messages against Anthropic's own SDK in strict mode: what the stand-in sends is what the vendor sends."""

from __future__ import annotations

import json

import anthropic
import httpx2
import pytest

from tests.fakes import Answer, Provider
from tests.fakes.sdk import anthropic_of
from tests.stand_ins.asking import ASK, CALLS, bare, say, say_streamed


def test_whole_and_streamed_answers_are_the_same(ant: Provider) -> None:
    """The final message of a stream equals the unary one."""
    whole = say(ant)
    assert whole.stop_reason == "end_turn"
    assert whole._request_id == ant.requests[0].request_id
    streamed = say_streamed(ant).to_dict()
    assert {**streamed, "usage": None} == {**whole.to_dict(), "usage": None}
    assert streamed["usage"]["output_tokens"] == whole.usage.output_tokens


def test_event_order(ant: Provider) -> None:
    """Every event has its ``event:`` line; blocks come one after another; usage is cumulative."""
    ant.plan(Answer(text="one two", tool_calls=CALLS[:1], thinking="hm"))
    answer = bare(ant, {"model": "m", "max_tokens": 9, "messages": ASK, "stream": True})
    events = [block.split(b"\n") for block in answer.content.removesuffix(b"\n\n").split(b"\n\n")]
    data = [json.loads(line.removeprefix(b"data: ")) for _, line in events]
    assert [name.decode() for name, _ in events] == [f"event: {d['type']}" for d in data]
    assert [d["type"] for d in data][:3] == ["message_start", "content_block_start", "ping"]
    assert [d["type"] for d in data][-2:] == ["message_delta", "message_stop"]
    assert [d["index"] for d in data if "index" in d] == sorted(d["index"] for d in data if "index" in d)
    assert data[-2]["usage"]["input_tokens"] == data[0]["message"]["usage"]["input_tokens"]
    assert "request-id" in answer.headers


def test_thinking_and_tools(ant: Provider) -> None:
    """A signed thinking block, text and tool calls, the same streamed and whole."""
    step = Answer(text="I look.", thinking="two steps", tool_calls=CALLS)
    ant.plan(step, step)
    whole, streamed = say(ant), say_streamed(ant)
    assert [b.type for b in whole.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [b.to_dict() for b in streamed.content] == [b.to_dict() for b in whole.content]
    assert whole.content[0].signature
    assert whole.content[2].input == CALLS[0].arguments
    assert streamed.stop_reason == "tool_use"


@pytest.mark.parametrize(
    "header", [{"x-api-key": "k-1"}, {"authorization": "Bearer k-1", "anthropic-version": "2026-10-21"}]
)
def test_both_ways_to_send_the_key(header: dict[str, str]) -> None:
    """``x-api-key`` and ``Authorization: Bearer`` are both taken, any other key is a 401."""
    with Provider("anthropic", keys=["k-1"]) as provider:
        url = f"{provider.base_url}/v1/messages?beta=true"
        body = {"model": "m", "max_tokens": 9, "messages": ASK}
        headers = {"anthropic-version": "2023-06-01", **header}
        assert httpx2.post(url, json=body, headers=headers).status_code == 200
        assert provider.requests[0].query == "beta=true"
        with pytest.raises(anthropic.AuthenticationError):
            say(provider)


def test_sampling_fields_depend_on_the_version(ant: Provider) -> None:
    """From 2026-10-21 on ``temperature`` is a 400; under 2023-06-01 it is taken."""
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        say(ant, extra_body={"temperature": 1})
    body = {"model": "m", "max_tokens": 9, "messages": ASK, "temperature": 1}
    assert bare(ant, body).status_code == 200


def test_beta_count_models_refusal_and_schema(ant: Provider) -> None:
    """The beta surface, token counts that equal the usage, models, refusals and structured output."""
    with anthropic_of(ant) as client:
        beta = client.beta.messages.create(model="m", max_tokens=64, messages=ASK, betas=["x-1"])
        assert beta.stop_reason == "end_turn"
        counted = client.messages.count_tokens(model="m", messages=ASK)
        assert counted.input_tokens == beta.usage.input_tokens
        assert client.models.retrieve("m").lifecycle == "active"
        assert list(client.models.list()) == []
    ant.plan(Answer(refusal="No."))
    assert say(ant).stop_details.explanation == "No."
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    shaped = say(ant, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(shaped.content[0].text) == {"ok": True}
