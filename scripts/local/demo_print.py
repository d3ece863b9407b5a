"""The demo's output: at most 100 columns wide, complete at 80, and plain text where there is no terminal."""

import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ledger.items import Fact
from ledger.money import text
from ledger.routes import parse_route_key

if TYPE_CHECKING:  # these load both vendors' SDKs, and the first lines shall not wait for that
    from local.demo_calls import Call, Chapter
    from local.demo_facts import Readback, Trail

MAX_WIDTH = 100
INDENT = 2

SWAP = (
    ("from warmroute import OpenAI", "was: from openai import OpenAI"),
    ("client = OpenAI()", "WARMROUTE_URL, WARMROUTE_API_KEY"),
    ('client.chat.completions.create(model="chat", ...)', "as before"),
)

ATTEMPT_COLUMNS = (
    "call",
    "inference",
    "n#",
    "route",
    "outcome",
    "latency\nms#",
    "ttft\nms#",
    "tokens in/\nread/out#",
    "cost\n$#",
)
"""`in` is all input, `read` the part of it that came from a prompt cache. A # marks a column of numbers."""


class Pages:
    """Prints the story. Apart from how long each step took, every number was read from the tables."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that knows no "…" shall see a "?" and not a traceback.
            sys.stdout.reconfigure(errors="replace")
        console = Console(highlight=False, emoji=False)
        asked = console.width if console.is_terminal or "COLUMNS" in os.environ else MAX_WIDTH
        console.width = min(asked, MAX_WIDTH)
        self.console = console

    @contextmanager
    def progress(self, doing: str) -> Iterator[None]:
        """A spinner while the block runs, and then one line; without a terminal the line alone."""
        begin = time.monotonic()
        with self.console.status(f"[dim]{doing}[/]"):
            yield
        self.console.print(f"  [dim]{doing}: {time.monotonic() - begin:.1f} s[/]")

    def title(self) -> None:
        self.say("[bold]Warmroute[/], an LLM router for your own AWS account; here, all on this machine.")
        self.say("It takes no key and no account, and nothing leaves this machine.\n")

    def cast(self) -> None:
        """Who is who, for a reader who has seen no config yet."""
        self.say("\n[bold]Who plays[/]")
        self._prose(
            "acme, bolt, dime, down and moody speak OpenAI's wire format, coda Anthropic's. down always fails, "
            "moody does for a while, and dime has a tiny monthly budget. A profile is a chain of routes, "
            "provider/model each, which callers name as the model; this demo's are chat, claude, gpt, unlucky, "
            "steady and frugal."
        )

    def say(self, markup: str = "") -> None:
        self.console.print(markup)

    def swap(self) -> None:
        """The lines of a program that change."""
        self.say("\n[bold]The whole change in a program[/]")
        for code, comment in SWAP:
            line = Text.assemble("  ", (f"{code:<50}", "cyan"), (f"# {comment}", "dim"))
            self.console.print(line, soft_wrap=True)

    def chapter(self, number: int, chapter: "Chapter", told: "Readback") -> None:
        """Its claim, its attempts, and what the stored decisions and attempts say besides."""
        self.say(f"\n[bold]{number}  {chapter.title}[/]")
        self._prose(chapter.proves)
        grid = self._grid(*ATTEMPT_COLUMNS)
        for call in chapter.calls:
            trail = told.trails[call.inference_id]
            for row in _rows(call, trail):
                grid.add_row(*row)
        self._show(grid)
        for call in chapter.calls:
            for note in _notes(call, told.trails[call.inference_id]):
                self._prose(f"[dim]{call.label}: {note}[/]")

    def table(self, title: str, explained: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
        """Columns whose name ends in # are numbers."""
        self.say(f"\n[bold]{title}[/]")
        self._prose(explained)
        grid = self._grid(*columns)
        for row in rows:
            grid.add_row(*row)
        self._show(grid)

    def claim(self, holds: bool, claim: str, figures: str) -> None:
        """One check: `ok`, or `NOT` when it does not hold."""
        mark = "[green]ok[/]  " if holds else "[bold red]NOT[/] "
        self._prose(f"{mark}{claim}")
        self._prose(f"    [dim]{escape(figures)}[/]")

    def copyable(self, *lines: str) -> None:
        """Lines that are meant to be pasted: never wrapped."""
        for line in lines:
            self.console.print(Text(f"  {line}", "cyan"), soft_wrap=True)

    def _prose(self, markup: str) -> None:
        # Not by Padding, which fills each line with blanks: this output is also read from files.
        for line in Text.from_markup(markup).wrap(self.console, self.console.width - INDENT):
            line.rstrip()
            self.console.print(Text(" " * INDENT).append_text(line))

    def _show(self, grid: Table) -> None:
        self.console.print(Padding(grid, (0, 0, 0, INDENT), expand=False))

    def _grid(self, *columns: str) -> Table:
        """A table without lines. Only its first column may wrap, which it has to where there are 80 columns."""
        gap = 2 if self.console.width >= MAX_WIDTH else 1
        grid = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
        for n, column in enumerate(columns):
            right = column.endswith("#")
            grid.add_column(column.removesuffix("#"), justify="right" if right else "left", no_wrap=n > 0)
        return grid


def route_name(key: str) -> str:
    """A route key as the config has it: `provider/model`, and the backend where there is one."""
    return "/".join(filter(None, parse_route_key(key)))


def dollars(amount: Decimal | None) -> str:
    """Seven places where that is exact, else all of them; unknown is never 0."""
    if amount is None:
        return "unknown"
    fixed = f"{amount:.7f}"
    return fixed if Decimal(fixed) == amount else str(text(amount))


def _rows(call: "Call", trail: "Trail") -> Iterable[tuple[str, ...]]:
    short = f"…{trail.inference.inference_id[-6:]}"
    if not trail.attempts:
        yield (call.label, short, "-", "-", "refused", "-", "-", "-", "-")
    for fact in trail.attempts:
        yield (call.label if fact.n == 1 else "", short, str(fact.n), route_name(fact.route), *_figures(fact))


def _figures(fact: Fact) -> tuple[str, ...]:
    outcome = str(fact.outcome) if fact.ok else f"[red]{fact.outcome}[/]"
    usage = f"{fact.usage.prompt}/{fact.usage.cache_read}/{fact.usage.output}" if fact.usage else "-"
    return outcome, _or_dash(fact.latency_ms), _or_dash(fact.ttft_ms), usage, dollars(fact.cost_usd)


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _notes(call: "Call", trail: "Trail") -> Iterable[str]:
    """Why it went as it did: from the stored decision and attempts, and what the receipt says was left out."""
    decision = trail.decision
    for row in decision["candidates"]:
        if row.get("rejection_reason"):
            yield f"decided without {route_name(row['route'])}, {row['rejection_reason']}"
        elif row["health"] != "healthy":
            place = "and is probed" if row.get("probe") else "and last"
            yield f"{route_name(row['route'])} is {row['health']}, {place}"
        if row.get("warm"):
            yield f"decided by rule {decision['rule_fired']}: {', then '.join(map(route_name, decision['order']))}"
    for fact in trail.attempts:
        if not fact.ok:
            yield f"attempt {fact.n} failed, {fact.kind} with HTTP status {fact.http_status}"
    if call.receipt.dropped:
        yield f"dropped {', '.join(call.receipt.dropped)}"
    if not trail.attempts:
        yield f"refused with HTTP status {trail.inference.status} before any call"
