"""Chains of routes, end to end: what falls back, what stops, what is written down."""

import asyncio
from typing import Any

import anthropic
import openai
import pytest

import warmroute
from ledger.items import InferenceState
from ledger.outcomes import Ending, FaultKind, Outcome
from tests.fakes import Answer, Cut, Fail, Garbage, Hang, Pings, StreamError
from tests.route.house import ALICE, House, build_house, model

HI: list[Any] = [{"role": "user", "content": "hi"}]


def _chat(house: House, *, stream: bool, ours: bool) -> str:
    client = warmroute.OpenAI if ours else openai.OpenAI
    with client(base_url=f"{house.url}/v1", api_key=ALICE) as sdk:
        if not stream:
            return str(sdk.chat.completions.create(model="chat", messages=HI).choices[0].message.content)
        chunks = list(sdk.chat.completions.create(model="chat", messages=HI, stream=True))
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def _chat_async(house: House, *, stream: bool, ours: bool) -> str:
    client = warmroute.AsyncOpenAI if ours else openai.AsyncOpenAI
    async with client(base_url=f"{house.url}/v1", api_key=ALICE) as sdk:
        if not stream:
            answer = await sdk.chat.completions.create(model="chat", messages=HI)
            return str(answer.choices[0].message.content)
        chunks = [c async for c in await sdk.chat.completions.create(model="chat", messages=HI, stream=True)]
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def _messages(house: House, *, stream: bool, ours: bool) -> str:
    client = warmroute.Anthropic if ours else anthropic.Anthropic
    with client(base_url=house.url, api_key=ALICE) as sdk:
        if stream:
            with sdk.messages.stream(model="messages", max_tokens=64, messages=HI) as answer:
                return str(answer.get_final_text())
        block = sdk.messages.create(model="messages", max_tokens=64, messages=HI).content[0]
        return str(getattr(block, "text", ""))


async def _messages_async(house: House, *, stream: bool, ours: bool) -> str:
    client = warmroute.AsyncAnthropic if ours else anthropic.AsyncAnthropic
    async with client(base_url=house.url, api_key=ALICE) as sdk:
        if stream:
            async with sdk.messages.stream(model="messages", max_tokens=64, messages=HI) as answer:
                return str(await answer.get_final_text())
        block = (await sdk.messages.create(model="messages", max_tokens=64, messages=HI)).content[0]
        return str(getattr(block, "text", ""))


