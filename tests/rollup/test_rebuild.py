"""Views derived anew from the facts alone."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.keys import scopes, spend_pk
from ledger.moments import DAY_MS, day_of, minute_start_ms
from ledger.store.opened import Store
from ledger.store.records import FACTS_KEPT_S
from ledger.views import RouteMinute, SpendDay, ViewItem, ViewKey, day_sk, minute_sk
from rollup.marks import SEALED, read_watermark
from rollup.passes import run_pass
from rollup.rebuild import SCOPE_KINDS, rebuild
from tests.ledger.make import EARLY, MINUTE, fact, traffic
from tests.ledger.store.tables import beside, expected_views, merged_views, stored_views
from tests.rollup.known import ask_known_minutes
from tests.rollup.test_passes import put_all, snapshot_of

TODAY = day_of(EARLY)
YESTERDAY = day_of(EARLY - DAY_MS)
END = EARLY + 14 * MINUTE
OF_ALL = ViewKey(spend_pk("all", "2026-11"), f"all#{TODAY}")


@pytest.mark.case("S2")
async def test_a_rebuild_is_what_the_passes_were(
    dynamodb_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the old views: the same items, byte for byte, across a midnight; what no fact supports is gone."""
    await run_pass(store, now=EARLY - 10 * MINUTE, lag_ms=0)
    facts = traffic(10, EARLY - 10 * MINUTE, EARLY + 4 * MINUTE, 60)
    await put_all(store, facts)
    for at in range(EARLY - 9 * MINUTE, END, 2 * MINUTE):
        await run_pass(store, now=at, lag_ms=0)
    ask_known_minutes(monkeypatch, facts)
    async with beside(dynamodb_url, store, views=f"{store.views.name}-new") as new:
        await read_watermark(new, SEALED, start=await read_watermark(store, SEALED, start=""))
        await put_ghost(new, ViewKey(spend_pk("provider", "2026-11"), f"ghost#{YESTERDAY}"), YESTERDAY)
        await put_ghost(new, ViewKey("routes", day_sk(YESTERDAY, "x|y|")), YESTERDAY)
        await put_ghost(new, ViewKey("routes", minute_sk(f"{YESTERDAY}T00:01", "x|y|")), YESTERDAY)
        await put_ghost(new, ViewKey(spend_pk("tenant", "2026-11"), f"gone%23#{YESTERDAY}"), YESTERDAY)
        await put_ghost(new, ViewKey("activity#tenant#gone%23", f"{YESTERDAY}T00"), YESTERDAY)
        # Of a tenant with facts on another hour only.
        await put_ghost(new, ViewKey("activity#tenant#acme-inc", f"{YESTERDAY}T11"), YESTERDAY)
        seen: list[tuple[str, int]] = []
        report = await rebuild(
            new, YESTERDAY, TODAY, now=END, progress=lambda minute, count: seen.append((minute, count))
        )
        assert (report.days, report.facts, report.removed) == (2, 60, 6)
        assert sum(count for _, count in seen) == 60
        assert contents(await stored_views(new)) == contents(await stored_views(store))
        assert await merged_views(new) == expected_views(facts)


async def put_ghost(store: Store, key: ViewKey, day: str) -> None:
    """A view item that no fact supports."""
    view, sealed = next(GHOSTS[prefix] for prefix in GHOSTS if f"{key.pk} {key.sk}".startswith(prefix))
    assert await store.views.put_view(ViewItem(key, view, f"{day}T00:01", sealed, version=1), over=0)


GHOSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "routes minute#": ("routes", {"stats": {"x|y|": {"x|y|": {"unary:s": {"count": 1}}}}}),
    "routes day#": ("route_days", {"health": {"x|y|": {"ok": True}}}),
    "spend#": ("spend", {"spend": {"calls": 1}}),
    "activity#": ("activity", {"calls": 1}),
}


def contents(items: dict[ViewKey, ViewItem]) -> dict[ViewKey, ViewItem]:
    """Without what says when and how often an item was written."""
    return {key: replace(item, as_of=0, version=0) for key, item in items.items()}


async def test_a_rebuild_of_right_views_writes_nothing(store: Store) -> None:
    """Run beside the live rollup it costs reads only."""
    await run_pass(store, now=EARLY - 4 * MINUTE, lag_ms=0)
    await put_all(store, traffic(11, EARLY - 4 * MINUTE, EARLY, 20))
    await run_pass(store, now=END, lag_ms=0)
    before = await stored_views(store)
    report = await rebuild(store, TODAY, TODAY, now=END)
    assert (report.items, report.removed) == (0, 0)
    assert await stored_views(store) == before


