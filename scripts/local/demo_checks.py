"""What must hold between receipts, ledger, views and the stand-ins' own records of the demo's calls."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.items import InferenceState
from ledger.money import ZERO, text, total, usd
from local.demo_calls import Call, Chapter
from local.demo_facts import Readback, Trail
from local.demo_stage import THRESHOLD, Stage
from route.decision.explanation import explain
from warmroute import Receipt

TOTALS = ("calls", "errors", "tokens_in", "tokens_out", "tokens_cached", "cost_usd", "saved_usd")
"""A session's figures, under the names that the view and the router's answer share."""


class Spoken(NamedTuple):
    """What a stand-in is asked in: the dialect's name in the ledger, and its path."""

    dialect: str
    path: str


SPOKEN = {"openai": Spoken("chat", "/v1/chat/completions"), "anthropic": Spoken("messages", "/v1/messages")}


class Check(NamedTuple):
    """One claim, whether it holds, and the figures that say so."""

    claim: str
    holds: bool
    figures: str


def check_all(stage: Stage, chapters: Sequence[Chapter], told: Readback) -> list[Check]:
    """Every check, those that hold too."""
    calls = [call for chapter in chapters for call in chapter.calls]
    return [
        _one_inference_each(calls, told),
        _one_row_per_call(stage, told),
        _same_receipts(calls, told),
        _spoke_each_dialect(stage, told),
        _same_money(calls, told),
        _same_session(told),
        _same_routes(told),
        _kept_warm(told),
        _kept_budget(told),
        _left_alone(told),
        _made_again(told),
    ]


def _one_inference_each(calls: Sequence[Call], told: Readback) -> Check:
    closed = sum(trail.inference.state is InferenceState.CLOSED for trail in told.trails.values())
    stored = {fact.inference_id for fact in told.facts}
    holds = len(calls) == closed == len(told.trails) and stored == told.trails.keys()
    figures = f"{len(calls)} calls, {len(stored)} inferences, {closed} closed"
    return Check("each call is one closed inference, and there are no others", holds, figures)


def _one_row_per_call(stage: Stage, told: Readback) -> Check:
    rows = Counter(fact.provider for fact in told.attempts)
    received = Counter({name: len(provider.calls) for name, provider in stage.providers.items()})
    written = sum(fact.n > 0 for fact in told.facts)
    holds = rows == received and written == rows.total()
    figures = f"{rows.total()} attempts, {received.total()} requests received"
    return Check("each request that a provider received is one attempt in the ledger", holds, figures)


def _same_receipts(calls: Iterable[Call], told: Readback) -> Check:
    same = [_told_so(call.receipt) == _written_so(told.trails[call.inference_id]) for call in calls]
    claim = "each receipt names the ledger's attempts, and what they left out"
    return Check(claim, all(same), f"{sum(same)} of {len(same)} receipts")


def _told_so(receipt: Receipt) -> list[tuple[Any, ...]]:
    rows = [(a.n, a.route, a.outcome, a.latency_ms, a.ttft_ms, a.cost_usd) for a in receipt.attempts]
    return [*rows, receipt.dropped]


def _written_so(trail: Trail) -> list[tuple[Any, ...]]:
    rows = [(f.n, f.route, str(f.outcome), f.latency_ms, f.ttft_ms, f.cost_usd) for f in trail.attempts]
    return [*rows, trail.attempts[-1].dropped if trail.attempts else ()]


def _spoke_each_dialect(stage: Stage, told: Readback) -> Check:
    """The stand-ins' own records show only their dialect, and each translated request left one option out."""
    foreign = [f for f in told.attempts if f.origin.dialect != SPOKEN[stage.providers[f.provider].kind].dialect]
    paths = {(p.kind, call.path) for p in stage.providers.values() for call in p.calls}
    holds = paths == {(kind, spoken.path) for kind, spoken in SPOKEN.items()}
    holds = holds and {f.origin.dialect for f in foreign} == {"chat", "responses", "messages"}
    holds = holds and all(sum(not path.startswith("answer.") for path in f.dropped) == 1 for f in foreign)
    figures = ", ".join(f"{f.origin.dialect} to {f.provider}" for f in foreign)
    return Check("each provider heard its own dialect only", holds, f"{len(foreign)} translated: {figures}")


def _same_money(calls: Iterable[Call], told: Readback) -> Check:
    # A refused call made no attempt, so its receipt names no cost.
    receipts = total(call.receipt.cost_usd for call in calls if call.receipt.attempts)
    providers = sum((spend.cost_usd for spend in told.spend.values()), ZERO)
    sums = (receipts, total(fact.cost_usd for fact in told.attempts), told.spend_all.cost_usd, providers)
    holds = receipts is not None and receipts > 0 and len(set(sums)) == 1
    figures = " = ".join(f"${text(amount)}" for amount in sums)
    return Check("receipts = attempts = spend of all = spend by provider", holds, figures)