@pytest.mark.case("U1")
@pytest.mark.parametrize("ours", [False, True], ids=["vendor", "ours"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_one_request_with_a_fallback_is_two_attempts_of_one_inference(
    house: House, dialect: str, stream: bool, is_async: bool, ours: bool
) -> None:
    """A answers 500, B 200: two attempt rows, one inference, numbers 1 and 2, whoever asks and however."""
    first, second = ("a", "b") if dialect == "chat" else ("c", "d")
    house.providers[first].default = Fail(500)
    if is_async:
        run = _chat_async if dialect == "chat" else _messages_async
        text = asyncio.run(run(house, stream=stream, ours=ours))
    else:
        text = (_chat if dialect == "chat" else _messages)(house, stream=stream, ours=ours)
    assert text == "small-2026-01 answers: hi"
    facts = house.facts()
    assert [(f.n, f.provider, f.outcome) for f in facts] == [(1, first, Outcome.ERROR), (2, second, Outcome.OK)]
    [inference] = house.inferences()
    assert {f.inference_id for f in facts} == {inference.inference_id}
    assert (inference.state, inference.ending, inference.status) == (InferenceState.CLOSED, Ending.FALLBACK, 200)
    assert inference.served == 2
    assert all(f.origin == inference.origin for f in facts)


@pytest.mark.case("C2")
@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 425, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_faults_of_a_route_go_to_the_next(house: House, status: int, stream: bool) -> None:
    """Each status that another route may do better at is followed by the next, and counts against the route."""
    house.providers["a"].plan(Fail(status))
    assert _chat(house, stream=stream, ours=False) == "small-2026-01 answers: hi"
    first, second = house.facts()
    assert (first.http_status, first.counts, second.ok) == (status, True, True)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_faults_of_a_request_stop_with_the_providers_own_words(house: House, status: int) -> None:
    """What no route can mend is not tried elsewhere; the caller gets the provider's own error, not ours."""
    house.providers["a"].plan(Fail(status, message="the provider's own words"))
    with pytest.raises(openai.APIStatusError) as caught:
        _chat(house, stream=False, ours=False)
    assert caught.value.status_code == status
    assert "the provider's own words" in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert [(f.kind, f.counts) for f in house.facts()] == [(FaultKind.INVALID_REQUEST, False)]
    assert not house.providers["b"].calls


@pytest.mark.case("C2")
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, anthropic.AuthenticationError), (429, anthropic.RateLimitError), (529, anthropic.InternalServerError)],
)
def test_an_exhausted_chain_is_the_last_routes_status_in_the_dialect(
    house: House, status: int, error: type[anthropic.APIStatusError], caplog: pytest.LogCaptureFixture
) -> None:
    """All fail: the SDK's own class, every attempt named, Retry-After capped at 60 s, no retry by the SDK."""
    for name in ("c", "d"):
        house.providers[name].default = Fail(status, headers={"retry-after": "3600"})
    with pytest.raises(error) as caught:
        _messages(house, stream=False, ours=False)
    response = caught.value.response
    assert [len(house.providers[n].calls) for n in "cd"] == [1, 1], "the SDK must not have retried"
    attempts = response.json()["error"]["attempts"]
    assert [(a["n"], a["route"], a["http_status"]) for a in attempts] == [
        (1, "c|small|", status),
        (2, "d|small|", status),
    ]
    assert response.json()["error"]["provider_message"]
    assert response.headers["retry-after"] == "60"
    assert response.headers["request-id"] == house.facts()[0].inference_id
    assert ("chain-uniform-auth-failure" in caplog.messages) == (status == 401)


@pytest.mark.case("C19", "U7", "U8")
@pytest.mark.parametrize("how", ["reset", "close", "eof", "torn"])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_stream_that_dies_is_an_error_and_never_a_splice(house: House, dialect: str, how: Any) -> None:
    """Cut after content: the SDK raises, its row is stream_interrupted, nothing is warm, no other route."""
    first = "a" if dialect == "chat" else "c"
    house.providers[first].default = Cut(after_chunks=1, how=how)
    path, raised = (
        ("/v1/chat/completions", openai.APIError) if dialect == "chat" else ("/v1/messages", anthropic.APIError)
    )
    body = {"model": dialect, "max_tokens": 64, "messages": HI, "stream": True, "session": "s"}
    response = house.post(path, body)
    end = "data: [DONE]\n\n" if dialect == "chat" else 'data: {"type":"message_stop"}\n\n'
    assert response.status_code == 200
    assert response.text.endswith(end)
    assert response.text.count('"error"') >= 1
    with pytest.raises(raised):
        (_chat if dialect == "chat" else _messages)(house, stream=True, ours=False)
    facts = house.facts()
    assert {(f.outcome, f.n, f.closes) for f in facts} == {(Outcome.STREAM_INTERRUPTED, 1, Ending.ERROR)}
    assert all(f.usage is not None and f.usage.output > 0 and f.estimated for f in facts)
    session = house.session("s")
    assert (session["calls"], session["errors"], session["warm"]) == (1, 1, [])


@pytest.mark.parametrize(
    "fault",
    [
        Garbage(body=b'{"error":{"message":"no","type":"server_error"}}'),
        Garbage(body=b"<html>proxy</html>", content_type="text/html"),
        Garbage(body=b""),
        Garbage(body=b"[]"),
        StreamError(after_chunks=0),
        Cut(after_chunks=0, how="eof"),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'body', b'')[:8]!r}",
)
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_200_that_is_no_answer_goes_to_the_next_route(
    house: House, dialect: str, stream: bool, fault: Any
) -> None:
    """An answer that breaks its dialect's promise before any content is a failure like another."""
    house.providers["a" if dialect == "chat" else "c"].plan(fault)
    run = _chat if dialect == "chat" else _messages
    assert run(house, stream=stream, ours=False) == "small-2026-01 answers: hi"
    first, second = house.facts()
    assert (first.counts, second.ok) == (True, True)


