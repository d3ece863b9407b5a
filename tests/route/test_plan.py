"""The decision: the same inputs, the same bytes; every gate, the budgets, warmth, and what the hash is over."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds.route_stats import RouteStats
from ledger.items import ApiKey, Fact
from ledger.moments import DAY_MS, iso, minute_start_ms
from ledger.outcomes import Kind, Outcome
from ledger.snapshot import Snapshot, add_facts, with_own
from route.capabilities import Resolved
from route.config import Config
from route.decided import Decided
from route.dialects.chat import CHAT
from route.dialects.count_tokens import COUNT_TOKENS
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.responses import RESPONSES
from route.errors import BudgetExceeded
from route.gates import GATES, SOFT
from route.plan import Plan, probing
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact
from tests.route.build import KEY, Json, body, config, document, model, plan, provider, request, spent, warm_on

ACME, OTHER = "acme|small|", "other|small|"
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example"}}]}]
PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}
DOCUMENT = [{"role": "user", "content": [PDF]}]
AUDIO = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]
SEALED = {
    "role": "assistant",
    "content": "Hi",
    "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "sig=="}],
}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def keys(decided: Plan) -> list[str]:
    return [route.key for route in decided.routes]


def reasons(decided: Plan) -> dict[str, str | None]:
    return {row["route"]: row.get("rejection_reason") for row in decided.candidates}


def chain(*models: Json, kind: str = "openai_compat", **more: Any) -> Config:
    """The default chain, where `acme` has other models or properties."""
    first = provider("acme", *models, **({"kind": kind} | more))
    return config(providers=[first, provider("other")], profiles=CHAIN)


CHAIN = {"default": {"routes": ["acme/small", "other/small"]}}


def test_the_base_order_is_the_listed_one() -> None:
    """`static`: as the profile has it, the first is chosen, and the rule says why."""
    decided = plan(request())
    assert keys(decided) == [ACME, OTHER]
    assert [row["chosen"] for row in decided.candidates] == [True, False]
    assert (decided.rule_fired, decided.refusal) == ("default", None)


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


def views(facts: Iterable[Fact]) -> Snapshot:
    """What the fleet knows when these are all the facts."""
    return add_facts(Snapshot(as_of=NOW - 1), facts)


def toolless(count: int, **more: Any) -> list[Fact]:
    """Answers to requests with tools that call none."""
    origin = replace(ORIGIN, tools_requested=True)
    return [fact(NOW - 1000 + n, origin=origin, **more) for n in range(count)]


Gated = tuple[Config, Json, ApiKey, Snapshot]
PLAIN: tuple[Json, ApiKey, Snapshot] = (body(), KEY, Snapshot())
HARD = {"scope": "provider:acme", "period": "day", "limit_usd": 5, "mode": "hard"}


def limited(**profile: Any) -> Config:
    """The default chain with limits of its profile; `acme` has quality 0.5, `other` 0.9 and a tenth of its
    price.
    """
    cheap = model(price={"input_per_mtok": "0.3", "output_per_mtok": "1.5"}, quality=0.9)
    providers = [provider("acme", model(quality=0.5)), provider("other", cheap)]
    return config(providers=providers, profiles={"default": CHAIN["default"] | profile})


GATED: dict[str, Gated] = {
    "disabled": (chain(enabled=False), *PLAIN),
    "paid_not_allowed": (chain(paid=True), *PLAIN),
    "not_allowed_for_caller": (chain(model()), body(), replace(KEY, models=("other/small",)), Snapshot()),
    "no_price": (
        config(providers=[provider("acme", model(price=None)), provider("other")], budgets=[HARD], profiles=CHAIN),
        *PLAIN,
    ),
    "lacks_tools": (chain(model(capabilities={"tools": False})), body(tools=TOOLS), *PLAIN[1:]),
    "lacks_images": (chain(model(capabilities={"images": False})), body(messages=IMAGE), *PLAIN[1:]),
    "lacks_documents": (chain(model(capabilities={"documents": False})), body(messages=DOCUMENT), *PLAIN[1:]),
    "lacks_audio": (chain(model(capabilities={"audio": False})), body(messages=AUDIO), *PLAIN[1:]),
    "lacks_structured_output": (
        chain(model(capabilities={"structured_output": False})),
        body(response_format={"type": "json_object"}),
        *PLAIN[1:],
    ),
    "lacks_thinking": (
        chain(model(capabilities={"thinking": "none"})),
        body(messages=[*body()["messages"], SEALED, *body()["messages"]]),
        *PLAIN[1:],
    ),
    "context_too_small": (chain(model(context_tokens=100)), body("x" * 500), *PLAIN[1:]),
    "lossy_translation": (chain(kind="anthropic"), body(n=2), *PLAIN[1:]),
    "tool_incapable": (config(), body(tools=TOOLS), KEY, views(toolless(20))),
    "no_quality": (chain(model()), body(min_quality=0.4), *PLAIN[1:]),
    "below_quality_floor": (limited(quality_floor=0.6), *PLAIN),
    "exceeds_request_cap": (limited(request_cap_usd="0.01"), *PLAIN),
    "exceeds_latency_slo": (limited(latency_slo_ms=500), body(), KEY, views([fact(NOW, latency_ms=501)])),
    "budget_exhausted": (
        config(budgets=[{"scope": "provider:acme", "period": "day", "limit_usd": 0}], profiles=CHAIN),
        *PLAIN,
    ),
    "memory_pressure": (config(), body(), KEY, views([fact(NOW, ok=False, kind=Kind.OUT_OF_MEMORY)])),
    "cooling_down": (config(), body(), KEY, views([fact(NOW, ok=False, retry_after_ms=1)])),
}


@pytest.mark.parametrize(("reason", "case"), GATED.items(), ids=GATED.keys())
def test_every_gate_closes_with_its_reason(reason: str, case: Gated) -> None:
    """From config, body, key or views: that route has the reason in its row, and the next one is chosen."""
    limits, asked, key, known = case
    if reason == "no_quality":
        limits = config(providers=[provider("acme"), provider("other", model(quality=0.4))], profiles=CHAIN)
    decided = plan(request(asked, key=key, config=limits), limits, snapshot=known)
    assert reasons(decided) == {ACME: reason, OTHER: None}
    assert [(row["eligible"], row["chosen"]) for row in decided.candidates] == [(False, False), (True, True)]
    assert keys(decided) == ([OTHER, ACME] if reason in SOFT else [OTHER])


def test_every_gate_is_tested() -> None:
    """A gate without a case above fails here; the order of the table is the order of the reasons."""
    assert [reason for reason, _ in GATES] == list(GATED)


@pytest.mark.parametrize(
    ("facts", "capable"),
    [
        (toolless(19), True),
        (toolless(20), False),
        (toolless(40) + toolless(1, tool_calls=1), True),
        (toolless(20, outcome=Outcome.ERROR, kind=Kind.RATE_LIMITED), True),
        ([replace(one, at=one.at - 31 * MINUTE) for one in toolless(20)], True),
        ([replace(one, origin=ORIGIN) for one in toolless(50)], True),
    ],
    ids=["19", "20", "one call among 41", "20 failed", "31 minutes old", "50 without tools"],
)
@pytest.mark.case("U6")
def test_a_model_that_never_calls_tools_gets_no_requests_with_tools(facts: list[Fact], capable: bool) -> None:
    """20 successful answers without a call; and a request without tools is none of its business."""
    decided = plan(request(body(tools=TOOLS)), snapshot=views(facts))
    assert (reasons(decided)[ACME] != "tool_incapable") is capable
    for asked in (body(), body(tools=[]), body(tools=TOOLS, tool_choice="none")):
        assert reasons(plan(request(asked), snapshot=views(facts)))[ACME] != "tool_incapable"


def test_latency_is_of_requests_like_this_one() -> None:
    """Long prompts do not make a route look slow to short ones, nor streams to whole answers."""
    long, short = replace(ORIGIN, size="xl"), replace(ORIGIN, size="xs")
    streamed = replace(short, stream=True)
    facts = [fact(NOW - n, origin=o, latency_ms=ms) for n in range(3) for o, ms in ((long, 9000), (short, 100))]
    facts += [fact(NOW - n, origin=streamed, latency_ms=4000) for n in range(3)]
    for asked, latency_ms in ((body(), 100), (body("x" * 600_000), 9000), (body(stream=True), 4000)):
        first = plan(request(asked), snapshot=views(facts)).candidates[0]
        assert first["latency_ms"] == latency_ms


def test_a_pause_that_was_asked_for_ends_by_itself() -> None:
    """Until the instant that the provider named, and not at it; an out of memory lasts 120 s, or as configured."""
    waits = views([fact(NOW, ok=False, retry_after_ms=5_000)])
    full = views([fact(NOW, ok=False, kind=Kind.OUT_OF_MEMORY)])
    shorter = config(
        profiles={"default": CHAIN["default"] | {"memory_pressure": {"action": "skip", "cooldown_s": 60}}}
    )
    for known, limits, after in ((waits, config(), 5_000), (full, config(), 120_000), (full, shorter, 60_000)):
        for at, free in ((NOW + after - 1, False), (NOW + after, True)):
            decided = plan(request(config=limits), limits, snapshot=known, now=at)
            assert (reasons(decided)[ACME] is None) is free


def test_health_is_by_the_profile_s_own_numbers() -> None:
    """Three faults are degraded by default; with a threshold of 4 they are nothing, with one of 2 nearly the
    end.
    """
    three = views([fact(NOW + n, ok=False) for n in range(3)])
    for threshold, health in ((3, "degraded"), (4, "healthy"), (2, "degraded")):
        limits = config(profiles={"default": CHAIN["default"] | {"health": {"threshold": threshold}}})
        assert plan(request(config=limits), limits, snapshot=three).candidates[0]["health"] == health
    four = views([fact(NOW + n, ok=False) for n in range(4)])
    limits = config(profiles={"default": CHAIN["default"] | {"health": {"threshold": 2}}})
    assert plan(request(config=limits), limits, snapshot=four).candidates[0]["health"] == "unhealthy"


def always(_route: str) -> bool:
    return True


def test_a_sole_route_is_never_refused_for_its_health() -> None:
    """Nor a pinned one: it is tried, and its row says what was set aside."""
    down = views([fact(NOW + n, ok=False) for n in range(9)])
    pinned = plan(request(body(model="acme/small")), snapshot=down)
    assert (keys(pinned), pinned.refusal) == ([ACME], None)
    assert pinned.candidates[0]["set_aside"] == "cooling_down"
    assert pinned.rule_fired == "pinned+set_aside"


@pytest.mark.parametrize(("after", "probes"), [(59_999, []), (60_000, [ACME])])
def test_a_rested_route_may_be_probed(after: int, probes: list[str]) -> None:
    """Degraded: a minute after its last fault, by whoever claims it, in its own place."""
    ill = views([fact(NOW, ok=False)] * 3)
    decided = plan(request(), snapshot=ill, now=NOW + after)
    assert keys(decided) == [OTHER, ACME]
    assert [key for key, _ in probing(decided, always)] == probes
    assert [keys(probe) for _, probe in probing(decided, always)] == [[ACME, OTHER] for _ in probes]
    assert list(probing(decided, lambda _key: False)) == []


def test_a_route_that_would_not_be_first_is_not_probed() -> None:
    """A probe costs a claim: it is for requests that would go there."""
    ill = views([fact(NOW, provider="other", ok=False)] * 3)
    assert list(probing(plan(request(), snapshot=ill, now=NOW + 60_000), always)) == []
    alone = plan(request(body(model="other/small")), snapshot=ill, now=NOW + 60_000)
    assert keys(alone) == [OTHER]
    assert list(probing(alone, always)) == [], "it is first already"


def test_what_only_one_route_can_serve_is_no_probe() -> None:
    """A follow-up to what `other` has stored would find nothing at `acme`."""
    ill = views([fact(NOW, ok=False)] * 3)
    asked: Json = {"model": "", "input": "x", "previous_response_id": "resp_1"}
    decided = plan(request(asked, dialect=RESPONSES), snapshot=ill, now=NOW + 60_000)
    assert keys(decided) == [OTHER]
    assert list(probing(decided, always)) == []


def test_the_fastest_measures_those_it_knows_nothing_of() -> None:
    """One request at a time, as a probe: else the first that is known would be the fastest for ever."""
    fast = config(profiles={"default": CHAIN["default"] | {"order": "fastest"}})
    known = views([fact(NOW, latency_ms=900)])
    decided = plan(request(config=fast), fast, snapshot=known)
    assert keys(decided) == [ACME, OTHER]
    assert [keys(probe) for _, probe in probing(decided, always)] == [[OTHER, ACME]]
    both = plan(request(config=fast), fast, snapshot=views([fact(NOW, latency_ms=9, provider="other")]))
    assert [key for key, _ in probing(both, always)] == [ACME]
    measured = add_facts(known, [fact(NOW + 1, latency_ms=950, provider="other")])
    assert list(probing(plan(request(config=fast), fast, snapshot=measured), always)) == []


def test_a_fast_route_that_was_down_comes_back() -> None:
    """Its figures have aged out of the window meanwhile: it is probed all the same."""
    fast = config(profiles={"default": CHAIN["default"] | {"order": "fastest"}})
    later = NOW + 60 * MINUTE
    down = [fact(NOW - 30, latency_ms=50), *(fact(NOW + n, ok=False) for n in range(6))]
    known = add_facts(with_own(views(down), [], later), [fact(later, latency_ms=900, provider="other")])
    decided = plan(request(config=fast), fast, snapshot=known, now=later)
    assert keys(decided) == [OTHER, ACME]
    assert [keys(probe) for _, probe in probing(decided, always)] == [[ACME, OTHER]]


def test_the_adaptive_guard_is_for_those_who_ask_for_it() -> None:
    """Slow by the fleet's pace: behind the others with `adaptive: true`, in its place without."""
    slow = [fact(NOW + n, latency_ms=1000) for n in range(3)]
    quick = [fact(NOW + n, provider="other", latency_ms=100) for n in range(3)]
    third = [fact(NOW + n, provider="anna", latency_ms=100) for n in range(3)]
    three = {"routes": ["acme/small", "other/small", "anna/small"]}
    for adaptive, first in ((True, OTHER), (False, ACME)):
        limits = config(profiles={"default": three | {"adaptive": adaptive}})
        decided = plan(request(config=limits), limits, snapshot=views([*slow, *quick, *third]), now=NOW + 5)
        assert keys(decided)[0] == first
        assert ("+adaptive" in decided.rule_fired) is adaptive


