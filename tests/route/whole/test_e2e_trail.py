"""Whatever the store, the caller and the provider do to each other: one inference, closed, with its rows."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ledger.items import Inference, InferenceState
from ledger.moments import now_ms
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.opened import Store
from local.stack import TEMPLATE, TagReader
from rollup.passes import run_pass
from rollup.reaper import reap
from tests.fakes import Answer, Fail, Raw
from tests.route.bad_store import BadStore, bad_store
from tests.route.house import ALICE, House, build_house

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def store(dynamodb_url: str) -> Iterator[BadStore]:
    with bad_store(dynamodb_url) as misbehaving:
        yield misbehaving


def _through(house: House, store: BadStore) -> None:
    """What the test itself reads goes past the misbehaviour."""
    house.dynamodb_url = store.origin


def _facts_of(operation: str, payload: dict[str, Any]) -> str:
    """Which of an inference's writes this is: `open`, `attempt`, `start`, `close`, or nothing of that."""
    sk = payload.get("Item", payload.get("Key", {})).get("sk", {}).get("S", "")
    if operation == "PutItem":
        return {"inference": "open"}.get(sk, "attempt" if sk.startswith("attempt") else "")
    if operation == "UpdateItem":
        return "close" if "fact" in payload["ExpressionAttributeNames"].values() else "start"
    return ""


def _settled(house: House) -> Inference:
    """The one inference, once it is no longer open."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = house.inferences()
        if found and found[0].state is not InferenceState.OPEN:
            [inference] = found
            return inference
        time.sleep(0.05)
    raise AssertionError(f"left open: {house.inferences()}")


@pytest.mark.case("A5")
@pytest.mark.parametrize("who", ["caller leaves", "attempt's deadline"])
def test_a_slow_first_write_survives_whoever_does_not_wait_for_it(store: BadStore, who: str) -> None:
    """The caller leaves, or a deadline passes, while the opening write is under way: nothing is erased."""
    deadlines = {"attempt_s": 0.4} if who != "caller leaves" else {}
    profiles = {"chat": {"routes": ["a/small"], "deadlines": deadlines}}
    with build_house(store.url, profiles=profiles) as house:
        _through(house, store)
        store.rule = lambda op, payload: 1.2 if _facts_of(op, payload) == "open" else "pass"
        body = json.dumps(BODY | {"stream": True}).encode()
        host, port = house.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as caller:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALICE}\r\n"
            caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            house.providers["a"].wait_for(lambda p: bool(p.calls))
            time.sleep(0.3)
            if who != "caller leaves":
                assert b" 504 " in caller.recv(4096)
        inference = _settled(house)
        [fact] = house.facts()
    expected = (
        (Outcome.CANCELLED, Ending.CANCELLED)
        if who == "caller leaves"
        else (Outcome.STREAM_INTERRUPTED, Ending.ERROR)
    )
    assert (fact.outcome, inference.ending) == expected
    assert (inference.state, fact.closes) == (InferenceState.CLOSED, inference.ending)


@pytest.mark.case("S4")
@pytest.mark.parametrize("lost", ["open", "attempt", "start", "close"])
def test_a_write_whose_answer_is_lost_leaves_the_ledger_right(store: BadStore, lost: str) -> None:
    """The store has done it but said 500: the inference is closed with both of its attempts all the same."""
    with build_house(store.url) as house:
        _through(house, store)
        once = [lost]

        def rule(op: str, payload: dict[str, Any]) -> str:
            if _facts_of(op, payload) in once:
                once.clear()
                return "lose"
            return "pass"

        store.rule = rule
        house.providers["a"].default = Fail(500)
        assert house.post(CHAT, BODY).status_code == 200
        assert not once
        inference = _settled(house)
        first, second = house.facts()
    assert (inference.state, inference.ending, inference.served) == (InferenceState.CLOSED, Ending.FALLBACK, 2)
    assert [(first.n, first.closes), (second.n, second.closes)] == [(1, None), (2, Ending.FALLBACK)]


@pytest.mark.case("S4")
@pytest.mark.parametrize("failing", ["open", "attempt", "start"])
def test_a_write_that_failed_is_made_good_by_those_after_it(store: BadStore, failing: str) -> None:
    """The store takes nothing for one write and is well again: the closing write brings what was missing."""
    with build_house(store.url) as house:
        _through(house, store)
        failed = 0

        def rule(op: str, payload: dict[str, Any]) -> str:
            nonlocal failed
            is_it = _facts_of(op, payload) == failing and time.monotonic() < until
            failed += is_it
            return "fail" if is_it else "pass"

        until = time.monotonic() + 1.7
        store.rule = rule
        house.providers["a"].default = Fail(500)
        assert house.post(CHAT, BODY).status_code == 200
        inference = _settled(house)
        facts = house.facts()
    assert failed
    assert (inference.state, inference.ending) == (InferenceState.CLOSED, Ending.FALLBACK)
    assert [(fact.n, fact.outcome) for fact in facts] == [(1, Outcome.ERROR), (2, Outcome.OK)]


@pytest.mark.case("S4")
def test_a_strict_ledger_that_fails_between_attempts_makes_no_further_call(store: BadStore) -> None:
    """A fails, then the next attempt cannot be written down: 503 with the inference's id, one call, all closed."""
    profiles = {"chat": {"routes": ["a/small", "b/small"], "ledger": "strict"}}
    with build_house(store.url, profiles=profiles) as house:
        _through(house, store)
        house.providers["a"].default = Fail(500)
        store.rule = lambda op, payload: "fail" if _facts_of(op, payload) == "start" else "pass"
        response = house.post(CHAT, BODY)
        inference = _settled(house)
        facts = house.facts()
        assert not house.providers["b"].calls
    assert (response.status_code, response.json()["error"]["code"]) == (503, "store_unavailable")
    assert response.headers["x-request-id"] == inference.inference_id
    assert (inference.state, inference.ending, inference.status) == (InferenceState.CLOSED, Ending.ERROR, 503)
    assert [f.closes for f in facts] == [None, Ending.ERROR]
    assert facts[1].kind is FaultKind.INTERNAL


