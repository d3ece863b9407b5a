"""When bytes are sent and who is still there: streams that wait, pauses, callers who leave, restarts."""

from __future__ import annotations

import threading
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import Answer, Pings, Provider, Wait
from tests.fakes.sdk import anthropic_of, openai_of
from tests.stand_ins.asking import ASK, chat, chat_chunks, say, say_streamed


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_wait_proves_streaming(kind: Any) -> None:
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


def test_pings_delays_and_gaps(oai: Provider, ant: Provider) -> None:
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


def test_caller_who_leaves_is_seen(oai: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """A caller who closes in the middle leaves ``aborted`` and how much was sent, and no traceback."""
    oai.plan(Answer(chunks=["x"] * 500, gap_ms=5))
    with openai_of(oai) as client:
        stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
        next(iter(stream))
        stream.close()
    oai.wait_for(lambda p: p.requests[0].aborted)
    assert oai.requests[0].content_sent < 500
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


def test_same_port_after_a_restart(oai: Provider) -> None:
    """A provider that goes down refuses, and is back at the same address."""
    oai.stop()
    with pytest.raises(openai.APIConnectionError):
        chat(oai)
    oai.start()
    assert chat(oai).id


async def test_inside_a_running_loop(oai: Provider, ant: Provider) -> None:
    """The stand-ins have their own thread, so async tests use them as they are."""
    async with openai.AsyncOpenAI(base_url=oai.base_url, api_key="k") as client:
        assert (await client.chat.completions.create(model="m", messages=ASK)).id
    async with (
        anthropic.AsyncAnthropic(base_url=ant.base_url, api_key="k") as other,
        other.messages.stream(model="m", max_tokens=9, messages=ASK) as stream,
    ):
        assert (await stream.get_final_message()).stop_reason == "end_turn"
