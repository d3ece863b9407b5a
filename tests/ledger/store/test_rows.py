"""Whatever the order and overlap of writes: each attempt is counted once, and each inference closed once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.spend import Spend
from ledger.items import Fact, Inference, InferenceState
from ledger.outcomes import Ending, Outcome
from ledger.store import records
from ledger.store.opened import Store
from ledger.store.records import item_fact
from local.replay import Found, Replay, Spilled
from rollup.reaper import LOST_AFTER_MS, close_lost
from tests.ledger.make import NOW, closed_with, fact, in_order, inference
from tests.ledger.store.tables import fresh_store

LATER = NOW + LOST_AFTER_MS
COST = Decimal("0.25")
ATTEMPTS = 3

OPEN, CLOSE, REAP, TAKE_OVER, REPLAY = "open", "close", "reap", "take over", "replay"


@dataclass(frozen=True)
class Story:
    """An inference of three attempts, the second of which answered, and everything that may be written of it."""

    store: Store
    whole: Inference

    @property
    def opened(self) -> Inference:
        return replace(self.whole, started=self.whole.started[:1])

    @property
    def closed(self) -> Inference:
        return closed_with(self.whole, self.ended(2), Ending.FALLBACK)

    def ended(self, n: int) -> Fact:
        return fact(NOW + n, inference_id=self.whole.inference_id, n=n, ok=n == 2, cost_usd=COST)

    @property
    def spilled(self) -> Found:
        """Everything that the router wanted to write, as if the store had taken nothing of it."""
        all_of_it = Spilled(self.whole.inference_id)
        for item in (
            records.inference_item(self.opened),
            *(records.started_item(self.whole.inference_id, started) for started in self.whole.started[1:]),
            *(records.attempt_item(self.ended(n)) for n in (1, 3)),
            records.inference_item(self.closed),
        ):
            all_of_it.add(item)
        return Found({self.whole.inference_id: all_of_it})

    async def do(self, step: str) -> None:
        """One step of somebody: a write of the router, the reaper's work or half of it, or a whole replay."""
        facts, one = self.store.facts, self.whole.inference_id
        verb, _, number = step.partition(" ")
        steps: dict[str, Callable[[], Awaitable[Any]]] = {
            OPEN: lambda: facts.open_inference(self.opened),
            CLOSE: lambda: facts.close_inference(self.closed),
            "start": lambda: facts.add_started(one, self.whole.started[int(number) - 1]),
            "end": lambda: facts.put_attempt(self.ended(int(number))),
            REAP: lambda: close_lost(self.store, one, lambda: LATER, NOW),
            REPLAY: lambda: Replay(self.store, lambda: LATER + 1).put_all(self.spilled),
        }
        await (facts.take_over(one) if step == TAKE_OVER else steps[verb]())

    async def facts(self) -> list[Fact]:
        """All that is stored of this inference, as the folds read it."""
        items = [item async for item in self.store.client.scan(self.store.facts.name, consistent_read=True)]
        return in_order(
            item_fact(i) for i in items if i["inference_id"] == self.whole.inference_id and "fact" in i
        )


def story(store: Store) -> Story:
    return Story(store, inference(attempts=ATTEMPTS))


ROUTER = [OPEN, "start 2", "start 3", "end 1", "end 3", CLOSE]
STEPS = st.sampled_from([*ROUTER, REAP, TAKE_OVER, REPLAY])


def check_at_any_moment(facts: Iterable[Fact]) -> None:
    """No attempt is ever counted twice, no inference closed twice, and no cost appears that nobody had."""
    told = list(facts)
    for n in range(1, ATTEMPTS + 1):
        assert sum(f.attempts for f in told if f.n == n) <= 1
    assert sum(f.closes is not None for f in told) <= 1
    assert len({f.key for f in told}) == len(told)
    assert not any(f.completes and f.outcome is Outcome.UNKNOWN for f in told)
    assert fold_facts(Spend, told).cost_usd <= ATTEMPTS * COST


async def check_in_the_end(this: Story) -> None:
    """Once the reaper and a replay have run, everything is known, and repeating all of it changes nothing."""
    await this.do(REAP)
    await this.do(REPLAY)
    facts = await this.facts()
    assert fold_facts(Spend, facts) == Spend(ATTEMPTS * COST, calls=1, attempts=ATTEMPTS)
    stored, known = await this.store.facts.get_inference(this.whole.inference_id)
    assert stored is not None
    assert stored.state is not InferenceState.OPEN
    assert [(f.n, f.ok, f.cost_usd) for f in known] == [(1, False, COST), (2, True, COST), (3, False, COST)]
    assert stored.ending is (Ending.FALLBACK if stored.state is InferenceState.CLOSED else Ending.ERROR)
    assert await this.store.facts.open_in_minute("2026-11-20T13:18") == []
    for step in (*ROUTER, TAKE_OVER, REAP, REPLAY):
        await this.do(step)
    assert await this.facts() == facts


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
@example(steps=[OPEN, REAP, CLOSE, "end 1"])
@example(steps=[OPEN, "start 2", TAKE_OVER, CLOSE, REAP, REPLAY])
@example(steps=[CLOSE, OPEN, REAP])
@example(steps=["end 1", REPLAY, OPEN, REAP])
async def test_any_order_of_writes_counts_each_attempt_once(store: Store, steps: list[str]) -> None:
    """Starts, ends, the close, reapers that live or die, replays and repeats, one after another in any order."""
    this = story(store)
    for step in steps:
        await this.do(step)
        check_at_any_moment(await this.facts())
    await check_in_the_end(this)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(STEPS, min_size=2, max_size=8), min_size=1, max_size=3))
async def test_any_overlap_of_writes_counts_each_attempt_once(
    any_store_url: str, batches: list[list[str]]
) -> None:
    """The same at once, against the emulator that referees conditions too."""
    async with fresh_store(any_store_url) as store:
        this = story(store)
        for batch in batches:
            await asyncio.gather(*map(this.do, batch))
            check_at_any_moment(await this.facts())
        await check_in_the_end(this)
