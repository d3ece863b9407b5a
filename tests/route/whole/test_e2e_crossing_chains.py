"""Chains whose routes speak different dialects: falling back, breaking off, waiting, and coming back."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

import warmroute
from ledger.items import InferenceState
from ledger.outcomes import Ending, FaultKind, Outcome
from tests.fakes import Answer, Cut, Fail, Garbage, Pings, Step, StreamError, Wait
from tests.route.callers import CALLERS, CROSSING, ONE_EACH, SPEAKS, Caller
from tests.route.house import ALICE, House, build_house

CHAINS = {f"{a}-{b}": {"routes": [f"{SPEAKS[a]}/small", f"{SPEAKS[b]}/small"]} for a, b in CROSSING}
"""One chain for each two dialects, in each order."""

EACH = [(own, first, second) for first, second in CROSSING for own in (first, second)]
ACROSS = pytest.mark.parametrize(("own", "theirs"), CROSSING, ids=lambda name: name)

ENDS = {
    "chat": b"data: [DONE]\n\n",
    "messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "responses": b"",
}
RAISED: dict[str, type[Exception]] = {
    "chat": openai.APIError,
    "messages": anthropic.APIStatusError,
    "responses": openai.APIError,
}
"""By the caller's dialect: how a stream ends, and what its SDK makes of an error in one."""


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    """Each dialect is spoken by one strict provider; every chain of two of them is a profile."""
    profiles = ONE_EACH["profiles"] | CHAINS
    with build_house(dynamodb_url, strict=True, models=ONE_EACH["models"], profiles=profiles) as built:
        yield built


@pytest.fixture
def caller(house: House, own: str) -> Iterator[Caller]:
    house.begin_anew()
    with CALLERS[own](house) as made:
        yield made


BEFORE: dict[str, Step] = {
    "500": Fail(500),
    "429": Fail(429, headers={"retry-after": "9"}),
    "no-head": Cut(after_chunks=-1, how="reset"),
    "no-content": Cut(after_chunks=0, how="eof"),
    "error-event": StreamError(after_chunks=0, how="failed"),
    "page": Garbage(body=b"<html>proxy</html>", content_type="text/html"),
}
"""Ways to fail before the first content."""


@pytest.mark.case("U1")
@pytest.mark.parametrize("mode", ["whole", "events"])
@pytest.mark.parametrize("fault", BEFORE)
@pytest.mark.parametrize(("own", "first", "second"), EACH, ids=lambda name: name)
def test_a_fault_before_any_content_goes_to_the_next_route(
    house: House, caller: Caller, own: str, first: str, second: str, fault: str, mode: str
) -> None:
    """Whatever dialects the routes speak: two attempts of one inference, and the caller hears the second alone."""
    house.providers[SPEAKS[first]].plan(BEFORE[fault])
    house.providers[SPEAKS[second]].plan(Answer(text="from the second"))
    heard = caller.ask(f"{first}-{second}", [caller.user("hi")], mode)
    assert heard.text == "from the second"
    inference, facts = caller.written
    assert [(f.n, f.provider, f.ok) for f in facts] == [(1, SPEAKS[first], False), (2, SPEAKS[second], True)]
    assert facts[0].counts
    assert facts[0].cost_usd is not None
    assert (inference.state, inference.ending, inference.status) == (InferenceState.CLOSED, Ending.FALLBACK, 200)
    assert inference.served == 2
    assert caller.headers["x-warmroute-attempts"] == "2"
    assert caller.headers["x-warmroute-route"] == f"{SPEAKS[second]}|small|"


AFTER: dict[str, Step] = {
    "reset": Cut(after_chunks=1, how="reset"),
    "close": Cut(after_chunks=1, how="close"),
    "eof": Cut(after_chunks=1, how="eof"),
    "torn": Cut(after_chunks=1, how="torn"),
    "error-event": StreamError(after_chunks=2, answer=Answer(gap_ms=60)),
    "failed": StreamError(after_chunks=2, answer=Answer(gap_ms=60), how="failed"),
}
"""Ways to break off after the first content."""