def test_the_first_reason_is_told() -> None:
    """Where several gates are closed the row has the first in their order."""
    closed = chain(model(context_tokens=1, capabilities={"tools": False}), enabled=False)
    assert reasons(plan(request(body(tools=TOOLS), config=closed), closed))[ACME] == "disabled"


@pytest.mark.parametrize(
    ("key", "open_routes"),
    [
        (KEY, [ACME, OTHER]),
        (replace(KEY, models=("small",)), [ACME, OTHER]),
        (replace(KEY, models=("acme/small",)), [ACME]),
        (replace(KEY, models=("acme/small", "other/small")), [ACME, OTHER]),
        (replace(KEY, models=("large",)), []),
    ],
)
def test_a_key_s_models_name_models_or_routes(key: ApiKey, open_routes: list[str]) -> None:
    """An empty list allows everything."""
    assert keys(plan(request(key=key))) == open_routes


def test_capabilities_only_matter_when_they_are_needed() -> None:
    """A route without tools takes a request without tools."""
    unable = chain(model(capabilities={"tools": False, "images": False}))
    for asked in (body(), body(tools=[]), body(tools=TOOLS, tool_choice="none")):
        assert keys(plan(request(asked, config=unable), unable)) == [ACME, OTHER]


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
        assert ("neutral" in vars(asked.reading)) is is_read


