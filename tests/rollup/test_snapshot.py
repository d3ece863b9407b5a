"""What the last step of a pass tells the routers: which facts each part holds, and what it does without."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ledger.folds import fold_facts
from ledger.folds.adaptive import Pace
from ledger.folds.cooldown import Cooldown
from ledger.folds.route_stats import BACKENDS, RouteStats
from ledger.folds.tools import ToolEvidence
from ledger.moments import DAY_MS, day_of, day_start_ms, minute_of
from ledger.outcomes import FaultKind
from ledger.snapshot import Snapshot, add_facts, with_own
from ledger.store.opened import Store
from rollup.marks import SEALED, read_watermark
from rollup.passes import run_pass
from rollup.snapshot import SNAPSHOT_KEY, _blob, write_snapshot
from tests.ledger.make import EARLY, MINUTE, NOW, ORIGIN, fact, in_order, traffic
from tests.ledger.store.tables import beside, stored_views
from tests.rollup.known import ask_known_minutes
from tests.rollup.test_passes import put_all, snapshot_of


async def test_the_snapshot_is_the_window_and_the_periods_of_its_instant(store: Store) -> None:
    """Routes: the minutes of the last 15; spend: this day and this month, where the month holds earlier days."""
    now = EARLY + 12 * MINUTE
    yesterday = fact(EARLY - 6 * MINUTE, cost_usd=Decimal("1.5"), latency_ms=9)
    await store.facts.put_attempt(yesterday)
    await run_pass(store, now=yesterday.at, lag_ms=0)
    left_window = fact(now - 16 * MINUTE, cost_usd=Decimal("0.25"), latency_ms=9)
    first_minute = fact(now - 15 * MINUTE - 4_000, cost_usd=Decimal("0.125"), latency_ms=100)
    newest = fact(now, latency_ms=300, cost_usd=Decimal("0.000000000001"))
    await put_all(store, [left_window, first_minute, newest])
    await run_pass(store, now=now, lag_ms=0)
    snapshot = await snapshot_of(store)
    stat = snapshot.routes.routes["acme|small|"]
    assert (stat.count, stat.latency_ms) == (2, 200)
    assert snapshot.as_of == now
    assert set(snapshot.spend["acme"]) == {"2026-11", "2026-11-20"}
    assert snapshot.spent_usd("acme", "day", now) == Decimal("0.375000000001")
    assert snapshot.spent_usd("acme", "month", now) == Decimal("1.875000000001")
    assert snapshot.spent_usd("other", "month", now) == 0


async def test_each_part_of_the_snapshot_has_its_own_window(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools: the last 30 minutes; health and cooldowns: today and yesterday; pace: from two minutes before."""
    now = EARLY
    asked: dict[str, Any] = {"origin": replace(ORIGIN, tools_requested=True), "latency_ms": 7}
    midnight, minute = day_start_ms(day_of(now)), now - now % MINUTE
    facts = [
        fact(midnight - DAY_MS - 1, ok=False, retry_after_ms=3_600_000),
        fact(midnight - DAY_MS, ok=False, kind=FaultKind.OUT_OF_MEMORY),
        fact(minute - 31 * MINUTE, provider="b", **asked),
        fact(minute - 30 * MINUTE, provider="b", **asked),
        fact(minute - 15 * MINUTE - 1, provider="b", **asked),
        fact(minute - 15 * MINUTE, provider="b", **asked),
        fact(midnight - 1, ok=False, retry_after_ms=2_000),
        fact(minute - 2 * MINUTE - 1, ok=False),
        fact(minute - 2 * MINUTE, provider="b", **asked),
        fact(now, ok=False),
    ]
    await put_all(store, facts)
    ask_known_minutes(monkeypatch, facts)
    await read_watermark(store, SEALED, start=minute_of(midnight - DAY_MS - 2 * MINUTE))
    await run_pass(store, now=now, lag_ms=0, step_minutes=1_000)
    snapshot = await snapshot_of(store)
    a, b = "acme|small|", "b|small|"
    assert snapshot.tools.states == fold_facts(ToolEvidence, facts[3:]).states
    assert sum(answers.all for answers in snapshot.tools.get(b).minutes.values()) == 4
    assert snapshot.routes.of_destination("b", "small").count == 2
    assert snapshot.health.get(a).first == tuple(f.at for f in facts[1:] if not f.ok)
    assert snapshot.cooldowns.get(a) == Cooldown(midnight + 1_999, midnight - DAY_MS)
    assert snapshot.pace == fold_facts(Pace, facts[-2:])
    assert set(snapshot.spend) == {"acme", "b"}