@pytest.mark.case("P5")
def test_no_first_token_in_time_goes_to_the_next_route(dynamodb_url: str) -> None:
    """A route that says nothing, or only pings, until the first-token deadline is left for the next one."""
    chat = {"routes": ["a/small", "b/small"], "deadlines": {"first_token_s": 0.3}}
    with build_house(dynamodb_url, profiles={"chat": chat}) as house:
        for silence in (Hang(5_000), Pings(100, gap_ms=50)):
            house.providers["a"].plan(silence)
            assert _chat(house, stream=True, ours=False) == "small-2026-01 answers: hi"
    assert [(f.n, f.kind) for f in house.facts() if not f.ok] == [(1, FaultKind.TIMEOUT)] * 2


@pytest.mark.case("P5")
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_none_in_time_is_a_504_in_the_dialect(dynamodb_url: str, dialect: str) -> None:
    """When no route answers in time the caller gets a structured 504."""
    chains = {"chat": ["a/small", "b/small"], "messages": ["c/small", "d/small"]}
    deadlines = {"first_token_s": 0.2, "attempt_s": 0.4}
    profiles = {name: {"routes": routes, "deadlines": deadlines} for name, routes in chains.items()}
    with build_house(dynamodb_url, profiles=profiles) as house:
        for provider in house.providers.values():
            provider.default = Hang(5_000)
        path = "/v1/chat/completions" if dialect == "chat" else "/v1/messages"
        response = house.post(path, {"model": dialect, "max_tokens": 9, "messages": HI})
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "timeout"
    assert [f.kind for f in house.facts()] == [FaultKind.TIMEOUT] * 2


def test_a_gap_inside_a_stream_ends_it_with_an_error(dynamodb_url: str) -> None:
    """After content, a silence longer than the gap deadline interrupts the stream; it never hangs."""
    deadlines = {"gap_s": 0.3}
    with build_house(dynamodb_url, profiles={"chat": {"routes": ["a/small"], "deadlines": deadlines}}) as house:
        house.providers["a"].default = Answer(chunks=["one", "two"], gap_ms=3_000)
        with pytest.raises(openai.APIError, match="gap deadline"):
            _chat(house, stream=True, ours=False)
    [fact] = house.facts()
    assert (fact.outcome, fact.kind) == (Outcome.STREAM_INTERRUPTED, FaultKind.TIMEOUT)


def test_the_whole_requests_time_bounds_all_attempts(dynamodb_url: str) -> None:
    """With less than a second left no further route is begun: out of time is a 504, not another try."""
    with build_house(dynamodb_url, settings={"request_s": 4.2}) as house:
        house.providers["a"].default = Hang(10_000)
        response = house.post("/v1/chat/completions", {"model": "chat", "messages": HI})
    assert response.status_code == 504
    assert not house.providers["b"].calls


def test_at_most_max_attempts_routes_are_tried(dynamodb_url: str) -> None:
    """`max_attempts` bounds the calls of one inference, whatever the chain's length."""
    with build_house(
        dynamodb_url, profiles={"chat": {"routes": ["a/small", "b/small"], "max_attempts": 1}}
    ) as house:
        house.providers["a"].default = Fail(500)
        assert house.post("/v1/chat/completions", {"model": "chat", "messages": HI}).status_code == 500
    assert len(house.facts()) == 1


@pytest.mark.parametrize(("larger", "status", "calls"), [(1_000, 400, 0), (2_000, 200, 1)])
def test_context_overflow_goes_only_to_a_larger_context(
    dynamodb_url: str, larger: int, status: int, calls: int
) -> None:
    """A request too long for one route is tried where there is more room, and nowhere else; nobody is to blame."""
    models = {"a": model(context_tokens=1_000), "b": model(context_tokens=larger)}
    with build_house(dynamodb_url, models=models) as house:
        house.providers["a"].default = Fail(400, message="This model's maximum context length is 1000 tokens")
        response = house.post("/v1/chat/completions", {"model": "chat", "messages": HI})
        assert (response.status_code, len(house.providers["b"].calls)) == (status, calls)
    assert (house.facts()[0].kind, house.facts()[0].counts) == (FaultKind.CONTEXT_OVERFLOW, False)
