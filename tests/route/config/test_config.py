"""The YAML file: what it may say, and what is said of what it may not."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from local.stack import ROOT
from route.config.file import Config, ConfigError, load_config, parse_config
from route.config.profiles import HealthGuard, MemoryGuard, ToolLoopGuard
from tests.route.build import Json, document, model, provider

DESIGN = """
providers:
  - name: acme
    kind: openai_compat            # or anthropic, bedrock
    base_url: http://127.0.0.1:9101/v1
    api_key: env:ACME_KEY
    models:
      - {model: small, wire_model: small-2026-01, quality: 0.8, context_tokens: 128000,
         price: {input_per_mtok: 3, output_per_mtok: 15}, capabilities: {tools: true, images: true}}
  - name: other
    kind: openai_compat
    base_url: http://127.0.0.1:9102/v1
    models: [{model: small}]
profiles:
  default: {routes: [acme/small, other/small], order: static}
budgets:
  - {scope: "provider:acme", period: month, limit_usd: 5, action: skip, mode: hard}
default_profile: default
"""


def loaded(document: Json) -> Config:
    return parse_config(yaml.safe_dump(document))


def fault(text: str | Json) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text if isinstance(text, str) else yaml.safe_dump(text))
    return str(caught.value)


def with_model(**more: Any) -> Json:
    return document(providers=[provider("acme", model() | more), *document()["providers"][1:]], profiles=ONE)


ONE = {"default": {"routes": ["acme/small"]}}


def test_the_documented_example_loads() -> None:
    """What others rely on: names, wire model, price, limits, and a budget with `mode: hard`."""
    config = parse_config(DESIGN)
    acme, small = config.routes["acme/small"]
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
    assert config.routes["router/x/large"][1].on_wire == "x/large"


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


BUDGET = {"scope": "provider:acme", "period": "month", "limit_usd": 5}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scope": "provider:nobody"}, "budgets.0.scope: no provider 'nobody'"),
        ({"scope": "caller:amy"}, "budgets.0.scope: "),
        ({"scope": "provider:"}, "budgets.0.scope: "),
        ({"period": "week"}, "budgets.0.period: "),
        ({"action": "panic"}, "budgets.0.action: "),
        ({"limit": 5}, "budgets.0.limit: "),
        ({"limit_usd": -1}, "budgets.0.limit_usd: "),
    ],
)
def test_a_faulty_budget_is_refused(more: Json, said: str) -> None:
    """A budget that would never hold must not look as if it did."""
    assert said in fault(document(budgets=[BUDGET | more]))


@pytest.mark.parametrize("action", ["skip", "warn"])
def test_a_budget_needs_to_know_what_is_spent(action: str) -> None:
    """A model without a price costs nobody knows what: such a budget could not be held."""
    acme = provider("acme", model(), model("large") | {"price": None})
    only = {"profiles": ONE, "budgets": [BUDGET | {"action": action}]}
    said = fault(document(providers=[acme], **only))
    assert "budgets.0.scope: the spend would not be known, since providers.0.models.1 has no price" in said
    assert "models.0" not in said
    for known in (acme | {"subscription": True}, provider("acme", model(), model("large"))):
        assert loaded(document(providers=[known, provider("other", {"model": "small"})], **only)).budgets


def test_a_hard_budget_may_stand_over_models_without_a_price() -> None:
    """They are not called under it, so that nothing is spent that nobody knows; a soft one could not stop them."""
    acme = provider("acme", model(), model("large") | {"price": None})
    for mode, loads in (("hard", True), ("soft", False)):
        asked = document(providers=[acme], profiles=ONE, budgets=[BUDGET | {"mode": mode}])
        if loads:
            assert loaded(asked).budgets[0].mode == mode
        else:
            assert "the spend would not be known" in fault(asked)
    nobody = document(budgets=[BUDGET | {"scope": "provider:nobody", "mode": "hard"}])
    assert "budgets.0.scope: no provider 'nobody'" in fault(nobody)


NOT_MONEY = [-0.01, -1, float("nan"), float("inf"), True, False, None, "three", "", [3], "NaN", "-1"]


@pytest.mark.parametrize("value", NOT_MONEY, ids=repr)
@pytest.mark.parametrize("field", ["input_per_mtok", "output_per_mtok"])
@pytest.mark.case("U18")
def test_what_is_no_amount_is_no_price(value: object, field: str) -> None:
    """Negatives, NaN, infinities and booleans are refused where the file is read."""
    price = {"input_per_mtok": 1, "output_per_mtok": 1, field: value}
    assert f"providers.0.models.0.price.{field}: " in fault(with_model(price=price))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.075", "0.075"),
        ("0.1", "0.1"),
        ("3", "3"),
        ("0", "0"),
        ("'0.30'", "0.30"),
        ("1e-7", "1e-7"),
        ("2.5", "2.5"),
    ],
)
@pytest.mark.case("U18")
def test_money_is_exact(written: str, meant: str) -> None:
    """What the file says is what is meant, to the last digit; a price of 0 is allowed."""
    text = DESIGN.replace("input_per_mtok: 3", f"input_per_mtok: {written}")
    price = parse_config(text).routes["acme/small"][1].price
    assert price is not None
    assert price.price().input_per_mtok == Decimal(meant)


@given(st.decimals(0, 10_000, allow_nan=False, places=6))
def test_every_written_amount_is_exact(amount: Decimal) -> None:
    """Six places survive YAML's floats."""
    text = DESIGN.replace("limit_usd: 5", f"limit_usd: {amount:f}")
    assert parse_config(text).budgets[0].limit_usd == amount


