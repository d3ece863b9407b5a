"""The rollup by hand: one pass, or whole days derived anew, by the same code as the scheduled function."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Grid

from ledger.moments import DAY_MS, day_of, day_start_ms, iso, minute_start_ms, next_minute, now_ms
from ledger.store.connection import StoreError
from ledger.store.facts import FACTS_TABLE
from ledger.store.opened import Store, open_store
from ledger.store.views import VIEWS_TABLE
from rollup.marks import REAPED
from rollup.passes import PassIncomplete, PassReport, run_pass
from rollup.reaper import LOST_AFTER_MS, ReapIncomplete, ReapReport, reap
from rollup.rebuild import RebuildReport, rebuild, whole_days
from rollup.settings import LAG_MS
from rollup.snapshot import SNAPSHOT_KEY
from rollup.together import Incomplete

EXAMPLES = """\
examples:
  scripts/rollup once
  scripts/rollup once --dynamodb-url http://127.0.0.1:4566
  scripts/rollup once --dynamodb-url http://127.0.0.1:4566 --lost-after-ms 60000
  scripts/rollup rebuild --from 2026-11-01 --to 2026-11-20

Without --dynamodb-url it works on your AWS account, with the credentials and the region of the environment.
"""

Rows = list[tuple[str, object]]


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked. Exits with 2 and a usage line when it is wrong."""
    env = os.environ.get
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--dynamodb-url", metavar="URL", default=env("WARMROUTE_DYNAMODB_URL"))
    common.add_argument("--facts-table", metavar="NAME", default=env("WARMROUTE_FACTS_TABLE", FACTS_TABLE))
    common.add_argument("--views-table", metavar="NAME", default=env("WARMROUTE_VIEWS_TABLE", VIEWS_TABLE))
    common.add_argument("--region", metavar="NAME", default=env("AWS_REGION", "us-east-1"))
    common.add_argument(
        "--lost-after-ms",
        metavar="N",
        type=int,
        default=LOST_AFTER_MS,
        help="close what has been open for longer than this as lost (default: %(default)s)",
    )
    parser = argparse.ArgumentParser(
        prog="scripts/rollup",
        description="Counts new facts into the views, now.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("once", parents=[common], help="close what was lost, then one pass up to now")
    days = commands.add_parser("rebuild", parents=[common], help="derive whole UTC days anew from the facts")
    days.add_argument(
        "--from", dest="from_day", metavar="DAY", type=_day, required=True, help="first day: 2026-11-01"
    )
    days.add_argument("--to", dest="to_day", metavar="DAY", type=_day, required=True, help="last day, included")
    args = parser.parse_args(argv)
    if not args.dynamodb_url and args.lost_after_ms < LOST_AFTER_MS:
        parser.error(
            f"--lost-after-ms below {LOST_AFTER_MS} needs --dynamodb-url: "
            "in your AWS account it would close inferences that their router still works on"
        )
    return args


def _day(text: str) -> str:
    try:
        return day_of(day_start_ms(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no UTC day such as 2026-11-20") from error


async def run(args: argparse.Namespace, console: Console, clock: Callable[[], int] = now_ms) -> None:
    """Runs the command and prints what was done. Then raises Incomplete if single items have failed."""
    failed: list[Incomplete] = []
    async with open_store(
        args.facts_table, args.views_table, region=args.region, endpoint_url=args.dynamodb_url
    ) as store:
        work = _Work(store, args, clock, failed)
        if args.command == "once":
            reaped = await work.reap()
            rows = _pass_rows(await work.run_pass())
        else:
            reaped, rebuilt = await _rebuild(work, console)
            rows = _rebuild_rows(rebuilt)
        _show(console, [*rows, *_reap_rows(reaped), *await _stored_rows(store, clock)])
    if failed:
        raise failed[-1]


@dataclass(frozen=True, slots=True)
class _Work:
    """The steps of a run. Failures of single items are kept in `failed`, so that the next step is still done."""

    store: Store
    args: argparse.Namespace
    clock: Callable[[], int]
    failed: list[Incomplete]

    async def reap(self, since: str | None = None) -> ReapReport:
        try:
            return await reap(self.store, self.clock, lost_after_ms=self.args.lost_after_ms, since=since)
        except ReapIncomplete as incomplete:
            self.failed.append(incomplete)
            return incomplete.report

    async def run_pass(self) -> PassReport:
        # An emulator's indexes are never behind; on AWS `as_of` must be as exact as the scheduled function's.
        lag_ms = 0 if self.args.dynamodb_url else LAG_MS
        try:
            return await run_pass(self.store, now=self.clock(), lag_ms=lag_ms)
        except PassIncomplete as incomplete:
            self.failed.append(incomplete)
            return incomplete.report


async def _rebuild(work: _Work, console: Console) -> tuple[ReapReport, RebuildReport]:
    """Derives the days anew between two passes: the first moves the watermark, the second writes the snapshot."""
    store = work.store
    days = whole_days(work.args.from_day, work.args.to_day, work.clock())
    # Without a mark the views were dropped, and how far the reaper had come with them: it begins with the days.
    marked = await store.views.get_view_item(REAPED.key)
    reaped = await work.reap(since=None if marked else f"{days[0]}T00:00")
    await work.run_pass()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("reading facts", total=len(days) * DAY_MS)

        def progress(minute: str, _facts: int) -> None:
            read = next_minute(minute)
            bars.update(bar, completed=minute_start_ms(read) - day_start_ms(days[0]), description=minute)

        rebuilt = await rebuild(store, days[0], days[-1], now=work.clock(), progress=progress)
    await work.run_pass()
    return reaped, rebuilt


def _pass_rows(report: PassReport) -> Rows:
    return [
        ("minutes read", report.minutes),
        ("facts read", report.facts),
        ("view items written", report.items),
        ("sealed through", report.sealed_through),
    ]


def _rebuild_rows(report: RebuildReport) -> Rows:
    return [
        ("days", report.days),
        ("minutes read", report.minutes),
        ("facts read", report.facts),
        ("view items written", report.items),
        ("view items removed", report.removed),
    ]


def _reap_rows(report: ReapReport) -> Rows:
    return [("closed as lost", report.lost)]


async def _stored_rows(store: Store, clock: Callable[[], int]) -> Rows:
    """Read back from the table, so that what is shown is what routers get."""
    stored = await store.views.get_view_item(SNAPSHOT_KEY, consistent=True)
    if stored is None:
        return [("as of", "no snapshot")]
    return [("as of", iso(stored["as_of"])), ("age", f"{(clock() - stored['as_of']) / 1000:.1f} s")]


def _show(console: Console, rows: Rows) -> None:
    grid = Grid(show_header=False, box=None, pad_edge=False)
    for name, value in rows:
        grid.add_row(f"[dim]{name}", str(value))
    console.print(grid)


def main(argv: Sequence[str]) -> int:
    """0 when done, 1 when the store or the days make it impossible, with the reason."""
    console = Console()
    args = arguments(argv)
    try:
        asyncio.run(run(args, console))
    except (StoreError, ValueError) as error:
        print(f"rollup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
