"""Sessions, warm routes and budgets, end to end."""

from decimal import Decimal
from typing import Any

import pytest

import warmroute
from ledger.moments import now_ms
from ledger.outcomes import Ending
from tests.fakes import Answer, Fail
from tests.route.house import ALICE, BOB, House, build_house

HI: list[Any] = [{"role": "user", "content": "hi"}]


def _turn(house: House, sid: str, *, key: str = ALICE, stream: bool = False, model: str = "chat") -> str:
    """One request of a session; the route that served it."""
    path = "/v1/messages" if model == "messages" else "/v1/chat/completions"
    body = {"model": model, "messages": HI, "max_tokens": 9, "session": sid, "stream": stream}
    response = house.post(path, body, key=key)
    return response.headers.get("x-warmroute-route", "")


@pytest.mark.case("U7")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "cold", "warm"), [("chat", "a", "b"), ("messages", "c", "d")])
def test_the_second_turn_goes_to_the_warm_route_at_once(
    house: House, model: str, cold: str, warm: str, stream: bool
) -> None:
    """The route that served the last turn is first in the next, in the same second, before any rollup."""
    house.providers[cold].plan(Fail(500))
    house.stop_clock()
    assert _turn(house, "s", stream=stream, model=model) == f"{warm}|small|"
    assert _turn(house, "s", stream=stream, model=model) == f"{warm}|small|"
    assert _turn(house, "other", stream=stream, model=model) == f"{cold}|small|"
    assert len(house.providers[cold].calls) == 2, "once failed, once for the other session"


def test_another_instance_knows_the_warm_route_at_once(dynamodb_url: str, house: House) -> None:
    """Warmth comes from the ledger: a router that never saw the session prefers its route too."""
    from route.config.file import Config
    from route.settings import RouterSettings
    from tests.route.house import config_document, serving

    house.providers["a"].plan(Fail(500))
    assert _turn(house, "s") == "b|small|"
    config = Config.model_validate(config_document(house.providers, {}))
    settings = RouterSettings(config, {"env:K": "k"}, *house.tables, dynamodb_url=dynamodb_url)
    with serving(settings) as url:
        first, house.url = house.url, url
        assert _turn(house, "s") == "b|small|"
        house.url = first


@pytest.mark.case("U8", "U9")
def test_totals_are_exact_at_once_and_after_the_rollup(house: House) -> None:
    """2 ok, 1 failed stream, 1 failed unary: 4 calls and 2 errors, the same before and after the views exist."""
    house.providers["a"].plan(Answer(), Fail(500), Fail(500), Answer())
    house.providers["b"].plan(Fail(500), Fail(500))
    for stream in (False, True, False, False):
        _turn(house, "s", stream=stream)
    house.providers["c"].plan(
        Answer(usage={"input_tokens": 100, "cache_read_input_tokens": 90, "output_tokens": 0})
    )
    _turn(house, "s", model="messages")
    before = house.session("s")
    house.rollup()
    after = house.session("s")
    assert (before["calls"], before["errors"], len(before["warm"])) == (5, 2, 1)
    assert before | {"as_of": None} == after | {"as_of": None}
    facts = house.facts()
    assert Decimal(after["cost_usd"]) == sum(f.cost_usd for f in facts if f.cost_usd is not None)
    assert after["tokens_cached"] == 90


@pytest.mark.case("U10", "U11")
def test_a_session_belongs_to_its_caller(house: House) -> None:
    """Another caller with the same id has another session; foreign and unknown are the same 404, byte for byte."""
    _turn(house, "mine")
    foreign = house.get("/v1/session/mine", key=BOB)
    unknown = house.get("/v1/session/never-seen", key=BOB)
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.content == unknown.content
    same = {k: v for k, v in foreign.headers.items() if k != "date"}
    assert same == {k: v for k, v in unknown.headers.items() if k != "date"}
    assert foreign.json()["error"]["code"] == "session_not_found"
    _turn(house, "mine", key=BOB)
    assert house.session("mine", key=BOB)["calls"] == 1
    assert house.session("mine")["calls"] == 1


@pytest.mark.case("U11")
def test_who_may_read(house: House) -> None:
    """No key 401, an unknown key 401; an id with slashes, question marks and hashes is one session."""
    assert house.get("/v1/session/s", key="", authorization="none").status_code == 401
    assert house.get("/v1/session/s", key="sk-nobody").status_code == 401
    odd = "a?b/../c#d%e|f"
    _turn(house, odd)
    assert house.session("a%3Fb%2F..%2Fc%23d%25e%7Cf")["session"] == odd
    assert house.get("/v1/session/a").status_code == 404


