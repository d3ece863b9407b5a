"""The scheduled run and the local one."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from ledger.items import Fact
from ledger.moments import now_ms
from ledger.outcomes import Ending
from ledger.store.connection import StoreError
from ledger.store.opened import Store, open_store
from ledger.views import SpendDay, ViewKey
from local.stack import ROOT
from rollup import handler as rim
from rollup.handler import handler, run_forever, run_minute
from rollup.passes import PassIncomplete, PassReport
from rollup.reaper import ReapReport
from rollup.settings import LAG_MS, RollupSettings
from tests.ledger.make import NOW, fact, inference
from tests.ledger.store.tables import Writes, beside, dying_client, expected_views, facts_of, merged_views
from tests.rollup.known import refusing_client

ONE_RUN = """
from rollup.handler import handler

class Context:
    def get_remaining_time_in_millis(self):
        return 120_000

handler({}, Context())
"""


class Context:
    """What Lambda hands over."""

    def __init__(self, remaining_ms: int = 120_000) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@pytest.fixture
def environment(store: Store, dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As the template sets it, and the emulator's URL."""
    for name, value in {
        "WARMROUTE_FACTS_TABLE": store.facts.name,
        "WARMROUTE_VIEWS_TABLE": store.views.name,
        "WARMROUTE_DYNAMODB_URL": dynamodb_url,
        "WARMROUTE_ROLLUP_PASS_EVERY_S": "0.2",
        "WARMROUTE_ROLLUP_LAG_MS": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def invoke(context: Context) -> dict[str, Any]:
    """In a thread, as the function has an event loop of its own."""
    return await asyncio.to_thread(handler, {}, context)


async def test_an_idle_run_is_one_pass(environment: pytest.MonkeyPatch) -> None:
    """No fact in any unsealed minute: the run is over, whatever time is left."""
    report = await invoke(Context())
    assert (report["passes"], report["last"]["facts"]) == (1, 0)


class Clock:
    """Time that goes on by `step_ms` whenever somebody looks."""

    def __init__(self, step_ms: int) -> None:
        self.at, self.step_ms = NOW, step_ms

    def __call__(self) -> int:
        self.at += self.step_ms
        return self.at


async def test_a_busy_run_makes_passes_until_its_minute_is_over(
    store: Store, environment: pytest.MonkeyPatch
) -> None:
    """As long as there are facts in unsealed minutes, and never longer than the run or the function may last."""
    environment.setenv("WARMROUTE_ROLLUP_PASS_EVERY_S", "0.01")
    one = fact(NOW)
    await store.facts.put_attempt(one)
    clock = Clock(step_ms=5_000)
    report = await run_minute(RollupSettings.from_env(os.environ), 120_000, clock)
    assert report["passes"] > 2
    assert report["last"]["facts"] == 1
    assert clock.at <= NOW + rim.RUN_MS + 2 * clock.step_ms
    little = rim.LAST_PASS_MS + 2_000
    assert (await run_minute(RollupSettings.from_env(os.environ), little, Clock(step_ms=1_000)))["passes"] == 1
    assert await merged_views(store) == expected_views([one])


async def test_zero_means_one_pass(store: Store, environment: pytest.MonkeyPatch) -> None:
    """Also when there is something to do."""
    environment.setenv("WARMROUTE_ROLLUP_PASS_EVERY_S", "0")
    await store.facts.put_attempt(fact(now_ms()))
    assert (await invoke(Context()))["passes"] == 1


async def test_a_run_reaps_and_counts_what_it_reaped(store: Store, environment: pytest.MonkeyPatch) -> None:
    """Lost inferences are closed, and the run goes on until they are in the views."""
    environment.setenv("WARMROUTE_LOST_AFTER_MS", "10")
    lost = inference(NOW - 1_000)
    await store.facts.open_inference(lost)
    report = await run_minute(RollupSettings.from_env(os.environ), 120_000, Clock(step_ms=1_000))
    assert report["reaped"]["lost"] == 1
    closed, _ = await store.facts.get_inference(lost.inference_id)
    assert closed is not None
    assert closed.ending is Ending.ERROR
    assert await merged_views(store) == expected_views(await facts_of(store, lost.inference_id))


async def test_a_run_with_an_item_that_fails_does_everything_else(
    store: Store, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It reaps and makes its further passes, logs the item by its key, and fails at the end for Lambda to tell."""
    environment.setenv("WARMROUTE_LOST_AFTER_MS", "10")
    lost = inference(NOW - 1_000)
    await store.facts.open_inference(lost)
    await store.facts.put_attempt(fact(NOW))
    refusing = refusing_client(lambda item: item.get("pk", {}).get("S", "").startswith("session#"))
    environment.setattr(rim, "open_store", partial(open_store, client_class=refusing))
    environment.setattr(rim.logger, "propagate", True)
    with pytest.raises(PassIncomplete):
        await run_minute(RollupSettings.from_env(os.environ), 120_000, Clock(step_ms=1_000))
    closed, rows = await store.facts.get_inference(lost.inference_id)
    assert closed is not None
    assert closed.ending is Ending.ERROR
    spent = (await merged_views(store))[ViewKey("spend#all#2026-11", "all#2026-11-20")]
    assert isinstance(spent, SpendDay)
    assert spent.spend.attempts == 1 + len(rows)
    failed = [record for record in caplog.records if record.message == "view-item-failed"]
    assert len(failed) > 1
    assert {getattr(record, "key", "") for record in failed} == {"session#amy#s1 2026-11-20"}


@pytest.mark.parametrize(("lost_after_ms", "every_pass"), [(60_000, False), (59_999, True)])
async def test_the_local_rollup_reaps_now_and_then(
    store: Store, monkeypatch: pytest.MonkeyPatch, lost_after_ms: int, every_pass: bool
) -> None:
    """Every 10 s at most, as each look reads several minutes; in each pass where lost means less than a minute."""
    counts, stop, clock = {"passes": 0, "reaps": 0}, asyncio.Event(), Clock(step_ms=500)

    async def count_pass(*_: Any, **__: Any) -> PassReport:
        counts["passes"] += 1
        if counts["passes"] == 30:
            stop.set()
        return PassReport(0, "")

    async def count_reap(*_: Any, **__: Any) -> ReapReport:
        counts["reaps"] += 1
        return ReapReport()

    monkeypatch.setattr(rim, "run_pass", count_pass)
    monkeypatch.setattr(rim, "reap", count_reap)
    begun = clock.at
    await run_forever(store, 0.001, 0, stop, lost_after_ms=lost_after_ms, clock=clock)
    if every_pass:
        assert counts["reaps"] == 30
    else:
        assert 2 <= counts["reaps"] <= 1 + (clock.at - begun) // rim.REAP_EVERY_MS


async def test_a_run_that_cannot_reach_its_tables_fails(environment: pytest.MonkeyPatch) -> None:
    """The error is Lambda's to report: it is not swallowed."""
    environment.setenv("WARMROUTE_VIEWS_TABLE", "no-such-table")
    with pytest.raises(StoreError):
        await invoke(Context())


async def test_a_pass_is_logged_with_its_counts(store: Store, environment: pytest.MonkeyPatch) -> None:
    """One JSON line per pass, kebab-case, with what it read and wrote, from a process as Lambda starts it."""
    await store.facts.put_attempt(fact(now_ms()))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ONE_RUN),
        env=os.environ | {"PYTHONPATH": str(ROOT / "functions"), "WARMROUTE_ROLLUP_PASS_EVERY_S": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    [line] = [json.loads(line) for line in output.splitlines()]
    assert (line["message"], line["level"], line["facts"]) == ("rollup-pass", "INFO", 1)


async def test_the_local_rollup_goes_on_after_a_failed_pass(dynamodb_url: str, store: Store) -> None:
    """The store dies for some writes; the passes after that have everything. It ends when it is told to."""
    writes = Writes(dies_at=3)
    one = fact(now_ms())
    await store.facts.put_attempt(one)
    stop = asyncio.Event()
    async with beside(dynamodb_url, store, dying_client(writes)) as flaky:
        running = asyncio.create_task(run_forever(flaky, 0.05, 0, stop))
        await until(lambda: asyncio.sleep(0, writes.count > 3))
        writes.dies_at = None
        await until(lambda: has(store, [one]))
        stop.set()
        await running


async def has(store: Store, facts: list[Fact]) -> bool:
    return await merged_views(store) == expected_views(facts)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Polls from outside, as there is nothing to wait on: the rollup tells nobody."""
    for _ in range(600):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to hold within 30 s")


def test_settings_have_the_published_defaults() -> None:
    """Two tables are enough; a missing one is named."""
    settings = RollupSettings.from_env({"WARMROUTE_FACTS_TABLE": "f", "WARMROUTE_VIEWS_TABLE": "v"})
    assert (settings.pass_every_s, settings.lag_ms, settings.lost_after_ms) == (10, LAG_MS, 960_000)
    assert (settings.lag_ms, settings.dynamodb_url, settings.region) == (2_000, None, "us-east-1")
    with pytest.raises(ValueError, match="WARMROUTE_VIEWS_TABLE"):
        RollupSettings.from_env({"WARMROUTE_FACTS_TABLE": "f"})
