"""`scripts/replay`: what the router had to write to its log comes into the ledger after all."""

import argparse
import asyncio
import json
import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from ledger.folds import fold_facts
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.items import Inference, InferenceState
from ledger.moments import minute_of, now_ms
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store import records
from ledger.store.opened import Store
from ledger.store.records import Item
from ledger.store.spill import spill
from ledger.usage import Usage
from local.replay import Found, Replay
from local.stack import ROOT, create_tables
from rollup.reaper import LOST_AFTER_MS, close_lost, reap
from route.config.file import Config
from route.settings import RouterSettings
from tests.fakes import Fail
from tests.ledger.make import MINUTE, NOW, closed_with, fact, in_order, inference
from tests.route.house import House, build_house, config_document, serving

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "session": "s"}
LATER = NOW + 3_600_000


def replay(where: argparse.Namespace, *files: str, stdin: str = "") -> tuple[int, str, str]:
    """The exit code, what was printed, and what was complained about."""
    tables = ["--facts-table", where.facts, "--views-table", where.views]
    command = [ROOT / "scripts" / "replay", *files, "--dynamodb-url", where.url, *tables]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def at(house: House) -> argparse.Namespace:
    return argparse.Namespace(url=house.dynamodb_url, facts=house.tables[0], views=house.tables[1])


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All log lines as a deployed router writes them."""
    formatter = LambdaPowertoolsFormatter(log_record_order=["level", "message", "timestamp"], location=None)
    return [str(formatter.format(r)) for r in caplog.records if r.name == "warmroute.route"]


def line(item: Item) -> str:
    return json.dumps({"message": "ledger-spilled", "item": spill(item)})


async def put(store: Store, *items: Item, now: int = LATER) -> Replay:
    """Replays some spilled items at an instant."""
    found = Found()
    for item in items:
        found.read("here", line(item))
    assert not found.broken
    done = Replay(store, lambda: now)
    assert await done.put_all(found) is None
    return done


def added(opened: Inference, n: int) -> Item:
    return records.started_item(opened.inference_id, opened.started[n - 1])


@contextmanager
def outage(house: House) -> Iterator[None]:
    """The facts table is away; afterwards it is there again, empty."""
    house.at_table(lambda store: store.client.delete_table(store.facts.name))
    yield
    house.at_table(lambda store: create_tables(store.client, store.facts.name, store.views.name))


@pytest.mark.case("S4")
def test_an_outage_is_put_back_whole(dynamodb_url: str, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Each inference of an outage is in the ledger once, closed, with its rows; a second replay writes nothing."""
    caplog.set_level(logging.INFO, "warmroute.route")
    with build_house(dynamodb_url) as house:
        with outage(house):
            assert house.post(CHAT, ASK).status_code == 200
            house.providers["a"].plan(Fail(500))
            assert house.post(CHAT, ASK).status_code == 200
            assert house.post(CHAT, ASK, x_warmroute_profile="nope").status_code == 400
        began = now_ms()
        log = tmp_path / "router.log"
        log.write_text("\n".join(logged(caplog)))
        code, printed, complaints = replay(at(house), str(log))
        assert (code, printed, complaints) == (0, "rows: 4 written, 0 there already\n", "")
        inferences, facts = house.inferences(), house.facts()
        assert {i.state for i in inferences} == {InferenceState.CLOSED}
        assert [(i.ending, i.status, i.served) for i in inferences] == [
            (Ending.OK, 200, 1),
            (Ending.FALLBACK, 200, 2),
            (Ending.ERROR, 400, None),
        ]
        assert all(i.plan for i in inferences[:2])
        assert [(f.n, f.outcome, f.closes) for f in facts] == [
            (1, Outcome.OK, Ending.OK),
            (1, Outcome.ERROR, None),
            (2, Outcome.OK, Ending.FALLBACK),
            (0, Outcome.REFUSED, Ending.ERROR),
        ]
        assert all(f.at >= began for f in facts), "they count from now on"
        cost = sum((f.cost_usd or Decimal(0) for f in facts), Decimal(0))
        assert cost > 0
        assert (house.session("s")["calls"], _totals(house)) == (3, (3, 1, cost))
        again = replay(at(house), str(log))
        assert again == (0, "rows: 0 written, 4 there already\n", "")
        assert (house.inferences(), house.facts()) == (inferences, facts)


