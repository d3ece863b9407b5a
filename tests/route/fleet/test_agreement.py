"""Ten routers of one fleet: what each saw itself steers it at once, and after one pass they decide alike."""

import asyncio
import random
from typing import Any

from ledger.ids import new_inference_id
from ledger.items import Fact
from ledger.outcomes import FaultKind
from ledger.store.opened import Store
from rollup.passes import run_pass
from route.fleet.fleet import Fleet
from tests.ledger.make import NOW, ORIGIN, fact
from tests.route.build import body, config, plan, provider, request

ROUTERS = 10
LATER = NOW + 10_000
CHAIN = {"routes": ["acme/small", "other/small", "third/small"], "order": "fastest", "adaptive": True}
LIMITS = config(providers=[provider("acme"), provider("other"), provider("third")], profiles={"default": CHAIN})


def seen(rng: random.Random, **given: Any) -> Fact:
    """Something that a router saw: a success or a fault of one of three providers."""
    at = NOW + rng.randrange(5_000)
    more: dict[str, Any] = (
        {"latency_ms": rng.randrange(50, 3000)} if (ok := rng.random() < 0.6) else {"retry_after_ms": 20_000}
    )
    name = rng.choice(["acme", "other", "third"])
    made = {
        "inference_id": new_inference_id(at, rng.getrandbits(74)),
        "origin": ORIGIN,
        "ok": ok,
        "provider": name,
    }
    values: dict[str, Any] = made | more | given
    return fact(at, **values)


async def decided(fleet: Fleet, now: int) -> bytes:
    return plan(request(body(), config=LIMITS), LIMITS, snapshot=await fleet.snapshot(now), now=now).pack()


async def test_ten_routers_agree_within_one_pass(store: Store) -> None:
    """Each has facts of its own; before the pass they know different things, after it the same to the byte."""
    rng = random.Random(7)
    fleets = [Fleet(store.views, 0) for _ in range(ROUTERS)]
    for fleet in fleets:
        own = [seen(rng) for _ in range(30)]
        fleet.add(*own)
        await asyncio.gather(*map(store.facts.put_attempt, own))
    before = {await decided(fleet, LATER) for fleet in fleets}
    assert len(before) > 1
    await run_pass(store, now=LATER, lag_ms=2_000)
    after = {await decided(fleet, LATER) for fleet in fleets}
    newcomer = await decided(Fleet(store.views, 0), LATER)
    assert after == {newcomer}


async def test_a_router_s_newer_facts_are_its_own_until_the_next_pass(store: Store) -> None:
    """What it saw after the view's cut steers it alone, once; then everybody."""
    quick = [
        seen(random.Random(1), ok=True, provider=p, latency_ms=n) for n, p in enumerate(("acme", "other"), 50)
    ]
    await asyncio.gather(*map(store.facts.put_attempt, quick))
    await run_pass(store, now=LATER, lag_ms=0)
    one, other = Fleet(store.views, 0), Fleet(store.views, 0)
    assert await decided(one, LATER) == await decided(other, LATER)
    full = fact(LATER + 1, ok=False, kind=FaultKind.OUT_OF_MEMORY, provider="acme")
    one.add(full)
    await store.facts.put_attempt(full)
    known = [await fleet.snapshot(LATER + 2) for fleet in (one, other)]
    assert [snapshot.cooldowns.get("acme|small|").oom_at for snapshot in known] == [LATER + 1, 0]
    await run_pass(store, now=LATER + 3, lag_ms=0)
    known = [await fleet.snapshot(LATER + 4) for fleet in (one, other)]
    assert known[0] == known[1]
    assert known[0].health.get("acme|small|").first == (LATER + 1,)
