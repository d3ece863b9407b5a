"""The decision from config, request and views: rows, budgets, warmth, refusals."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds.route_stats import RouteStats
from ledger.moments import DAY_MS, iso, minute_start_ms
from ledger.snapshot import Snapshot
from route.decision.stored import DecisionRecord
from route.dialects.chat import CHAT
from route.dialects.count_tokens import COUNT_TOKENS
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.responses import RESPONSES
from route.errors import BudgetExceeded
from route.planning.plan import Plan
from tests.ledger.make import NOW, fact
from tests.route.build import Json, body, config, model, plan, provider, request, spent, warm_on
from tests.route.plans import (
    ACME,
    BUDGETED,
    CHAIN,
    MONTHLY,
    OTHER,
    SEALED,
    TOOLS,
    chain,
    keys,
    reasons,
)


def test_the_base_order_is_the_listed_one() -> None:
    """`static`: as the profile has it, the first is chosen, and the rule says why."""
    record = plan(request())
    assert keys(record) == [ACME, OTHER]
    assert [row["chosen"] for row in record.candidates] == [True, False]
    assert (record.rule_fired, record.refusal) == ("default", None)


def test_a_row_has_what_is_known_of_its_route() -> None:
    """Prices as exact text, quality, success rate, latency; what is unknown is absent, never 0."""
    facts = [fact(latency_ms=100), fact(latency_ms=300), fact(ok=False), fact(served_by="eu", latency_ms=200)]
    views = Snapshot(as_of=NOW, routes=RouteStats())
    for one in facts:
        views = replace(views, routes=views.routes.merge(RouteStats.of(one)))
    priced = chain(model(price={"input_per_mtok": 0.075, "output_per_mtok": "0.30"}, quality=0.8))
    first, second = plan(request(config=priced), priced, snapshot=views).candidates
    assert (first["input_per_mtok"], first["output_per_mtok"], first["quality"]) == ("0.075", "0.3", 0.8)
    assert (first.get("success_rate"), first.get("latency_ms")) == (0.75, 200)
    assert (second.get("success_rate"), second.get("latency_ms"), second.get("quality")) == (None, None, None)


def test_a_route_of_another_dialect_is_told_what_it_can_be_told() -> None:
    """It takes what can be said in its dialect, and is passed over with the names of what cannot."""
    mixed = chain(kind="anthropic")
    assert reasons(plan(request(config=mixed), mixed)) == {ACME: None, OTHER: None}
    first, second = plan(request(body(n=2, logprobs=True), config=mixed), mixed).candidates
    assert (first.get("rejection_reason"), first.get("refused")) == ("lossy_translation", ["logprobs", "n"])
    assert (second.get("rejection_reason"), second.get("refused")) == (None, None)


def test_within_one_dialect_nothing_is_read() -> None:
    """A request whose routes speak its dialect never takes the neutral form, so that nothing can be lost there."""
    mixed = chain(kind="anthropic")
    for limits, is_read in ((config(), False), (mixed, True)):
        asked = request(config=limits)
        plan(asked, limits)
        assert ("neutral" in vars(asked.lazy_neutral)) is is_read


def test_sealed_thinking_is_left_out_where_the_profile_says_so() -> None:
    """Refused without a word; with it the route of another vendor is told all but that, and says so."""
    asked = body(messages=[*body()["messages"], SEALED, *body()["messages"]])
    for word, reason, dropped in (("refuse", "lossy_translation", ()), ("drop", None, True)):
        profiles = {"default": {"routes": ["acme/small"], "sealed_thinking": word}}
        limits = config(providers=[provider("acme", dialects=["responses"])], profiles=profiles)
        record = plan(request(asked, config=limits), limits)
        assert record.candidates[0].get("rejection_reason") == reason
        if dropped:
            (route,) = record.routes
            translation = record.translator.to(route.provider, route.model, route.capabilities)
            assert translation is not None
            assert "messages[].reasoning_details[].thinking" in translation.dropped


def test_what_builds_on_a_store_goes_to_one_route() -> None:
    """The next one would answer that it knows nothing of it, and hide what the first has said."""
    asked: Json = {"model": "", "input": "x", "previous_response_id": "resp_1"}
    assert keys(plan(request(asked, dialect=RESPONSES))) == [ACME]
    assert keys(plan(request({"model": "", "input": "x"}, dialect=RESPONSES))) == [ACME, OTHER]


def test_a_thread_that_a_provider_keeps_needs_a_chain_of_one_route() -> None:
    """With a second route the vendor's SDK is told, in its own code, to send the whole history instead."""
    held = body(thread={"type": "create"})
    one = config(profiles={"default": {"routes": ["anna/small"]}})
    assert plan(request(held, dialect=MESSAGES, config=one), one).refusal is None
    two = chain(kind="anthropic")
    refusal = plan(request(held, dialect=MESSAGES, config=two), two).refusal
    assert refusal is not None
    assert refusal.detail["details"]["error_code"] == "thread_unsupported_request"