def test_sealed_thinking_is_left_out_where_the_profile_says_so() -> None:
    """Refused without a word; with it the route of another vendor is told all but that, and says so."""
    asked = body(messages=[*body()["messages"], SEALED, *body()["messages"]])
    for word, reason, dropped in (("refuse", "lossy_translation", ()), ("drop", None, True)):
        profiles = {"default": {"routes": ["acme/small"], "sealed_thinking": word}}
        limits = config(providers=[provider("acme", dialects=["responses"])], profiles=profiles)
        decided = plan(request(asked, config=limits), limits)
        assert decided.candidates[0].get("rejection_reason") == reason
        if dropped:
            (route,) = decided.routes
            translation = decided.translator.to(route.provider, route.model, route.able)
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


@pytest.mark.parametrize(("limit", "fits"), [(0, True), (-1, False)])
def test_a_context_that_is_just_large_enough(limit: int, fits: bool) -> None:
    """As many tokens as estimated fit, one fewer does not."""
    tokens = request(body("x" * 500)).input_tokens
    small = chain(model(context_tokens=tokens + limit))
    decided = plan(request(body("x" * 500), config=small), small)
    assert (reasons(decided)[ACME] is None) is fits


MONTHLY = {"scope": "provider:acme", "period": "month", "limit_usd": 5}
BUDGETED = config(budgets=[MONTHLY])


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
    decided = plan(request(), both, snapshot=spent("6"))
    assert reasons(decided)[ACME] == "budget_exhausted"
    assert decided.candidates[0]["budget"]["limit_usd"] == "5"
    equal = [MONTHLY, MONTHLY | {"period": "day"}]
    listed = [config(budgets=[equal[n], equal[1 - n]]) for n in (0, 1)]
    assert len({plan(request(), each, snapshot=spent("1")).decided.body for each in listed}) == 1


