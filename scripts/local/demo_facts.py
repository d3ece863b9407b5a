"""What the tables say about the demo's calls: every number that the demo prints comes from here."""

import asyncio
import json
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from ledger.folds import fold_facts, merge_all
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.items import Fact, Inference
from ledger.keys import session_pk, spend_pk, unescape
from ledger.moments import minute_of, minutes_between, month_of, now_ms
from ledger.snapshot import Snapshot
from ledger.store.facts import FACTS_TABLE
from ledger.store.opened import Store, open_store
from ledger.store.views import VIEWS_TABLE
from local.demo_calls import SESSION, Call, Chapter
from local.demo_stage import CALLER, DemoFault, Stage
from local.demo_waits import snapshot_when
from route.config.file import BudgetConfig, load_config
from route.decision.stored import DecisionRecord

ANSWER_TIMEOUT_S = 60


class Trail(NamedTuple):
    """One inference in the ledger and its attempts in order."""

    inference: Inference
    attempts: list[Fact]

    @property
    def decision(self) -> dict[str, Any]:
        """The plan as it was stored before the first call."""
        return DecisionRecord.unpack(self.inference.plan).document


@dataclass(frozen=True)
class Readback:
    """`facts` is all of the ledger, by its minute index; `trails` are the inferences that receipts name.

    `session` is the view and `session_read` what the router answers. `spend`, by provider, and `spend_all`, of
    the scope of all, are views.
    """

    trails: Mapping[str, Trail]
    facts: Sequence[Fact]
    snapshot: Snapshot
    session: Session
    session_read: Mapping[str, Any]
    spend: Mapping[str, Spend]
    spend_all: Spend
    budgets: Sequence[BudgetConfig]

    @cached_property
    def attempts(self) -> list[Fact]:
        return [fact for trail in self.trails.values() for fact in trail.attempts]

    @cached_property
    def session_facts(self) -> Session:
        """The session's totals straight from the attempts, without the view."""
        return fold_facts(Session, (fact for fact in self.attempts if fact.origin.session == SESSION))


def read_back(stage: Stage, chapters: Iterable[Chapter]) -> Readback:
    """Waits for a rollup that has seen all calls, then reads. DemoFault when something is not there."""
    calls = [call for chapter in chapters for call in chapter.calls]
    return asyncio.run(_read(stage, calls))


async def _read(stage: Stage, calls: Sequence[Call]) -> Readback:
    written = now_ms()
    async with open_store(FACTS_TABLE, VIEWS_TABLE, endpoint_url=stage.dynamodb_url) as store:
        trails = {call.inference_id: await _trail(store, call) for call in calls}
        first = min(trail.inference.opened_at for trail in trails.values())
        last = max(trail.inference.closed_at or 0 for trail in trails.values())
        # Every row is written now, so a pass that goes as far as this instant has seen them all.
        snapshot = await snapshot_when(store, lambda known: known.as_of >= written, "a rollup of all calls")
        minutes = minutes_between(minute_of(first), minute_of(last))
        facts = [fact for minute in minutes for fact in await store.facts.facts_of_minute(minute)]
        months = sorted({month_of(fact.at) for fact in facts})
        spend = await _spend(store, "provider", months)
        days = await store.views.query_views(session_pk(CALLER, SESSION), consistent=True)
        return Readback(
            trails=trails,
            facts=facts,
            snapshot=snapshot,
            session=merge_all(Session, (day.state(Session) for day in days)),
            session_read=_get(stage, f"/v1/session/{SESSION}"),
            spend=spend,
            spend_all=(await _spend(store, "all", months)).get("all", Spend()),
            budgets=load_config(stage.config).budgets,
        )


async def _trail(store: Store, call: Call) -> Trail:
    inference, attempts = await store.facts.get_inference(call.inference_id)
    if inference is None:
        raise DemoFault(f"{call.label}: the ledger has no {call.inference_id}, which its receipt names")
    return Trail(inference, attempts)


async def _spend(store: Store, kind: str, months: Iterable[str]) -> dict[str, Spend]:
    """A kind of scope's spend by name: the sum of its days."""
    spend: dict[str, Spend] = {}
    for month in months:
        for item in await store.views.query_views(spend_pk(kind, month), consistent=True):
            name = unescape(item.key.sk.rpartition("#")[0])
            spend[name] = spend.get(name, Spend()).merge(item.state(Spend))
    return spend


def _get(stage: Stage, path: str) -> dict[str, Any]:
    """What the router answers to this caller."""
    request = urllib.request.Request(stage.url + path, headers={"authorization": f"Bearer {stage.key}"})
    with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as response:
        document: dict[str, Any] = json.load(response)
    return document
