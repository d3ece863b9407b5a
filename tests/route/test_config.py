"""The YAML file: what it may say, and what is said of what it may not."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from local.stack import ROOT
from route.config import Config, ConfigError, load_config, parse_config
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
    "provider key": (document(providers=[provider() | {"paid": True}]), "providers.0.paid: Extra inputs"),
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