@pytest.mark.parametrize(
    ("amount", "first"),
    [("0", ACME), ("4.99", ACME), ("4.999999999", ACME), ("5", OTHER), ("5.00", OTHER), ("7", OTHER)],
)
@pytest.mark.case("C11")
def test_a_budget_is_spent_when_its_limit_is_reached(amount: str, first: str) -> None:
    """4.99 of 5 is open, 5.00 is not."""
    assert keys(plan(request(), BUDGETED, snapshot=spent(amount)))[0] == first


@pytest.mark.parametrize(("period", "whole_again"), [("month", "2026-05-01T00:00"), ("day", "2026-05-01T00:00")])
@pytest.mark.case("C11")
def test_a_period_begins_with_nothing_spent(period: str, whole_again: str) -> None:
    """30 April 23:59 is spent, 1 May 00:00 is open, by the same views: nothing is ever reset."""
    limited = config(budgets=[MONTHLY | {"period": period}])
    start = minute_start_ms(whole_again)
    views = spent("5", at=start - 60_000)
    assert keys(plan(request(), limited, snapshot=views, now=start - 1))[0] == OTHER
    assert keys(plan(request(), limited, snapshot=views, now=start))[0] == ACME


def test_a_day_s_budget_does_not_count_yesterday() -> None:
    """But the month's does."""
    views = spent("5", at=NOW - DAY_MS)
    daily = config(budgets=[MONTHLY | {"period": "day"}])
    assert keys(plan(request(), daily, snapshot=views))[0] == ACME
    assert keys(plan(request(), BUDGETED, snapshot=views))[0] == OTHER


def test_a_budget_is_its_provider_s_own() -> None:
    """What others spend does not count, and every route of the provider is passed over."""
    assert keys(plan(request(), BUDGETED, snapshot=spent("99", by="other")))[0] == ACME
    both = config(budgets=[MONTHLY], profiles={"default": {"routes": ["acme/small", "acme/large", "other/small"]}})
    assert keys(plan(request(config=both), both, snapshot=spent("5"))) == [OTHER]


def test_a_warning_budget_skips_nothing() -> None:
    """`action: warn` is no limit."""
    warning = config(budgets=[MONTHLY | {"action": "warn"}])
    assert keys(plan(request(), warning, snapshot=spent("99"))) == [ACME, OTHER]


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_budgets_the_tightest_stops_a_provider(first: int) -> None:
    """Whichever is listed first: 5 a month is spent, 9 a day is not; and the bytes are the same."""
    budgets = [MONTHLY, MONTHLY | {"period": "day", "limit_usd": 9}]
    both = config(budgets=[budgets[first], budgets[1 - first]])
    record = plan(request(), both, snapshot=spent("6"))
    assert reasons(record)[ACME] == "budget_exhausted"
    assert record.candidates[0]["budget"]["limit_usd"] == "5"
    equal = [MONTHLY, MONTHLY | {"period": "day"}]
    listed = [config(budgets=[equal[n], equal[1 - n]]) for n in (0, 1)]
    assert len({plan(request(), each, snapshot=spent("1")).record.body for each in listed}) == 1


def test_each_of_several_answers_is_reserved_for() -> None:
    """Eight choices cost eight times the output, and what counts or embeds has none."""

    def reserved(asked: Json, dialect: Any = CHAT) -> int:
        return plan(request(asked, dialect=dialect)).record.inputs.needs.output_tokens

    assert [reserved(body(max_tokens=10, **more)) for more in ({}, {"n": 8}, {"n": None}, {"n": "x"})] == [
        10,
        80,
        10,
        10,
    ]
    assert (reserved(body()), reserved(body(n=2))) == (1024, 2048)
    assert reserved({"model": "", "input": "x"}, EMBEDDINGS) == 0
    counted = {"model": "", "messages": body()["messages"], "max_tokens": 9}
    assert (reserved(counted, MESSAGES), reserved(counted, COUNT_TOKENS)) == (9, 0)