@pytest.mark.case("C19")
@pytest.mark.parametrize("fault", AFTER)
@ACROSS
def test_a_fault_after_content_is_the_callers_own_kind_of_error(
    house: House, caller: Caller, own: str, theirs: str, fault: str
) -> None:
    """No splice: the stream ends in the caller's dialect, its SDK raises, the row says what came of it."""
    house.providers[SPEAKS[theirs]].plan(AFTER[fault], AFTER[fault])
    asked = _streamed(caller, f"{theirs}-{own}")
    response = house.post(caller.path, asked)
    assert response.content.count(b"small-2026-01") >= 1, "the beginning has been passed on"
    assert response.content.endswith(ENDS[own])
    assert b"stream_interrupted" in response.content
    if own == "responses":
        assert response.content.count(b"event: response.failed\n") == 1
    with pytest.raises(RAISED[own], match="interrupted"):
        caller.ask(f"{theirs}-{own}", [caller.user("hi")], "events")
    inference, [fact] = caller.written
    assert (fact.n, fact.outcome, fact.closes) == (1, Outcome.STREAM_INTERRUPTED, Ending.ERROR)
    assert fact.usage is not None
    assert (fact.estimated, fact.usage.output > 0, fact.usage.input > 0) == (True, True, True)
    assert inference.ending is Ending.ERROR
    assert not house.providers[SPEAKS[own]].calls


def _streamed(caller: Caller, model: str, **more: Any) -> dict[str, Any]:
    """The body of a streamed request, for a client without any SDK."""
    turns = [{"role": "user", "content": "hi"}]
    body = {"model": model, "stream": True, **more}
    return body | ({"input": turns} if caller.dialect == "responses" else {"messages": turns, "max_tokens": 64})


@pytest.mark.case("S1", "A7")
@ACROSS
def test_the_first_token_comes_before_the_providers_last(
    house: House, caller: Caller, own: str, theirs: str
) -> None:
    """Translation holds nothing back: the first text is read while the provider waits."""
    provider = house.providers[SPEAKS[theirs]]
    provider.plan(Wait(after_chunks=1, answer=Answer(chunks=["first ", "second"])))
    received, first_at = b"", 0.0
    with _open(house, caller, theirs) as response:
        for part in response.iter_bytes():
            received += part
            if not first_at and b"first " in received:
                first_at = time.monotonic()
                provider.release()
    assert provider.sent_last_at is not None
    assert 0 < first_at < provider.sent_last_at
    assert received.index(b"first ") < received.index(b"second")


