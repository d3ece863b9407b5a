"""A provider that breaks and recovers, before two routers of one fleet: no request fails, and traffic returns."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import Answer, Fail, Provider, Wait
from tests.route.house import House, build_house
from tests.route.processes import fleet

HI: list[Any] = [{"role": "user", "content": "hi"}]
REST_S = 1
THRESHOLD = 2
QUICK = {"threshold": THRESHOLD, "cooldown_s": REST_S, "max_cooldown_s": 2}
PATIENCE_S = 60
"""How long a state is waited for, on however busy a machine."""


def ask(house: House, *, stream: bool = False, model: str = "chat") -> tuple[int, str]:
    """Status and serving provider of one request."""
    path = "/v1/messages" if model == "messages" else "/v1/chat/completions"
    response = house.post(path, {"model": model, "messages": HI, "max_tokens": 9, "stream": stream})
    return response.status_code, response.headers.get("x-warmroute-route", "").split("|")[0]


def until(holds: Callable[[], bool]) -> float:
    """Seconds until it holds; fails when it never does."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < PATIENCE_S, f"not within {PATIENCE_S} s"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.case("C14")
def test_traffic_leaves_a_broken_provider_and_returns_to_it(dynamodb_url: str, tmp_path: Path) -> None:
    """Two routers, one provider that breaks and recovers. No request fails meanwhile, and the broken one gets few:
    its first faults, and one probe a rest from the whole fleet. Once it is well, both routers use it again.
    """
    with Provider("openai", name="a") as a, Provider("openai", name="b") as b:
        chat = {"routes": ["a/small", "b/small"], "health": QUICK}
        with fleet(dynamodb_url, tmp_path, {"a": a, "b": b}, profiles={"chat": chat}) as routers:
            assert {ask(router) for router in routers} == {(200, "a")}
            a.default = Fail(500)
            broken_at, answers, before = time.monotonic(), Counter[tuple[int, str]](), len(a.calls)
            # Each router may learn by itself before the first pass; then one probe a rest, whoever makes it.
            at_first = 2 * 2 * THRESHOLD
            while len(a.calls) - before <= at_first:
                answers.update(ask(router, stream=stream) for router in routers for stream in (False, True))
                assert time.monotonic() - broken_at < PATIENCE_S, "nobody probes it"
            took = time.monotonic() - broken_at
            assert set(answers) == {(200, "b")}
            assert len(a.calls) - before <= at_first + took / REST_S + 2
            a.default = Answer()
            back = until(lambda: {ask(router) for router in routers} == {(200, "a")})
            print(f"probed after {took:.1f} s and {answers.total()} answers; back after {back:.1f} s")


@pytest.mark.case("C14")
@pytest.mark.parametrize("faults", [THRESHOLD, 2 * THRESHOLD], ids=["degraded", "unhealthy"])
def test_a_route_is_back_when_its_rest_is_over(build: Callable[..., House], faults: int) -> None:
    """A millisecond before that the other one serves; then it is probed, and with one success it is healthy."""
    health = {"threshold": THRESHOLD, "cooldown_s": 10, "max_cooldown_s": 20}
    house = build(profiles={"chat": {"routes": ["a/small", "b/small"], "health": health}})
    house.stop_clock()
    house.providers["a"].plan(*[Fail(500)] * faults)

    def rest_s() -> float:
        assert house.app is not None
        known = house.app.state.router.fleet.known.health.get("a|small|")
        rest_until: int = known.standing(THRESHOLD, 10_000, 20_000).rest_until
        return max(0, rest_until - house.now()) / 1000

    for _ in range(faults):
        house.pass_time(rest_s())
        assert ask(house) == (200, "b")
    assert len(house.providers["a"].calls) == faults
    assert 10 <= rest_s() <= 20
    house.pass_time(rest_s() - 0.001)
    assert ask(house) == (200, "b")
    house.pass_time(0.001)
    assert [ask(house) for _ in range(3)] == [(200, "a")] * 3


@pytest.mark.case("C14")
def test_an_instance_reacts_to_its_own_failures_at_once(build: Callable[..., House]) -> None:
    """Without any pass of a rollup: after its third fault in a row the route is behind the other, streamed or not,
    in both dialects.
    """
    house = build()
    for model, first, second in (("chat", "a", "b"), ("messages", "c", "d")):
        house.providers[first].default = Fail(503)
        served = [ask(house, stream=bool(n % 2), model=model) for n in range(8)]
        assert served == [(200, second)] * 8
        assert len(house.providers[first].calls) == 3