def test_what_a_subscription_pays_for_is_free() -> None:
    """Whatever its list price: the cheapest, and within any cap."""
    paid = [provider("acme", subscription=True), provider("other", model(price=None))]
    limits = config(providers=paid, profiles={"default": CHAIN["default"] | {"order": "cheapest"}})
    first = plan(request(config=limits), limits).candidates[0]
    assert (first["route"], first["projected_usd"], first["input_per_mtok"]) == (ACME, "0", "0")


@pytest.mark.parametrize(("amount", "count"), [("0", 0), ("4.99", 0), ("5", 1), ("99", 1)])
def test_a_warning_budget_warns(amount: str, count: int) -> None:
    """From the moment the limit is reached, with the scope and both amounts, and without a change of the plan."""
    warning = config(budgets=[MONTHLY | {"action": "warn"}])
    record = plan(request(), warning, snapshot=spent(amount))
    told = {"scope": "provider:acme", "period": "month", "spent_usd": amount, "limit_usd": "5"}
    assert record.warnings == (told,) * count
    assert record.pack() == replace(record, warnings=()).pack()


def test_only_those_are_warned_of_who_may_be_used() -> None:
    """Not a provider outside the chain, not one whose routes are out, and a budget that skips warns of nothing."""
    warn = MONTHLY | {"action": "warn"}
    outside = config(budgets=[warn], profiles={"default": {"routes": ["other/small"]}})
    off = config(providers=[provider(enabled=False), provider("other")], profiles=CHAIN, budgets=[warn])
    both = config(budgets=[warn | {"limit_usd": 1}, MONTHLY])
    for limited in (outside, off, BUDGETED, both):
        assert plan(request(config=limited), limited, snapshot=spent("99")).warnings == ()


@pytest.mark.parametrize(("before", "hot"), [(1, True), (0, False), (-1, False)])
@pytest.mark.case("U9")
def test_the_warm_route_is_first_while_its_cache_is_alive(before: int, hot: bool) -> None:
    """Up to the millisecond before `warm_until`; at it the cache is taken for dead."""
    record = plan(request(), warm=[warm_on("other", until=NOW + before)])
    assert keys(record) == ([OTHER, ACME] if hot else [ACME, OTHER])
    assert [row["warm"] for row in record.candidates] == [False, hot]
    assert [row["chosen"] for row in record.candidates] == [not hot, hot]
    assert record.rule_fired == ("default+warm" if hot else "default")


def test_warmth_opens_no_gate() -> None:
    """A warm route that is not eligible stays out."""
    record = plan(request(), BUDGETED, snapshot=spent("5"), warm=[warm_on("acme", until=NOW + 1)])
    assert keys(record) == [OTHER]
    assert not any(row["warm"] for row in record.candidates)


def test_another_model_s_warm_route_steers_nothing() -> None:
    """Warm with a model that is not in the chain says nothing about this one."""
    record = plan(request(), warm=[warm_on("other", "large", until=NOW + 1), warm_on("nobody", until=NOW + 1)])
    assert keys(record) == [ACME, OTHER]


def test_of_two_warm_routes_the_latest_is_first() -> None:
    """A session that used two models of the chain goes on where it last was."""
    both = config(profiles={"default": {"routes": ["other/small", "acme/small", "acme/large"]}})
    warm = [warm_on("acme", "small", until=NOW + 9, last_at=1), warm_on("acme", "large", until=NOW + 1, last_at=2)]
    assert keys(plan(request(config=both), both, warm=warm)) == ["acme|large|", OTHER, ACME]


@pytest.mark.case("C11")
def test_without_money_it_is_402() -> None:
    """Every route is out, one for its budget: which budget, how much, and when it is whole again."""
    mixed = chain(enabled=False)
    limited = mixed.model_copy(update={"budgets": config(budgets=[MONTHLY | {"scope": "provider:other"}]).budgets})
    refusal = plan(request(config=limited), limited, snapshot=spent("5.01", by="other")).refusal
    assert isinstance(refusal, BudgetExceeded)
    assert refusal.detail == {
        "scope": "provider:other",
        "period": "month",
        "spent_usd": "5.01",
        "limit_usd": "5",
        "resets_at": iso(minute_start_ms("2026-12-01T00:00")),
    }


