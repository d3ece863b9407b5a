"""What a config file may say: defaults, bounds, and each fault with its path."""

from decimal import Decimal
from typing import Any

import pytest

from local.stack import ROOT
from route.config.file import Config, load_config, parse_config
from route.config.profiles import HealthGuard, MemoryGuard, ToolLoopGuard
from tests.route.build import Json, document, model, provider
from tests.route.config.files import DESIGN, ONE, fault, loaded, with_model


def test_the_documented_example_loads() -> None:
    """What others rely on: names, wire model, price, limits, and a budget with `mode: hard`."""
    config = parse_config(DESIGN)
    route = config.routes["acme/small"]
    acme, small = route.provider, route.model
    assert (acme.api_key, small.on_wire, small.quality) == ("env:ACME_KEY", "small-2026-01", 0.8)
    assert small.price is not None
    assert (small.price.input_per_mtok, small.context_tokens) == (Decimal(3), 128_000)
    assert (config.budgets[0].provider, config.budgets[0].mode) == ("acme", "hard")


def test_the_shipped_example_loads() -> None:
    """The file that people copy."""
    config = load_config(ROOT / "warmroute.example.yaml")
    assert config.default_profile in config.profiles
    assert all(p.api_key for p in config.providers)


def test_what_is_left_out_has_the_documented_default() -> None:
    """Deadlines 30, 60 and 300 s, four attempts, nothing skipped in silence."""
    config = Config.model_validate(document())
    profile = config.profiles["default"]
    deadlines = profile.deadlines
    assert (deadlines.first_token_s, deadlines.gap_s, deadlines.attempt_s) == (30, 60, 300)
    assert (profile.order, profile.max_attempts, profile.content_filter) == ("static", 4, "stop")
    assert (profile.ledger, config.unknown_model) == ("beside", "default")


@pytest.mark.case("U18")
def test_a_model_may_carry_its_vendor() -> None:
    """Two vendors' models with the same tail stay apart, and without a wire model the name is the slug."""
    router = provider("router", {"model": "x/large"}, {"model": "y/large"})
    config = loaded(document(providers=[router], profiles={"default": {"routes": ["router/x/large"]}}))
    assert sorted(config.routes) == ["router/x/large", "router/y/large"]
    assert config.routes["router/x/large"].model.on_wire == "x/large"


FAULTS: dict[str, tuple[Json, str]] = {
    "no file": ({}, "providers: "),
    "top": (document(provders=[]), "provders: Extra inputs"),
    "no providers": (document(providers=[]), "providers: "),
    "no profiles": (document(profiles={}), "profiles: "),
    "no default": ({k: v for k, v in document().items() if k != "default_profile"}, "default_profile: "),
    "provider key": (document(providers=[provider() | {"piad": True}]), "providers.0.piad: Extra inputs"),
    "paid": (document(providers=[provider() | {"paid": 1}]), "providers.0.paid: "),
    "allow paid": (document(allow_paid="yes"), "allow_paid: "),
    "mode": (document(mode_aliases={"fast": "nowhere"}), "mode_aliases.fast: no profile 'nowhere'"),
    "mode to a route": (
        document(mode_aliases={"fast": "acme/small"}),
        "mode_aliases.fast: no profile 'acme/small'",
    ),
    "kind": (document(providers=[provider(kind="gopher")]), "providers.0.kind: "),
    "url": (document(providers=[provider(base_url="acme.example/v1")]), "providers.0.base_url: "),
    "provider name": (document(providers=[provider("a/b")]), "providers.0.name: "),
    "model key": (with_model(contxt_tokens=1), "providers.0.models.0.contxt_tokens: Extra inputs"),
    "context": (with_model(context_tokens=0), "providers.0.models.0.context_tokens: "),
    "quality": (with_model(quality=1.01), "providers.0.models.0.quality: "),
    "quality nan": (with_model(quality=float("nan")), "providers.0.models.0.quality: "),
    "quality true": (with_model(quality=True), "providers.0.models.0.quality: "),
    "context true": (with_model(context_tokens=True), "providers.0.models.0.context_tokens: "),
    "output true": (with_model(max_output_tokens=True), "providers.0.models.0.max_output_tokens: "),
    "attempts true": (
        document(profiles={"p": {"routes": ["acme/small"], "max_attempts": True}}),
        "profiles.p.max_attempts: Value error, must be a number, not true or false",
    ),
    "deadline true": (
        document(profiles={"p": {"routes": ["acme/small"], "deadlines": {"gap_s": True}}}),
        "profiles.p.deadlines.gap_s: ",
    ),
    "capability": (with_model(capabilities={"tool": True}), "providers.0.models.0.capabilities.tool: "),
    "price key": (with_model(price={"input_per_mtok": 1}), "providers.0.models.0.price.output_per_mtok: "),
    "profile key": (document(profiles={"p": {"routes": ["acme/small"], "rotes": []}}), "profiles.p.rotes: "),
    "no routes": (document(profiles={"p": {"routes": []}}), "profiles.p.routes: "),
    "attempts": (
        document(profiles={"p": {"routes": ["acme/small"], "max_attempts": 0}}),
        "profiles.p.max_attempts",
    ),
    "deadline": (
        document(profiles={"p": {"routes": ["acme/small"], "deadlines": {"gap_s": 0}}}),
        "profiles.p.deadlines.gap_s: ",
    ),
    "deadline key": (
        document(profiles={"p": {"routes": ["acme/small"], "deadlines": {"gap_ms": 1}}}),
        "profiles.p.deadlines.gap_ms: ",
    ),
    "route": (document(profiles={"default": {"routes": ["acme/huge"]}}), "profiles.default.routes.0: no route"),
    "second route": (
        document(profiles={"default": {"routes": ["acme/small", "small"]}}),
        "profiles.default.routes.1: no route 'small'; there are acme/large, acme/small, anna/small, other/small",
    ),
    "same route": (
        document(profiles={"default": {"routes": ["acme/small", "acme/small"]}}),
        "profiles.default.routes: 'acme/small' is there twice",
    ),
    "alias": (document(aliases={"gpt-4o": "nowhere"}), "aliases.gpt-4o: 'nowhere' is neither"),
    "default profile": (document(default_profile="p"), "default_profile: no profile 'p'"),
    "unknown model": (document(unknown_model="guess"), "unknown_model: "),
    "same provider": (
        document(providers=[provider(), provider()], profiles=ONE),
        "providers: 'acme' is there twice",
    ),
    "same model": (
        document(providers=[provider("acme", model(), model())], profiles=ONE),
        "providers.0.models: 'small' is there twice",
    ),
}