async def test_damaged_items_are_mended(store: Store) -> None:
    """Whatever a sealed item says, the facts decide; open minutes stay with the live rollup."""
    open_fact = fact(END)
    await put_all(store, [*traffic(12, EARLY, EARLY + 3 * MINUTE, 20), open_fact])
    await run_pass(store, now=END, lag_ms=0)
    right = await stored_views(store)
    wrong = replace(right[OF_ALL], sealed={"spend": {"calls": 99}}, version=right[OF_ALL].version + 1)
    assert await store.views.put_view(wrong, over=right[OF_ALL].version)
    lost = next(key for key in right if key.pk.startswith("session#"))
    assert await store.views.delete_view(right[lost])
    report = await rebuild(store, TODAY, TODAY, now=END)
    assert report.items == 2
    assert contents(await stored_views(store))[OF_ALL] == contents(right)[OF_ALL]
    assert (await stored_views(store))[lost].sealed == right[lost].sealed
    # The open minute of the item that was gone comes back with the next pass.
    await run_pass(store, now=END + 1, lag_ms=0)
    assert contents(await stored_views(store)) == contents(right)


async def test_items_without_facts_are_emptied_in_the_running_day(store: Store) -> None:
    """There the live rollup may be about to write them, so they are not removed; they say nothing any more."""
    minute, agent = ViewKey("routes", f"minute#{TODAY}T00:01"), ViewKey(spend_pk("agent", "2026-11"), f"x#{TODAY}")
    await put_ghost(store, minute, TODAY)
    await put_ghost(store, agent, TODAY)
    one = fact(EARLY)
    await store.facts.put_attempt(one)
    await run_pass(store, now=END, lag_ms=0)
    await rebuild(store, TODAY, TODAY, now=END)
    assert await merged_views(store) == expected_views([one]) | {agent: SpendDay(), minute: RouteMinute()}


async def test_without_a_watermark_it_sets_one(store: Store) -> None:
    """Views that were dropped: a rebuild up to the watermark, and the passes from there on, cover everything."""
    facts = traffic(13, EARLY - 2 * MINUTE, EARLY + 20 * MINUTE, 50)
    await put_all(store, facts)
    await rebuild(store, TODAY, TODAY, now=EARLY + 21 * MINUTE)
    await run_pass(store, now=EARLY + 21 * MINUTE, lag_ms=0)
    assert await merged_views(store) == expected_views(facts)
    assert (await snapshot_of(store)).as_of == EARLY + 21 * MINUTE


@pytest.mark.parametrize(
    ("view", "days", "began"), [("routes", 1, "00:05"), ("activity", 3, "00:00"), ("route_days", 40, "00:00")]
)
async def test_what_would_have_expired_is_not_written(store: Store, view: str, days: int, began: str) -> None:
    """Until the instant at which it would be gone it comes back; sessions and spend do in any case."""
    await store.facts.put_attempt(fact(EARLY))
    await read_watermark(store, SEALED, start=f"{TODAY}T00:10")
    expires = minute_start_ms(f"{TODAY}T{began}") + days * DAY_MS
    for now, is_kept in ((expires - 1, True), (expires, False)):
        await rebuild(store, TODAY, TODAY, now=now)
        items = (await stored_views(store)).values()
        assert (view in {item.view for item in items}) == is_kept
        assert {"session", "spend"} <= {item.view for item in items}
        for item in items:
            await store.views.delete_view(item)


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (TODAY, YESTERDAY, "is before"),
        (TODAY, day_of(EARLY + DAY_MS), "still to come"),
        (day_of(EARLY - FACTS_KEPT_S * 1000), TODAY, "may have expired"),
        ("2026-02-30", TODAY, "does not match|out of range"),
    ],
)
async def test_days_that_cannot_be_rebuilt(store: Store, first: str, last: str, reason: str) -> None:
    """Refused before anything is touched."""
    with pytest.raises(ValueError, match=reason):
        await rebuild(store, first, last, now=EARLY)
    assert await stored_views(store) == {}


async def test_the_oldest_whole_day_is_accepted_until_its_first_fact_expires(store: Store) -> None:
    """To the millisecond."""
    oldest = minute_start_ms(f"{TODAY}T00:00")
    expires = oldest + FACTS_KEPT_S * 1000
    await read_watermark(store, SEALED, start=f"{YESTERDAY}T23:59")
    assert (await rebuild(store, TODAY, TODAY, now=expires - 1)).days == 1
    with pytest.raises(ValueError, match="the oldest whole day is 2026-11-21"):
        await rebuild(store, TODAY, TODAY, now=expires)


def test_every_kind_of_scope_is_looked_at() -> None:
    """A new kind of scope must be added to what a rebuild cleans up."""
    assert {kind for kind, _name in scopes(fact())} == set(SCOPE_KINDS)
