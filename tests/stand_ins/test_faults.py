"""Answers that fail: errors, broken connections, silence and nonsense, as the vendors' SDKs see them."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.fakes import Cut, Fail, Garbage, Hang, Provider, Raw, StreamError, unused_port
from tests.fakes.acts import split, torn
from tests.fakes.sdk import openai_of
from tests.fakes.wire import Event
from tests.stand_ins.asking import ASK, bare, chat, chat_chunks, say, say_streamed


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
def test_error_envelopes(oai: Provider, ant: Provider, status: int, kind: str) -> None:
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


def test_no_key_is_401_and_keeps_the_plan(oai: Provider) -> None:
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
def test_dropped_stream(oai: Provider, ant: Provider, how: Any, caplog: pytest.LogCaptureFixture) -> None:
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


def test_reset_is_a_reset(oai: Provider) -> None:
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
def test_stream_without_terminator(oai: Provider, ant: Provider, how: Any) -> None:
    """HTTP ends well, the dialect does not: no SDK raises, which is why a router must."""
    for provider in (oai, ant):
        provider.plan(Cut(after_chunks=2, how=how))
    assert [c.choices[0].finish_reason for c in chat_chunks(oai)] == [None] * 3
    assert say_streamed(ant).stop_reason is None


def test_cut_places() -> None:
    """-1 is before everything, 0 before the first delta, more than there are is behind the last."""
    events = [Event(b"a"), Event(b"b", True), Event(b"c", True), Event(b"z")]
    assert [len(split(events, n)[0]) for n in (-1, 0, 1, 2, 9)] == [0, 1, 2, 3, 3]
    assert [len(split([Event(b"a"), Event(b"z")], n)[0]) for n in (-1, 0, 9)] == [0, 1, 2]
    half = torn(Event(b'event: x\ndata: {"a":1}\n\n')).data
    assert half.startswith(b"event: x\ndata: {")
    assert b"}" not in half


@pytest.mark.parametrize("how", ["reset", "close", "eof", "torn"])
def test_unary_cut(oai: Provider, how: Any) -> None:
    """A unary body stops in its middle: a connection error, or JSON that does not parse."""
    oai.plan(Cut(how=how))
    wanted: Any = json.JSONDecodeError if how == "torn" else openai.APIConnectionError
    with pytest.raises(wanted):
        chat(oai)


def test_stream_error(oai: Provider, ant: Provider) -> None:
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


def test_hang_and_refused(oai: Provider) -> None:
    """A hang is ended by the caller's timeout and seen as aborted; a closed port refuses at once."""
    oai.plan(Hang())
    with openai_of(oai, timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="m", messages=ASK)
    oai.wait_for(lambda p: p.requests[0].aborted)
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", unused_port()).connect()


def test_garbage_and_raw(oai: Provider) -> None:
    """Any bytes under any content type, or none; and exact streams for the corner cases."""
    oai.plan(
        Garbage(200, b"<html>", None),
        Garbage(204, b""),
        Raw([b"data: {", b"}\n\n"], content_type="text/x"),
    )
    body = {"model": "m", "messages": ASK}
    untyped = bare(oai, body)
    assert (untyped.status_code, untyped.content) == (200, b"<html>")
    assert "content-type" not in untyped.headers
    assert bare(oai, body).status_code == 204
    exact = bare(oai, body)
    assert (exact.headers["content-type"], exact.content) == ("text/x", b"data: {}\n\n")


def test_strict_fields() -> None:
    """A field of the router's own that leaks to the provider is a 400; the vendor's fields pass."""
    with Provider("openai", strict=True) as provider:
        chat(provider, temperature=0, seed=1, extra_body={"prompt_cache_key": "k"})
        with pytest.raises(openai.BadRequestError, match="x_router"):
            chat(provider, extra_body={"x_router": 1})
    with Provider("anthropic", strict=True) as provider:
        say(provider, metadata={"user_id": "u"})
        with pytest.raises(anthropic.BadRequestError, match="x_router"):
            say(provider, extra_body={"x_router": 1})