@pytest.mark.parametrize(("document", "said"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.case("C6")
def test_each_fault_is_told_with_its_path(document: Json, said: str) -> None:
    """Unknown keys, impossible values, names that lead nowhere and names that are there twice."""
    assert said in fault(document)


def one_profile(**more: Any) -> Json:
    return document(profiles={"default": {"routes": ["acme/small"], **more}})


LIMITS: dict[str, tuple[Json, Json, str]] = {
    "floor 0.5": ({"quality_floor": 0.5}, {"quality_floor": 0.49}, "quality_floor"),
    "floor 0.85": ({"quality_floor": 0.85}, {"quality_floor": 0.86}, "quality_floor"),
    "floor 1": (
        {"quality_floor": 1, "floor_bounds": [0, 1]},
        {"quality_floor": 1.1, "floor_bounds": [0, 1]},
        "quality_floor",
    ),
    "floor true": (
        {"quality_floor": None},
        {"quality_floor": True, "floor_bounds": [0, 1]},
        "quality_floor",
    ),
    "bounds": ({"floor_bounds": [0.6, 0.6]}, {"floor_bounds": [0.61, 0.6]}, "floor_bounds"),
    "bounds' least": ({"floor_bounds": [0, 1]}, {"floor_bounds": [-0.1, 1]}, "floor_bounds.0"),
    "bounds' most": ({"floor_bounds": [0, 1.0]}, {"floor_bounds": [0, 1.1]}, "floor_bounds.1"),
    "bounds' number": ({"floor_bounds": [0, 1]}, {"floor_bounds": [0, 0.5, 1]}, "floor_bounds"),
    "cap": ({"request_cap_usd": 0.01}, {"request_cap_usd": 0}, "request_cap_usd"),
    "cap's kind": ({"request_cap_usd": None}, {"request_cap_usd": True}, "request_cap_usd"),
    "slo": ({"latency_slo_ms": 1}, {"latency_slo_ms": 0}, "latency_slo_ms"),
    "slo's kind": ({"latency_slo_ms": None}, {"latency_slo_ms": True}, "latency_slo_ms"),
    "order": ({"order": "expected_cost"}, {"order": "random"}, "order"),
    "paid": ({"allow_paid": None}, {"allow_paid": "yes"}, "allow_paid"),
    "adaptive": ({"adaptive": True}, {"adaptive": 1}, "adaptive"),
    "window 2": (
        {"tool_loop": {"window": 2, "threshold": 2}},
        {"tool_loop": {"window": 1, "threshold": 2}},
        "tool_loop.window",
    ),
    "window 50": ({"tool_loop": {"window": 50}}, {"tool_loop": {"window": 51}}, "tool_loop.window"),
    "threshold 2": ({"tool_loop": {"threshold": 2}}, {"tool_loop": {"threshold": 1}}, "tool_loop.threshold"),
    "threshold 5": ({"tool_loop": {"threshold": 5}}, {"tool_loop": {"threshold": 6}}, "tool_loop.threshold"),
    "threshold 3": ({"tool_loop": {"window": 3}}, {"tool_loop": {"window": 2}}, "tool_loop.threshold"),
    "loop's action": ({"tool_loop": {"action": "break"}}, {"tool_loop": {"action": "stop"}}, "tool_loop.action"),
    "loop's key": ({"tool_loop": {}}, {"tool_loop": {"treshold": 3}}, "tool_loop.treshold"),
    "memory's rest": (
        {"memory_pressure": {"cooldown_s": 10}},
        {"memory_pressure": {"cooldown_s": 9}},
        "memory_pressure.cooldown_s",
    ),
    "memory's longest rest": (
        {"memory_pressure": {"cooldown_s": 3600}},
        {"memory_pressure": {"cooldown_s": 3601}},
        "memory_pressure.cooldown_s",
    ),
    "memory's action": ({"memory_pressure": "warn"}, {"memory_pressure": "break"}, "memory_pressure.action"),
    "health 2": ({"health": {"threshold": 2}}, {"health": {"threshold": 1}}, "health.threshold"),
    "health 20": ({"health": {"threshold": 20}}, {"health": {"threshold": 21}}, "health.threshold"),
    "health's rest": ({"health": {"cooldown_s": 1}}, {"health": {"cooldown_s": 0}}, "health.cooldown_s"),
    "health's first rest": (
        {"health": {"cooldown_s": 3600}},
        {"health": {"cooldown_s": 3601}},
        "health.cooldown_s",
    ),
    "health's longest rest": (
        {"health": {"max_cooldown_s": 86_400}},
        {"health": {"max_cooldown_s": 86_401}},
        "health.max_cooldown_s",
    ),
    "health's rests": (
        {"health": {"max_cooldown_s": 900}},
        {"health": {"max_cooldown_s": 899}},
        "health.max_cooldown_s",
    ),
    "health's action": ({"health": "skip"}, {"health": "warn"}, "health.action"),
}


@pytest.mark.parametrize(("fits", "bad", "path"), LIMITS.values(), ids=LIMITS.keys())
def test_each_number_of_a_profile_has_its_bounds(fits: Json, bad: Json, path: str) -> None:
    """At the bound it is taken, beyond it is refused, with the path of the very key."""
    assert loaded(one_profile(**fits)).profiles["default"]
    assert f"profiles.default.{path}: " in fault(one_profile(**bad))


def test_what_a_profile_leaves_out_has_its_documented_default() -> None:
    """No floor, no cap, no limit of time; guards that look and do not stop anybody."""
    profile = loaded(one_profile()).profiles["default"]
    assert (profile.quality_floor, profile.floor_bounds) == (None, (0.50, 0.85))
    assert (profile.request_cap_usd, profile.latency_slo_ms, profile.allow_paid) == (None, None, None)
    assert profile.tool_loop == ToolLoopGuard(action="warn", window=5, threshold=3)
    assert profile.memory_pressure == MemoryGuard(action="skip", cooldown_s=120)
    assert profile.health == HealthGuard(action="skip", threshold=3, cooldown_s=900, max_cooldown_s=3600)
    assert profile.adaptive is False
    config = loaded(document())
    assert (config.allow_paid, config.providers[0].paid, config.mode_aliases) == (False, False, {})


GUARDS = {"tool_loop": "break", "memory_pressure": "warn", "health": "skip"}


@pytest.mark.parametrize(("guard", "word"), GUARDS.items())
def test_a_word_is_a_guard_s_action(guard: str, word: str) -> None:
    """And YAML's bare `off`, which is false, is `off`, alone or as the action; `on` is no action."""
    text = f"{{routes: [acme/small, other/small], {guard}: WORD}}"
    for written, meant in (
        (word, word),
        (f"{{action: {word}}}", word),
        ("off", "off"),
        ("'off'", "off"),
        ("{action: off}", "off"),
    ):
        said = DESIGN.replace("{routes: [acme/small, other/small], order: static}", text.replace("WORD", written))
        found = getattr(parse_config(said).profiles["default"], guard)
        assert found == type(found)(action=meant)
    for written in ("on", "{action: on}", "0", "[off]", "panic", "null"):
        said = DESIGN.replace("{routes: [acme/small, other/small], order: static}", text.replace("WORD", written))
        assert f"profiles.default.{guard}" in fault(said)


def test_a_mode_is_another_name_of_a_profile() -> None:
    """Of one in the file, or of `auto`."""
    modes = {"fast": "large", "smart": "auto"}
    assert loaded(document(mode_aliases=modes)).mode_aliases == modes


def test_every_fault_of_a_file_is_told_at_once() -> None:
    """One load, one list: nobody corrects a file fault by fault."""
    lines = fault(document(nonsense=1, more_nonsense=2)).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["more_nonsense", "nonsense"]
    references = fault(document(default_profile="p", aliases={"a": "b"}))
    assert "aliases.a" in references
    assert "default_profile" in references