def _chunk(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _granted(function: str, logical_id: str) -> set[str]:
    """The DynamoDB operations that a function's policy in the template allows on a table or its indexes."""
    template = yaml.load(TEMPLATE.read_text(), TagReader)  # noqa: S506 - a SafeLoader that knows tags
    policies = template["Resources"][function]["Properties"]["Policies"]
    statements = [statement for policy in policies for statement in policy["Statement"]]
    about = [s for s in statements if logical_id in str(s["Resource"])]
    return {action.removeprefix("dynamodb:") for s in about for action in s["Action"]}


async def _roll_and_reap(store: Store) -> None:
    """Passes and the reaper, now and later, so that minutes are sealed and what is open is closed."""
    for ahead_ms in (0, 300_000, 1_200_000):
        now = now_ms() + ahead_ms
        await run_pass(store, now=now, lag_ms=0)
        await reap(store, lambda: now)  # noqa: B023 - awaited in this turn


@pytest.mark.case("S3")
def test_the_deployed_roles_suffice(store: BadStore) -> None:
    """Whatever the router and the rollup do to a table, also when writes go wrong, their policies allow."""
    with build_house(store.url) as house:
        house.providers["a"].plan(Fail(500), Fail(500))
        once = ["start"]

        def rule(op: str, payload: dict[str, Any]) -> str:
            if _facts_of(op, payload) in once:
                once.clear()
                return "lose"
            return "pass"

        store.rule, store.seen = rule, set()  # the tables themselves were made through it, by the test
        for _ in range(2):
            assert house.post(CHAT, BODY | {"session": "s"}).status_code == 200
        assert house.post(CHAT, BODY | {"profile": "nope"}).status_code == 400
        house.session("s")
        by_router, names = store.seen, dict(zip(house.tables, ("FactsTable", "ViewsTable"), strict=True))
        store.seen = set()
        house.at_table(_roll_and_reap)
        by_rollup = store.seen
    for function, seen in (("RouteFunction", by_router), ("RollupFunction", by_rollup)):
        used = {(operation, names[store]) for operation, store in seen}
        missing = {(op, store) for op, store in used if op not in _granted(function, store)}
        assert used
        assert not missing, function


def test_an_answer_is_whole_at_its_terminator(dynamodb_url: str) -> None:
    """A provider that says [DONE] and keeps the connection open has answered: no gap, no error, no wait for it."""
    deadlines = {"gap_s": 1}
    with build_house(dynamodb_url, profiles={"chat": {"routes": ["a/small"], "deadlines": deadlines}}) as house:
        whole = _chunk({"content": "all of it"}, None) + _chunk({}, "stop") + b"data: [DONE]\n\n"
        pieces = [whole, b": still here\n\n"]
        # The next piece comes in ten minutes: whoever waited for it would run into the gap's deadline first.
        house.providers["a"].default = Raw(pieces=pieces, gap_ms=600_000)
        response = house.post(CHAT, BODY | {"stream": True})
    assert response.text.endswith("data: [DONE]\n\n")
    assert "error" not in response.text.replace("finish_reason", "")
    assert [f.outcome for f in house.facts()] == [Outcome.OK]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_a_backends_odd_name_cannot_break_the_answer(house: House, stream: bool) -> None:
    """Line breaks and other characters in what a provider says of itself never reach a header raw."""
    odd = "x\r\nset-cookie: a=b\x00 Zürich 世"
    house.providers["a"].default = Answer(served_by=odd)
    response = house.post(CHAT, BODY | {"stream": stream})
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    [fact] = house.facts()
    assert fact.ok
    assert not set(fact.served_by) & {"\r", "\n", "\x00"}


def test_a_reader_who_is_slow_is_no_fault_of_the_route(dynamodb_url: str) -> None:
    """The caller takes longer to read than the attempt may last: the provider was quick, and is not blamed."""
    deadlines = {"attempt_s": 2, "gap_s": 2}
    with build_house(dynamodb_url, profiles={"chat": {"routes": ["a/small"], "deadlines": deadlines}}) as house:
        house.providers["a"].default = Answer(chunks=["x" * 50_000] * 200)
        body = json.dumps(BODY | {"stream": True}).encode()
        host, port = house.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as caller:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALICE}\r\nConnection: close\r\n"
            caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(3.5)
            received = b""
            while part := caller.recv(1 << 20):
                received += part
        _settled(house)
        [fact] = house.facts()
    assert b"data: [DONE]" in received
    assert fact.outcome is Outcome.OK


