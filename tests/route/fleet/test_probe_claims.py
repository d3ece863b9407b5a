"""Claims of probes: one router of the fleet at a time tries a route that has rested."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ledger.store.connection import StoreError
from ledger.store.opened import Store
from route.fleet.probe_claims import ProbeClaims
from tests.ledger.make import NOW


@dataclass
class Granting:
    """A store that grants claims as told; an error is raised."""

    answers: list[bool | StoreError]
    asked: int = 0
    ended: list[tuple[str, int, int]] = field(default_factory=list)

    async def claim_probe(self, _route: str, *, now: int, until: int) -> bool:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    async def end_probe(self, route: str, *, claimed_until: int, until: int) -> bool:
        self.ended.append((route, claimed_until, until))
        return True


async def test_a_probe_is_asked_for_now_and_then() -> None:
    """Once refused, or granted, not again for 5 s, or for as long as the claim is one's own, if that is
    shorter.
    """
    store: Any = Granting([False, True, True])
    claims = ProbeClaims(store)
    claimed = [await claims.claim("a|m|", NOW + at, 60_000) for at in (0, 1, 4_999, 5_000, 9_999)]
    assert (claimed, store.asked) == ([None, None, None, NOW + 65_000, None], 2)
    assert await claims.claim("b|m|", NOW, 1_000) == NOW + 1_000


async def test_a_store_that_is_down_grants_no_probe() -> None:
    """The route rests on, and no request fails for it."""
    store: Any = Granting([StoreError("down"), True])
    claims = ProbeClaims(store)
    assert await claims.claim("a|m|", NOW, 1_000) is None
    assert await claims.claim("a|m|", NOW + 1_000, 1_000) == NOW + 2_000
    assert store.ended == [("a|m|", NOW + 1_000, NOW)], "it may have been granted all the same"


async def test_a_claim_that_comes_late_is_given_back() -> None:
    """Its request has gone elsewhere by then: nobody would try the route for as long as it lasts."""
    store: Any = Granting([])
    granted = asyncio.Event()

    async def late(_route: str, *, now: int, until: int) -> bool:
        await granted.wait()
        return True

    store.claim_probe = late
    claims = ProbeClaims(store)
    assert await claims.claim("a|m|", NOW, 60_000) is None
    granted.set()
    assert claims._late is not None
    await claims._late
    assert store.ended == [("a|m|", NOW + 60_000, NOW)]


async def test_of_many_routers_one_gets_the_probe(dynamodb_url: str, store: Store) -> None:
    """Twenty at once; when its claim is over, one of the twenty again."""
    routers = [ProbeClaims(store.views) for _ in range(20)]
    for at in (NOW, NOW + 1_000, NOW + 2_000):
        claimed = await asyncio.gather(*(claims.claim("a|m|", at, 1_000) for claims in routers))
        assert len([until for until in claimed if until]) == 1


async def test_a_claim_ends_with_its_probe(store: Store) -> None:
    """It lasts as long as a call may, and once that has ended for a pause alone; who has none ends none."""
    one, other = ProbeClaims(store.views), ProbeClaims(store.views)
    assert await one.claim("a|m|", NOW, 300_000)
    assert not await other.claim("a|m|", NOW + 10_000, 300_000)
    await other.end("a|m|", NOW + 20_000, NOW + 21_000)
    assert not await other.claim("a|m|", NOW + 30_000, 300_000)
    await one.end("a|m|", NOW + 300_000, NOW + 35_000)
    assert not await other.claim("a|m|", NOW + 35_000 - 1, 300_000)
    assert await ProbeClaims(store.views).claim("a|m|", NOW + 35_000, 300_000)


async def test_a_claim_that_has_run_out_is_not_ended_for_its_next_holder(store: Store) -> None:
    """A router that comes back late leaves the other's alone."""
    late, next_ = ProbeClaims(store.views), ProbeClaims(store.views)
    assert await late.claim("a|m|", NOW, 1_000)
    assert await next_.claim("a|m|", NOW + 1_000, 100_000)
    await late.end("a|m|", NOW + 1_000, NOW + 2_000)
    assert not await ProbeClaims(store.views).claim("a|m|", NOW + 3_000, 1_000)
