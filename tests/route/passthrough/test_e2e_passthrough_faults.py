"""Passing through when something goes wrong: providers that are gone, slow or torn, callers who leave."""

import gzip
import threading
import time

import httpx2
import pytest

from ledger.items import InferenceState
from ledger.money import ZERO
from ledger.outcomes import Ending, FaultKind, Outcome
from tests.route.bad_store import bad_store
from tests.route.calling.little_server import Reply
from tests.route.house import ALICE
from tests.route.vendors import Vendors, line, says, serve_vendors


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_provider_that_is_not_there_is_502(vendors: Vendors, method: str) -> None:
    """In the dialect, with the attempt on record, and what was never sent cost nothing."""
    vendors.openai.__exit__(None, None, None)
    url, headers = f"{vendors.house.url}/v1/files", {"authorization": f"Bearer {ALICE}"}
    response = httpx2.request(method, url, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (502, "network")
    assert [attempt["kind"] for attempt in error["attempts"]] == ["network"]
    [inference], [fact] = vendors.house.inferences(), vendors.house.facts()
    assert response.headers["x-request-id"] == inference.inference_id
    assert response.headers["x-should-retry"] == "false"
    assert (fact.kind, fact.cost_usd, fact.outcome, fact.http_status) == (
        FaultKind.NETWORK,
        ZERO,
        Outcome.ERROR,
        None,
    )
    assert (inference.ending, inference.status) == (Ending.ERROR, 502)


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_says_nothing_is_504(dynamodb_url: str, stream: bool) -> None:
    """A stream's first bytes are due soon; of anything else the whole of it, as everywhere."""
    deadlines = {"first_token_s": 0.3, "attempt_s": 30} if stream else {"first_token_s": 0.3, "attempt_s": 0.6}
    profiles = {"both": {"routes": ["x/small"], "deadlines": deadlines}}
    with serve_vendors(dynamodb_url, profiles=profiles) as vendors:
        released = threading.Event()

        def silent(_got: object) -> Reply:
            released.wait()
            return Reply()

        vendors.reply = silent
        try:
            # It says nothing until the caller has its answer, so that comes from the deadline alone.
            response = vendors.house.post("/v1/completions", {"prompt": "p", "stream": stream})
        finally:
            released.set()
        [fact] = vendors.house.facts()
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")
    assert (fact.kind, fact.cost_usd, fact.outcome) == (FaultKind.TIMEOUT, None, Outcome.ERROR)


EVENTS = [b"event: a\ndata: {}\n\n", b"data: two\n\n", b"data: [DONE]\n\n"]


def test_a_stream_is_passed_on_as_it_comes(vendors: Vendors) -> None:
    """Each piece when it arrives, byte for byte, with nothing of ours between them."""
    headers = {"content-type": "text/event-stream"}
    vendors.reply = lambda _got: Reply(200, EVENTS, headers, gap_s=0.4, is_chunked=True)
    asked = {"authorization": f"Bearer {ALICE}"}
    came: list[tuple[float, bytes]] = []
    with httpx2.stream(
        "POST", f"{vendors.house.url}/v1/completions", json={"stream": True}, headers=asked
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        came += [(time.monotonic(), part) for part in answer.iter_raw()]
    assert b"".join(part for _, part in came) == b"".join(EVENTS)
    assert came[-1][0] - came[0][0] > 0.6
    [fact] = vendors.house.facts()
    assert (fact.outcome, fact.origin.stream) == (Outcome.OK, True)
    assert fact.ttft_ms is not None
    assert fact.latency_ms is not None
    assert fact.latency_ms - fact.ttft_ms > 600


@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "sized"])
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(vendors: Vendors, is_chunked: bool) -> None:
    """The connection ends where the provider's did, so that every client knows; the row says so too."""
    broken = Reply(200, [b"one", b"two"], {"content-type": "audio/mpeg"}, 0.1, is_chunked=is_chunked, breaks=True)
    vendors.reply = lambda _got: broken
    with pytest.raises(httpx2.RemoteProtocolError):
        vendors.house.post("/v1/audio/speech", {"input": "hi"})
    [inference], [fact] = vendors.house.inferences(), vendors.house.facts()
    assert (fact.outcome, fact.kind, fact.http_status) == (Outcome.STREAM_INTERRUPTED, FaultKind.NETWORK, 200)
    assert (fact.cost_usd, inference.ending, inference.status) == (None, Ending.ERROR, 200)


