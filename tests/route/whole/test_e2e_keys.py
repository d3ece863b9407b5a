"""Keys, paths and names: who may ask for what, and what callers and providers may call things."""

import asyncio
import json

import pytest

from ledger.items import ApiKey, InferenceState
from ledger.moments import now_ms
from ledger.store.opened import Store
from route.request.auth import digest_of
from tests.fakes import Answer
from tests.route.house import House
from tests.route.whole.faults import CHAT, HI, MESSAGES


@pytest.mark.case("C25")
def test_models_in_both_dialects(house: House) -> None:
    """The vendors' SDKs list profiles, models and routes, and get one by its id; an unknown one is 404."""
    ids = [m.id for m in house.openai().models.list()]
    assert ids[:2] == ["chat", "messages"]
    assert {"small", "a/small", "d/small"} <= set(ids)
    with house.anthropic(_strict_response_validation=True) as client:
        assert [m.id for m in client.models.list()] == ids
        assert client.models.retrieve("a/small").id == "a/small"
    assert house.get("/v1/models/nope").status_code == 404


def test_paths_that_are_not_there_and_health(house: House) -> None:
    """Health answers anyone and says nothing; what is not there is a 404 in the dialect, not silence."""
    for path in ("/", "/healthz"):
        assert house.get(path, authorization="none").json() == {"status": "ok"}
    for path in ("/v1/caps/none", "/x/keys", "/nope"):
        assert house.get(path).json()["error"]["code"] == "not_found"
        assert house.get(path, anthropic_version="2023-06-01").json()["type"] == "error"
    assert house.post("/healthz", {}).json()["error"]["code"] == "method_not_allowed"


@pytest.mark.case("C25")
def test_keys(house: House) -> None:
    """No key and an unknown key are 401, a revoked or expired one 403, in the dialect; either header will do."""
    hour = 3_600_000

    async def write(store: Store) -> None:
        for key in (
            ApiKey(digest_of("sk-revoked"), "carol", "t", active=False),
            ApiKey(digest_of("sk-expired"), "carol", "t", expires_at_ms=now_ms() - 1),
            ApiKey(digest_of("sk-fresh"), "carol", "t", expires_at_ms=now_ms() + hour),
        ):
            await store.views.put_api_key(key)

    house.at_table(write)
    body = {"model": "messages", "max_tokens": 9, "messages": HI}
    statuses = {"": 401, "sk-nobody": 401, "sk-revoked": 403, "sk-expired": 403, "sk-fresh": 200}
    for key, status in statuses.items():
        response = house.post(MESSAGES, body, authorization="none", x_api_key=key)
        assert response.status_code == status, key
        assert status == 200 or response.json()["type"] == "error"


def test_concurrent_requests_are_kept_apart(house: House) -> None:
    """Forty at once, both dialects, streamed and not: each is one closed inference with its own answer."""

    async def one(i: int) -> None:
        path, chain = ((CHAT, "chat"), (MESSAGES, "messages"))[i % 2]
        ask = [{"role": "user", "content": f"number {i}"}]
        body = {"model": chain, "max_tokens": 9, "messages": ask, "stream": i % 4 > 1, "session": f"s{i % 5}"}
        response = await asyncio.to_thread(house.post, path, body)
        assert response.status_code == 200
        assert f"{i}" in response.text.replace('"', "")

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(40)))

    asyncio.run(all_of_them())
    inferences, facts = house.inferences(), house.facts()
    assert len(inferences) == len(facts) == 40
    assert {i.state for i in inferences} == {InferenceState.CLOSED}
    assert sum(house.session(f"s{i}")["calls"] for i in range(5)) == 40


@pytest.mark.case("U2", "A10")
def test_a_refusal_counts_in_the_session_that_it_belongs_to(house: House) -> None:
    """A request that was not understood still names its session, agent and model, and is an error of it."""
    body = {"model": "gpt-4o", "profile": "nope", "messages": HI, "session": "s", "stream": True}
    assert house.post(CHAT, body, x_warmroute_agent="planner").status_code == 400
    [fact] = house.facts()
    origin = fact.origin
    assert (origin.session, origin.agent, origin.requested_model, origin.stream) == (
        "s",
        "planner",
        "gpt-4o",
        True,
    )
    assert (house.session("s")["calls"], house.session("s")["errors"]) == (1, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_a_lying_provider_cannot_keep_a_row_out_of_the_ledger(house: House, stream: bool) -> None:
    """Absurd counts, amounts and names from a provider are cut to what a table takes; the call is written down."""
    absurd = {"prompt_tokens": 10**60, "completion_tokens": -5, "prompt_tokens_details": {"cached_tokens": "many"}}
    house.providers["a"].default = Answer(
        usage=absurd, reported_cost=1e300, served_by="x" * 5_000 + "|#%", served_model="m" * 5_000
    )
    response = house.post(CHAT, {"model": "chat", "messages": HI, "stream": stream, "session": "s"})
    assert response.status_code == 200
    [fact] = house.facts()
    assert fact.ok
    assert fact.usage is not None
    assert fact.estimated
    assert 0 < fact.usage.prompt < 100
    assert 0 < fact.usage.output < 100
    assert len(fact.served_by) <= 256
    assert fact.cost_usd is not None
    assert 0 < fact.cost_usd < 1


@pytest.mark.parametrize(
    "sid", ["x" * 3_000, "%ED%A0%80", "%00", "%FF"], ids=["long", "surrogate", "nul", "latin"]
)
def test_a_session_id_that_cannot_be_is_an_unknown_one(house: House, sid: str) -> None:
    """Ids that no request could have used are the same 404, never a failure of the store."""
    unknown = house.get("/v1/session/unknown")
    response = house.get(f"/v1/session/{sid}")
    assert (response.status_code, response.content) == (404, unknown.content)


@pytest.mark.parametrize("field", ["model", "session", "profile"])
@pytest.mark.parametrize("value", ["\ud800", "\x00", "#|%", "x" * 256, "\U0001f600" * 64], ids=ascii)
def test_odd_names_are_stored_or_refused_and_never_lost(
    house: House, field: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a caller puts into a name, the request is one closed inference, and no row is spilled."""
    body = {"model": "chat", "messages": HI} | {field: value}
    response = house.post(CHAT, json.dumps(body).encode())
    assert response.status_code in {200, 400}
    assert [i.state for i in house.inferences()] == [InferenceState.CLOSED]
    assert len(house.facts()) == 1
    assert "ledger-spilled" not in caplog.messages
