"""Counting tokens, end to end: the provider's figure, or ours that says so; and nothing is learnt from either."""

import json
from typing import Any

import anthropic
import pytest

import warmroute
from ledger.folds.route_stats import RouteStats
from ledger.items import InferenceState
from ledger.money import ZERO
from ledger.outcomes import Ending, FaultKind, Outcome
from tests.fakes import Fail
from tests.route.calling.little_server import LittleServer, Reply
from tests.route.house import ALICE, House, build_house, model

PATH = "/v1/messages/count_tokens"
HI: list[Any] = [{"role": "user", "content": "How many tokens are these?"}]
ASKED: dict[str, Any] = {"model": "messages", "messages": HI}


def _counting(status: int, body: Any) -> Any:
    """A server of Anthropic's dialect that answers every request in one way."""
    return LittleServer(lambda _request: Reply(status, [json.dumps(body).encode()]))


def _with(house_url: str, server: LittleServer, **more: Any) -> Any:
    """A house whose route `x/small` is on a server of ours."""
    provider = {
        "name": "x",
        "kind": "anthropic",
        "base_url": server.origin,
        "api_key": "env:K",
        "models": [model()],
    }
    profiles = {"messages": {"routes": ["x/small"]}}
    return build_house(house_url, providers=[provider], profiles=profiles, default_profile="messages", **more)


@pytest.mark.case("C25")
@pytest.mark.parametrize("ours", [False, True], ids=["vendor", "ours"])
@pytest.mark.parametrize("beta", [False, True], ids=["", "beta"])
def test_the_providers_own_count(house: House, ours: bool, beta: bool) -> None:
    """The SDK's strict type gets the number that the provider itself gives, for the model on its wire."""
    client = warmroute.Anthropic if ours else anthropic.Anthropic
    with client(base_url=house.url, api_key=ALICE, _strict_response_validation=True) as sdk:
        counter: Any = sdk.beta.messages if beta else sdk.messages
        counted = counter.count_tokens(model="messages", messages=HI, system="Be brief.")
    with anthropic.Anthropic(base_url=house.providers["c"].base_url, api_key="k") as direct:
        own = direct.messages.count_tokens(model="small-2026-01", messages=HI, system="Be brief.")
    assert counted.input_tokens == own.input_tokens > 0
    routed = house.providers["c"].requests[0]
    assert (routed.path, routed.body["model"]) == (PATH, "small-2026-01")


def test_a_query_and_betas_go_along(house: House) -> None:
    """As Claude Code asks: `?beta=true`, betas that nobody here knows, its session."""
    beta = "claude-code-20250219,token-counting-2024-11-01"
    named = {"anthropic_version": "2023-06-01", "anthropic_beta": beta, "x_claude_code_session_id": "cc-1"}
    response = house.post(f"{PATH}?beta=true", ASKED, **named)
    assert response.status_code == 200
    assert "x-warmroute-estimated" not in response.headers
    [call] = house.providers["c"].requests
    assert (call.query, call.headers["anthropic-beta"], call.headers["x-api-key"]) == (
        "beta=true",
        beta,
        "sk-provider",
    )
    assert response.json()["x_router"]["estimated"] is False
    assert response.headers["x-warmroute-inference-id"] == house.inferences()[0].inference_id


def test_it_is_written_down_and_says_nothing_about_the_route(house: House) -> None:
    """One attempt without tokens that costs nothing: no statistics, no session, no warm route, no call counted."""
    session = {"x_claude_code_session_id": "cc-1"}
    assert house.post(PATH, ASKED, **session).status_code == 200
    [inference], [fact] = house.inferences(), house.facts()
    assert (inference.state, inference.status, inference.origin.dialect) == (
        InferenceState.CLOSED,
        200,
        "count_tokens",
    )
    assert (fact.outcome, fact.usage, fact.estimated, fact.cost_usd) == (Outcome.OK, None, False, ZERO)
    assert (fact.closes, fact.unpriced, fact.counts, fact.origin.session) == (Ending.OK, False, False, "cc-1")
    house.rollup()
    assert house.snapshot().routes == RouteStats()
    assert house.get("/v1/session/cc-1").status_code == 404


def test_counts_do_not_push_a_warm_route_out_of_sight(house: House) -> None:
    """An agent counts 26 times between two turns: the second turn still goes where the first one went."""
    house.providers["c"].plan(Fail(500))
    turn = {"model": "messages", "max_tokens": 9, "messages": HI, "session": "s"}
    assert house.post("/v1/messages", turn).headers["x-warmroute-route"] == "d|small|"
    for _ in range(26):
        assert house.post(PATH, ASKED, x_warmroute_session="s").status_code == 200
    assert house.post("/v1/messages", turn).headers["x-warmroute-route"] == "d|small|"
    assert house.session("s")["calls"] == 2
    # What another router finds, which has not seen any of it itself.
    newest = house.at_table(lambda store: store.facts.facts_of_session("alice", "s", newest=10))
    assert {fact.origin.dialect for fact in newest} == {"messages"}


