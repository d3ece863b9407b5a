"""The rim, end to end: hostile requests, callers who leave, a store that is down, a router that is killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ledger.items import Fact, Inference, InferenceState
from ledger.moments import now_ms
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.opened import Store
from local.stack import ROOT, free_port, stop, wait_for
from rollup.reaper import reap
from tests.fakes import Answer, Fail, Hang, Wait
from tests.route.house import ALICE, House, build_house, config_document
from tests.route.whole.faults import CHAT, HI, MESSAGES


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"messages": NaN}',
        b'{"model": "chat"}',
        b'{"model": "chat", "messages": "hi"}',
        b'{"model": "chat", "messages": {}}',
        b"[" * 100_000,
        b'{"messages": [], "n": ' + b"9" * 5_000 + b"}",
        b'{"messages": [], "model": 7, "profile": {"a": 1}}',
        b'{"messages": [], "session": "' + b"s" * 300 + b'"}',
    ],
    ids=lambda body: f"{body[:24]!r}-{len(body)}",
)
def test_a_hostile_body_gets_a_4xx_in_the_dialect(house: House, path: str, body: bytes) -> None:
    """Never a 500, never a hang, no provider called; the envelope is the dialect's."""
    response = house.post(path, body)
    assert 400 <= response.status_code < 500, response.text
    error = response.json()["error"]
    assert error["message"]
    assert ("type" in response.json()) == (path == MESSAGES)
    assert not any(p.calls for p in house.providers.values())
    assert all(i.state is InferenceState.CLOSED for i in house.inferences())


@pytest.mark.case("S1")
def test_the_size_limit_has_two_sides(dynamodb_url: str) -> None:
    """A body of exactly the limit is served; one byte more is 413 in the dialect, with the way out."""
    with build_house(dynamodb_url, settings={"max_body_bytes": 1_000}) as house:
        start, end = b'{"model":"chat","messages":[{"role":"user","content":"', b'"}]}'
        fits = start + b"x" * (1_000 - len(start) - len(end)) + end
        assert house.post(CHAT, fits).status_code == 200
        for path in (CHAT, MESSAGES):
            refused = house.post(path, fits + b" ")
            assert refused.status_code == 413
            assert "by URL" in refused.json()["error"]["message"]


@pytest.mark.case("C4", "A5")
def test_a_refusal_is_an_inference_too(house: House) -> None:
    """An unknown profile is a 400 that lists the known ones, and is written down as closed, without an attempt."""
    response = house.post(CHAT, {"model": "gpt-4o", "messages": HI}, x_warmroute_profile="nope")
    assert response.status_code == 400
    assert "chat, messages" in response.json()["error"]["message"]
    [fact], [inference] = house.facts(), house.inferences()
    assert (fact.n, fact.outcome, fact.origin.requested_model) == (0, Outcome.REFUSED, "gpt-4o")
    assert (inference.state, inference.status, inference.served) == (InferenceState.CLOSED, 400, None)
    assert response.headers["x-request-id"] == inference.inference_id


@pytest.mark.case("A5")
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_a_caller_who_leaves_is_cancelled_and_priced(house: House, stream: bool) -> None:
    """The provider's connection ends too; one closed inference, the attempt cancelled, its usage estimated."""
    provider = house.providers["a"]
    provider.default = Wait(after_chunks=1) if stream else Hang(20_000)
    with _asking(house, stream=stream) as caller:
        provider.wait_for(lambda p: bool(p.calls) and (not stream or p.calls[0].content_sent == 1))
        if stream:
            assert b"200" in caller.recv(65_536)
    provider.wait_for(lambda p: p.calls[0].aborted)
    inference = _closed(house)
    [fact] = house.facts()
    assert (fact.outcome, fact.kind, fact.counts) == (Outcome.CANCELLED, FaultKind.CANCELLED, False)
    assert (fact.closes, inference.ending, inference.status) == (Ending.CANCELLED, Ending.CANCELLED, None)
    assert fact.estimated
    assert fact.cost_usd is not None
    assert fact.cost_usd > 0
    assert not house.providers["b"].calls


