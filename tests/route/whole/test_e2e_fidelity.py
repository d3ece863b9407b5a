"""What goes through the router comes out as if it had not been there: both dialects, unary and streamed."""

import json
import threading
import time
from typing import Any

import anthropic
import openai
import pytest

import warmroute
from tests.fakes import Answer, Provider, ToolCall, Wait
from tests.route.house import ALICE, House, build_house

WIRE_MODEL = "small-2026-01"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CLAUDE_TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
ANSWERS = [
    Answer(text="Grüße, 世界 🌍"),
    Answer(tool_calls=[ToolCall("weather", {"city": "Köln"}), ToolCall("weather", {"city": "Oslo"})]),
    Answer(refusal="I would rather not."),
    Answer(thinking="hmm", text="so"),
]
RECEIPT = "x_router"


@pytest.fixture
def plain(dynamodb_url: str) -> Any:
    """A house whose stand-ins have no prompt cache, so that asking twice gives the same answer twice."""
    with build_house(dynamodb_url, cache=False) as house:
        yield house


def _without_receipt(document: Any) -> Any:
    """A document without the one thing that may differ, at its top level or inside an event's message."""
    return {name: value for name, value in document.items() if name != RECEIPT}


def _openai_clients(house: House, name: str) -> list[Any]:
    provider = house.providers[name]
    direct = openai.OpenAI(base_url=provider.base_url, api_key="sk-any")
    routed = openai.OpenAI(base_url=f"{house.url}/v1", api_key=ALICE)
    ours = warmroute.OpenAI(base_url=f"{house.url}/v1", api_key=ALICE)
    return [direct, routed, ours]


def _anthropic_clients(house: House, name: str) -> list[Any]:
    provider = house.providers[name]
    direct = anthropic.Anthropic(base_url=provider.base_url, api_key="sk-any")
    routed = anthropic.Anthropic(base_url=house.url, api_key=ALICE)
    ours = warmroute.Anthropic(base_url=house.url, api_key=ALICE)
    return [direct, routed, ours]