def test_the_budget_that_is_told_is_the_one_that_stopped_it() -> None:
    """Not that of a route which was out for another reason, even if its budget is spent too."""
    budgets = [MONTHLY, MONTHLY | {"scope": "provider:other", "limit_usd": 2}]
    off = config(providers=[provider(enabled=False), provider("other")], profiles=CHAIN, budgets=budgets)
    views = {**spent("9").spend, **spent("2", by="other").spend}
    refusal = plan(request(config=off), off, snapshot=Snapshot(as_of=NOW, spend=views)).refusal
    assert isinstance(refusal, BudgetExceeded)
    assert refusal.detail["scope"] == "provider:other"


@pytest.mark.case("A7", "C3")
def test_without_a_route_that_can_it_is_400() -> None:
    """Every route with its reason, and no reason to try again; no route is chosen. Pinned: 422, with a hint."""
    unable = chain(model(capabilities={"tools": False}))
    pinned = request(body(model="acme/small", tools=TOOLS), config=unable)
    record = plan(pinned, unable)
    refusal = record.refusal
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.should_retry) == (422, "no_eligible_route", False)
    assert "acme/small: lacks_tools" in refusal.message
    assert not any(row["chosen"] for row in record.candidates)
    alone = chain(model(capabilities={"tools": False}))
    sole = {"default": {"routes": ["acme/small"]}}
    by_profile = config(providers=alone.model_dump()["providers"], profiles=sole)
    refusal = plan(request(body(tools=TOOLS), config=by_profile), by_profile).refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "no_eligible_route")


MODELS = st.builds(
    lambda tools, context, quality: {
        "capabilities": {"tools": tools},
        "context_tokens": context,
        "quality": quality,
    },
    st.booleans(),
    st.sampled_from([None, 10, 1_000_000]),
    st.none() | st.floats(0, 1),
)


CASES = st.tuples(
    st.lists(st.tuples(MODELS, st.booleans()), min_size=1, max_size=4),
    st.booleans(),
    st.none() | st.integers(0, 4),
    st.decimals(0, 10, places=2),
)


def decided_case(case: tuple[list[tuple[Json, bool]], bool, int | None, Decimal]) -> Plan:
    """A chain of any routes, for a request with or without tools, warm on any of them or none."""
    routes, tools, warm, amount = case
    providers = [provider(f"p{i}", model(**more), enabled=on) for i, (more, on) in enumerate(routes)]
    profiles = {"default": {"routes": [f"p{i}/small" for i in range(len(routes))]}}
    budgets = [{"scope": "provider:p0", "period": "day", "limit_usd": 5}]
    any_config = config(providers=providers, profiles=profiles, budgets=budgets)
    asked = request(body(tools=TOOLS) if tools else body(), config=any_config)
    hot = [] if warm is None else [warm_on(f"p{warm}", until=NOW + 1)]
    return plan(asked, any_config, snapshot=spent(str(amount), by="p0"), warm=hot)


@given(CASES)
def test_the_same_inputs_give_the_same_bytes(case: Any) -> None:
    """No clock, no randomness: the stored decision can be rebuilt."""
    assert decided_case(case).pack() == decided_case(case).pack()


@given(CASES)
@pytest.mark.case("A4")
def test_a_decision_is_whole(case: Any) -> None:
    """Each candidate is either in the order or has a reason; exactly the first of the order is chosen."""
    record = decided_case(case)
    eligible = {row["route"] for row in record.candidates if row["eligible"]}
    assert eligible == set(keys(record)) == {route for route, reason in reasons(record).items() if reason is None}
    assert [row["route"] for row in record.candidates if row["chosen"]] == keys(record)[:1]
    assert (record.refusal is None) is bool(eligible)


def test_the_stored_decision_says_it_all() -> None:
    """Candidates with their reasons, order, rule, hash and the views' version; what is unknown is left out."""
    record = plan(request(), BUDGETED, snapshot=spent("5"))
    stored = DecisionRecord.unpack(record.pack()).document
    assert stored["order"] == [OTHER]
    assert (stored["rule_fired"], stored["ruleset_hash"]) == ("default", record.ruleset_hash)
    assert stored["views_as_of"] == iso(NOW)
    assert stored["candidates"] == record.candidates
    assert stored["candidates"][0]["rejection_reason"] == "budget_exhausted"
