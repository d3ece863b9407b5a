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
from ledger.store import records
from ledger.store.connection import StoreError
from ledger.store.facts import FACTS_TABLE
from ledger.store.opened import Store, open_store
from ledger.store.spill import unspill
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
    """All that was spilled of one inference.

    `inference`: as it was opened or closed, where one of these writes was spilled. `started`: further attempts
    that were to be added to it. `attempts`: rows of attempts, by their numbers.
    """

    inference_id: str
    inference: Inference | None = None
    started: dict[int, Started] = field(default_factory=dict)
    attempts: dict[int, Fact] = field(default_factory=dict)

    def add(self, item: records.Item) -> None:
        """One spilled item. One of `_BROKEN` when it is none of ours."""
        if item["sk"] != keys.INFERENCE_SK:
            fact = records.item_fact(item)
            records.attempt_item(fact)
            self.attempts[fact.n] = fact
        elif "state" in item:
            self._add_inference(item)
        else:
            for started in records.unpack_all_started(item["started"]):
                self.started[started.n] = started

    def _add_inference(self, item: records.Item) -> None:
        inference = records.item_inference(item)
        records.inference_item(inference)
        if inference.closing is None and inference.state is not InferenceState.OPEN:
            raise ValueError("closed, but nobody knows how")
        if self.inference is None or self.inference.closing is None:
            # A close lists no attempts: those of the opening write, if that was spilled too, are kept.
            begun = self.inference.started if self.inference else ()
            self.inference = replace(inference, started=inference.started or begun)

    @property
    def begun(self) -> tuple[Started, ...]:
        """Every attempt that is known to have started, in order."""
        listed = {started.n: started for started in self.inference.started} if self.inference else {}
        return tuple(started for _n, started in sorted((self.started | listed).items()))

    @property
    def rows(self) -> int:
        """How many rows it is. An attempt that started is part of its inference, where that was spilled too."""
        return len(self.attempts) + (1 if self.inference else len(self.started))


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
            item = unspill(document["item"])
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
        """One inference: its attempts before its close, so that one that is closed is whole."""
        facts, at = self.store.facts, self.clock()
        stored, added = await self._start(spilled)
        for _n, fact in sorted(spilled.attempts.items()):
            self._count(await facts.put_attempt(replace(fact, at=at)))
        inference = spilled.inference
        if inference is None:
            self.written += added
            self.there += len(spilled.started) - added if stored else 0
            self.homeless += 0 if stored else len(spilled.started)
            return
        if inference.closing is not None:
            closed = replace(inference, closing=replace(inference.closing, at=at))
            self._count(await facts.close_inference(closed))
            return
        opened = stored is None and await facts.open_inference(replace(inference, started=spilled.begun))
        self._count(opened)
        # Nobody has told how it ended. The reaper no longer looks at minutes as old as its own may be.
        self.lost += await close_lost(self.store, inference.inference_id, self.clock, at - LOST_AFTER_MS)

    async def _start(self, spilled: Spilled) -> tuple[Inference | None, int]:
        """The inference as it is stored, once it lists what was spilled; and how many attempts that added.

        They are listed before their rows are written: should the reaper come in between, it knows of them.
        """
        facts, added = self.store.facts, 0
        stored, _ = await facts.get_inference(spilled.inference_id)
        if stored is None or stored.state is not InferenceState.OPEN:
            return stored, 0
        listed = {known.n for known in stored.started}
        for started in spilled.begun:
            if started.n not in listed:
                added += await facts.add_started(spilled.inference_id, started)
        return stored, added

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