@pytest.mark.case("U12")
def test_body_beats_header_beats_the_agents_own(house: House) -> None:
    """The session id comes from the body, else our header, else that of a known agent."""
    body = {"model": "chat", "messages": HI}
    house.post("/v1/chat/completions", body | {"session": "body"}, x_warmroute_session="header")
    house.post("/v1/chat/completions", body, x_warmroute_session="header", x_claude_code_session_id="agent")
    house.post("/v1/chat/completions", body, x_claude_code_session_id="agent")
    house.post("/v1/chat/completions", body | {"prompt_cache_key": "cache"})
    assert [f.origin.session for f in house.facts()] == ["body", "header", "agent", "cache"]
    with warmroute.OpenAI(base_url=f"{house.url}/v1", api_key=ALICE) as client, client.session("scoped"):
        client.chat.completions.create(model="chat", messages=HI)
    assert house.session("scoped")["calls"] == 1


@pytest.mark.case("C11")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "limited", "spare"), [("chat", "a", "b"), ("messages", "c", "d")])
def test_a_spent_provider_is_skipped(
    dynamodb_url: str, model: str, limited: str, spare: str, stream: bool
) -> None:
    """$3 calls on a $5 month: two pass, the third goes elsewhere; and a pinned call gets 402."""
    budget = {"scope": f"provider:{limited}", "period": "month", "limit_usd": 5}
    with build_house(dynamodb_url, budgets=[budget]) as house:
        key = "prompt_tokens" if model == "chat" else "input_tokens"
        out = "completion_tokens" if model == "chat" else "output_tokens"
        house.providers[limited].default = Answer(usage={key: 1_000_000, out: 0})
        routes = [_turn(house, "", stream=stream, model=model) for _ in range(3)]
        assert routes == [f"{limited}|small|"] * 2 + [f"{spare}|small|"]
        house.rollup()
        spent = house.snapshot().spent_usd(limited, "month", now_ms())
        assert spent == Decimal(6)
        path = "/v1/messages" if model == "messages" else "/v1/chat/completions"
        refused = house.post(path, {"model": f"{limited}/small", "max_tokens": 9, "messages": HI})
        assert refused.status_code == 402
        error = refused.json()["error"]
        assert (error["code"], error["scope"]) == ("budget_exceeded", f"provider:{limited}")
        assert (error["spent_usd"], error["limit_usd"], error["period"]) == ("6", "5", "month")
        assert error["resets_at"].endswith("-01T00:00:00.000Z")
        last = house.facts()[-1]
        assert (last.n, last.closes, last.provider) == (0, Ending.ERROR, "")


@pytest.mark.case("C11")
def test_a_spent_budget_is_known_after_a_restart(dynamodb_url: str) -> None:
    """A new router, which made none of the calls, skips the provider as soon as the rollup has run."""
    from route.config.file import Config
    from route.settings import RouterSettings
    from tests.route.house import config_document, serving

    with build_house(dynamodb_url) as house:
        house.providers["a"].default = Answer(usage={"prompt_tokens": 1_000_000, "completion_tokens": 0})
        _turn(house, "")
        house.rollup()
        for limit, served_by in (("3.01", "a|small|"), ("3.00", "b|small|")):
            budget = {"scope": "provider:a", "period": "day", "limit_usd": limit}
            config = Config.model_validate(config_document(house.providers, {}, budgets=[budget]))
            settings = RouterSettings(config, {"env:K": "k"}, *house.tables, dynamodb_url=dynamodb_url)
            with serving(settings) as url:
                house.url = url
                assert _turn(house, "") == served_by


@pytest.mark.case("C11")
def test_a_warning_budget_warns_and_serves(dynamodb_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """`action: warn`: at its limit the provider still serves, and each further call says so in the log."""
    budget = {"scope": "provider:a", "period": "day", "limit_usd": 3, "action": "warn"}
    with build_house(dynamodb_url, budgets=[budget]) as house:
        house.providers["a"].default = Answer(usage={"prompt_tokens": 1_000_000, "completion_tokens": 0})
        assert [_turn(house, "") for _ in range(2)] == ["a|small|"] * 2
    [warning] = [r for r in caplog.records if r.message == "budget-warning"]
    assert (vars(warning)["scope"], vars(warning)["spent_usd"]) == ("provider:a", "3")