@pytest.mark.parametrize("profile", ["chat", "messages"])
def test_without_a_route_that_counts_it_is_estimated(dynamodb_url: str, profile: str) -> None:
    """An OpenAI chain, or one that is disabled: our estimate, which says so twice, and no trace of it."""
    profiles = {"chat": {"routes": ["a/small"]}, "messages": {"routes": ["c/small"]}}
    with build_house(dynamodb_url, profiles=profiles, models={"c": model(capabilities={"tools": False})}) as house:
        response = house.post(PATH, ASKED | {"model": profile, "tools": [{"name": "t", "input_schema": {}}]})
        assert response.status_code == 200
        assert response.headers["x-warmroute-estimated"] == "true"
        body = response.json()
        assert body["input_tokens"] > 5
        assert body["x_router"]["estimated"] is True
        assert not house.inferences()
        assert not any(provider.requests for provider in house.providers.values())
        with house.anthropic(_strict_response_validation=True) as client:
            assert client.messages.count_tokens(model="chat", messages=HI).input_tokens > 5


@pytest.mark.parametrize("status", [404, 405, 410, 418, 501, 500, 401, 429, 529])
def test_a_server_that_cannot_count_leaves_it_to_us(dynamodb_url: str, status: int) -> None:
    """Many speak messages and nothing else: 200 with the estimate, and the attempt that was made is on record."""
    error = {"type": "error", "error": {"type": "not_found_error", "message": "no"}}
    with _counting(status, error) as server, _with(dynamodb_url, server) as house:
        with house.anthropic(max_retries=0) as client:
            raw = client.messages.with_raw_response.count_tokens(model="messages", messages=HI)
        assert raw.headers["x-warmroute-estimated"] == "true"
        assert raw.parse().input_tokens > 5
        receipt = raw.parse().model_extra["x_router"]
        [inference], [fact] = house.inferences(), house.facts()
    assert (receipt["estimated"], receipt["inference_id"]) == (True, inference.inference_id)
    assert (fact.http_status, fact.cost_usd, fact.counts, fact.closes) == (status, ZERO, False, Ending.ERROR)
    assert (inference.state, inference.status) == (InferenceState.CLOSED, 200)


def test_a_server_that_is_not_there_leaves_it_to_us(dynamodb_url: str) -> None:
    """Nor does one that says something else than a count."""
    dead = LittleServer(lambda _request: Reply(200, [b"{}"]))
    with _with(dynamodb_url, dead) as house:
        assert house.post(PATH, ASKED).headers["x-warmroute-estimated"] == "true"
    odd: list[Any] = [{}, {"input_tokens": "7"}, {"input_tokens": True}, [], {"content": []}]
    for said in odd:
        with _counting(200, said) as server, _with(dynamodb_url, server) as house:
            assert house.post(PATH, ASKED).headers["x-warmroute-estimated"] == "true"
            assert [fact.kind for fact in house.facts()] == [FaultKind.BAD_ANSWER]


def test_the_next_route_is_asked_first(house: House) -> None:
    """A provider that cannot be reached is no reason to estimate while another one can count."""
    house.providers["c"].stop()
    response = house.post(PATH, ASKED)
    assert "x-warmroute-estimated" not in response.headers
    assert response.headers["x-warmroute-attempts"] == "2"
    assert [fact.closes for fact in house.facts()] == [None, Ending.FALLBACK]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_requests_own_fault_is_told(dynamodb_url: str, status: int) -> None:
    """What is wrong with the request is wrong with the message too: the provider's own words, no estimate."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: odd"}}
    with _counting(status, error) as server, _with(dynamodb_url, server) as house:
        response = house.post(PATH, ASKED)
        assert (response.status_code, response.json()["error"]["message"]) == (status, "messages: odd")
        assert house.inferences()[0].status == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "messages"}, 400, "invalid_messages"),
        (ASKED | {"profile": "nope"}, 400, "unknown_profile"),
        (b"[", 400, "invalid_json"),
    ],
)
def test_what_cannot_be_read_is_not_estimated(house: House, body: Any, status: int, code: str) -> None:
    """In Anthropic's envelope, as every other error of this path."""
    response = house.post(PATH, body)
    document = response.json()
    assert (response.status_code, document["type"], document["error"]["code"]) == (status, "error", code)


def test_no_context_is_too_small_to_count(dynamodb_url: str) -> None:
    """Whoever counts wants to know whether it fits: the provider says how much too long it is."""
    with build_house(dynamodb_url, models={"c": model(context_tokens=10)}) as house:
        asked = ASKED | {"messages": [{"role": "user", "content": "word " * 4_000}]}
        response = house.post(PATH, asked)
        assert "x-warmroute-estimated" not in response.headers
        assert response.json()["input_tokens"] > 4_000
        assert house.providers["c"].requests


def test_a_key_is_needed_and_its_limits_hold(house: House) -> None:
    """401 without one, as everywhere; and a body that is too large is 413."""
    assert house.post(PATH, ASKED, key="sk-nobody").status_code == 401
    huge = house.post(PATH, ASKED | {"messages": [{"role": "user", "content": "x" * 6_300_000}]})
    assert (huge.status_code, huge.json()["error"]["type"]) == (413, "request_too_large")