def session_totals(session: Session) -> dict[str, int | Decimal]:
    return {name: getattr(session, name) for name in TOTALS}


def read_totals(document: Any) -> dict[str, int | Decimal]:
    """The same figures from the router's answer, in which money is decimal text."""
    return {name: usd(document[name]) if name.endswith("_usd") else int(document[name]) for name in TOTALS}


def _same_session(told: Readback) -> Check:
    facts, view, read = (
        session_totals(told.session_facts),
        session_totals(told.session),
        read_totals(told.session_read),
    )
    warm = {(model, warm.provider) for model, warm in told.session.warm.items()}
    holds = facts == view == read and warm == {
        (row["model"], row["provider"]) for row in told.session_read["warm"]
    }
    costs = " = ".join(f"${text(totals['cost_usd'])}" for totals in (facts, view, read))  # type: ignore[arg-type]
    return Check("the session: attempts = view = what the router answers", holds, costs)


def _same_routes(told: Readback) -> Check:
    counted = {route: (stat.count, stat.successes) for route, stat in told.snapshot.routes.routes.items()}
    every, served = (
        Counter(f.route for f in told.attempts if f.counts and (f.ok or not ok)) for ok in (False, True)
    )
    holds = counted == {route: (count, served[route]) for route, count in every.items()}
    figures = f"{sum(count for count, _ in counted.values())} in {len(counted)} routes"
    return Check("route statistics count every attempt", holds, figures)


def _kept_warm(told: Readback) -> Check:
    """The first turn fell back, and the others put the route that served it first and used no other."""
    first, *others = [trail for trail in told.trails.values() if trail.inference.origin.session]
    hot = [fact.route for fact in first.attempts if fact.ok]
    held = [[f.route for f in trail.attempts] == hot == trail.decision["order"][:1] for trail in others]
    cached = sum(fact.usage.cache_read for trail in others for fact in trail.attempts if fact.usage)
    holds = len(first.attempts) == 2 and len(held) == 2 and all(held) and cached > 0
    figures = f"turns 2 and 3: 1 attempt each, {cached} tokens from the cache"
    return Check("the session stayed on its warm route", holds, figures if holds else f"{held}, {cached} tokens")


def _kept_budget(told: Readback) -> Check:
    """Before each call to the provider its spend was below the limit; once it was not, no call went there."""
    [budget] = told.budgets
    spent, below = ZERO, True
    for fact in (fact for fact in told.attempts if fact.provider == budget.provider):
        below, spent = below and spent < budget.limit_usd, spent + (fact.cost_usd or ZERO)
    skipped = [t for t in told.trails.values() if any(_is_spent_out(c) for c in t.decision["candidates"])]
    refused = [t.inference.status for t in skipped if not t.attempts]
    view = told.spend.get(budget.provider, Spend()).cost_usd
    holds = below and spent == view >= budget.limit_usd and len(skipped) == 2 and refused == [402]
    statuses = ", ".join(map(str, refused))
    then = f"{len(skipped) - len(refused)} call went to the next route, {len(refused)} got status {statuses}"
    figures = f"${text(view)} of ${text(budget.limit_usd)}; then {then}"
    return Check("the budget held: no call once the limit was reached", holds, figures)


def _is_spent_out(candidate: dict[str, Any]) -> bool:
    return candidate.get("rejection_reason") == "budget_exhausted"


def _left_alone(told: Readback) -> Check:
    """Some calls fell back, the next passed the broken route over, the last probed it and was served by it."""
    trails = [trail for trail in told.trails.values() if trail.inference.origin.profile == "steady"]
    tried = [[fact.provider for fact in trail.attempts] for trail in trails]
    fell, passed = tried.count(["moody", "bolt"]), tried.count(["bolt"])
    is_probe = [any(row.get("probe") for row in trail.decision["candidates"]) for trail in trails]
    holds = fell >= THRESHOLD and passed > 0 and not any(is_probe[fell:-1]) and is_probe[-1]
    holds = holds and tried == [["moody", "bolt"]] * fell + [["bolt"]] * passed + [["moody"]]
    figures = f"{fell} faults, then passed over; 1 probe, and it serves again"
    return Check("the broken provider was left alone, and came back", holds, figures if holds else f"{tried}")


def _made_again(told: Readback) -> Check:
    same = [explain(trail.inference.inference_id, trail.inference.plan)["same"] for trail in told.trails.values()]
    return Check("each decision, made again from what is stored, is the same", all(same), f"{sum(same)} decisions")