def test_each_of_several_answers_is_reserved_for() -> None:
    """Eight choices cost eight times the output, and what counts or embeds has none."""

    def reserved(asked: Json, dialect: Any = CHAT) -> int:
        return plan(request(asked, dialect=dialect)).decided.survey.asked.output_tokens

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
    decided = plan(request(), warning, snapshot=spent(amount))
    told = {"scope": "provider:acme", "period": "month", "spent_usd": amount, "limit_usd": "5"}
    assert decided.warnings == (told,) * count
    assert decided.pack() == replace(decided, warnings=()).pack()


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
    decided = plan(request(), warm=[warm_on("other", until=NOW + before)])
    assert keys(decided) == ([OTHER, ACME] if hot else [ACME, OTHER])
    assert [row["warm"] for row in decided.candidates] == [False, hot]
    assert [row["chosen"] for row in decided.candidates] == [not hot, hot]
    assert decided.rule_fired == ("default+warm" if hot else "default")


def test_warmth_opens_no_gate() -> None:
    """A warm route that is not eligible stays out."""
    decided = plan(request(), BUDGETED, snapshot=spent("5"), warm=[warm_on("acme", until=NOW + 1)])
    assert keys(decided) == [OTHER]
    assert not any(row["warm"] for row in decided.candidates)


