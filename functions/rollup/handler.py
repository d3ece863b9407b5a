"""Where the rollup begins: on Lambda once a minute, beside a local router until it stops."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from aws_lambda_powertools import Logger

from ledger.moments import now_ms
from ledger.store.opened import Store, open_store
from rollup.passes import PassIncomplete, PassReport, run_pass
from rollup.reaper import LOST_AFTER_MS, ReapIncomplete, ReapReport, reap
from rollup.settings import RollupSettings
from rollup.together import Incomplete

RUN_MS = 55_000
"""A run ends before its minute does: the next one begins then."""

LAST_PASS_MS = 10_000
"""What is left of the function's own time for a pass that has just begun."""

REAP_EVERY_MS = 10_000
"""How often a local rollup looks for what was left open: each look reads several minutes of all shards."""

PROMPT_REAP_MS = 60_000
"""Who wants lost inferences closed sooner than after this has the local rollup look in every pass."""

logger = Logger(service="rollup", level=os.environ.get("WARMROUTE_LOG_LEVEL", "INFO"))


class LambdaContext(Protocol):
    """What is used of the context that Lambda hands over."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(_event: object, context: LambdaContext) -> dict[str, Any]:
    """Passes until the minute is over, and the reaper once. Errors raise: the next minute begins anew.

    So do single items that failed, but at the end: the run does everything else first.
    """
    settings = RollupSettings.from_env(os.environ)
    return asyncio.run(run_minute(settings, context.get_remaining_time_in_millis()))


async def run_minute(
    settings: RollupSettings, remaining_ms: int, clock: Callable[[], int] = now_ms
) -> dict[str, Any]:
    """One scheduled run. It ends early when nothing happens, so that an idle rollup costs next to nothing.

    Returns `{passes, reaped, last}` with the reports of the reaper and of the last pass as plain values.
    """
    every_ms = round(settings.pass_every_s * 1000)
    end = clock() + min(RUN_MS, remaining_ms - LAST_PASS_MS)
    async with open_store(
        settings.facts_table,
        settings.views_table,
        region=settings.region,
        endpoint_url=settings.dynamodb_url,
    ) as store:
        failed: list[Incomplete] = []
        report = await _pass(store, clock, settings.lag_ms, failed)
        reaped = await _reap(store, clock, settings.lost_after_ms, failed)
        passes, busy = 1, bool(report.facts or reaped.lost)
        while every_ms and busy and clock() + every_ms <= end:
            await asyncio.sleep(settings.pass_every_s)
            report = await _pass(store, clock, settings.lag_ms, failed)
            passes, busy = passes + 1, bool(report.facts)
    if failed:
        raise failed[-1]
    return {"passes": passes, "reaped": asdict(reaped), "last": asdict(report)}


async def run_forever(
    store: Store,
    every_s: float,
    lag_ms: int,
    stop: asyncio.Event,
    *,
    lost_after_ms: int = LOST_AFTER_MS,
    clock: Callable[[], int] = now_ms,
) -> None:
    """A pass every `every_s` seconds until `stop` is set, and now and then a look for what was left open."""
    reap_every_ms = REAP_EVERY_MS if lost_after_ms >= PROMPT_REAP_MS else 0
    reap_at = clock()
    while not stop.is_set():
        try:
            if clock() >= reap_at:
                reap_at = clock() + reap_every_ms
                await _reap(store, clock, lost_after_ms, [])
            await _pass(store, clock, lag_ms, [])
        except Exception:  # an entry point: one failed pass must not end those after it
            logger.exception("rollup-failed")
        try:
            await asyncio.wait_for(stop.wait(), every_s)
        except TimeoutError:
            continue


async def _pass(store: Store, clock: Callable[[], int], lag_ms: int, failed: list[Incomplete]) -> PassReport:
    """Logged with its counts; single items that failed are logged by their keys and added to `failed`."""
    try:
        report = await run_pass(store, now=clock(), lag_ms=lag_ms)
    except PassIncomplete as incomplete:
        report = incomplete.report
        _log_failed("view-item-failed", incomplete, failed)
    # A pass that changed nothing is no news, and there are many of them.
    tell = logger.info if report.items else logger.debug
    tell("rollup-pass", extra=asdict(report))
    return report


def _log_failed(event: str, incomplete: Incomplete, failed: list[Incomplete]) -> None:
    failed.append(incomplete)
    for key in incomplete.errors:
        logger.error(event, extra={"key": key})


async def _reap(
    store: Store, clock: Callable[[], int], lost_after_ms: int, failed: list[Incomplete]
) -> ReapReport:
    """Logged where it did something; inferences that could not be closed as `_pass` does it for items."""
    try:
        report = await reap(store, clock, lost_after_ms=lost_after_ms)
    except ReapIncomplete as incomplete:
        report = incomplete.report
        _log_failed("inference-failed", incomplete, failed)
    if report.lost:
        logger.warning("rollup-reaped", extra=asdict(report))
    return report