@contextmanager
def _asking(house: House, *, stream: bool) -> Iterator[socket.socket]:
    """A request on a bare socket, which the test may close whenever it likes."""
    body = json.dumps({"model": "chat", "messages": HI, "stream": stream}).encode()
    host, port = house.url.removeprefix("http://").split(":")
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALICE}\r\n"
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        yield caller


def _closed(house: House) -> Inference:
    """The one inference, once it is no longer open."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        [inference] = house.inferences()
        if inference.state is not InferenceState.OPEN:
            return inference
        time.sleep(0.05)
    raise AssertionError("the inference stayed open")


@pytest.mark.case("P6", "S4")
def test_an_unreadable_key_store_fails_closed(dynamodb_url: str) -> None:
    """Keys that cannot be read are a 503 in the dialect, and nothing is called."""
    with build_house(dynamodb_url) as house:
        house.at_table(lambda store: store.client.delete_table(store.views.name))
        for path in (CHAT, MESSAGES):
            response = house.post(path, {"model": "chat", "max_tokens": 9, "messages": HI})
            assert (response.status_code, response.json()["error"]["code"]) == (503, "store_unavailable")
        assert not any(p.calls for p in house.providers.values())


@pytest.mark.case("S4")
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_a_ledger_that_is_down_spills_and_serves(
    dynamodb_url: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is served; every row that could not be stored is in the log, whole, without any content."""
    with build_house(dynamodb_url) as house:
        house.providers["a"].default = Answer(text="the answer's own words")
        house.at_table(lambda store: store.client.delete_table(store.facts.name))
        ask = [{"role": "user", "content": "the prompt's own words"}]
        response = house.post(CHAT, {"model": "chat", "messages": ask, "stream": stream})
        assert response.status_code == 200
    spilled = [json.loads(getattr(r, "item")) for r in caplog.records if r.message == "ledger-spilled"]  # noqa: B009
    assert [item["sk"] for item in spilled] == ["inference", "inference"]
    assert [item["state"] for item in spilled] == ["open", "closed"]
    assert (spilled[1]["fact"]["n"], spilled[1]["fact"]["outcome"]) == (1, "ok")
    everything = " ".join(str(vars(record)) for record in caplog.records)
    assert "own words" not in everything
    assert ALICE not in everything
    assert "sk-provider" not in everything


@pytest.mark.case("S4")
def test_a_strict_ledger_calls_nobody_while_it_is_down(dynamodb_url: str) -> None:
    """Under `ledger: strict` nothing is called that is not written down first."""
    profiles = {"chat": {"routes": ["a/small"], "ledger": "strict"}}
    with build_house(dynamodb_url, profiles=profiles) as house:
        assert house.post(CHAT, {"model": "chat", "messages": HI}).status_code == 200
        house.at_table(lambda store: store.client.delete_table(store.facts.name))
        response = house.post(CHAT, {"model": "chat", "messages": HI})
        assert (response.status_code, response.json()["error"]["code"]) == (503, "store_unavailable")
        assert len(house.providers["a"].calls) == 1


@pytest.mark.case("A5")
def test_an_inference_is_stored_open_beside_the_call(house: House) -> None:
    """While the provider works, the inference is in the ledger: open, with decision and started attempt."""
    house.providers["a"].default = Wait(after_chunks=1)

    async def scenario() -> None:
        task = asyncio.create_task(
            asyncio.to_thread(house.post, CHAT, {"model": "chat", "messages": HI, "stream": True})
        )
        await asyncio.to_thread(house.providers["a"].wait_for, lambda p: bool(p.calls and p.calls[0].content_sent))
        await asyncio.sleep(0.2)
        [inference] = await asyncio.to_thread(house.inferences)
        assert (inference.state, inference.started[0].provider) == (InferenceState.OPEN, "a")
        assert inference.plan
        assert await asyncio.to_thread(house.facts) == []
        house.providers["a"].release()
        await task

    asyncio.run(scenario())
    assert _closed(house).ending is Ending.OK