@ACROSS
def test_a_silent_stream_is_kept_alive(
    house: House, caller: Caller, own: str, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the provider says nothing the caller gets comments, between events, and then the rest."""
    monkeypatch.setattr("route.calling.call.KEEPALIVE_S", 0.05)
    provider = house.providers[SPEAKS[theirs]]
    provider.plan(Wait(after_chunks=1, answer=Answer(chunks=["first ", "second"])))
    received = b""
    with _open(house, caller, theirs) as response:
        for part in response.iter_bytes():
            received += part
            if b"\n\n:" in received:
                provider.release()
    assert received.index(b"first ") < received.index(b"\n\n:") < received.index(b"second")
    blocks = received.split(b"\n\n")
    assert all(block.startswith((b":", b"data: ", b"event: ")) for block in blocks if block)
    assert house.inferences()[-1].ending is Ending.OK


def _open(house: House, caller: Caller, model: str) -> Any:
    """A stream as it comes, byte by byte."""
    headers = {"authorization": f"Bearer {ALICE}"}
    return httpx2.stream(
        "POST", f"{house.url}{caller.path}", json=_streamed(caller, model), headers=headers, timeout=10
    )


@pytest.mark.parametrize("mode", ["whole", "events"])
@ACROSS
def test_a_providers_own_signs_of_life(house: House, caller: Caller, own: str, theirs: str, mode: str) -> None:
    """Pings, comments, and the blank lines before a whole answer are no part of what the caller reads."""
    house.providers[SPEAKS[theirs]].plan(Pings(3, answer=Answer(text="so")))
    heard = caller.ask(theirs, [caller.user("hi")], mode)
    assert (heard.text, caller.fact.repaired) == ("so", ())


@pytest.mark.case("A5")
@ACROSS
def test_a_caller_who_leaves_a_translated_stream(house: House, caller: Caller, own: str, theirs: str) -> None:
    """The provider is told to stop as well; the row is cancelled, with what was used so far as an estimate."""
    provider = house.providers[SPEAKS[theirs]]
    provider.plan(Wait(after_chunks=1))
    with _open(house, caller, theirs) as response:
        inference_id = response.headers["x-warmroute-inference-id"]
    provider.wait_for(lambda p: p.calls[-1].aborted)
    for _ in range(100):
        inference, facts = house.at_table(lambda store: store.facts.get_inference(inference_id))
        if inference and inference.state is InferenceState.CLOSED:
            break
        time.sleep(0.02)
    [fact] = facts
    assert (fact.outcome, fact.kind, fact.estimated) == (Outcome.CANCELLED, FaultKind.CANCELLED, True)
    assert fact.cost_usd


@pytest.mark.case("P4", "A10")
@pytest.mark.parametrize("mode", ["whole", "events", "helper"])
@ACROSS
def test_a_receipt_of_a_fallback(house: House, caller: Caller, own: str, theirs: str, mode: str) -> None:
    """Both attempts are in the caller's typed receipt, each with its route, also at the end of a stream."""
    ours = warmroute.Anthropic if own == "messages" else warmroute.OpenAI
    caller.sdk = ours(base_url=house.url if own == "messages" else f"{house.url}/v1", api_key=ALICE)
    house.providers[SPEAKS[own]].plan(Fail(503))
    receipt = warmroute.receipt(caller.ask(f"{own}-{theirs}", [caller.user("hi")], mode).answer)
    assert receipt is not None
    told = [(each.n, each.route, each.outcome, each.kind) for each in receipt.attempts]
    failed, served = (f"{SPEAKS[name]}|small|" for name in (own, theirs))
    assert told == [(1, failed, "error", "overloaded"), (2, served, "ok", None)]
    assert (receipt.provider, receipt.estimated) == (SPEAKS[theirs], False)


@pytest.mark.case("U7", "U8")
@pytest.mark.parametrize("mode", ["whole", "events"])
@ACROSS
def test_a_session_stays_where_it_is_warm(house: House, caller: Caller, own: str, theirs: str, mode: str) -> None:
    """Whoever served a session last is asked first, whatever it speaks and whoever asks; totals are of all."""
    sid, chain = f"{own}-{theirs}-{mode}", f"{own}-{theirs}"
    more: dict[str, Any] = {"extra_headers": {"x-warmroute-session": sid}}
    house.providers[SPEAKS[own]].plan(Fail(500))
    for _ in range(2):
        caller.ask(chain, [caller.user("hi")], mode, **more)
    assert [len(house.providers[SPEAKS[name]].calls) for name in (own, theirs)] == [1, 2]
    with CALLERS[theirs](house) as other:
        other.ask(chain, [other.user("hi")], mode, **more)
    assert [len(house.providers[SPEAKS[name]].calls) for name in (own, theirs)] == [1, 3]
    session = house.session(sid)
    assert (session["calls"], session["errors"], session["warm"][0]["provider"]) == (3, 0, SPEAKS[theirs])
    assert caller.written[0].origin.session == sid


def test_many_at_once_in_all_directions(house: House) -> None:
    """Callers of all dialects at once, each through each provider, streamed and not: no answer gets mixed up."""
    house.begin_anew()
    heard: dict[int, str] = {}

    def ask(number: int, own: str, theirs: str) -> None:
        mode = ("whole", "events")[number % 2]
        with CALLERS[own](house) as caller:
            heard[number] = caller.ask(theirs, [caller.user(f"number {number}")], mode).text

    work = [(n, own, theirs) for n, (own, theirs) in enumerate([*CROSSING, *CROSSING, *CROSSING])]
    threads = [threading.Thread(target=ask, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {n: f"small-2026-01 answers: number {n}" for n, _, _ in work}
