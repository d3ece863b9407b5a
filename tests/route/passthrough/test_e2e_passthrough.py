"""Whatever else a provider offers, passed through: real SDKs in front, servers that remember every byte behind."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from ledger.folds.route_stats import RouteStats
from ledger.items import InferenceState
from ledger.money import ZERO
from ledger.outcomes import Ending, Outcome
from tests.fakes import Answer
from tests.route.calling.little_server import Reply
from tests.route.house import ALICE, House
from tests.route.vendors import Vendors, says, serve_vendors

FILE: dict[str, Any] = {
    "id": "file-1",
    "object": "file",
    "bytes": 3,
    "created_at": 1,
    "filename": "a.txt",
    "purpose": "assistants",
    "status": "processed",
}


def test_the_sdk_lists_and_gets_and_deletes(vendors: Vendors) -> None:
    """GET with a query, GET by id, DELETE: the strict SDK types get what the provider said."""
    with vendors.house.openai(_strict_response_validation=True) as client:
        vendors.reply = says(
            {"object": "list", "data": [FILE], "has_more": False, "first_id": "a", "last_id": "b"}
        )
        assert [f.id for f in client.files.list(limit=2, after="file-0", purpose="a b")] == ["file-1"]
        vendors.reply = says(FILE)
        assert client.files.retrieve("file-1").filename == "a.txt"
        vendors.reply = says({"id": "file-1", "object": "file", "deleted": True})
        assert client.files.delete("file-1").deleted
    seen = [(got.method, got.target) for got in vendors.openai.got]
    listed = "/v1/files?after=file-0&limit=2&purpose=a+b"
    assert seen == [("GET", listed), ("GET", "/v1/files/file-1"), ("DELETE", "/v1/files/file-1")]
    assert [fact.cost_usd for fact in vendors.house.facts()] == [ZERO] * 3


def test_a_file_is_uploaded_and_downloaded_byte_for_byte(vendors: Vendors) -> None:
    """Multipart out and binary back, whatever is in them; the type and the length are the provider's."""
    data = bytes(range(256)) * 400
    with vendors.house.openai() as client:
        vendors.reply = says(FILE)
        client.files.create(file=("a.bin", data), purpose="assistants")
        kind = vendors.got.headers["content-type"]
        assert kind.startswith("multipart/form-data; boundary=")
        assert data in vendors.got.body
        binary = {"content-type": "audio/mpeg", "content-disposition": "attachment; filename=a.mp3"}
        vendors.reply = lambda _got: Reply(200, [data], binary)
        answer = client.audio.speech.with_raw_response.create(model="tts-9", voice="alloy", input="hi")
    assert answer.http_response.content == data
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-disposition"] == "attachment; filename=a.mp3"
    assert answer.headers["content-length"] == str(len(data))


def test_only_what_belongs_to_the_request_goes_along(vendors: Vendors) -> None:
    """Keys, cookies, organisations, hop-by-hop and our own headers stay here; the provider's key goes out."""
    named = {
        "cookie": "a=caller",
        "openai_organization": "org-caller",
        "openai_project": "proj-caller",
        "x_api_key": "caller",
        "x_warmroute_session": "caller-session",
        "x_forwarded_for": "10.0.0.9",
        "te": "trailers",
        "proxy_authorization": "caller",
        "openai_beta": "assistants=v2",
        "idempotency_key": "idem-1",
        "accept": "application/x-ours",
    }
    assert vendors.house.post("/v1/moderations", {"input": "hi"}, **named).status_code == 200
    sent = vendors.got.headers
    assert "caller" not in json.dumps(dict(sent))
    assert ALICE not in json.dumps(dict(sent))
    assert (sent["authorization"], sent["x-title"], sent["accept-encoding"]) == (
        "Bearer sk-provider",
        "app",
        "identity",
    )
    belong = {"openai-beta": "assistants=v2", "idempotency-key": "idem-1", "accept": "application/x-ours"}
    assert {name: sent[name] for name in belong} == belong
    ours = {"host", "authorization", "x-title", "accept-encoding", "user-agent", "content-type", "content-length"}
    assert set(sent) == ours | set(belong)
    assert len(vendors.got.names) == len(set(vendors.got.names))


@pytest.mark.parametrize(("version", "header"), [("2023-06-01", "x-api-key"), ("2026-10-21", "authorization")])
def test_anthropics_requests_go_to_anthropic(vendors: Vendors, version: str, header: str) -> None:
    """By the version header, each with the key where that version wants it, and its betas."""
    page = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    vendors.reply = says(page)
    named = {"anthropic-version": version, "anthropic-beta": "files-2099"}
    with anthropic.Anthropic(base_url=vendors.house.url, api_key=ALICE, default_headers=named) as client:
        assert client.beta.files.list(limit=3).data == []
    got = vendors.got
    assert vendors.anthropic.got == [got]
    assert got.target.startswith("/v1/files?")
    assert got.headers[header].removeprefix("Bearer ") == "sk-provider"
    assert got.headers["anthropic-version"] == version
    assert "files-2099" in got.headers["anthropic-beta"]


