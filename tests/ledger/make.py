"""Facts for tests: plain ones with a few fields given, and any at all for property tests."""

import random
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from ledger.ids import new_inference_id
from ledger.items import COUNT_TOKENS, PASSTHROUGH, Fact, Inference, InferenceState, Origin, Started
from ledger.moments import minute_start_ms
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.prices import CostBasis
from ledger.usage import Usage

NOW = minute_start_ms("2026-11-20T13:18") + 5_000
EARLY = minute_start_ms("2026-11-20T00:05") + 5_000
"""Soon after midnight: there a day is short to rebuild."""
MINUTE = 60_000
ORIGIN = Origin(caller="amy", tenant="acme-inc", dialect="chat", session="s1", agent="coder")


def fact(at: int = NOW, *, inference_id: str = "", n: int = 1, origin: Origin = ORIGIN, **given: Any) -> Fact:
    """A successful attempt on `acme|small|`, unless told otherwise. `ok=False`: it failed with a 500."""
    values: dict[str, Any] = {"provider": "acme", "model": "small", "outcome": Outcome.OK}
    if not given.pop("ok", True):
        values |= {"outcome": Outcome.ERROR, "kind": FaultKind.SERVER_ERROR, "http_status": 500}
    return Fact(inference_id=inference_id or new_inference_id(at), n=n, at=at, origin=origin, **values | given)


def inference(at: int = NOW, *, attempts: int = 1, origin: Origin = ORIGIN, plan: bytes = b"{}") -> Inference:
    """An open inference with some attempts started, one second apart."""
    started = tuple(Started(n, "acme", "small", at + 1000 * (n - 1)) for n in range(1, attempts + 1))
    return Inference(new_inference_id(at), origin, plan, started)


def closed_with(
    opened: Inference, closing: Fact, ending: Ending = Ending.OK, status: int | None = 200
) -> Inference:
    """The same inference as its router closes it, with this fact."""
    about = replace(closing, inference_id=opened.inference_id, closes=ending)
    return replace(opened, started=(), state=InferenceState.CLOSED, status=status, closing=about)


def traffic(seed: int, first: int, last: int, count: int) -> list[Fact]:
    """Some mixed attempts between two instants, the same for the same seed."""
    rng = random.Random(seed)
    return [_call(rng, rng.randrange(first, last)) for _ in range(count)]


def _call(rng: random.Random, at: int) -> Fact:
    origin = replace(
        ORIGIN,
        caller=rng.choice(["amy", "bob"]),
        session=rng.choice(["", "s1", "s2"]),
        agent=rng.choice(["", "coder"]),
        stream=rng.random() < 0.5,
        tools_requested=rng.random() < 0.5,
        size=rng.choice(["s", "m"]),
    )
    ok = rng.random() < 0.6
    failed: dict[str, Any] = {
        "kind": rng.choice([FaultKind.SERVER_ERROR, FaultKind.OUT_OF_MEMORY, FaultKind.INVALID_REQUEST])
    }
    cost = rng.choice([None, Decimal(rng.randrange(10**9)) / 10**9])
    return fact(
        at,
        inference_id=new_inference_id(at, rng.getrandbits(74)),
        origin=origin,
        ok=ok,
        **({} if ok else failed),
        retry_after_ms=None if ok else rng.choice([None, 30_000]),
        tool_calls=rng.randrange(2),
        provider=rng.choice(["acme", "other|er"]),
        model=rng.choice(["small", "large"]),
        latency_ms=rng.randrange(5000),
        usage=Usage(rng.randrange(10_000), rng.randrange(3), rng.randrange(3), output=rng.randrange(1000)),
        cost_usd=cost,
        saved_usd=cost,
        closes=rng.choice(list(Ending)),
    )


MONEY = st.decimals(min_value=0, max_value=10**6, places=12, allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 10**12)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.sampled_from(["acme", "other", "a|b", "a%7Cb", "a#b", "é"])
INSTANT = st.integers(NOW - 40 * 86_400_000, NOW + 40 * 86_400_000)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ORIGINS = st.builds(
    Origin,
    caller=NAME,
    tenant=NAME,
    dialect=st.sampled_from(["chat", "messages", COUNT_TOKENS, PASSTHROUGH]),
    profile=TEXT,
    requested_model=TEXT,
    session=st.just("") | NAME,
    agent=st.just("") | NAME,
    stream=st.booleans(),
    tools_requested=st.booleans(),
    size=TEXT,
    pinned=st.booleans(),
    tool_loop=st.sampled_from(["", "warn", "inject"]),
)
USAGES = st.builds(Usage, *[COUNT] * 6)
FACTS = st.builds(
    Fact,
    inference_id=st.builds(new_inference_id, INSTANT, st.integers(0, 2**74 - 1)),
    n=st.integers(1, 99),
    at=INSTANT,
    outcome=st.sampled_from(Outcome),
    origin=ORIGINS,
    started_at=COUNT,
    provider=st.just("") | NAME,
    model=NAME,
    served_by=st.just("") | NAME,
    wire_model=TEXT,
    served_model=TEXT,
    kind=optional(st.sampled_from(FaultKind)),
    http_status=optional(st.integers(100, 599)),
    latency_ms=optional(st.integers(0, 10**7)),
    ttft_ms=optional(st.integers(0, 10**7)),
    retry_after_ms=optional(st.integers(0, 10**7)),
    usage=optional(USAGES),
    estimated=st.booleans(),
    tool_calls=st.integers(0, 100),
    cost_usd=optional(MONEY),
    saved_usd=optional(MONEY),
    cost_basis=optional(st.sampled_from(CostBasis)),
    price_version=TEXT,
    closes=optional(st.sampled_from(Ending)),
    completes=st.booleans(),
)
CALLS = st.builds(
    fact,
    at=st.integers(NOW - 200_000, NOW + 200_000) | st.integers(NOW, NOW + 3_000),
    inference_id=st.builds(new_inference_id, st.just(NOW), st.integers(0, 99)),
    origin=st.builds(
        replace,
        st.just(ORIGIN),
        stream=st.booleans(),
        size=st.sampled_from(["s", "m"]),
        tools_requested=st.booleans(),
    ),
    provider=st.sampled_from(["acme", "acme", "other"]),
    served_by=st.sampled_from(["", "east"]),
    ok=st.booleans(),
    latency_ms=optional(st.integers(0, 5_000)),
    retry_after_ms=optional(st.integers(0, 7_200_000)),
    usage=optional(st.builds(Usage, *[st.integers(0, 2)] * 6)),
    tool_calls=st.integers(0, 1),
    cost_usd=optional(st.decimals(0, 9, places=6)),
    closes=optional(st.sampled_from(Ending)),
)
"""Attempts that have much in common: a few routes, within minutes and often within the same second."""


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """As folds read them."""
    return sorted(facts, key=lambda one: one.order)