@pytest.mark.case("C1")
@pytest.mark.parametrize("answer", ANSWERS, ids=["text", "tools", "refusal", "thinking"])
@pytest.mark.parametrize("usage_asked", [False, True])
def test_chat_objects_are_those_of_a_direct_call(plain: House, answer: Answer, usage_asked: bool) -> None:
    """OpenAI's SDK, and ours, get the same objects through the router and directly, but for the receipt."""
    plain.providers["a"].default = answer
    options = {"stream_options": {"include_usage": True}} if usage_asked else {}
    unary, streamed = [], []
    for client, name in zip(_openai_clients(plain, "a"), (WIRE_MODEL, "a/small", "a/small"), strict=True):
        ask = {"model": name, "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL]}
        unary.append(_without_receipt(client.chat.completions.create(**ask).to_dict()))
        chunks = client.chat.completions.create(**ask, stream=True, **options)
        streamed.append([_without_receipt(chunk.to_dict()) for chunk in chunks])
    assert unary[0] == unary[1] == unary[2]
    assert streamed[0] == streamed[1] == streamed[2]
    assert ("usage" in streamed[0][-1]) == usage_asked


@pytest.mark.case("C1", "A7")
@pytest.mark.parametrize("answer", ANSWERS, ids=["text", "tools", "refusal", "thinking"])
def test_messages_objects_are_those_of_a_direct_call(plain: House, answer: Answer) -> None:
    """Anthropic's SDK, and ours, get the same objects and events through the router and directly."""
    plain.providers["c"].default = answer
    unary, streamed = [], []
    for client, name in zip(_anthropic_clients(plain, "c"), (WIRE_MODEL, "c/small", "c/small"), strict=True):
        ask: Any = {"model": name, "messages": [{"role": "user", "content": "hi"}], "tools": [CLAUDE_TOOL]}
        unary.append(_without_receipt(client.messages.create(**ask, max_tokens=64).to_dict()))
        with client.messages.stream(**ask, max_tokens=64) as stream:
            events = [_without_receipt(event.to_dict()) for event in stream]
            final = _without_receipt(stream.get_final_message().to_dict())
        streamed.append((events, final))
    assert unary[0] == unary[1] == unary[2]
    assert streamed[0] == streamed[1] == streamed[2]


@pytest.mark.case("C1")
def test_every_field_of_a_request_reaches_the_provider(plain: House) -> None:
    """Only the model is replaced: unknown fields, roles, numbers and characters arrive as they were sent."""
    body = {
        "model": "a/small",
        "messages": [
            {"role": "developer", "content": "brief"},
            {"role": "user", "content": "hi \U0001f600 \u4e16"},
        ],
        "response_format": {"type": "json_object"},
        "seed": 12345678901234567890123,
        "stop": "END",
        "temperature": 1.0,
        "logit_bias": {"50256": -100},
        "a_field_of_next_year": {"deep": [1, 2.5, None, True, "x"]},
        "session": "s",
    }
    assert plain.post("/v1/chat/completions", json.dumps(body).encode()).status_code == 200
    sent = plain.providers["a"].calls[-1].body
    assert sent == {k: v for k, v in body.items() if k != "session"} | {"model": WIRE_MODEL}


@pytest.mark.parametrize(
    ("version", "key_header"), [("2023-06-01", "x-api-key"), ("2026-10-21", "authorization"), (None, "x-api-key")]
)
def test_both_anthropic_versions_are_passed_on_as_they_came(plain: House, version: str, key_header: str) -> None:
    """Version, beta headers and query arrive; the provider's key goes where that version wants it, never ours."""
    headers = {"anthropic-version": version} if version else {}
    headers |= {"anthropic-beta": "never-heard-of-2026-01-01", "openai-organization": "org-of-the-caller"}
    body = {"model": "c/small", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "odd": 1}
    response = plain.post("/v1/messages?beta=true", body, **headers)
    assert response.status_code == 200
    call = plain.providers["c"].calls[-1]
    assert call.headers["anthropic-version"] == (version or "2023-06-01")
    assert call.headers["anthropic-beta"] == "never-heard-of-2026-01-01"
    assert call.headers[key_header] in {"sk-provider", "Bearer sk-provider"}
    assert (call.query, call.body["odd"]) == ("beta=true", 1)
    assert "openai-organization" not in call.headers
    assert ALICE not in json.dumps(call.headers)


@pytest.mark.case("S1", "A7")
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_the_first_token_arrives_before_the_provider_sent_its_last(house: House, dialect: str) -> None:
    """A provider that waits in the middle: the caller has the first part meanwhile, in order, nothing buffered."""
    name = "a" if dialect == "chat" else "c"
    provider: Provider = house.providers[name]
    provider.default = Wait(after_chunks=1, answer=Answer(chunks=["first ", "second"]))
    seen: list[tuple[str, float]] = []
    if dialect == "chat":
        with house.openai() as client:
            stream = client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            _collect(provider, (c.choices[0].delta.content for c in stream if c.choices), seen)
    else:
        with (
            house.anthropic() as claude,
            claude.messages.stream(
                model="messages", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            ) as stream_of_messages,
        ):
            _collect(provider, iter(stream_of_messages.text_stream), seen)
    assert [text for text, _ in seen] == ["first ", "second"]
    assert provider.sent_last_at is not None
    assert seen[0][1] < provider.sent_last_at
    [fact] = house.facts()
    assert fact.ttft_ms is not None
    assert fact.latency_ms is not None
    assert fact.ttft_ms < fact.latency_ms


def _collect(provider: Provider, texts: Any, seen: list[tuple[str, float]]) -> None:
    """Notes when each piece arrives; releases the provider only after the first one has."""
    for text in texts:
        if text and not seen:
            threading.Timer(0.2, provider.release).start()
        if text:
            seen.append((text, time.monotonic()))


@pytest.mark.case("P4", "A10")
def test_a_receipt_in_every_kind_of_answer(house: House) -> None:
    """Unary, streamed and helpers' answers of both vendors carry the receipt of the inference that is stored."""
    client = warmroute.OpenAI(base_url=f"{house.url}/v1", api_key=ALICE)
    claude = warmroute.Anthropic(base_url=house.url, api_key=ALICE)
    hi: Any = [{"role": "user", "content": "hi"}]
    stream = client.chat.completions.create(model="chat", messages=hi, stream=True)
    list(stream)
    with claude.messages.stream(model="messages", max_tokens=9, messages=hi) as helped:
        helped.until_done()
    answers = [
        client.chat.completions.create(model="chat", messages=hi),
        stream,
        claude.messages.create(model="messages", max_tokens=9, messages=hi),
        helped,
    ]
    receipts = [warmroute.receipt(answer) for answer in answers]
    facts = {fact.inference_id: fact for fact in house.facts()}
    for receipt in receipts:
        assert receipt is not None
        assert not receipt.partial
        fact = facts.pop(str(receipt.inference_id))
        assert receipt.cost_usd == fact.cost_usd
        assert receipt.attempts[0].route == fact.route
    assert not facts


def test_callers_who_do_not_ask_get_no_receipt_in_a_stream(house: House) -> None:
    """An unmodified client's stream has nothing of ours in it; its headers name the inference all the same."""
    for path, model in (("/v1/chat/completions", "chat"), ("/v1/messages", "messages")):
        body = {"model": model, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        response = house.post(path, body)
        assert RECEIPT not in response.text
        assert response.headers["x-warmroute-inference-id"].startswith("inf_")
        assert int(response.headers["x-warmroute-overhead-ms"]) >= 0
