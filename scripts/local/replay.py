"""Rows that the store did not take, from the router's log back into the ledger.

The router logs each of them whole, as `ledger-spilled`. Give all logs of an outage at once: what belongs to one
inference is put back together. Doing it again changes nothing.

The rows count from now on, since the minutes in which they were due may be closed for good.
"""

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ledger import keys
from ledger.items import Fact, Inference, InferenceState, Started
from ledger.moments import now_ms
from ledger.outcomes import FaultKind
from ledger.store import records
from ledger.store.connection import StoreError
from ledger.store.facts import FACTS_TABLE
from ledger.store.opened import Store, open_store
from ledger.store.views import VIEWS_TABLE
from rollup.reaper import LOST_AFTER_MS, close_lost
from rollup.together import apart

EXAMPLES = """examples:
  scripts/replay router.log --facts-table warmroute-FactsTable-1ABC
  aws logs filter-log-events --log-group-name NAME --filter-pattern '"ledger-spilled"' \\
      --query 'events[].message' --output text | scripts/replay --facts-table NAME
  scripts/replay --dynamodb-url http://127.0.0.1:4566 < router.log

Lines that tell of something else are passed over. Exits with 1 when the store did not take some of the rows again.
"""

MESSAGE = "ledger-spilled"
_UNREAD = re.compile(r'\\*"message\\*"\s*:\s*\\*"' + MESSAGE)
_BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_JSON = json.JSONDecoder()


@dataclass(slots=True)
class Spilled:
    """All that was spilled of one inference. `started`: further attempts that were to be added to it."""

    inference_id: str
    head: Inference | None = None
    refusal: Fact | None = None
    started: dict[int, Started] = field(default_factory=dict)
    facts: dict[int, Fact] = field(default_factory=dict)

    def add(self, item: records.Item) -> None:
        """One spilled item. One of `_BROKEN` when it is none of ours."""
        if item["sk"] != keys.INFERENCE_SK:
            fact = records.item_fact(item)
            records.fact_item(fact)
            self.facts[fact.n] = fact
        elif "state" in item:
            self._add_head(item)
        else:
            started = Started(**item["started"])
            self.started[started.n] = started

    def _add_head(self, item: records.Item) -> None:
        head = records.item_inference(item | {"plan": bytes.fromhex(item["plan"])})
        records.inference_item(head)
        if head.state is not InferenceState.OPEN and (head.closed_at is None or head.ending is None):
            raise ValueError("closed, but nobody knows how")
        if "fact" in item:
            self.refusal = records.item_fact(item)
        if self.head is None or self.head.state is InferenceState.OPEN:
            self.head = head

    @property
    def begun(self) -> tuple[Started, ...]:
        """Every attempt that is known to have started, in order."""
        listed = {started.n: started for started in self.head.started} if self.head else {}
        return tuple(started for _n, started in sorted((self.started | listed).items()))

    @property
    def rows(self) -> int:
        """How many rows it is. An attempt that started is part of its inference, where that was spilled too."""
        return len(self.facts) + (1 if self.head else len(self.started))


@dataclass(slots=True)
class Found:
    """What some logs hold. `broken`: the places of spilled rows that cannot be read."""

    spilled: dict[str, Spilled] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(spilled.rows for spilled in self.spilled.values())

    def read(self, place: str, line: str) -> None:
        """One line: any number of JSON documents, and any text around them."""
        if MESSAGE not in line:
            return
        documents, rest = _documents(line)
        is_broken = bool(_UNREAD.search(rest))
        for document in documents:
            if document.get("message") == MESSAGE:
                is_broken |= not self._take(document)
        if is_broken:
            self.broken.append(place)

    def _take(self, document: dict[str, Any]) -> bool:
        try:
            item = json.loads(document["item"])
            inference_id = item["inference_id"]
            # Into a place of its own first: what is broken halfway must leave nothing behind.
            Spilled(inference_id).add(item)
            self.spilled.setdefault(inference_id, Spilled(inference_id)).add(item)
        except _BROKEN:
            return False
        return True


def _documents(line: str) -> tuple[list[dict[str, Any]], str]:
    """The JSON objects of a line, and the text that is in none of them."""
    documents, rest, at = [], "", 0
    while (begin := line.find("{", at)) >= 0:
        try:
            document, end = _JSON.raw_decode(line, begin)
        except (ValueError, RecursionError):
            rest += line[at : begin + 1]
            at = begin + 1
        else:
            rest += line[at:begin]
            documents.append(document)
            at = end
    return documents, rest + line[at:]


def read_logs(files: Sequence[str]) -> Found:
    """What is spilled in some files, or in standard input. OSError when one cannot be read."""
    found = Found()
    for place, line in _lines(files or ["-"]):
        found.read(place, line)
    return found


