"""What the ruleset hash is over: every rule and number that took part, and no input."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from ledger.moments import DAY_MS
from route.config.capabilities import ResolvedCapabilities
from route.config.file import Config
from route.planning.plan import Plan
from tests.ledger.make import NOW
from tests.route.build import Json, body, config, document, model, plan, provider, request, spent, warm_on
from tests.route.plans import (
    MONTHLY,
)


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
            bytes_of.append(plan(request(body(profile="default"), config=loaded), loaded).record.body)
        assert (bytes_of[0] == bytes_of[1]) is same


@pytest.mark.parametrize("flag", ["tools", "images", "thinking", "max_output_tokens"])
def test_bundled_capabilities_are_in_the_hash(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a model by the table that comes with the router, and not by its own entry, decides too."""
    before = plan(request()).ruleset_hash
    known: Json = {"tools": False, "images": False, "thinking": "none", "max_output_tokens": 9}
    monkeypatch.setattr(
        "route.config.routes.capabilities_of", lambda *_: ResolvedCapabilities(**{flag: known[flag]})
    )
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