@pytest.mark.case("C14")
def test_one_success_makes_a_route_healthy(build: Callable[..., House]) -> None:
    """Two faults, a success and two faults are no three in a row."""
    house = build()
    house.providers["a"].plan(Fail(500), Fail(500), Answer(), Fail(500), Fail(500), Answer())
    assert [ask(house)[1] for _ in range(6)] == ["b", "b", "a", "b", "b", "a"]


@pytest.mark.case("C14")
def test_when_all_are_unhealthy_they_are_tried_in_order(build: Callable[..., House]) -> None:
    """Health alone refuses nothing: each request tries both, in the listed order, and the first that is well
    serves.
    """
    house = build(profiles={"chat": {"routes": ["a/small", "b/small"], "health": {"threshold": 2}}})
    for name in "ab":
        house.providers[name].default = Fail(500)
    for _ in range(5):
        assert ask(house)[0] == 500
    assert (len(house.providers["a"].calls), len(house.providers["b"].calls)) == (5, 5)
    house.providers["b"].default = Answer()
    assert ask(house) == (200, "b")
    assert len(house.providers["a"].calls) == 6


def test_a_sole_route_is_asked_every_time(build: Callable[..., House]) -> None:
    """It is never refused because of its health: the moment it is well it serves."""
    house = build(profiles={"chat": {"routes": ["a/small"], "health": {"threshold": 2}}})
    house.providers["a"].plan(*[Fail(500)] * 9)
    assert [ask(house)[0] for _ in range(10)] == [500] * 9 + [200]


def test_what_was_set_aside_is_the_last_resort(build: Callable[..., House]) -> None:
    """The healthy route fails: the unhealthy one is tried after all, and serves."""
    house = build(profiles={"chat": {"routes": ["a/small", "b/small"], "health": {"threshold": 2}}})
    house.providers["a"].plan(*[Fail(500)] * 2)
    assert [ask(house)[1] for _ in range(2)] == ["b", "b"]
    house.providers["b"].plan(Fail(500))
    assert ask(house) == (200, "a")


def test_one_request_of_many_at_once_probes(build: Callable[..., House]) -> None:
    """A rested route that hangs costs one caller time, not all: nine others are served by the next at once."""
    house = build(profiles={"chat": {"routes": ["a/small", "b/small"], "health": QUICK}})
    house.providers["a"].plan(*[Fail(500)] * THRESHOLD)
    assert [ask(house)[1] for _ in range(THRESHOLD)] == ["b"] * THRESHOLD
    house.pass_time(REST_S)
    house.providers["a"].default = Wait()
    before = len(house.providers["a"].calls)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(ask, house) for _ in range(10)]
        nine = list(islice(as_completed(asked, timeout=PATIENCE_S), 9))
        assert {one.result() for one in nine} == {(200, "b")}
        house.providers["a"].release()
        assert {one.result() for one in asked if one not in nine} == {(200, "a")}
    assert len(house.providers["a"].calls) == before + 1


@pytest.mark.case("C13")
def test_out_of_memory_is_left_alone_by_the_whole_fleet(dynamodb_url: str, tmp_path: Path) -> None:
    """One router was told so: after the next pass the other does not call it either. `no room` is another
    matter.
    """
    oom = Fail(500, "CUDA error: out of memory")
    with (
        Provider("openai", name="a") as a,
        Provider("openai", name="b") as b,
        fleet(dynamodb_url, tmp_path, {"a": a, "b": b}, profiles={"chat": {"routes": ["a/small", "b/small"]}}) as (
            first,
            second,
        ),
    ):
        a.plan(Fail(500, "There is no room in the bloom filter"))
        assert [ask(first)[1] for _ in range(2)] == ["b", "a"]
        a.plan(oom)
        assert ask(first) == (200, "b")
        before = len(a.calls)
        assert ask(first) == (200, "b")
        until(lambda: bool(second.snapshot().cooldowns.get("a|small|").oom_at))
        time.sleep(0.3)  # longer than a local router goes by one snapshot
        assert ask(second) == (200, "b")
        assert len(a.calls) == before


@pytest.mark.parametrize(
    ("headers", "waits"),
    [({"retry-after": "1"}, 1.0), ({"retry-after-ms": "600"}, 0.6), ({"x-ratelimit-reset-requests": "1s"}, 1.0)],
)
def test_a_provider_that_asks_to_wait_is_left_alone(
    dynamodb_url: str, headers: dict[str, str], waits: float
) -> None:
    """One 429 is enough: for as long as it says, and no longer."""
    with build_house(dynamodb_url) as house:
        house.stop_clock()
        house.providers["a"].plan(Fail(429, headers=headers))
        assert ask(house) == (200, "b")
        house.pass_time(waits - 0.001)
        assert ask(house) == (200, "b")
        assert len(house.providers["a"].calls) == 1
        house.pass_time(0.001)
        assert ask(house) == (200, "a")