def test_silence_inside_an_answer_ends_it(dynamodb_url: str) -> None:
    """A gap longer than the profile allows: cut off, and the row says timeout."""
    profiles = {"both": {"routes": ["x/small"], "deadlines": {"gap_s": 0.3}}}
    with serve_vendors(dynamodb_url, profiles=profiles) as vendors:
        vendors.reply = lambda _got: Reply(200, [b"one", b"two"], gap_s=2, is_chunked=True)
        with pytest.raises(httpx2.RemoteProtocolError):
            vendors.house.post("/v1/audio/speech", {"input": "hi"})
        [fact] = vendors.house.facts()
    assert (fact.outcome, fact.kind) == (Outcome.STREAM_INTERRUPTED, FaultKind.TIMEOUT)


@pytest.mark.case("A5")
def test_a_caller_who_leaves_ends_it(vendors: Vendors) -> None:
    """The provider is let go of, and the inference is closed as cancelled."""
    vendors.reply = lambda _got: Reply(200, [b"x" * 10_000] * 200, gap_s=0.05, is_chunked=True)
    headers = {"authorization": f"Bearer {ALICE}"}
    with httpx2.stream(
        "POST", f"{vendors.house.url}/v1/audio/speech", json={"input": "a"}, headers=headers
    ) as answer:
        next(answer.iter_raw())
    assert vendors.openai.gone.wait(5)
    for _ in range(100):
        inferences = vendors.house.inferences()
        if inferences[0].state is not InferenceState.OPEN:
            break
        time.sleep(0.05)
    [inference], [fact] = inferences, vendors.house.facts()
    assert (inference.state, inference.ending, inference.status) == (InferenceState.CLOSED, Ending.CANCELLED, None)
    assert (fact.outcome, fact.kind, fact.cost_usd) == (Outcome.CANCELLED, FaultKind.CANCELLED, None)


def test_a_body_may_be_as_large_as_any_other(dynamodb_url: str) -> None:
    """At the limit it goes through, one byte more is 413, whether it was announced or came in chunks."""
    with serve_vendors(dynamodb_url, settings={"max_body_bytes": 100_000}) as vendors:
        url, headers = f"{vendors.house.url}/v1/files", {"authorization": f"Bearer {ALICE}"}
        for size, status in ((100_000, 200), (100_001, 413)):
            body = b"x" * size
            assert httpx2.post(url, content=body, headers=headers).status_code == status
            pieces = [body[i : i + 1_000] for i in range(0, size, 1_000)]
            response = httpx2.post(url, content=iter(pieces), headers=headers)
            assert response.status_code == status
        assert response.json()["error"]["code"] == "request_too_large"
        assert [len(got.body) for got in vendors.openai.got] == [100_000, 100_000]


def test_an_empty_body_stays_empty(vendors: Vendors) -> None:
    """POST without a body (cancel a batch): no type is made up for it."""
    with vendors.house.openai() as client:
        vendors.reply = says({"id": "b", "object": "batch"})
        client.batches.cancel("batch_1")
    got = vendors.got
    assert (got.target, got.body, got.headers["content-length"]) == ("/v1/batches/batch_1/cancel", b"", "0")
    bare = line(vendors.house, "/v1/batches/b/cancel", "POST", "content-length: 0")
    assert bare.startswith(b"HTTP/1.1 200")
    assert "content-type" not in vendors.openai.got[-1].headers


def test_a_header_cannot_carry_another_one(vendors: Vendors) -> None:
    """Neither the caller's into the provider's request nor the provider's into the answer."""
    for header in ("openai-beta: a\x00b", "openai-beta: a\rx-evil: 1", "accept: a\x0bb", "content-type: a\x7fb"):
        assert line(vendors.house, "/v1/files", "GET", header).split(b" ")[1] == b"400"
    assert not vendors.openai.got
    vendors.reply = lambda _got: Reply(200, [b"{}"], {"content-type": "text/x\r\n set-cookie: a=b"})
    received = line(vendors.house, "/v1/files")
    assert b"\r\nset-cookie" not in received.lower()