def test_another_model_s_warm_route_steers_nothing() -> None:
    """Warm with a model that is not in the chain says nothing about this one."""
    decided = plan(request(), warm=[warm_on("other", "large", until=NOW + 1), warm_on("nobody", until=NOW + 1)])
    assert keys(decided) == [ACME, OTHER]


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
    decided = plan(pinned, unable)
    refusal = decided.refusal
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.should_retry) == (422, "no_eligible_route", False)
    assert "acme/small: lacks_tools" in refusal.message
    assert not any(row["chosen"] for row in decided.candidates)
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
    decided = decided_case(case)
    eligible = {row["route"] for row in decided.candidates if row["eligible"]}
    assert (
        eligible == set(keys(decided)) == {route for route, reason in reasons(decided).items() if reason is None}
    )
    assert [row["route"] for row in decided.candidates if row["chosen"]] == keys(decided)[:1]
    assert (decided.refusal is None) is bool(eligible)


def test_the_stored_decision_says_it_all() -> None:
    """Candidates with their reasons, order, rule, hash and the views' version; what is unknown is left out."""
    decided = plan(request(), BUDGETED, snapshot=spent("5"))
    stored = Decided.unpack(decided.pack()).document
    assert stored["order"] == [OTHER]
    assert (stored["rule_fired"], stored["ruleset_hash"]) == ("default", decided.ruleset_hash)
    assert stored["views_as_of"] == iso(NOW)
    assert stored["candidates"] == decided.candidates
    assert stored["candidates"][0]["rejection_reason"] == "budget_exhausted"