@pytest.mark.case("A5")
def test_a_killed_router_leaves_what_the_reaper_closes(dynamodb_url: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of a call: the inference is open, and after its time the reaper closes it as lost."""
    with build_house(dynamodb_url) as house:
        provider = house.providers["a"]
        provider.default = Hang(30_000)
        with _own_process(house, tmp_path) as router:
            _post_and_kill(house, router)
        [inference] = house.inferences()
        assert inference.state is InferenceState.OPEN
        house.at_table(lambda store: reap(store, lambda: now_ms() + 17 * 60_000))
        lost, [fact] = _closed(house), house.at_table(lambda t: _attempts(t, inference.inference_id))
    assert (lost.state, fact.outcome, fact.kind) == (InferenceState.LOST, Outcome.UNKNOWN, FaultKind.LOST)
    assert (fact.cost_usd, fact.counts, fact.closes) == (None, False, None)
    assert lost.ending is Ending.ERROR


@contextmanager
def _own_process(house: House, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The house's router once more, in a process that a test may kill; the house asks that one from now on."""
    config = folder / "warmroute.yaml"
    config.write_text(yaml.safe_dump(config_document(house.providers, {})))
    port = free_port()
    command = [sys.executable, "-m", "local.dev", "--config", str(config), "--dynamodb-url", house.dynamodb_url]
    command += ["--facts-table", house.tables[0], "--views-table", house.tables[1], "--port", str(port)]
    command += ["--caller-key", f"alice={ALICE}", "--rollup-every", "0"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/functions:{ROOT}/scripts", "K": "sk-provider"}
    router = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", router, "the router")
        house.url = f"http://127.0.0.1:{port}"
        yield router
    finally:
        stop(router)


@pytest.mark.case("A5", "C19")
def test_a_router_that_is_stopped_ends_its_streams_and_closes_its_books(house: House, tmp_path: Path) -> None:
    """SIGTERM in the middle of a stream: the caller gets error event and terminator, the ledger its row."""
    house.providers["a"].default = Wait(after_chunks=1)
    with _own_process(house, tmp_path) as router, _asking(house, stream=True) as caller:
        house.providers["a"].wait_for(lambda p: bool(p.calls and p.calls[0].content_sent))
        router.send_signal(signal.SIGTERM)
        received = b""
        caller.settimeout(15)
        while b"[DONE]" not in received and (part := caller.recv(65_536)):
            received += part
        router.wait(15)
    assert b"shutting_down" in received
    assert received.count(b"[DONE]") == 1
    [inference], [fact] = house.inferences(), house.facts()
    assert (inference.state, inference.ending) == (InferenceState.CLOSED, Ending.ERROR)
    assert (fact.outcome, fact.kind, fact.counts) == (Outcome.STREAM_INTERRUPTED, FaultKind.INTERNAL, False)


async def _attempts(store: Store, inference_id: str) -> list[Fact]:
    return (await store.facts.get_inference(inference_id))[1]


def _post_and_kill(house: House, router: subprocess.Popen[bytes]) -> None:
    """Sends a request on a bare socket and kills the router while the provider works on it."""
    with _asking(house, stream=False):
        house.providers["a"].wait_for(lambda p: bool(p.calls))
        time.sleep(0.3)
        router.send_signal(signal.SIGKILL)
        router.wait()


@pytest.mark.case("A5", "11.7")
def test_who_comes_back_after_the_reaper_tells_what_it_knows(house: House) -> None:
    """A router that was thought dead serves its caller. The inference stays lost, and each of its attempts counts
    once, with the outcome that this router knew.
    """
    house.providers["a"].default = Fail(500, delay_ms=1_500)

    async def scenario() -> int:
        body = {"model": "chat", "messages": HI, "session": "s"}
        asking = asyncio.create_task(asyncio.to_thread(house.post, CHAT, body))
        await asyncio.to_thread(house.providers["a"].wait_for, lambda p: bool(p.calls))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(house.at_table, lambda t: reap(t, lambda: now_ms() + 17 * 60_000))
        return (await asking).status_code

    assert asyncio.run(scenario()) == 200
    [inference] = house.inferences()
    assert (inference.state, inference.ending) == (InferenceState.LOST, Ending.ERROR)
    rows = house.at_table(lambda store: _attempts(store, inference.inference_id))
    assert [(row.n, row.outcome, row.completes, row.closes) for row in rows] == [
        (1, Outcome.ERROR, True, None),
        (2, Outcome.OK, False, None),
    ]
    facts = house.facts()
    assert sum(fact.attempts for fact in facts) == 2
    assert sum(fact.closes is not None for fact in facts) == 1
    assert sum(fact.unpriced for fact in facts) == 0