def test_a_packed_answer_is_unpacked_and_says_so(vendors: Vendors) -> None:
    """A provider that packs what nobody asked it to: the caller gets the bytes, and no wrong length."""
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    vendors.reply = lambda _got: Reply(200, [gzip.compress(b'{"a": 1}' * 100)], packed)
    response = vendors.house.get("/v1/files")
    assert response.content == b'{"a": 1}' * 100
    assert "content-encoding" not in response.headers


def test_the_last_bytes_wait_for_the_ledger(vendors: Vendors) -> None:
    """An answer that was seen whole was written down: its last bytes come after the closing write."""
    for n in range(1, 6):
        assert vendors.house.get("/v1/files").status_code == 200
        assert [i.state for i in vendors.house.inferences()] == [InferenceState.CLOSED] * n


@pytest.mark.parametrize("status", [101, 600, 999])
def test_a_status_that_no_answer_has_is_a_bad_answer(vendors: Vendors, status: int) -> None:
    """No connection is switched to anything, and no server of ours is made to say what HTTP cannot."""
    headers = {"connection": "upgrade", "upgrade": "x"} if status == 101 else {}
    vendors.reply = lambda _got: Reply(status, [], headers)
    assert vendors.house.get("/v1/files").status_code == 502
    assert [fact.kind for fact in vendors.house.facts()] in ([FaultKind.BAD_ANSWER], [FaultKind.NETWORK])


@pytest.mark.parametrize(
    "reply",
    [
        Reply(304, [], {"content-length": "5"}),
        Reply(204, [], {"content-length": "5"}),
        Reply(200, [b"ab"], {"content-length": "5"}, is_chunked=True),
        Reply(200, [], {"content-length": "0"}),
        Reply(200, [], is_chunked=True),
    ],
)
def test_a_length_that_is_not_the_bodys_does_no_harm(vendors: Vendors, reply: Reply) -> None:
    """No content, chunks with a length beside them, nothing at all: whole, or a 502, but never stuck or torn."""
    vendors.reply = lambda _got: reply
    response = vendors.house.get("/v1/files")
    assert (response.status_code, response.content) in [
        (reply.status, b"".join(reply.pieces)),
        (502, response.content),
    ]
    assert [i.state for i in vendors.house.inferences()] == [InferenceState.CLOSED]


def test_nothing_is_passed_on_before_it_is_written_down(dynamodb_url: str) -> None:
    """The store takes its time with the first write: so long the caller waits, though the provider has begun."""
    with bad_store(dynamodb_url) as store, serve_vendors(store.url) as vendors:
        vendors.reply = lambda _got: Reply(200, [b"one", b"two"], gap_s=0.1, is_chunked=True)
        store.rule = lambda op, _payload: 1.0 if op == "PutItem" else "pass"
        headers = {"authorization": f"Bearer {ALICE}"}
        began = time.monotonic()
        with httpx2.stream("POST", f"{vendors.house.url}/v1/audio/speech", json={}, headers=headers) as answer:
            assert time.monotonic() - began > 0.9
            assert b"".join(answer.iter_raw()) == b"onetwo"


@pytest.mark.parametrize("strict", [False, True])
def test_when_the_store_is_down(dynamodb_url: str, strict: bool) -> None:
    """A strict ledger sends nothing; another one serves, and what was not stored is in the log."""
    with bad_store(dynamodb_url) as store:
        ledger = "strict" if strict else "beside"
        with serve_vendors(store.url, profiles={"both": {"routes": ["x/small"], "ledger": ledger}}) as vendors:
            assert vendors.house.get("/v1/files").status_code == 200
            store.rule = lambda op, _payload: "fail" if op in ("PutItem", "UpdateItem") else "pass"
            response = vendors.house.get("/v1/files")
            assert len(vendors.openai.got) == (1 if strict else 2)
    assert response.status_code == (503 if strict else 200)
    if strict:
        assert response.json()["error"]["code"] == "store_unavailable"