def _set(document: Json, path: str, value: object) -> Json:
    """A copy with one value set, by a path of keys and numbers."""
    document = deepcopy(document)
    *way, last = path.split(".")
    place: Any = document
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    place[int(last) if isinstance(place, list) else last] = value
    return document


def whole() -> Json:
    small = model(price={"input_per_mtok": 3, "output_per_mtok": 15}, quality=0.8, context_tokens=1000)
    return document(
        providers=[provider("acme", small, model("large")), provider("other")],
        profiles={"default": {"routes": ["acme/small", "other/small"]}},
        budgets=[MONTHLY],
    )


def hash_of(document: Json) -> str:
    """The hash for a request that names its profile."""
    loaded = Config.model_validate(document)
    return plan(request(body(profile="default"), config=loaded), loaded).ruleset_hash


MUTATIONS: list[tuple[str, object]] = [
    ("providers.0.enabled", False),
    ("providers.0.kind", "anthropic"),
    ("providers.0.models.0.price.input_per_mtok", 3.01),
    ("providers.0.models.0.price.output_per_mtok", 14),
    ("providers.0.models.0.price.cache_read_per_mtok", 0.3),
    ("providers.1.models.0.price", None),
    ("providers.0.models.0.quality", 0.81),
    ("providers.0.models.0.context_tokens", 1001),
    ("providers.0.models.0.wire_model", "small-2026-02"),
    ("providers.0.models.0.capabilities.tools", False),
    ("providers.0.models.0.capabilities.images", False),
    ("profiles.default.routes", ["other/small", "acme/small"]),
    ("profiles.default.routes", ["acme/small"]),
    ("profiles.default.max_attempts", 3),
    ("profiles.default.content_filter", "next"),
    ("profiles.default.deadlines.gap_s", 61),
    ("profiles.default.order", "cheapest"),
    ("profiles.default.quality_floor", 0.6),
    ("profiles.default.floor_bounds", [0.4, 0.85]),
    ("profiles.default.request_cap_usd", 9),
    ("profiles.default.latency_slo_ms", 99_999),
    ("profiles.default.allow_paid", True),
    ("profiles.default.sealed_thinking", "drop"),
    ("profiles.default.tool_loop", "break"),
    ("profiles.default.tool_loop.threshold", 2),
    ("profiles.default.memory_pressure.cooldown_s", 60),
    ("profiles.default.memory_pressure", "warn"),
    ("profiles.default.health.threshold", 4),
    ("profiles.default.health.cooldown_s", 901),
    ("profiles.default.health.max_cooldown_s", 3601),
    ("profiles.default.health", "off"),
    ("profiles.default.adaptive", True),
    ("providers.1.paid", True),
    ("providers.1.subscription", True),
    ("allow_paid", True),
    ("budgets.0.limit_usd", 5.01),
    ("budgets.0.period", "day"),
    ("budgets.0.action", "warn"),
    ("budgets", []),
]