async def test_a_router_adds_its_own_to_what_the_passes_found(dynamodb_url: str, store: Store) -> None:
    """Each part is then what one fold over all facts says, wherever the snapshot's instant cuts them."""
    facts = in_order(traffic(18, NOW - 2 * MINUTE, NOW, 60))
    await put_all(store, facts)
    for lag_ms in (0, 1, 40_000, 110_000):
        async with beside(dynamodb_url, store, views=f"{store.views.name}-{lag_ms}") as new:
            await run_pass(new, now=NOW, lag_ms=lag_ms)
            known = with_own(await snapshot_of(new), facts, NOW)
        for part in ("routes", "tools", "health", "cooldowns", "pace"):
            found = getattr(known, part)
            assert found == fold_facts(type(found), facts), part


async def test_a_pass_that_was_overtaken_leaves_the_snapshot_to_the_later_one(store: Store) -> None:
    """The snapshot never holds facts newer than it says, or a router would count its own twice."""
    await store.facts.put_attempt(fact(NOW))
    await run_pass(store, now=NOW, lag_ms=0)
    await store.facts.put_attempt(fact(NOW + 2_000))
    await run_pass(store, now=NOW + 2_000, lag_ms=0)
    await store.client.delete_item(store.views.name, {"pk": SNAPSHOT_KEY.pk, "sk": SNAPSHOT_KEY.sk})
    assert not await write_snapshot(store, NOW + 1_000)
    assert await write_snapshot(store, NOW + 2_000)
    assert (await snapshot_of(store)).routes == RouteStats.of(fact(0)).merge(RouteStats.of(fact(0)))


@pytest.mark.parametrize("kind", ["routes minute#", "routes day#", "spend#provider#"])
async def test_one_item_that_a_later_pass_has_written_is_enough(store: Store, kind: str) -> None:
    """That pass may have died before it wrote the others: whatever an earlier one reads now is of two instants."""
    await store.facts.put_attempt(fact(NOW))
    await run_pass(store, now=NOW, lag_ms=0)
    item = next(item for key, item in (await stored_views(store)).items() if " ".join(key).startswith(kind))
    assert await store.views.put_view(replace(item, as_of=NOW + 2, version=item.version + 1), over=item.version)
    assert not await write_snapshot(store, NOW + 1)
    assert await write_snapshot(store, NOW + 2)


async def test_backends_without_end_stop_nothing(store: Store) -> None:
    """A provider that names another backend in each answer: the item is written, and routers know the route."""
    count = 200
    await put_all(store, [fact(NOW, served_by=f"{n:0200}", latency_ms=7) for n in range(count)])
    await run_pass(store, now=NOW, lag_ms=0)
    stats = (await snapshot_of(store)).routes
    assert (len(stats.routes), stats.of_destination("acme", "small").count) == (BACKENDS + 1, count)


async def test_a_snapshot_that_would_be_too_large_does_not_tell_backends_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written in any case, since every router steers by it."""
    monkeypatch.setattr("rollup.snapshot.MAX_BLOB", 200)
    facts = [fact(NOW, served_by=str(n), model=model) for n in range(9) for model in ("small", "large")]
    await put_all(store, facts)
    await run_pass(store, now=NOW, lag_ms=0)
    stats = (await snapshot_of(store)).routes
    assert set(stats.routes) == {"acme|small|*", "acme|large|*"}
    assert stats.of_destination("acme", "large").count == 9


def test_what_a_large_snapshot_does_without_is_what_is_needed_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends first, then the kinds of prompts, then the pace; only as much as it must, and never the rest."""
    rng = random.Random(19)
    facts = [
        fact(
            NOW + n,
            origin=replace(ORIGIN, stream=rng.random() < 0.5, size=rng.choice("sml")),
            served_by=rng.choice("xyz"),
            ok=rng.random() < 0.8,
            latency_ms=rng.randrange(1, 9_999),
        )
        for n in range(0, 40_000, 100)
    ]
    whole = add_facts(Snapshot(NOW), facts)
    told: dict[str, Callable[[Snapshot], bool]] = {
        "backends": lambda s: len(s.routes.routes) > 1,
        "prompts": lambda s: len(s.routes.of_destination("acme", "small").states) > 1,
        "pace": lambda s: s.pace != Pace(),
    }
    sizes, left = [len(whole.pack())], []
    for _ in range(4):
        monkeypatch.setattr("rollup.snapshot.MAX_BLOB", sizes[-1])
        read = Snapshot.unpack(_blob(whole))
        left.append([name for name, is_there in told.items() if is_there(read)])
        monkeypatch.setattr("rollup.snapshot.MAX_BLOB", sizes[-1] - 1)
        sizes.append(len(_blob(whole)))
        assert (read.health, read.cooldowns, read.spend) == (whole.health, whole.cooldowns, whole.spend)
        assert read.routes.of_destination("acme", "small").latency_ms == whole.routes.aggregate().latency_ms
    assert left == [["backends", "prompts", "pace"], ["prompts", "pace"], ["pace"], []]
    assert sizes == sorted(sizes, reverse=True)
