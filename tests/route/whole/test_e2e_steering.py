"""What steers a request, end to end, and how it can be told afterwards: by the caller, and by an operator."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ledger.items import ApiKey
from ledger.outcomes import Ending, Outcome
from ledger.store.opened import Store
from route.config.file import Config
from route.request.auth import digest_of
from route.settings import RouterSettings
from tests.fakes import Answer, Fail, Provider
from tests.route.house import BOB, House, build_house, config_document, model, serving
from tests.route.processes import OPERATOR_KEY, fleet

Json = dict[str, Any]
HI: list[Any] = [{"role": "user", "content": "hi"}]
TWO = {"routes": ["a/small", "b/small"]}


def ask(house: House, text: str = "hi", *, key: str | None = None, **more: Any) -> httpx2.Response:
    """A chat completion. `more`: fields of the body; header names begin with `x_`."""
    headers = {name: more.pop(name) for name in list(more) if name.startswith("x_")}
    body = {"model": "chat", "messages": [{"role": "user", "content": text}]} | more
    return house.post("/v1/chat/completions", body, **({"key": key} if key else {}), **headers)


def served(response: httpx2.Response) -> str:
    return str(response.headers["x-warmroute-route"].split("|")[0])


def decision(house: House, response: httpx2.Response, **options: Any) -> Json:
    inference_id = response.headers["x-warmroute-inference-id"]
    answer = house.get(f"/v1/inferences/{inference_id}/decision", **options)
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


def operator(house: House) -> str:
    async def add(store: Store) -> None:
        await store.views.put_api_key(ApiKey(digest_of(OPERATOR_KEY), "op", "ops", role="operator"))

    house.at_table(add)
    return OPERATOR_KEY


@pytest.mark.case("A4")
def test_a_decision_can_be_read_by_its_tenant(house: House) -> None:
    """As decided, and for a dashboard; exactly one is chosen; read again it is the same bytes, and nothing is
    written.
    """
    answer = ask(house)
    told = decision(house, answer)
    assert [(row["route"], row["chosen"], row["excluded"]) for row in told["dashboard_candidates"]] == [
        ("a|small|", True, None),
        ("b|small|", False, None),
    ]
    assert [row["health"] for row in told["candidates"]] == ["healthy", "healthy"]
    receipt = answer.json()["x_router"]
    assert (told["rule_fired"], told["ruleset_hash"]) == ("model", receipt["plan"]["ruleset_hash"])
    before = len(house.facts()), len(house.inferences())
    path = f"/v1/inferences/{told['inference_id']}/decision"
    assert len({house.get(path).content for _ in range(3)}) == 1
    assert (len(house.facts()), len(house.inferences())) == before


@pytest.mark.case("A4")
def test_another_tenant_s_decision_is_an_unknown_one(house: House) -> None:
    """The same 404, byte for byte, as for an id that never was, or that is none."""
    own = ask(house).headers["x-warmroute-inference-id"]
    answers = [
        house.get(f"/v1/inferences/{i}/decision", key=BOB) for i in (own, "inf_" + "0" * 32, "x", "x" * 3000)
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    assert answers[0].json()["error"]["code"] == "inference_not_found"
    assert house.get(f"/v1/inferences/{own}/decision", key="sk-nobody").status_code == 401


@pytest.mark.case("A4")
def test_a_refused_request_has_a_decision_too(build: Callable[..., House]) -> None:
    """Each candidate with the reason; below the floor and something else: the reason is told. Unparsed: none."""
    house = build(models={"a": model(quality=0.5), "b": model(quality=0.4, capabilities={"tools": False})})
    tools = [{"type": "function", "function": {"name": "f"}}]
    told = decision(house, ask(house, min_quality=0.9, tools=tools))
    assert {row["route"]: row["excluded"] for row in told["dashboard_candidates"]} == {
        "a|small|": "below_quality_floor",
        "b|small|": "lacks_tools",
    }
    assert [row["cleared_floor"] for row in told["candidates"]] == [False, False]
    bad = decision(house, ask(house, profile="nobody"))
    assert (bad["candidates"], bad["dashboard_candidates"], bad["order"]) == ([], [], [])


def test_an_operator_can_have_a_decision_made_again(house: House) -> None:
    """From what is stored, to the same bytes; to any other key the path does not exist."""
    key = operator(house)
    inference_id = ask(house).headers["x-warmroute-inference-id"]
    told = house.get(f"/x/inferences/{inference_id}/explain", key=key).json()
    assert told["same"] is True
    assert told["decided"] == told["recomputed"]
    assert [known["route"] for known in told["survey"]["candidates"]] == ["a|small|", "b|small|"]
    hidden = house.get(f"/x/inferences/{inference_id}/explain")
    nowhere = house.get("/x/nowhere")
    assert (hidden.status_code, nowhere.status_code) == (404, 404)
    assert hidden.json()["error"]["code"] == nowhere.json()["error"]["code"] == "not_found"
    assert house.get("/x/inferences/inf_0/explain", key=key).status_code == 404
    posted = [house.post(path, {}) for path in ("/x/inferences/inf_0/explain", "/x/nowhere")]
    assert [answer.status_code for answer in posted] == [404, 404]
    nobody = [house.get(path, key="sk-no") for path in ("/x/inferences/inf_0/explain", "/x/nowhere")]
    assert {(answer.status_code, answer.content) for answer in nobody} == {(401, nobody[0].content)}
    assert house.post("/x/inferences/inf_0/explain", {}, key=key).status_code == 405


def test_explaining_outlives_config_and_views(dynamodb_url: str, house: House) -> None:
    """A router with another config and without any view makes the same decision again, byte for byte."""
    key = operator(house)
    house.providers["a"].plan(Fail(500), Fail(500))
    ids = [ask(house, session="s").headers["x-warmroute-inference-id"] for _ in range(3)]
    first = [house.get(f"/v1/inferences/{i}/decision").content for i in ids]
    other = config_document({"z": house.providers["b"]}, {}, profiles={"chat": {"routes": ["z/small"]}})
    settings = RouterSettings(
        Config.model_validate(other), {"env:K": "k"}, *house.tables, dynamodb_url=dynamodb_url
    )
    with serving(settings) as url:
        house.url = url
        assert [house.get(f"/v1/inferences/{i}/decision").content for i in ids] == first
        told = [house.get(f"/x/inferences/{i}/explain", key=key).json() for i in ids]
    assert [each["same"] for each in told] == [True] * 3
    assert told[2]["decided"]["rule_fired"] == "model+warm"


def test_two_processes_decide_the_same_from_the_same(dynamodb_url: str, tmp_path: Path) -> None:
    """One decides, the other explains: the bytes that it makes are those that are stored, whatever its hash
    seed.
    """
    with Provider("openai", name="a") as a, Provider("openai", name="b") as b:
        chat = TWO | {"order": "expected_cost", "quality_floor": 0.5, "adaptive": True}
        models = {n: model(quality=0.8) for n in "ab"}
        providers = config_document({"a": a, "b": b}, models)["providers"]
        with fleet(
            dynamodb_url, tmp_path, {"a": a, "b": b}, providers=providers, profiles={"chat": chat}
        ) as routers:
            answers = [ask(router, routing_hint=dial) for router in routers for dial in ("quality", "cost")]
            for answer, reader in zip(answers, [routers[1], routers[1], routers[0], routers[0]], strict=True):
                path = f"/x/inferences/{answer.headers['x-warmroute-inference-id']}/explain"
                assert reader.get(path, key=OPERATOR_KEY).json()["same"] is True
            hashes = [answer.json()["x_router"]["plan"]["ruleset_hash"] for answer in answers]
            assert hashes[0] == hashes[2] != hashes[1] == hashes[3]


@pytest.mark.case("A8")
def test_the_dial_is_in_the_receipt(build: Callable[..., House]) -> None:
    """Cost takes the cheap one, balanced the good one; a typo is 400 and lists what there is; a body beats a
    header.
    """
    cheap = model(quality=0.65, price={"input_per_mtok": 1, "output_per_mtok": 1})
    chat = TWO | {"order": "cheapest", "quality_floor": 0.7}
    house = build(models={"a": cheap, "b": model(quality=0.75)}, profiles={"chat": chat})
    told = {}
    for dial in ("balanced", "cost"):
        answer = ask(house, routing_hint=dial)
        plan = answer.json()["x_router"]["plan"]
        told[dial] = (served(answer), plan["dial"], plan["quality_floor"], plan["dial_stopped_by"])
    assert told == {"balanced": ("b", "balanced", 0.7, None), "cost": ("a", "cost", 0.6, None)}
    assert served(ask(house, x_warmroute_preference="cost")) == "a"
    assert served(ask(house, routing_hint="balanced", x_warmroute_preference="cost")) == "b"
    assert served(ask(house, routing_hint="cost", min_quality=0.7)) == "b"
    typo = ask(house, routing_hint="cheap")
    assert (typo.status_code, typo.json()["error"]["code"]) == (400, "unknown_preference")
    assert "balanced, cost, quality" in typo.json()["error"]["message"]
    sent = [call.body for call in (*house.providers["a"].calls, *house.providers["b"].calls)]
    assert not any({"routing_hint", "min_quality", "profile"} & body.keys() for body in sent)


def test_a_session_leaves_a_warm_route_that_is_dearer(build: Callable[..., House]) -> None:
    """It was served once by the dear fallback. Staying there costs more even from the cache: it goes back, and the
    row shows both figures.
    """
    dear = model(price={"input_per_mtok": 300, "output_per_mtok": 1500})
    house = build(models={"b": dear}, profiles={"chat": TWO})
    house.providers["a"].plan(Fail(500))
    assert served(ask(house, session="s")) == "b"
    back = ask(house, session="s", max_tokens=9)
    row = next(row for row in decision(house, back)["candidates"] if row["route"] == "b|small|")
    assert served(back) == "a"
    assert float(row["stay_usd"]) > float(row["leave_usd"]) > 0
    assert row["warm"] is False


def test_a_session_stays_on_a_warm_route_that_is_cheaper(build: Callable[..., House]) -> None:
    """Across instances and at once, as the figures say; and it leaves it when it is down."""
    house = build(profiles={"chat": TWO | {"health": {"threshold": 2}}})
    long = "x" * 40_000
    house.providers["a"].plan(Fail(500))
    house.providers["b"].plan(Answer(usage={"prompt": 10_000, "completion": 5, "cached": 9_000}))
    assert served(ask(house, long, session="s")) == "b"
    stayed = ask(house, long, session="s")
    row = next(row for row in decision(house, stayed)["candidates"] if row["route"] == "b|small|")
    assert (served(stayed), row["warm"]) == ("b", True)
    assert float(row["stay_usd"]) < float(row["leave_usd"])
    house.providers["b"].plan(*[Fail(500)] * 2)
    assert [served(ask(house, long, session=s)) for s in ("s", "t", "u")] == ["a", "a", "a"]


@pytest.mark.case("C15")
def test_a_slow_route_stands_back_and_returns(build: Callable[..., House]) -> None:
    """Three answers of 300 ms against 60 and 60, in both dialects and streamed: [b, c, a] at once."""
    profiles = {"chat": {"routes": ["a/small", "b/small", "c/small"], "adaptive": True}}
    house = build(profiles=profiles)
    house.providers["a"].default = Answer(delay_ms=300)
    for name in "bc":
        house.providers[name].default = Answer(delay_ms=60)
    for name in "abc":
        for stream in (False, True, False):
            house.post(
                "/v1/messages" if stream else "/v1/chat/completions",
                {"model": f"{name}/small", "messages": HI, "max_tokens": 9, "stream": stream},
            )
    moved = ask(house)
    told = decision(house, moved)
    assert told["order"] == ["b|small|", "c|small|", "a|small|"]
    assert told["rule_fired"] == "model+adaptive"
    assert served(moved) == "b"


def test_an_alias_and_the_pinned_route_are_told(build: Callable[..., House]) -> None:
    """In the receipt, streamed too; both are recorded, the pinned one as pinned."""
    house = build(aliases={"gpt-4o": "b/small"})
    alias = ask(
        house, model="gpt-4o", stream=True, stream_options={"include_usage": True}, x_warmroute_receipt="1"
    )
    chunks = [json.loads(line[6:]) for line in alias.text.splitlines() if line.startswith("data: {")]
    assert chunks[-1]["x_router"]["plan"]["rule_fired"] == "alias"
    pinned = ask(house, model="a/small")
    assert pinned.json()["x_router"]["plan"]["rule_fired"] == "pinned"
    assert [inference.origin.pinned for inference in house.inferences()] == [True, True]


def test_paid_routes_need_a_permission(build: Callable[..., House], dynamodb_url: str) -> None:
    """Skipped with their reason; a chain of only such routes says so; the profile's word beats the file's."""
    with build_house(dynamodb_url) as plain:
        document = config_document(plain.providers, {})
    for provider in document["providers"]:
        provider["paid"] = provider["name"] == "a"
    alone = {"routes": ["a/small"]}
    for file, profile, status, first in (
        (False, None, 200, "b"),
        (True, None, 200, "a"),
        (True, False, 200, "b"),
        (False, True, 200, "a"),
    ):
        profiles = {"chat": TWO | {"allow_paid": profile}, "alone": alone}
        with _again(dynamodb_url, document["providers"], profiles, allow_paid=file) as house:
            answer = ask(house)
            assert (answer.status_code, served(answer)) == (status, first)
            refused = ask(house, model="alone")
            assert refused.status_code == (200 if file else 400)
            assert file or "a/small: paid_not_allowed" in refused.json()["error"]["message"]


def _again(dynamodb_url: str, providers: list[Json], profiles: Json, **more: Any) -> Any:
    """A house whose providers are described anew, at the addresses of its own stand-ins."""
    from contextlib import contextmanager

    @contextmanager
    def built() -> Any:
        with build_house(dynamodb_url) as house:
            own = [p | {"base_url": house.providers[p["name"]].base_url} for p in providers]
            config = Config.model_validate(
                config_document(house.providers, {}, providers=own, profiles=profiles, **more)
            )
            settings = RouterSettings(
                config, {"env:K": "k"}, *house.tables, dynamodb_url=dynamodb_url, views_refresh_ms=0
            )
            with serving(settings) as url:
                house.url = url
                yield house

    return built()


def test_a_loop_of_tools_is_stopped_before_it_costs(build: Callable[..., House]) -> None:
    """`break`: 400 in each dialect's envelope without the arguments, also where a stream was asked for; no call is
    made, and the inference is in the ledger.
    """
    profiles = {
        "chat": TWO | {"tool_loop": "break"},
        "messages": {"routes": ["c/small"], "tool_loop": {"action": "break", "threshold": 2}},
    }
    house = build(profiles=profiles)
    call = {"id": "t1", "type": "function", "function": {"name": "read", "arguments": '{"path": "/secret"}'}}
    turns: list[Json] = [{"role": "user", "content": "go"}]
    for _ in range(3):
        turns += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t1", "content": "no"},
        ]
    for stream in (False, True):
        refused = house.post("/v1/chat/completions", {"model": "chat", "messages": turns, "stream": stream})
        assert refused.status_code == 400
        told = refused.json()["error"]
        assert (told["code"], told["tool_loop"]["repeat_count"]) == ("tool_loop_detected", 3)
        assert "secret" not in refused.text
    assert house.providers["a"].calls == []
    assert [(i.ending, i.status) for i in house.inferences()] == [(Ending.ERROR, 400)] * 2
    assert [(f.outcome, f.origin.tool_loop) for f in house.facts()] == [(Outcome.REFUSED, "break")] * 2
    use = {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "/secret"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "no"}
    twice = [{"role": "user", "content": "go"}]
    twice += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}] * 2  # type: ignore[dict-item]
    refused = house.post("/v1/messages", {"model": "messages", "messages": twice, "max_tokens": 9})
    assert (refused.status_code, refused.json()["error"]["tool_loop"]["threshold"]) == (400, 2)


def test_a_loop_of_tools_is_hinted_at(build: Callable[..., House]) -> None:
    """`inject`: the provider's system prompt has the hint, the caller's conversation is as it was, the fact says
    so.
    """
    house = build(profiles={"chat": {"routes": ["a/small"], "tool_loop": "inject"}})
    call = {"id": "t1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    turns: list[Json] = [{"role": "user", "content": "go"}]
    for _ in range(3):
        turns += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t1", "content": "no"},
        ]
    assert house.post("/v1/chat/completions", {"model": "chat", "messages": turns}).status_code == 200
    [sent] = house.providers["a"].calls
    assert sent.body["messages"][0]["role"] == "system"
    assert sent.body["messages"][1:] == turns
    assert house.facts()[0].origin.tool_loop == "inject"


@pytest.mark.case("C5")
def test_auto_goes_by_what_a_request_holds(build: Callable[..., House]) -> None:
    """A tool result of 400,000 characters goes to the long context; short ones to the default; the receipt says
    why.
    """
    rules = [{"id": "long", "profile": "long", "match": {"content_token_count_min": 32_000}}]
    house = build(
        profiles={"chat": {"routes": ["a/small"]}, "long": {"routes": ["b/small"]}}, auto_router={"rules": rules}
    )
    call = {"id": "t1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "t1", "content": "x" * 400_000}
    turns = [*HI, {"role": "assistant", "tool_calls": [call]}, result]
    long = house.post("/v1/chat/completions", {"model": "auto", "messages": turns})
    assert (served(long), long.json()["x_router"]["plan"]["rule_fired"]) == ("b", "auto:long")
    short = ask(house, model="auto")
    assert (served(short), short.json()["x_router"]["plan"]["rule_fired"]) == ("a", "auto:default")


def test_the_fastest_finds_out_who_that_is(build: Callable[..., House]) -> None:
    """The slow one is listed first and is all that is known: one request measures the other, the rest go there."""
    house = build(profiles={"chat": TWO | {"order": "fastest", "health": {"cooldown_s": 1}}})
    house.providers["a"].default = Answer(delay_ms=150)
    first = [served(ask(house)) for _ in range(2)]
    assert first[0] != first[1]
    assert [served(ask(house)) for _ in range(6)] == ["b"] * 6


def test_a_store_that_hangs_costs_a_probe_and_little_time(build: Callable[..., House]) -> None:
    """The claim is not waited for: the others serve."""
    house = build(profiles={"chat": TWO | {"health": {"threshold": 2, "cooldown_s": 1}}})
    house.providers["a"].plan(*[Fail(500)] * 2)
    assert [served(ask(house)) for _ in range(2)] == ["b", "b"]
    house.pass_time(1)

    async def hang(*_: object, **__: object) -> bool:
        await asyncio.Event().wait()
        return True

    assert house.app is not None
    house.app.state.router.claims._views.claim_probe = hang
    assert served(ask(house)) == "b", "while the claim hangs"


def test_a_probe_that_another_router_has_claimed_is_left_to_it(build: Callable[..., House]) -> None:
    """The claim is one router's alone while it lasts; meanwhile the others serve by the other route."""
    house = build(profiles={"chat": TWO | {"health": {"threshold": 2, "cooldown_s": 1}}})
    house.providers["a"].plan(*[Fail(500)] * 2)
    assert [served(ask(house)) for _ in range(2)] == ["b", "b"]
    house.pass_time(1)

    async def take(store: Store) -> bool:
        now = house.now()
        return await store.views.claim_probe("a|small|", now=now, until=now + 60_000)

    assert house.at_table(take) is True
    assert house.at_table(take) is False
    assert served(ask(house)) == "b"
