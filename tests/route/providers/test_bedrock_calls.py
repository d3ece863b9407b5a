"""Calls of a Bedrock that checks signatures and speaks in frames: whole, streamed, refused and broken."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest

from ledger.outcomes import FaultKind
from route.calling.classify import classify
from route.calling.upstream import call, open_http
from route.dialects import BY_NAME
from route.dialects.base import BadAnswer, ErrorInAnswer, Features, Reader
from route.providers.base import Refused, Unreachable
from route.providers.bedrock import VERSION, Bedrock
from tests.fakes import Answer, Cut, Fail, StreamError, ToolCall
from tests.fakes.bedrock import Bedrock as StandIn
from tests.ledger.make import NOW
from tests.route.build import Json, body
from tests.route.providers.bedrock_build import ASKED as WITH_MORE
from tests.route.providers.bedrock_build import KEYS, PROFILE, SONNET, made, outgoing, set_surroundings


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_surroundings(monkeypatch, tmp_path)


# The stand-in knows Anthropic's fields.
ASKED: Json = {name: value for name, value in WITH_MORE.items() if name != "anthropic_unknown"}


@pytest.fixture(scope="module")
def bedrock() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
def fresh(bedrock: StandIn) -> StandIn:
    bedrock.requests.clear()
    bedrock.claude.clear()
    bedrock.others.clear()
    return bedrock


async def told(of: Bedrock, asked: Json, dialect: str = "messages", headers: Json | None = None) -> Reader:
    """One call, read to its end as an attempt reads it."""
    reader = BY_NAME[dialect].reader(Features("", asked.get("stream") is True, False, False))
    sent = of.outgoing(dialect, asked, headers or {}, "")
    async with open_http() as http:
        try:
            async with call(http, sent) as response:
                decode = of.decoder(response.headers.get("content-type", ""))
                while part := await response.content.readany():
                    reader.feed(decode(part))
        except Refused as refused:
            raise of.refusal(dialect, refused) from None
    reader.end()
    return reader


def here(bedrock: StandIn, key: str | None = None, **more: Any) -> Bedrock:
    """With the real time: the stand-in looks at its clock."""
    of = made(key, base_url=bedrock.origin, **more)
    of._clock = lambda: int(datetime.now(UTC).timestamp() * 1000)
    return of


@pytest.mark.parametrize("key", [None, "bedrock-api-key-1"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [SONNET, PROFILE])
async def test_a_whole_conversation(fresh: StandIn, key: str | None, stream: bool, name: str) -> None:
    """Signed or with a key, whole or streamed, by id or by ARN: text, tool call and usage arrive."""
    fresh.claude.plan(Answer(text="Hi there", tool_calls=[ToolCall("look", {"at": "it"})], usage={"prompt": 9}))
    asked = ASKED | {"model": name, "tools": [{"name": "look", "input_schema": {"type": "object"}}]}
    reader = await told(here(fresh, key), asked | ({"stream": True} if stream else {}))
    assert reader.usage is not None
    assert (reader.usage.input, reader.tool_calls, reader.content_seen) == (9, 1, True)
    assert fresh.claude.calls[0].body["model"] == name


async def test_a_stranger_is_refused(fresh: StandIn) -> None:
    """By the stand-in, so that its consent above means something."""
    with pytest.raises(Refused) as caught:
        await told(here(fresh, "wrong"), ASKED)
    assert caught.value.status == 403
    assert classify(caught.value, NOW).kind is FaultKind.AUTH
    late = here(fresh)
    late._clock = lambda: NOW
    with pytest.raises(Refused, match="403"):
        await told(late, ASKED)


async def test_other_models_are_called_in_openai_s_dialect(fresh: StandIn) -> None:
    """The stream is plain, and the OpenAI-shaped error stays as it is."""
    asked = body(model="openai.gpt-oss-120b-1:0", stream=True, stream_options={"include_usage": True})
    fresh.others.plan(Answer(text="Hi"), Fail(429, "Slow down."))
    reader = await told(here(fresh), asked, "chat")
    assert reader.usage is not None
    assert reader.output_chars == 2
    with pytest.raises(Refused) as caught:
        await told(here(fresh), asked, "chat")
    assert json.loads(caught.value.body)["error"]["message"] == "Slow down."


async def test_mantle_is_called_too(fresh: StandIn) -> None:
    """Signed for its own service, which the other one's door refuses."""
    fresh.service = "bedrock-mantle"
    try:
        reader = await told(here(fresh, kind="bedrock_mantle"), ASKED | {"stream": True})
        assert reader.done
        with pytest.raises(Refused, match="403"):
            await told(here(fresh), ASKED)
    finally:
        fresh.service = "bedrock"


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (StreamError(after_chunks=1), ErrorInAnswer),
        (StreamError(after_chunks=-1), ErrorInAnswer),
        (Cut(after_chunks=1, how="torn"), BadAnswer),
        (Cut(after_chunks=1, how="eof"), BadAnswer),
        (Cut(after_chunks=99, how="eof"), BadAnswer),
        (Cut(after_chunks=1, how="reset"), Unreachable),
        (Cut(after_chunks=1, how="close"), Unreachable),
        (Fail(529, "Overloaded"), Refused),
    ],
)
async def test_a_stream_that_fails(fresh: StandIn, step: Any, fault: type[Exception]) -> None:
    """Errors inside it, its end in mid-frame or too early, a broken connection: each is what it is anywhere."""
    fresh.claude.plan(step)
    with pytest.raises(fault) as caught:
        await told(here(fresh), ASKED | {"stream": True})
    assert classify(caught.value, NOW).next


async def test_betas_that_are_sent_are_taken(fresh: StandIn) -> None:
    """The stand-in refuses any that it does not know, as AWS does."""
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14,made-up-2030-01-01"
    await told(here(fresh), ASKED, headers={"anthropic-beta": betas})
    assert fresh.requests[0].body["anthropic_beta"] == ["interleaved-thinking-2025-05-14"]
    with pytest.raises(Refused, match="400"):
        await told(here(fresh), ASKED | {"anthropic_beta": ["made-up-2030-01-01"]})


async def test_the_vendors_own_clients_are_taken_by_the_stand_in(fresh: StandIn) -> None:
    """Their requests, signed by their code: the stand-in is no easier on us than on them."""
    keys: Json = {"aws_access_key": KEYS["AWS_ACCESS_KEY_ID"], "aws_secret_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
    theirs = anthropic.AsyncAnthropicBedrock(base_url=fresh.origin, aws_region="us-east-1", max_retries=0, **keys)
    fresh.claude.plan(Answer(text="one two"))
    # 2.x sends another version there, which Bedrock's older models do not take.
    extra = {"anthropic_version": VERSION}
    asked: Json = {"model": PROFILE, "max_tokens": 9, "messages": body()["messages"], "extra_body": extra}
    async with theirs, theirs.messages.stream(**asked) as stream:
        assert await stream.get_final_text() == "one two"
    ours = [seen.target for seen in fresh.requests]
    assert ours == [urlsplit(outgoing(made(), ASKED | {"model": PROFILE, "stream": True}).url).path]
    compatible = openai.AsyncOpenAI(base_url=f"{fresh.origin}/openai/v1", api_key=fresh.api_keys[0], max_retries=0)
    fresh.others.plan(Answer(text="three"))
    messages: Any = body()["messages"]
    async with compatible:
        answer = await compatible.chat.completions.create(model="openai.gpt-oss-20b-1:0", messages=messages)
    assert answer.choices[0].message.content == "three"
    assert urlsplit(outgoing(made(), dialect="chat").url).path == fresh.requests[-1].target.partition("?")[0]