def _totals(house: House) -> tuple[int, int, Decimal]:
    """Session `s` as a router tells it that has not seen any of its calls."""
    config = Config.model_validate(config_document(house.providers, {}))
    settings = RouterSettings(config, {"env:K": "k"}, *house.tables, dynamodb_url=house.dynamodb_url)
    with serving(settings) as url:
        told = replace(house, url=url).session("s")
    return told["calls"], told["errors"], Decimal(told["cost_usd"])


async def test_a_row_comes_back_as_it_was(store: Store) -> None:
    """Plan, exact money and usage are what was spilled; only the instant is that of the replay."""
    opened = inference(plan=b"\x00\xff plan")
    failed = fact(NOW + 3, inference_id=opened.inference_id, ok=False, cost_usd=Decimal("0.000123450"))
    answered = fact(NOW + 9, n=2, saved_usd=Decimal(0), usage=Usage(input=9, output=3))
    closed = closed_with(opened, answered, Ending.FALLBACK)
    done = await put(store, records.inference_item(closed), records.attempt_item(failed))
    assert (done.written, done.there, done.lost) == (2, 0, 0)
    assert closed.closing is not None
    closing = replace(closed.closing, at=LATER)
    assert await store.facts.get_inference(opened.inference_id) == (
        replace(closed, closing=closing),
        [replace(failed, at=LATER), closing],
    )


async def test_what_was_stored_in_part_is_completed(store: Store) -> None:
    """An open inference gets the attempts, rows and the ending that it lacks, whatever their order in the log."""
    opened = inference(attempts=2)
    first = fact(inference_id=opened.inference_id, n=1, ok=False)
    await store.facts.open_inference(replace(opened, started=opened.started[:1]))
    end = closed_with(opened, fact(n=2), Ending.FALLBACK)
    spilled = [records.inference_item(end), records.attempt_item(first), added(opened, 2)]
    done = await put(store, *spilled)
    assert (done.written, done.there) == (2, 0)
    stored, rows = await store.facts.get_inference(opened.inference_id)
    assert stored is not None
    assert (stored.state, stored.ending, stored.served) == (InferenceState.CLOSED, Ending.FALLBACK, 2)
    assert rows == [replace(first, at=LATER), stored.closing]
    done = await put(store, *spilled, now=LATER + 1)
    assert (done.written, done.there) == (0, 2)


async def test_an_attempt_alone_is_added_where_its_inference_is(store: Store) -> None:
    """To one that is open, once; without any inference it is told and left."""
    opened = inference(attempts=2)
    done = await put(store, added(opened, 2))
    assert (done.written, done.there, done.homeless) == (0, 0, 1)
    await store.facts.open_inference(replace(opened, started=opened.started[:1]))
    for expected in ((1, 0, 0), (0, 1, 0)):
        done = await put(store, added(opened, 2))
        assert (done.written, done.there, done.homeless) == expected
    assert await store.facts.get_inference(opened.inference_id) == (opened, [])


async def test_an_opening_alone_is_closed_by_the_reaper_when_it_is_time(store: Store) -> None:
    """Young, it stays open with all its attempts, for its router or the reaper's next look."""
    opened = inference(attempts=2)
    alone = replace(opened, started=opened.started[:1])
    now = NOW + LOST_AFTER_MS - 1
    done = await put(store, records.inference_item(alone), added(opened, 2), now=now)
    assert (done.written, done.lost) == (1, 0)
    assert await store.facts.get_inference(opened.inference_id) == (opened, [])
    assert (await reap(store, lambda: now + 60_000)).lost == 1


async def test_an_old_opening_alone_is_closed_at_once(store: Store) -> None:
    """The reaper no longer looks at its minute: the replay does as the reaper would."""
    opened = inference()
    for expected in (1, 0):
        done = await put(store, records.inference_item(opened))
        assert (done.written, done.lost) == (expected, expected)
    stored, [row] = await store.facts.get_inference(opened.inference_id)
    assert stored is not None
    assert (stored.state, stored.ending, row.kind, row.at) == (
        InferenceState.LOST,
        Ending.ERROR,
        FaultKind.LOST,
        LATER,
    )