@pytest.mark.case("A5")
def test_who_leaves_between_attempts_gets_no_further_call(house: House) -> None:
    """The first route fails after the caller has gone: nobody is waiting for the second one."""
    house.providers["a"].default = Fail(500, delay_ms=600)
    body = json.dumps(BODY).encode()
    host, port = house.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as caller:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALICE}\r\n"
        caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        house.providers["a"].wait_for(lambda p: bool(p.calls))
    inference = _settled(house)
    assert (inference.ending, inference.status) == (Ending.CANCELLED, None)
    assert not house.providers["b"].calls


def test_our_own_failure_inside_an_attempt_leaves_a_closed_inference(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours in mid-stream ends the stream with the dialect's error, and the row says `internal`."""
    from route.dialects.chat.native import ChatStream

    house.providers["a"].default = Answer(chunks=["one", "two"], gap_ms=200)
    original = ChatStream.place

    def broken(self: ChatStream, event: Any) -> Any:
        if self.content_seen:
            raise ZeroDivisionError("the prompt's own words")
        return original(self, event)

    monkeypatch.setattr(ChatStream, "place", broken)
    response = house.post(CHAT, BODY | {"stream": True})
    assert response.text.endswith("data: [DONE]\n\n")
    assert '"code":"internal_error"' in response.text
    [fact] = house.facts()
    assert (fact.kind, fact.counts, fact.closes) == (FaultKind.INTERNAL, False, Ending.ERROR)
    assert _settled(house).state is InferenceState.CLOSED
    assert "own words" not in caplog.text