def test_a_path_below_messages_is_anthropics(vendors: Vendors) -> None:
    """Batches, also without the version header, which is then the vendor's usual one."""
    assert vendors.house.get("/v1/messages/batches?limit=1").status_code == 200
    assert vendors.anthropic.got[0].target == "/v1/messages/batches?limit=1"
    assert vendors.anthropic.got[0].headers["anthropic-version"] == "2023-06-01"
    assert not vendors.openai.got


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_every_method(vendors: Vendors, method: str) -> None:
    """With a body or without one; the answer to HEAD has none, and the length that it would have."""
    body = b'{"a":1}' if method in ("POST", "PUT", "PATCH") else b""
    headers = {"authorization": f"Bearer {ALICE}"} | ({"content-type": "application/json"} if body else {})
    response = httpx2.request(method, f"{vendors.house.url}/v1/files/1", content=body, headers=headers)
    assert response.status_code == 200
    assert response.content == (b"" if method == "HEAD" else b"{}")
    assert response.headers["content-length"] == "2"
    assert (vendors.got.method, vendors.got.body) == (method, body)


@pytest.mark.parametrize("status", [201, 204, 302, 304, 400, 401, 404, 409, 418, 429, 500, 503])
def test_the_status_and_the_words_are_the_providers(vendors: Vendors, status: int) -> None:
    """As they came, errors and redirects too; our ids beside them, and the fact of it in the ledger."""
    words = b"" if status in (204, 304) else b"<html>what it says</html>"
    headers = {
        "content-type": "text/html",
        "set-cookie": "a=b",
        "x-request-id": "theirs",
        "location": "/elsewhere",
    }
    vendors.reply = lambda _got: Reply(status, [words], headers)
    response = vendors.house.post("/v1/moderations", {"input": "hi"})
    [inference], [fact] = vendors.house.inferences(), vendors.house.facts()
    assert (response.status_code, response.content) == (status, words)
    assert (response.headers["content-type"], response.headers["location"]) == ("text/html", "/elsewhere")
    assert "set-cookie" not in response.headers
    assert response.headers["x-request-id"] == response.headers["request-id"] == inference.inference_id
    assert response.headers["x-warmroute-route"] == "x||"
    assert response.headers["x-warmroute-attempts"] == "1"
    failed = status >= 400
    assert (fact.outcome, fact.http_status) == (Outcome.ERROR if failed else Outcome.OK, status)
    assert fact.cost_usd == (ZERO if failed else None)
    assert (inference.ending, inference.status) == (Ending.ERROR if failed else Ending.OK, status)


def test_an_error_raises_the_sdks_own_class(vendors: Vendors) -> None:
    """A quota that is used up says when to ask again, but not in an hour: an SDK might wait for it."""
    error = {"error": {"message": "slow down", "type": "rate_limit_error", "code": None, "param": None}}
    vendors.reply = says(
        error, 429, retry_after="3600", x_ratelimit_remaining_requests="0", x_should_retry="false"
    )
    with vendors.house.openai() as client, pytest.raises(openai.RateLimitError) as caught:
        client.moderations.create(input="hi")
    assert caught.value.response.headers["retry-after"] == "60"
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert caught.value.request_id == vendors.house.inferences()[0].inference_id
    assert len(vendors.openai.got) == 1


def test_what_is_written_down(vendors: Vendors) -> None:
    """One attempt without tokens: the path without ids and query, the model on the wire, who asked; no body."""
    asked = {"model": "gpt-image-9", "prompt": "a secret prompt"}
    response = vendors.house.post(
        "/v1/vector_stores/vs_1/files/file-9?key=secret",
        asked,
        x_warmroute_session="s",
        x_warmroute_agent="painter",
    )
    assert response.status_code == 200
    [inference], [fact] = vendors.house.inferences(), vendors.house.facts()
    origin = inference.origin
    assert (origin.caller, origin.dialect, origin.profile) == ("alice", "passthrough", "both")
    assert (origin.requested_model, origin.session, origin.agent) == (
        "/v1/vector_stores/*/files/*",
        "s",
        "painter",
    )
    assert (inference.state, inference.ending, inference.status) == (InferenceState.CLOSED, Ending.OK, 200)
    assert (fact.n, fact.provider, fact.model, fact.wire_model) == (1, "x", "", "gpt-image-9")
    assert (fact.usage, fact.cost_usd, fact.estimated, fact.unpriced) == (None, None, False, True)
    assert fact.latency_ms is not None
    assert fact.ttft_ms is not None
    assert "secret" not in repr((inference, fact))


