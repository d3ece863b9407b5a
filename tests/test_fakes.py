"""The stand-ins against the vendors' own SDKs in strict mode: what they send is what the vendors send."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.fakes import (
    Answer,
    Cut,
    Fail,
    Garbage,
    Hang,
    Pings,
    Provider,
    Raw,
    StreamError,
    ToolCall,
    Wait,
    step_from_json,
    unused_port,
)
from tests.fakes.acts import split, torn
from tests.fakes.reply import Event

Json = dict[str, Any]
ASK: Any = [{"role": "user", "content": "What is warm?"}]
LONG = "Rules of the house. " * 40  # 800 characters, 200 fake tokens
CALLS = [ToolCall("weather", {"city": "Oslo", "days": 3}), ToolCall("clock", {"zone": "CET"})]


@pytest.fixture
def oai() -> Iterator[Provider]:
    with Provider("openai") as provider:
        yield provider


@pytest.fixture
def ant() -> Iterator[Provider]:
    with Provider("anthropic") as provider:
        yield provider


def openai_of(provider: Provider, **given: Any) -> openai.OpenAI:
    given = {"api_key": "sk-a", "max_retries": 0, "timeout": 10, **given}
    return openai.OpenAI(base_url=provider.base_url, _strict_response_validation=True, **given)


def anthropic_of(provider: Provider, **given: Any) -> anthropic.Anthropic:
    given = {"api_key": "sk-a", "max_retries": 0, "timeout": 10, **given}
    return anthropic.Anthropic(base_url=provider.base_url, _strict_response_validation=True, **given)


def chat(provider: Provider, **given: Any) -> Any:
    with openai_of(provider) as client:
        return client.chat.completions.create(**{"model": "small", "messages": ASK, **given})


def chat_chunks(provider: Provider, **given: Any) -> list[Any]:
    with openai_of(provider) as client:
        request: Any = {"model": "small", "messages": ASK, "stream": True, **given}
        with client.chat.completions.create(**request) as stream:
            return list(stream)


def say(provider: Provider, **given: Any) -> Any:
    with anthropic_of(provider) as client:
        return client.messages.create(**{"model": "small", "max_tokens": 64, "messages": ASK, **given})


def say_streamed(provider: Provider, **given: Any) -> Any:
    with anthropic_of(provider) as client:
        request: Any = {"model": "small", "max_tokens": 64, "messages": ASK, **given}
        with client.messages.stream(**request) as stream:
            return stream.get_final_message()


def raw(provider: Provider, body: Json, key: str = "sk-a") -> tuple[int, dict[str, str], bytes]:
    """The bytes of an answer, without any SDK between."""
    path = "/v1/chat/completions" if provider.kind == "openai" else "/v1/messages"
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
    headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


class TestOpenAI:
    def test_whole_and_streamed_answers_are_the_same(self, oai: Provider) -> None:
        """The chunks of a stream add up to the unary object: id, created, model, text, finish reason."""
        whole = chat(oai)
        chunks = chat_chunks(oai)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
        assert {(c.id, c.created, c.model) for c in chunks} == {(whole.id, whole.created, whole.model)}
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [c.choices[0].finish_reason for c in chunks][-2:] == [None, "stop"]
        assert whole._request_id == oai.requests[0].request_id

    def test_same_request_same_object(self) -> None:
        """Without the cache two equal requests get equal objects; another prompt gets another id."""
        with Provider("openai", cache=False) as provider:
            first, second = chat(provider), chat(provider)
            assert first.to_dict() == second.to_dict()
            assert chat(provider, messages=[{"role": "user", "content": "else"}]).id != first.id

    def test_usage_chunk_only_on_request(self, oai: Provider) -> None:
        """The usage chunk has no choices and comes last; only then do the others say ``usage: null``."""
        _, _, plain = raw(oai, {"model": "small", "messages": ASK, "stream": True})
        assert b"usage" not in plain
        assert plain.endswith(b"data: [DONE]\n\n")
        body = {"model": "small", "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
        _, headers, asked = raw(oai, body)
        lines = [json.loads(e[6:]) for e in asked.split(b"\n\n") if e.startswith(b"data: {")]
        assert all(line["usage"] is None for line in lines[:-1])
        assert lines[-1]["choices"] == []
        assert lines[-1]["usage"]["total_tokens"] > 0
        assert headers["content-type"].startswith("text/event-stream")

    def test_parallel_tool_calls(self, oai: Provider) -> None:
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

    def test_choices_differ_by_index(self, oai: Provider) -> None:
        """With ``n`` choices each has its own text, whole and streamed."""
        whole = chat(oai, n=2).choices
        assert whole[0].message.content != whole[1].message.content
        texts = {0: "", 1: ""}
        for chunk in chat_chunks(oai, n=2):
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        assert [texts[0], texts[1]] == [choice.message.content for choice in whole]

    def test_parsed_answer_follows_the_schema(self, oai: Provider) -> None:
        """A request for a JSON schema gets a value of that schema, also through ``.parse``."""

        class Town(BaseModel):
            name: str
            people: int
            twins: list[str]

        with openai_of(oai) as client:
            parsed = client.chat.completions.parse(model="m", messages=ASK, response_format=Town)
        assert parsed.choices[0].message.parsed == Town(name="text", people=7, twins=["text"])

    def test_refusal_thinking_and_truncation(self, oai: Provider) -> None:
        """A refusal is a field of its own; reasoning is counted; a small limit ends with ``length``."""
        oai.plan(Answer(refusal="No."), Answer(refusal="No."), Answer(text="4", thinking="two and two"))
        assert chat(oai).choices[0].message.refusal == "No."
        assert "".join(c.choices[0].delta.refusal or "" for c in chat_chunks(oai)) == "No."
        assert chat(oai).usage.completion_tokens_details.reasoning_tokens == 2
        assert chat(oai, max_tokens=2).choices[0].finish_reason == "length"

    def test_forced_tool_is_called(self, oai: Provider) -> None:
        """``tool_choice`` that forces a tool gets a call whose arguments fit its schema."""
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        tools: Any = [{"type": "function", "function": {"name": "add", "parameters": schema}}]
        call = chat(oai, tools=tools, tool_choice="required").choices[0].message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"n": 7})

    def test_models(self) -> None:
        """The list and one entry; an unknown model is 404 ``model_not_found``."""
        with Provider("openai", models=["a", "b"]) as provider, openai_of(provider) as client:
            assert [m.id for m in client.models.list()] == ["a", "b"]
            assert client.models.retrieve("a").owned_by
            with pytest.raises(openai.NotFoundError) as caught:
                chat(provider, model="c")
            assert caught.value.code == "model_not_found"


class TestAnthropic:
    def test_whole_and_streamed_answers_are_the_same(self, ant: Provider) -> None:
        """The final message of a stream equals the unary one."""
        whole = say(ant)
        assert whole.stop_reason == "end_turn"
        assert whole._request_id == ant.requests[0].request_id
        streamed = say_streamed(ant).to_dict()
        assert {**streamed, "usage": None} == {**whole.to_dict(), "usage": None}
        assert streamed["usage"]["output_tokens"] == whole.usage.output_tokens

    def test_event_order(self, ant: Provider) -> None:
        """Every event has its ``event:`` line; blocks come one after another; usage is cumulative."""
        ant.plan(Answer(text="one two", tool_calls=CALLS[:1], thinking="hm"))
        _, headers, body = raw(ant, {"model": "m", "max_tokens": 9, "messages": ASK, "stream": True})
        events = [block.split(b"\n") for block in body.removesuffix(b"\n\n").split(b"\n\n")]
        data = [json.loads(line.removeprefix(b"data: ")) for _, line in events]
        assert [name.decode() for name, _ in events] == [f"event: {d['type']}" for d in data]
        assert [d["type"] for d in data][:3] == ["message_start", "content_block_start", "ping"]
        assert [d["type"] for d in data][-2:] == ["message_delta", "message_stop"]
        assert [d["index"] for d in data if "index" in d] == sorted(d["index"] for d in data if "index" in d)
        assert data[-2]["usage"]["input_tokens"] == data[0]["message"]["usage"]["input_tokens"]
        assert "request-id" in headers

    def test_thinking_and_tools(self, ant: Provider) -> None:
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
    def test_both_ways_to_send_the_key(self, header: dict[str, str]) -> None:
        """``x-api-key`` and ``Authorization: Bearer`` are both taken, any other key is a 401."""
        with Provider("anthropic", keys=["k-1"]) as provider:
            url = f"{provider.base_url}/v1/messages?beta=true"
            body = {"model": "m", "max_tokens": 9, "messages": ASK}
            headers = {"anthropic-version": "2023-06-01", **header}
            assert httpx2.post(url, json=body, headers=headers).status_code == 200
            assert provider.requests[0].query == "beta=true"
            with pytest.raises(anthropic.AuthenticationError):
                say(provider)

    def test_sampling_fields_depend_on_the_version(self, ant: Provider) -> None:
        """From 2026-10-21 on ``temperature`` is a 400; under 2023-06-01 it is taken."""
        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            say(ant, extra_body={"temperature": 1})
        body = {"model": "m", "max_tokens": 9, "messages": ASK, "temperature": 1}
        assert raw(ant, body)[0] == 200

    def test_beta_count_models_refusal_and_schema(self, ant: Provider) -> None:
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


class TestUsage:
    def test_openai_caches_by_itself(self, oai: Provider) -> None:
        """A long prefix seen before is read from the cache; a short prompt and another key never are."""
        turns: Any = [{"role": "system", "content": LONG}, *ASK]
        first = chat(oai, messages=turns).usage
        longer = [*turns, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And?"}]
        second = chat(oai, messages=longer).usage
        assert first.prompt_tokens_details.cached_tokens == 0
        assert 190 <= second.prompt_tokens_details.cached_tokens < second.prompt_tokens
        assert first.prompt_tokens_details.cache_write_tokens > 190
        assert chat(oai).usage.prompt_tokens_details.cached_tokens == 0
        chat(oai)
        assert json.loads(raw(oai, {"model": "small", "messages": turns}, "sk-b")[2])["usage"][
            "prompt_tokens_details"
        ] == {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 192}

    def test_anthropic_caches_what_is_marked(self, ant: Provider) -> None:
        """No mark, no cache. With a mark: written, then read; a mark that moves on reads the old place."""
        assert say(ant, system=LONG).usage.cache_creation_input_tokens == 0
        mark = {"type": "ephemeral"}
        system = [{"type": "text", "text": LONG, "cache_control": {**mark, "ttl": "1h"}}]
        first = say(ant, system=system).usage
        assert (first.cache_read_input_tokens, first.cache_creation_input_tokens) == (0, 201)
        assert first.cache_creation.ephemeral_1h_input_tokens == 201
        marked = [{"role": "user", "content": [{"type": "text", "text": LONG, "cache_control": mark}]}]
        second = say_streamed(ant, system=system, messages=marked).usage
        assert second.cache_read_input_tokens == 201
        assert second.cache_creation.ephemeral_5m_input_tokens == second.cache_creation_input_tokens > 190
        longer = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "Yes."}, *marked]
        third = say(ant, system=system, messages=longer).usage
        assert third.cache_read_input_tokens == 201 + second.cache_creation_input_tokens

    def test_scripted_usage(self, oai: Provider, ant: Provider) -> None:
        """One neutral script: OpenAI's prompt includes the 800 cached tokens, Anthropic's input does not."""
        step = Answer(usage={"prompt": 1000, "cached": 800, "completion": 500})
        for provider in (oai, ant):
            provider.plan(step, Answer(usage=False), step)
        usage = chat(oai).usage
        assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (1000, 800)
        assert (usage.completion_tokens, usage.total_tokens) == (500, 1500)
        assert chat(oai).usage is None
        usage = say(ant).usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (200, 800, 500)
        assert "usage" not in json.loads(raw(ant, {"model": "m", "max_tokens": 9, "messages": ASK})[2])
        usage = say_streamed(ant).usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (200, 800, 500)

    def test_verbatim_usage_served_by_and_cost(self, oai: Provider) -> None:
        """Usage in the vendor's own keys is sent as it is; OpenRouter's extras are where it puts them."""
        given = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        oai.default = Answer(usage=given, served_by="DeepInfra", reported_cost=0.25, served_model="m-2")
        whole = chat(oai)
        assert whole.usage.to_dict() == {**given, "cost": 0.25}
        assert (whole.provider, whole.model) == ("DeepInfra", "m-2")
        chunks = chat_chunks(oai, stream_options={"include_usage": True})
        assert {c.provider for c in chunks} == {"DeepInfra"}
        assert chunks[-1].usage.cost == 0.25


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (529, "overloaded_error"),
        ],
    )
    def test_error_envelopes(self, oai: Provider, ant: Provider, status: int, kind: str) -> None:
        """Each status comes in the vendor's envelope, with the headers that were asked for."""
        for provider in (oai, ant):
            provider.plan(Fail(status, "no luck", headers={"retry-after": "7"}))
        with pytest.raises(openai.APIStatusError, match="no luck") as theirs:
            chat(oai)
        assert theirs.value.status_code == status
        assert set(theirs.value.body) == {"message", "type", "param", "code"}  # type: ignore[call-overload]
        with pytest.raises(anthropic.APIStatusError) as others:
            say(ant)
        body: Any = others.value.body
        assert (body["type"], body["error"]) == ("error", {"type": kind, "message": "no luck"})
        assert body["request_id"] == others.value.response.headers["request-id"]
        assert others.value.response.headers["retry-after"] == "7"

    def test_no_key_is_401_and_keeps_the_plan(self, oai: Provider) -> None:
        """A request without a key never reaches the planned step."""
        oai.plan(Fail(500))
        response = httpx2.post(f"{oai.base_url}/chat/completions", json={"model": "m", "messages": ASK})
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        with pytest.raises(openai.InternalServerError):
            chat(oai)
        assert len(oai.requests) == 2
        assert len(oai.calls) == 1

    @pytest.mark.parametrize("how", ["reset", "close"])
    def test_dropped_stream(
        self, oai: Provider, ant: Provider, how: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The deltas before the cut arrive, then the connection breaks."""
        for provider in (oai, ant):
            provider.plan(Cut(after_chunks=2, how=how))
        with openai_of(oai) as client:
            stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
            seen = [next(stream).choices[0].delta.content for _ in range(3)]
            with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
                next(stream)
        assert seen == ["", "m", " answers:"]
        with pytest.raises((anthropic.APIError, httpx2.TransportError)):
            say_streamed(ant)
        assert not oai.requests[0].aborted
        assert oai.requests[0].sent_last_at is None
        assert not [record for record in caplog.records if record.name.startswith("aiohttp")]

    def test_reset_is_a_reset(self, oai: Provider) -> None:
        """On the socket: ``reset`` is RST after what was sent, ``close`` a FIN without the last chunk."""
        oai.plan(Cut(0, "reset"), Cut(0, "close"), Cut(0, "eof"))
        body = json.dumps({"model": "m", "messages": ASK, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\
Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        for how in ("reset", "close", "eof"):
            got, ended = b"", None
            with socket.create_connection(("127.0.0.1", oai.port), timeout=5) as sock:
                sock.sendall(head.encode() + body)
                try:
                    while data := sock.recv(65536):
                        got += data
                except ConnectionResetError as error:
                    ended = error
            assert b'"role":"assistant"' in got
            assert (ended is not None) == (how == "reset")
            assert got.endswith(b"0\r\n\r\n") == (how == "eof")

    @pytest.mark.parametrize("how", ["eof", "torn"])
    def test_stream_without_terminator(self, oai: Provider, ant: Provider, how: Any) -> None:
        """HTTP ends well, the dialect does not: no SDK raises, which is why a router must."""
        for provider in (oai, ant):
            provider.plan(Cut(after_chunks=2, how=how))
        assert [c.choices[0].finish_reason for c in chat_chunks(oai)] == [None] * 3
        assert say_streamed(ant).stop_reason is None

    def test_cut_places(self) -> None:
        """-1 is before everything, 0 before the first delta, more than there are is behind the last."""
        events = [Event(b"a"), Event(b"b", True), Event(b"c", True), Event(b"z")]
        assert [len(split(events, n)[0]) for n in (-1, 0, 1, 2, 9)] == [0, 1, 2, 3, 3]
        assert [len(split([Event(b"a"), Event(b"z")], n)[0]) for n in (-1, 0, 9)] == [0, 1, 2]
        half = torn(Event(b'event: x\ndata: {"a":1}\n\n')).data
        assert half.startswith(b"event: x\ndata: {")
        assert b"}" not in half

    @pytest.mark.parametrize("how", ["reset", "close", "eof", "torn"])
    def test_unary_cut(self, oai: Provider, how: Any) -> None:
        """A unary body stops in its middle: a connection error, or JSON that does not parse."""
        oai.plan(Cut(how=how))
        wanted: Any = json.JSONDecodeError if how == "torn" else openai.APIConnectionError
        with pytest.raises(wanted):
            chat(oai)

    def test_stream_error(self, oai: Provider, ant: Provider) -> None:
        """The vendor's error event after two deltas; unary the same error has a status."""
        for provider in (oai, ant):
            provider.plan(StreamError(after_chunks=2), StreamError())
        with pytest.raises(openai.APIError, match="had an error"):
            chat_chunks(oai)
        with pytest.raises(openai.InternalServerError):
            chat(oai)
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            say_streamed(ant)
        with pytest.raises(anthropic.InternalServerError):
            say(ant)

    def test_hang_and_refused(self, oai: Provider) -> None:
        """A hang is ended by the caller's timeout and seen as aborted; a closed port refuses at once."""
        oai.plan(Hang())
        with openai_of(oai, timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="m", messages=ASK)
        oai.wait_for(lambda p: p.requests[0].aborted)
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", unused_port()).connect()

    def test_garbage_and_raw(self, oai: Provider) -> None:
        """Any bytes under any content type, or none; and exact streams for the corner cases."""
        oai.plan(
            Garbage(200, b"<html>", None),
            Garbage(204, b""),
            Raw([b"data: {", b"}\n\n"], content_type="text/x"),
        )
        body = {"model": "m", "messages": ASK}
        status, headers, content = raw(oai, body)
        assert (status, content) == (200, b"<html>")
        assert "content-type" not in headers
        assert raw(oai, body)[0] == 204
        status, headers, content = raw(oai, body)
        assert (headers["content-type"], content) == ("text/x", b"data: {}\n\n")

    def test_strict_fields(self) -> None:
        """A field of the router's own that leaks to the provider is a 400; the vendor's fields pass."""
        with Provider("openai", strict=True) as provider:
            chat(provider, temperature=0, seed=1, extra_body={"prompt_cache_key": "k"})
            with pytest.raises(openai.BadRequestError, match="x_router"):
                chat(provider, extra_body={"x_router": 1})
        with Provider("anthropic", strict=True) as provider:
            say(provider, metadata={"user_id": "u"})
            with pytest.raises(anthropic.BadRequestError, match="x_router"):
                say(provider, extra_body={"x_router": 1})


class TestTiming:
    @pytest.mark.parametrize("kind", ["openai", "anthropic"])
    def test_wait_proves_streaming(self, kind: Any) -> None:
        """The first delta is there while the last has not been sent: it waits for the release."""
        with Provider(kind) as provider:
            provider.plan(Wait(after_chunks=1, answer=Answer(chunks=["first", " last"])))
            texts: list[str] = []
            got_first = threading.Event()

            def read() -> None:
                if kind == "openai":
                    with openai_of(provider) as client:
                        for chunk in client.chat.completions.create(model="m", messages=ASK, stream=True):
                            texts.append(chunk.choices[0].delta.content or "")
                            if texts[-1]:
                                got_first.set()
                else:
                    request: Any = {"model": "m", "max_tokens": 9, "messages": ASK}
                    with anthropic_of(provider) as other, other.messages.stream(**request) as stream:
                        for text in stream.text_stream:
                            texts.append(text)
                            got_first.set()

            reader = threading.Thread(target=read)
            reader.start()
            assert got_first.wait(5)
            assert provider.sent_last_at is None
            provider.release()
            reader.join(5)
            assert "".join(texts) == "first last"
            provider.wait_for(lambda p: p.sent_last_at is not None)
            record = provider.requests[0]
            assert record.first_content_at is not None
            assert record.sent_last_at is not None
            assert record.first_content_at < record.sent_last_at

    def test_pings_delays_and_gaps(self, oai: Provider, ant: Provider) -> None:
        """Keep-alives are invisible to the SDKs; delay and gap are at least as long as asked."""
        for provider in (oai, ant):
            provider.plan(*[Pings(3, 5, Answer(text="hi"))] * 2, Pings(2, 1))
        assert chat(oai).choices[0].message.content == "hi"
        assert "".join(c.choices[0].delta.content or "" for c in chat_chunks(oai)) == "hi"
        assert chat_chunks(oai) == []
        assert say(ant).content[0].text == say_streamed(ant).content[0].text == "hi"
        oai.plan(Answer(chunks=["a", "b", "c"], delay_ms=50, gap_ms=30))
        chat_chunks(oai)
        oai.wait_for(lambda p: p.sent_last_at is not None)
        record = oai.requests[-1]
        assert record.first_content_at is not None
        assert record.sent_last_at is not None
        assert record.first_content_at - record.received_at >= 0.05
        assert record.sent_last_at - record.first_content_at >= 0.06

    def test_caller_who_leaves_is_seen(self, oai: Provider, caplog: pytest.LogCaptureFixture) -> None:
        """A caller who closes in the middle leaves ``aborted`` and how much was sent, and no traceback."""
        oai.plan(Answer(chunks=["x"] * 500, gap_ms=5))
        with openai_of(oai) as client:
            stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
            next(iter(stream))
            stream.close()
        oai.wait_for(lambda p: p.requests[0].aborted)
        assert oai.requests[0].content_sent < 500
        assert not [record for record in caplog.records if record.name.startswith("aiohttp")]

    def test_same_port_after_a_restart(self, oai: Provider) -> None:
        """A provider that goes down refuses, and is back at the same address."""
        oai.stop()
        with pytest.raises(openai.APIConnectionError):
            chat(oai)
        oai.start()
        assert chat(oai).id

    async def test_inside_a_running_loop(self, oai: Provider, ant: Provider) -> None:
        """The stand-ins have their own thread, so async tests use them as they are."""
        async with openai.AsyncOpenAI(base_url=oai.base_url, api_key="k") as client:
            assert (await client.chat.completions.create(model="m", messages=ASK)).id
        async with (
            anthropic.AsyncAnthropic(base_url=ant.base_url, api_key="k") as other,
            other.messages.stream(model="m", max_tokens=9, messages=ASK) as stream,
        ):
            assert (await stream.get_final_message()).stop_reason == "end_turn"


def test_default_by_request(oai: Provider) -> None:
    """The default may look at the request; planned steps come first, in order; ``clear`` forgets."""
    oai.default = lambda record: Answer(text=record.body["model"].upper())
    oai.plan(Answer(text="planned"))
    assert [chat(oai).choices[0].message.content for _ in range(2)] == ["planned", "SMALL"]
    oai.clear()
    assert oai.requests == []
    assert chat(oai).choices[0].message.content == "SMALL"


def test_steps_as_json() -> None:
    """A step reads the same from JSON; an unknown name or field is refused."""
    assert step_from_json({"fail": 500}) == Fail(500)
    assert step_from_json({"stream_error": None}) == StreamError()
    cut = {"cut": {"after_chunks": 0, "how": "eof", "answer": {"tool_calls": [{"name": "f"}]}}}
    assert step_from_json(cut) == Cut(0, "eof", Answer(tool_calls=(ToolCall("f"),)))
    assert step_from_json({"garbage": {"body": "x"}}) == Garbage(body=b"x")
    assert step_from_json({"raw": {"pieces": ["x"]}}) == Raw((b"x",))
    with pytest.raises(ValueError, match="unknown step"):
        step_from_json({"explode": 1})
    with pytest.raises(TypeError):
        step_from_json({"fail": {"colour": "red"}})


def test_process_with_control_endpoints() -> None:
    """Out of process: one ready line, then plan, default, release, requests and clear over HTTP."""
    command = [sys.executable, "-m", "tests.fakes", "--kind", "openai", "--name", "acme"]
    command += ["--always", '{"answer": "always"}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, origin = process.stdout.readline().split()
            assert word == "ready"

            def control(path: str, body: Any = None, method: str = "POST") -> Any:
                data = json.dumps(body).encode() if body is not None else None
                request = urllib.request.Request(f"{origin}{path}", data, method=method)
                with urllib.request.urlopen(request, timeout=5) as response:
                    return json.load(response)

            assert control("/__plan", [{"fail": 429}, {"wait": "gate"}]) == {"planned": 2}
            control("/__release", {"event": "gate"})
            with openai.OpenAI(base_url=f"{origin}/v1", api_key="k", max_retries=0) as client:
                with pytest.raises(openai.RateLimitError):
                    client.chat.completions.create(model="m", messages=ASK)
                texts = []
                for _ in range(2):
                    whole = client.chat.completions.create(model="m", messages=ASK)
                    texts.append(whole.choices[0].message.content)
                assert texts == ["m answers: What is warm?", "always"]
                assert whole.to_dict()["provider"] == "acme"
            assert [r["status"] for r in control("/__requests", method="GET")] == [429, 200, 200]
            with pytest.raises(urllib.error.HTTPError, match="400"):
                control("/__default", {"explode": 1})
            control("/__clear")
            assert control("/__requests", method="GET") == []
        finally:
            os.kill(process.pid, signal.SIGTERM)
