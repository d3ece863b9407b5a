"""The demo's views: route statistics, the session, spend against budget, each as the tables have it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from ledger.folds.spend import Spend
from ledger.moments import iso
from local.demo_calls import SESSION
from local.demo_checks import TOTALS, read_totals, session_totals
from local.demo_facts import Readback
from local.demo_print import Pages, dollars, route_name
from route.config.file import BudgetConfig


def show_views(pages: Pages, told: Readback) -> None:
    """Prints the three views."""
    pages.table(
        "Route statistics",
        f"What every router decides by: the snapshot that the rollup wrote, as of {iso(told.snapshot.as_of)}. "
        "Times are those of stand-ins on this machine.",
        ("route", "attempts#", "success#", "mean ms#", "p50 ms#", "p95 ms#", "ttft ms#"),
        _route_rows(told),
    )
    pages.table(
        "The session",
        f"{SESSION!r}, three times: summed from its attempts, as the rollup keeps it, and as the router answers.",
        ("", "attempts#", "view#", f"GET /v1/session/{SESSION}#"),
        _session_rows(told),
    )
    pages.table(
        "Spend against budget",
        "Per provider this month, from the rollup's views; failed calls that cost nothing are counted too.",
        ("provider", "calls#", "spent $#", "limit $#", "used#", ""),
        _spend_rows(told.spend, {budget.provider: budget for budget in told.budgets}),
    )


def _route_rows(told: Readback) -> Iterator[tuple[str, ...]]:
    for key, stat in sorted(told.snapshot.routes.routes.items()):
        rate = "-" if stat.success_rate is None else f"{float(stat.success_rate):.1%}"
        times = (stat.latency_ms, stat.latency.percentile_ms(0.5), stat.latency.percentile_ms(0.95), stat.ttft_ms)
        yield (route_name(key), str(stat.count), rate, *("-" if ms is None else str(ms) for ms in times))


def _session_rows(told: Readback) -> Iterator[tuple[str, ...]]:
    sources = (session_totals(told.session_facts), session_totals(told.session), read_totals(told.session_read))
    for name in TOTALS:
        yield (name, *(_figure(totals[name]) for totals in sources))
    stored = (told.session_facts.warm, told.session.warm)
    yield ("warm route", *(_names((warm.provider, model) for model, warm in each.items()) for each in stored),
           _names((row["provider"], row["model"]) for row in told.session_read["warm"]))  # fmt: skip
    until = [[iso(warm.warm_until) for warm in each.values()] for each in stored]
    until.append([row["warm_until"] for row in told.session_read["warm"]])
    yield ("warm until", *(", ".join(instant[11:19] for instant in each) for each in until))


def _names(routes: Iterator[tuple[str, str]]) -> str:
    return ", ".join(f"{provider}/{model}" for provider, model in routes)


def _figure(value: int | Decimal) -> str:
    return dollars(value) if isinstance(value, Decimal) else str(value)


def _spend_rows(spend: Mapping[str, Spend], budgets: Mapping[str, BudgetConfig]) -> Iterator[tuple[str, ...]]:
    for name, state in sorted(spend.items()):
        budget = budgets.get(name)
        limit, used, word = "-", "-", "no budget"
        if budget:
            limit, used = dollars(budget.limit_usd), f"{state.cost_usd / budget.limit_usd:.0%}"
            word = "exhausted" if state.cost_usd >= budget.limit_usd else "open"
        yield (name, str(state.attempts), dollars(state.cost_usd), limit, used, word)
