"""Every gate from the config, the body, the key and the views; what evidence costs, and who is probed."""

from dataclasses import replace

import pytest

from ledger.items import ApiKey, Fact
from ledger.outcomes import FaultKind, Outcome
from ledger.snapshot import Snapshot, add_facts, with_own
from route.config.file import Config
from route.decision.gates import GATES, SOFT
from route.dialects.responses import RESPONSES
from route.planning.plan import probing
from tests.ledger.make import MINUTE, NOW, ORIGIN, fact
from tests.route.build import KEY, Json, body, config, model, plan, provider, request
from tests.route.plans import (
    ACME,
    AUDIO,
    CHAIN,
    DOCUMENT,
    IMAGE,
    OTHER,
    SEALED,
    TOOLS,
    always,
    chain,
    keys,
    limited,
    reasons,
    toolless,
    views,
)

Gated = tuple[Config, Json, ApiKey, Snapshot]


PLAIN: tuple[Json, ApiKey, Snapshot] = (body(), KEY, Snapshot())


HARD = {"scope": "provider:acme", "period": "day", "limit_usd": 5, "mode": "hard"}


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
    "memory_pressure": (config(), body(), KEY, views([fact(NOW, ok=False, kind=FaultKind.OUT_OF_MEMORY)])),
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
        (toolless(20, outcome=Outcome.ERROR, kind=FaultKind.RATE_LIMITED), True),
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
    full = views([fact(NOW, ok=False, kind=FaultKind.OUT_OF_MEMORY)])
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


@pytest.mark.parametrize(("limit", "fits"), [(0, True), (-1, False)])
def test_a_context_that_is_just_large_enough(limit: int, fits: bool) -> None:
    """As many tokens as estimated fit, one fewer does not."""
    tokens = request(body("x" * 500)).input_tokens
    small = chain(model(context_tokens=tokens + limit))
    decided = plan(request(body("x" * 500), config=small), small)
    assert (reasons(decided)[ACME] is None) is fits