def test_nothing_is_learnt_of_a_route(vendors: Vendors) -> None:
    """No statistics, no warm route, no turn of a session; what it may have cost is counted as unknown."""
    for _ in range(2):
        vendors.house.post("/v1/moderations", {"input": "hi"}, x_warmroute_session="s")
    vendors.house.rollup()
    snapshot = vendors.house.snapshot()
    assert snapshot.routes == RouteStats()
    [day] = {spend.pack()["unpriced"] for spend in snapshot.spend["x"].values()}
    assert day == 2
    assert vendors.house.get("/v1/session/s").status_code == 404


@pytest.mark.parametrize(
    ("named", "server", "wire"),
    [
        ("small", "openai", "small-2026-01"),
        ("x/small", "openai", "small-2026-01"),
        ("both", "openai", "small-2026-01"),
        ("nick", "openai", "small-2026-01"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("", "openai", ""),
    ],
)
def test_a_model_of_ours_is_called_by_its_own_name(dynamodb_url: str, named: str, server: str, wire: str) -> None:
    """A route, a model, a profile or an alias names its provider; any other name goes on as it came."""
    with serve_vendors(dynamodb_url, aliases={"nick": "x/small"}) as vendors:
        body = b'{ "prompt": "p\\u00e9", "model": "%s", "n": 1.50 }' % named.encode()
        assert vendors.house.post("/v1/completions", body, content_type="application/json").status_code == 200
        assert json.loads(vendors.got.body) == json.loads(body) | {"model": wire}
        # What needs no change is not touched, down to its blanks.
        assert (vendors.got.body == body) == (named == wire)
        [fact] = vendors.house.facts()
        assert (fact.model, fact.wire_model) == ("small" if named != wire else "", wire)


def test_a_model_of_another_vendor_is_refused(vendors: Vendors) -> None:
    """The route that it names cannot take this path: 404 in the dialect, which says so, and no call."""
    response = vendors.house.post("/v1/completions", {"model": "y/large", "prompt": "p"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "no_provider")
    assert not vendors.openai.got + vendors.anthropic.got
    assert [fact.outcome for fact in vendors.house.facts()] == [Outcome.REFUSED]


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"x"', b"\xff", b'{"model": 7}', b'{"model": ["small"]}', b"[" * 5000]
)
def test_a_body_that_is_odd_is_the_providers_to_judge(vendors: Vendors, body: bytes) -> None:
    """Not JSON, not an object, nested without end: it goes on untouched."""
    assert vendors.house.post("/v1/completions", body, content_type="application/json").status_code == 200
    assert vendors.got.body == body


def test_the_header_chooses_the_profile(vendors: Vendors) -> None:
    """Else the default one; one that is not there is a 400, one without such a provider a 404 that says so."""
    assert vendors.house.get("/v1/files", x_warmroute_profile="openai").status_code == 200
    unknown = vendors.house.get("/v1/files", x_warmroute_profile="nope")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "unknown_profile")
    named = {"x_warmroute_profile": "openai", "anthropic_version": "2023-06-01"}
    response = vendors.house.get("/v1/files", **named)
    document = response.json()
    assert (response.status_code, document["type"], document["error"]["code"]) == (404, "error", "no_provider")
    assert "anthropic" in document["error"]["message"]
    assert not vendors.anthropic.got


def test_stored_responses_live_at_the_provider(house: House) -> None:
    """What the responses API keeps is retrieved, cancelled and deleted through the vendor's SDK."""
    direct = openai.OpenAI(base_url=house.providers["a"].base_url, api_key="sk-provider")
    house.providers["a"].default = Answer(text="kept")
    with direct, house.openai(_strict_response_validation=True) as client:
        kept = direct.responses.create(model="small-2026-01", input="hi")
        assert client.responses.retrieve(kept.id).output_text == "kept"
        client.responses.delete(kept.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(kept.id)
    assert [fact.origin.requested_model for fact in house.facts()] == ["/v1/responses/*"] * 3


def test_two_at_once_do_not_mix(vendors: Vendors) -> None:
    """Several calls on one router: each gets its own bytes."""
    vendors.reply = lambda got: Reply(200, [got.body[:4], got.body[4:]], gap_s=0.05)

    def ask(n: int) -> bool:
        body = f"body-{n:04}".encode()
        return vendors.house.post("/v1/files", body).content == body

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(24)))
    assert len(vendors.house.facts()) == 24