KEY = "sk-live-4242424242"
PASTED = {
    "api_key": DESIGN.replace("env:ACME_KEY", KEY),
    "api_key beside another fault": DESIGN.replace("env:ACME_KEY", KEY).replace("kind: openai_compat", "kind: x"),
    "a colon after it": DESIGN.replace("env:ACME_KEY", f"{KEY}: x"),
    "no quote after it": DESIGN.replace("env:ACME_KEY", f'"{KEY}'),
    "a tab before it": DESIGN.replace("env:ACME_KEY", f"\t@{KEY}"),
    "as an alias": DESIGN.replace("env:ACME_KEY", f"*{KEY}"),
    "as a tag": DESIGN.replace("env:ACME_KEY", f"!{KEY}"),
    "as a header": DESIGN.replace("env:ACME_KEY", f"env:K\n    headers: {{a: [{KEY}]}}"),
    "as a list": DESIGN.replace("env:ACME_KEY", f"[{KEY}]"),
    "as the URL": DESIGN.replace("http://127.0.0.1:9101/v1", KEY),
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED.keys())
def test_a_pasted_key_is_never_repeated(text: str) -> None:
    """The message of a refused file ends up in logs: it says where, not what."""
    assert KEY in text
    said = fault(text)
    assert KEY not in said
    assert "providers.0." in said or "at line" in said


@pytest.mark.parametrize("reference", ["env:K", "ssm:/warmroute/acme", "secretsmanager:warmroute/acme"])
def test_a_key_is_a_reference(reference: str) -> None:
    """Three places where a secret may lie."""
    assert (
        loaded(document(providers=[provider(api_key=reference)], profiles=ONE)).providers[0].api_key == reference
    )


@pytest.mark.parametrize("reference", ["", "env:", "ENV:K", "K", "file:/etc/key", " env:K"])
def test_anything_else_is_taken_for_a_key(reference: str) -> None:
    """And refused."""
    assert "providers.0.api_key: " in fault(document(providers=[provider(api_key=reference)], profiles=ONE))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "not YAML at line 1, column 5: "),
        ("a: [1\nb: 2", "not YAML at line 2, column 2"),
        ("a: 1\na: 2", "not YAML at line 2, column 1: the key 'a' is there twice"),
        ("when: 2026-99-99", "not YAML: "),
        ("n: " + "9" * 5000, "not YAML: "),
        ("a: \x01", "not YAML"),
        ("", "(file): "),
        ("- a", "(file): "),
        ("just words", "(file): "),
    ],
)
def test_what_is_no_config_at_all_is_told_so(text: str, said: str) -> None:
    """With the place, never with a traceback."""
    assert fault(text).startswith(said)


def test_no_profile_is_dropped_because_its_name_is_there_twice() -> None:
    """YAML would keep the last and say nothing."""
    text = DESIGN.replace("budgets:", "  default: {routes: [other/small]}\nbudgets:")
    assert "the key 'default' is there twice" in fault(text)


def test_merged_keys_may_be_replaced() -> None:
    """YAML's `<<` is there to be overridden, so that is no repetition."""
    merged = DESIGN.replace("- {model: small, wire", "- &small {model: small, wire", 1)
    merged = merged.replace("models: [{model: small}]", "models: [{<<: *small, quality: 0.1}]")
    assert parse_config(merged).routes["other/small"][1].quality == 0.1


@given(st.text() | st.text("-: []{}&*!|>'\"%@`#?,\n\tab01.", max_size=40))
def test_any_text_is_a_config_or_a_fault(text: str) -> None:
    """Nothing that somebody writes ends in a traceback."""
    with pytest.raises(ConfigError):
        parse_config(text)


def test_a_file_s_faults_name_the_file(tmp_path: Path) -> None:
    """Missing, not text, or wrong inside."""
    path = tmp_path / "w.yaml"
    for content in (None, b"\xff\xfe\xff", b"a: 1"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"w\.yaml"):
            load_config(path)


def test_a_base_url_has_no_slash_at_its_end() -> None:
    """Paths are joined with one."""
    config = loaded(document(providers=[provider(base_url="https://acme.example/v1/")], profiles=ONE))
    assert config.providers[0].base_url == "https://acme.example/v1"


@pytest.mark.parametrize(("value", "fits"), [(900, True), (900.1, False), (0.001, True), (0, False)])
def test_deadlines_have_bounds(value: float, fits: bool) -> None:
    """More than nothing, and not more than the platform ever gives."""
    profiles = {"default": {"routes": ["acme/small"], "deadlines": {"attempt_s": value}}}
    if fits:
        assert loaded(document(profiles=profiles)).profiles["default"].deadlines.attempt_s == value
    else:
        assert "deadlines.attempt_s" in fault(document(profiles=profiles))