@pytest.mark.parametrize(("path", "value"), MUTATIONS)
@pytest.mark.case("A9")
def test_every_rule_and_number_is_in_the_hash(path: str, value: object) -> None:
    """Two decisions with the same hash were made by the same rules."""
    assert hash_of(_set(whole(), path, value)) != hash_of(whole())


def test_a_chain_s_listing_is_no_rule_but_in_static() -> None:
    """In any other order the same routes give the same bytes, however a config lists routes and providers."""
    for order, same in (("static", False), ("cheapest", True), ("expected_cost", True), ("fastest", True)):
        listed = _set(whole(), "profiles.default.order", order)
        turned = _set(listed, "profiles.default.routes", ["other/small", "acme/small"])
        turned["providers"] = turned["providers"][::-1]
        bytes_of = []
        for each in (listed, turned):
            loaded = Config.model_validate(each)
            bytes_of.append(plan(request(body(profile="default"), config=loaded), loaded).decided.body)
        assert (bytes_of[0] == bytes_of[1]) is same


@pytest.mark.parametrize("flag", ["tools", "images", "thinking", "max_output_tokens"])
def test_bundled_capabilities_are_in_the_hash(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a model by the table that comes with the router, and not by its own entry, decides too."""
    before = plan(request()).ruleset_hash
    known: Json = {"tools": False, "images": False, "thinking": "none", "max_output_tokens": 9}
    monkeypatch.setattr("route.chain.capabilities_of", lambda *_: Resolved(**{flag: known[flag]}))
    fresh = config()
    assert plan(request(config=fresh), fresh).ruleset_hash != before


def test_the_auto_router_s_rules_are_in_the_hash_of_what_they_chose() -> None:
    """And in no other."""
    hashes: dict[str, set[str]] = {"auto": set(), "default": set()}
    for tokens in (10_000, 20_000):
        rule = {"id": "long", "profile": "large", "match": {"content_token_count_min": tokens}}
        loaded = config(auto_router={"rules": [rule]})
        for name, seen in hashes.items():
            seen.add(plan(request(body(profile=name), config=loaded), loaded).ruleset_hash)
    assert {name: len(seen) for name, seen in hashes.items()} == {"auto": 2, "default": 1}


def test_the_dial_is_in_the_hash() -> None:
    """Each of its positions, and a floor of the caller's own."""
    asked = [body(), body(routing_hint="cost"), body(routing_hint="quality"), body(min_quality=0.1)]
    assert len({plan(request(each)).ruleset_hash for each in asked}) == 4


def test_the_rule_that_chose_the_chain_is_in_the_hash() -> None:
    """The same chain by default and by name are two rules."""
    by_name, by_default = plan(request(body(profile="default"))), plan(request())
    assert by_name.ruleset_hash != by_default.ruleset_hash


def _same() -> list[tuple[str, Callable[[], Plan]]]:
    return [
        ("another text", lambda: plan(request(body("Goodbye")))),
        ("other views", lambda: plan(request(), snapshot=spent("3"))),
        ("another instant", lambda: plan(request(), now=NOW + DAY_MS)),
        ("a warm route", lambda: plan(request(), warm=[warm_on("other", until=NOW + 1)])),
    ]


@pytest.mark.parametrize(("what", "make"), _same(), ids=[name for name, _ in _same()])
def test_inputs_are_not_rules(what: str, make: Callable[[], Plan]) -> None:
    """The hash names the rules: the request, the views and the clock are stored beside it."""
    assert make().ruleset_hash == plan(request()).ruleset_hash, what


def test_what_takes_no_part_is_not_in_the_hash() -> None:
    """Providers, models and profiles outside the chain, keys and addresses decide nothing."""
    for path, value in (
        ("providers.0.models.1.quality", 0.1),
        ("providers.0.base_url", "https://elsewhere.example/v1"),
        ("providers.0.api_key", "env:OTHER"),
        ("profiles.unused", {"routes": ["acme/large"]}),
        ("aliases.gpt-4o", "default"),
    ):
        assert hash_of(_set(whole(), path, value)) == hash_of(whole())