@pytest.mark.case("11.7")
async def test_what_the_reaper_could_only_call_unknown_is_completed(store: Store) -> None:
    """Outcome and cost of every attempt are known after the replay, each counted once; the ending stays lost."""
    opened = inference(attempts=2)
    await store.facts.open_inference(replace(opened, started=opened.started[:1]))
    assert await close_lost(store, opened.inference_id, lambda: LATER, NOW)
    stored, [unknown] = await store.facts.get_inference(opened.inference_id)
    failed = fact(inference_id=opened.inference_id, n=1, ok=False, cost_usd=Decimal("0.25"))
    closed = closed_with(opened, fact(n=2, cost_usd=Decimal("0.5")), Ending.FALLBACK)
    spilled = [records.attempt_item(failed), added(opened, 2), records.inference_item(closed)]
    for written, there in ((2, 0), (0, 2)):
        done = await put(store, *spilled, now=LATER + MINUTE)
        assert (done.written, done.there) == (written, there)
    assert closed.closing is not None
    known = [
        replace(failed, at=LATER + MINUTE, completes=True),
        replace(closed.closing, at=LATER + MINUTE, closes=None),
    ]
    assert await store.facts.get_inference(opened.inference_id) == (stored, known)
    facts = [f for at in (LATER, LATER + MINUTE) for f in await store.facts.facts_of_minute(minute_of(at))]
    assert unknown in facts
    assert fold_facts(Spend, in_order(facts)) == Spend(Decimal("0.75"), calls=1, attempts=2)
    assert fold_facts(Session, in_order(facts)).errors == 1


async def test_a_reaper_that_died_halfway_is_completed(store: Store) -> None:
    """It had taken the inference over and not ended it: that is done by the next look, and the rest is kept."""
    opened = inference()
    await store.facts.open_inference(opened)
    await store.facts.take_over(opened.inference_id)
    closed = closed_with(opened, fact(cost_usd=Decimal("0.5")))
    done = await put(store, records.inference_item(closed))
    assert (done.written, done.there) == (1, 0)
    assert (await reap(store, lambda: LATER, since=minute_of(NOW))).lost == 1
    stored, [row] = await store.facts.get_inference(opened.inference_id)
    assert stored is not None
    assert (stored.state, stored.ending, row.cost_usd) == (InferenceState.LOST, Ending.ERROR, Decimal("0.5"))


def where(store: Store, url: str) -> argparse.Namespace:
    return argparse.Namespace(url=url, facts=store.facts.name, views=store.views.name)


async def test_a_log_may_be_of_any_shape(dynamodb_url: str, store: Store) -> None:
    """Text before a record, many on a line, other records: passed over. Broken rows are told by line only."""
    items = [records.attempt_item(fact()) for _ in range(3)]
    one, two, three = map(line, items)
    secret = "do-not-quote"
    log = [
        f"2026-11-20T13:18:05Z\t{one}",
        f"{two}\t{three}\t" + json.dumps({"message": "attempt-finished", "note": "ledger-spilled"}),
        "START RequestId: {x} ledger-spilled",
        "",
        one[: len(one) // 2] + secret,
        json.dumps(
            {"message": "ledger-spilled", "item": json.dumps({"inference_id": secret, "sk": "attempt#01"})}
        ),
        json.dumps({"message": "ledger-spilled", "item": secret}),
        json.dumps([one]),
    ]
    code, printed, complaints = await asyncio.to_thread(
        replay, where(store, dynamodb_url), "-", stdin="\n".join(log)
    )
    assert (code, printed) == (0, "rows: 3 written, 0 there already, 4 broken\n")
    told = [complaint.split(": ")[1] for complaint in complaints.splitlines()]
    assert told == ["line 5", "line 6", "line 7", "line 8"]
    assert secret not in complaints
    for item in items:
        _, [row] = await store.facts.get_inference(item["inference_id"])
        assert row.closes is None


async def test_a_store_that_is_still_down_is_told(dynamodb_url: str, store: Store) -> None:
    """Exit 1 with the number of rows that are still missing; wrong arguments are 2; neither is a traceback."""
    spilled = line(records.attempt_item(fact()))
    gone = argparse.Namespace(url=dynamodb_url, facts="no-such-table", views=store.views.name)
    code, printed, complaints = await asyncio.to_thread(replay, gone, stdin=spilled)
    assert (code, printed) == (1, "rows: 0 written, 0 there already, 1 not written\n")
    assert complaints.startswith("scripts/replay: ")
    assert "Traceback" not in complaints
    code, printed, complaints = await asyncio.to_thread(replay, gone, "no-such-file.log")
    assert (code, printed, "no-such-file.log" in complaints, "Traceback" in complaints) == (2, "", True, False)


def test_help_has_examples() -> None:
    """The way from CloudWatch can be copied."""
    done = subprocess.run([ROOT / "scripts" / "replay", "--help"], capture_output=True, text=True, check=True)
    assert "--output text | scripts/replay --facts-table NAME" in done.stdout
