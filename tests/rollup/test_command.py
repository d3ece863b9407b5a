"""`scripts/rollup`, as a person or a cron job calls it."""

import asyncio
import sys
from contextlib import nullcontext

import pytest
from rich.console import Console

from ledger.moments import day_of, minute_of, now_ms
from ledger.store.opened import Store
from local.rollup import arguments, run
from local.stack import ROOT
from rollup.marks import SEALED, read_watermark
from rollup.reaper import LOST_AFTER_MS
from rollup.settings import LAG_MS
from tests.ledger.make import EARLY, MINUTE, NOW, fact, inference
from tests.ledger.store.tables import expected_views, facts_of, merged_views


async def rollup(url: str, store: Store, *arguments: str) -> tuple[int, str]:
    """The exit code, and all that was printed."""
    where = ["--dynamodb-url", url, "--facts-table", store.facts.name, "--views-table", store.views.name]
    process = await asyncio.create_subprocess_exec(
        ROOT / "scripts" / "rollup",
        *arguments,
        *where,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_once_counts_everything_up_to_now(dynamodb_url: str, store: Store) -> None:
    """Facts and lost inferences; what it prints is read back from the table."""
    one, lost = fact(now_ms()), inference(now_ms() - 5_000)
    await store.facts.put_attempt(one)
    await store.facts.open_inference(lost)
    code, printed = await rollup(dynamodb_url, store, "once", "--lost-after-ms", "2000")
    assert code == 0, printed
    assert await merged_views(store) == expected_views([one, *await facts_of(store, lost.inference_id)])
    lines = [line.split() for line in printed.splitlines()]
    assert ["facts", "read", "3"] in lines
    assert ["closed", "as", "lost", "1"] in lines
    assert any(line[:2] == ["as", "of"] and line[2].endswith("Z") for line in lines)


async def test_rebuild_brings_dropped_views_back(dynamodb_url: str, store: Store) -> None:
    """From no views at all to all of them, with one command; a day that goes on is rebuilt up to now.

    Soon after midnight by a clock of the test's own, since the day's minutes are read one by one.
    """
    one = fact(EARLY)
    await store.facts.put_attempt(one)
    today = day_of(EARLY)
    where = ["--dynamodb-url", dynamodb_url, "--facts-table", store.facts.name, "--views-table", store.views.name]
    args = arguments(["rebuild", "--from", today, "--to", today, *where])
    await run(args, Console(quiet=True), clock=lambda: EARLY + MINUTE)
    assert await merged_views(store) == expected_views([one])


async def test_on_aws_it_is_as_careful_as_the_scheduled_function(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its indexes may still be missing is left to the next pass; with an emulator it is not."""
    await store.facts.put_attempt(fact(NOW - LAG_MS + 1))
    await read_watermark(store, SEALED, start=minute_of(NOW - MINUTE))
    printed = []
    for more in ([], ["--dynamodb-url", "http://127.0.0.1:9"]):
        monkeypatch.setattr("local.rollup.open_store", lambda *_, **__: nullcontext(store))
        console = Console()
        monkeypatch.delenv("WARMROUTE_DYNAMODB_URL", raising=False)
        with console.capture() as shown:
            await run(arguments(["once", *more]), console, clock=lambda: NOW)
        printed.append(next(line.split()[-1] for line in shown.get().splitlines() if "facts read" in line))
    assert printed == ["0", "1"]


def test_what_a_router_may_still_work_on_is_not_closed_on_aws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shorter limit than a function can run for is for emulators."""
    monkeypatch.delenv("WARMROUTE_DYNAMODB_URL", raising=False)
    with pytest.raises(SystemExit) as left:
        arguments(["once", "--lost-after-ms", "959999"])
    assert left.value.code == 2
    assert "--lost-after-ms below 960000 needs --dynamodb-url" in capsys.readouterr().err
    assert arguments(["once", "--lost-after-ms", "960000"]).lost_after_ms == LOST_AFTER_MS
    assert arguments(["once", "--lost-after-ms", "1", "--dynamodb-url", "http://x"]).lost_after_ms == 1


async def test_mistakes_are_said_in_one_line(dynamodb_url: str, store: Store) -> None:
    """A day that is none is a usage error; days to come and a store that is not there are failures."""
    code, printed = await rollup(dynamodb_url, store, "rebuild", "--from", "x", "--to", "2026-11-20")
    assert (code, "no UTC day" in printed) == (2, True)
    code, printed = await rollup(dynamodb_url, store, "rebuild", "--from", "2999-01-01", "--to", "2999-01-02")
    assert (code, printed) == (1, "rollup: 2999-01-02 is still to come\n")
    code, printed = await rollup("http://127.0.0.1:9", store, "once")
    assert (code, printed.startswith("rollup: "), "Traceback" in printed) == (1, True, False)


async def test_help_has_examples() -> None:
    """Each subcommand can be copied."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "local.rollup", "--help"),
        env={"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'scripts'}"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert b"scripts/rollup once\n" in output
    assert b"scripts/rollup rebuild --from" in output