def _lines(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in files:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as stream:
            for number, line in enumerate(stream, 1):
                place = f"line {number}" if name == "-" else f"{name}, line {number}"
                yield place, line.decode(errors="replace")


@dataclass(slots=True)
class Replay:
    """A replay under way, and what has come of each row. `homeless`: attempts that no inference is known for."""

    store: Store
    clock: Callable[[], int]
    written: int = 0
    there: int = 0
    homeless: int = 0
    lost: int = 0

    async def put_all(self, found: Found) -> Exception | None:
        """Writes all that it can. Returns the first error, if there was any."""

        async def put(inference_id: str) -> None:
            await self._put(found.spilled[inference_id])

        try:
            done = await apart(put, found.spilled)
        except StoreError as error:
            return error
        return next(iter(done.errors.values()), None)

    async def _put(self, spilled: Spilled) -> None:
        """One inference: what it did first, then how it ended, so that one that is closed is whole."""
        head = spilled.head
        if spilled.refusal and head:
            self._count(await self.store.facts.refuse(head, replace(spilled.refusal, at=self.clock())))
            return
        stored, rows, added = await self._start(spilled)
        # Then the reaper was here before us: what it has said of the ending is counted, and stays.
        is_lost = stored is not None and stored.state is InferenceState.LOST
        for n, fact in sorted(spilled.facts.items()):
            closes = None if is_lost or any(row.closes for row in rows if row.n != n) else fact.closes
            self._count(await self.store.facts.put_fact(replace(fact, at=self.clock(), closes=closes)))
        if head is None:
            self.written += added
            self.there += len(spilled.started) - added if stored else 0
            self.homeless += 0 if stored else len(spilled.started)
            return
        is_reaped = is_lost or any(row.kind is FaultKind.LOST for row in rows)
        self._count(not is_reaped and await self._finish(replace(head, started=spilled.begun), stored))
        if head.state is InferenceState.OPEN or is_reaped:
            await self._reap(head.inference_id)

    async def _start(self, spilled: Spilled) -> tuple[Inference | None, list[Fact], int]:
        """The inference and its rows as stored, once it lists what was spilled; and how many that added.

        Before their rows: an attempt that is listed is one that the reaper knows of, should it come in between.
        """
        inference_id, added = spilled.inference_id, 0
        stored, rows = await self.store.facts.get_inference(inference_id)
        if stored is None or stored.state is not InferenceState.OPEN:
            return stored, rows, 0
        for started in spilled.begun:
            if started.n not in {known.n for known in stored.started}:
                added += await self.store.facts.add_started(inference_id, started)
        stored, rows = await self.store.facts.get_inference(inference_id)
        return stored, rows, added

    async def _finish(self, head: Inference, stored: Inference | None) -> bool:
        if head.closed_at is None or head.ending is None:
            return stored is None and await self.store.facts.open_inference(head)
        shut = await self.store.facts.close_inference(
            head.inference_id, at=head.closed_at, ending=head.ending, status=head.status
        )
        return shut or await self.store.facts.open_inference(head)

    async def _reap(self, inference_id: str) -> None:
        """Nobody has told how it ended. The reaper no longer looks at minutes as old as its own may be."""
        state = await close_lost(self.store, inference_id, self.clock, self.clock() - LOST_AFTER_MS)
        self.lost += state is not None

    def _count(self, written: bool) -> None:
        self.written += written
        self.there += not written


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    env = os.environ.get
    parse = argparse.ArgumentParser(
        "scripts/replay",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parse.add_argument
    add("files", nargs="*", metavar="FILE", help="a log; without any, or for -, standard input")
    add("--facts-table", default=env("WARMROUTE_FACTS_TABLE", FACTS_TABLE), metavar="NAME")
    add("--views-table", default=env("WARMROUTE_VIEWS_TABLE", VIEWS_TABLE), metavar="NAME")
    add("--region", default=env("AWS_REGION", "us-east-1"))
    add(
        "--dynamodb-url",
        default=env("WARMROUTE_DYNAMODB_URL"),
        metavar="URL",
        help="an emulator's, instead of AWS",
    )
    return parse


async def run(arguments: argparse.Namespace, found: Found, clock: Callable[[], int] = now_ms) -> int:
    """Writes what was found and prints what came of it. The exit status."""
    tables = (arguments.facts_table, arguments.views_table)
    async with open_store(*tables, region=arguments.region, endpoint_url=arguments.dynamodb_url) as store:
        replay = Replay(store, clock)
        error = await replay.put_all(found)
    for place in found.broken:
        print(f"scripts/replay: {place}: a spilled row that cannot be read", file=sys.stderr)
    left = found.rows - replay.written - replay.there - replay.homeless
    told = [
        (replay.written, "written", True),
        (replay.there, "there already", True),
        (left, "not written", False),
        (replay.homeless, "without an inference to add them to", False),
        (len(found.broken), "broken", False),
    ]
    rows = ", ".join(f"{count} {name}" for count, name, always in told if count or always)
    closed = f"; inferences closed for want of an ending: {replay.lost}" if replay.lost else ""
    print(f"rows: {rows}{closed}")
    if error is not None:
        print(f"scripts/replay: {error}; run it again", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """The exit status: 0, 1 when some row could not be written, 2 for arguments that are wrong."""
    parse = parser()
    arguments = parse.parse_args()
    try:
        found = read_logs(arguments.files)
    except OSError as error:
        parse.error(str(error))
    return asyncio.run(run(arguments, found))


if __name__ == "__main__":
    sys.exit(main())
