"""What is known of a model: the user's word before ours, of each flag the first, and nothing made up."""

import dataclasses
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from route.config.capabilities import (
    BUNDLED,
    FLAGS,
    Capabilities,
    CapabilityRule,
    ResolvedCapabilities,
    capabilities_of,
    load_bundled,
    parse_rules,
)
from route.config.file import Config
from tests.route.build import Json, model, provider
from tests.route.build import document as config_document


def able(
    name: str, *rules: Json, kind: str = "openai_compat", wire: str = "", own: Json | None = None
) -> ResolvedCapabilities:
    """What is known of a model with this name, neutral or on the wire."""
    parsed = [CapabilityRule.model_validate(rule) for rule in rules]
    return capabilities_of(kind, name, wire or name, Capabilities.model_validate(own or {}), parsed)


def test_of_an_unknown_model_nothing_is_known() -> None:
    """Which is taken as able: the provider knows best."""
    assert able("small", wire="small-2026-01") == ResolvedCapabilities()


@pytest.mark.case("C6")
def test_the_user_s_rules_come_before_the_bundled_ones() -> None:
    """And a model's own entry before both, flag by flag: what nobody before has said is still taken from ours."""
    bundled = able("gpt-4o")
    assert (bundled.tools, bundled.images, bundled.context_tokens) == (True, True, 128_000)
    user = able("gpt-4o", {"match": "gpt-*", "images": False, "context_tokens": 9})
    assert (user.tools, user.images, user.context_tokens) == (True, False, 9)
    own = able("gpt-4o", {"match": "gpt-*", "images": False}, own={"images": True, "tools": False})
    assert (own.tools, own.images) == (False, True)


@pytest.mark.case("C6")
def test_the_first_rule_counts_for_each_flag() -> None:
    """A rule that says nothing of a flag leaves it to the next."""
    known = able(
        "small",
        {"match": "other", "tools": True},
        {"match": "small", "images": False},
        {"match": "sm*", "images": True, "tools": False},
        {"match": "*", "tools": True, "audio": True},
    )
    assert (known.images, known.tools, known.audio, known.documents) == (False, False, True, None)


@pytest.mark.case("C8")
def test_a_rule_may_be_about_one_kind_of_provider() -> None:
    """The same model served by another kind may take something else; and false overrides what ours say."""
    rule = {"match": "claude-*", "kind": "openai_compat", "cache_control": False}
    assert able("claude-sonnet-4-5", rule, kind="openai_compat").cache_control is False
    assert able("claude-sonnet-4-5", rule, kind="anthropic").cache_control is True


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("small", "small", True),
        ("small", "smaller", False),
        ("small*", "small", True),
        ("SMALL*", "Small-2", True),
        ("small*", "a/small-2", True),
        ("small*", "a/b/small-2", True),
        ("a/small*", "a/small-2", True),
        ("b/small*", "a/small-2", False),
        ("b/small*", "small-2", False),
        ("*/small", "a/small", True),
        ("*/small", "small", False),
        ("*all", "small", True),
        ("s?all", "small", True),
        ("s[mn]all", "snall", True),
        ("gpt-4.1*", "gpt-4-1-mini", True),
        ("gpt-4-1*", "openai/GPT-4.1-mini", True),
        ("anthropic/claude-x*", "us.anthropic.claude-x-v1:0", True),
        ("anthropic/claude-x*", "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-x", True),
        ("claude-x*", "anthropic.claude-x-v1:0", True),
        ("openai/claude-x*", "anthropic.claude-x-v1:0", False),
        ("*", "anything/at.all", True),
    ],
)
def test_a_glob_fits_names_with_and_without_their_vendor(glob: str, name: str, fits: bool) -> None:
    """In any case and with dots as dashes; one that names a vendor fits no other's."""
    rule = {"match": glob, "context_tokens": 7}
    assert (able(name, rule).context_tokens == 7) is fits
    assert (able("neutral", rule, wire=name).context_tokens == 7) is fits
    assert (able("neutral", rule | {"match": ["none", glob]}, wire=name).context_tokens == 7) is fits


@pytest.mark.case("U18")
def test_two_vendors_models_with_the_same_tail_stay_apart() -> None:
    """A rule for each of them, by vendor."""
    rules = [{"match": "acme/small", "tools": True}, {"match": "other/small", "tools": False}]
    assert able("acme/small", *rules).tools is True
    assert able("other/small", *rules).tools is False
    assert able("small", *rules).tools is None
    assert able("small", *rules, wire="other/small").tools is False


@pytest.mark.parametrize(
    "rule",
    [
        {"match": "a", "vision": True},
        {"match": "", "tools": True},
        {"match": [], "tools": True},
        {"match": "a b", "tools": True},
        {"tools": True},
        {"match": "a", "tools": "yes"},
        {"match": "a", "tools": 1},
        {"match": "a", "thinking": "a lot"},
        {"match": "a", "max_tokens_field": "limit"},
        {"match": "a", "context_tokens": 0},
        {"match": "a", "context_tokens": True},
        {"match": "a", "max_output_tokens": -1},
        {"match": "a", "context_tokens": "9"},
    ],
)
@pytest.mark.case("C6")
def test_what_is_no_rule_is_refused_at_load(rule: Json) -> None:
    """Unknown keys, words that mean nothing, numbers that cannot be, and rules about no model."""
    with pytest.raises(ValidationError):
        CapabilityRule.model_validate(rule)
    with pytest.raises(ValidationError):
        Config.model_validate(config_document(capabilities=[rule]))


def test_the_config_takes_rules_and_a_model_s_own() -> None:
    """As the plan gets them."""
    small = model(capabilities={"thinking": "none", "cache_control": False})
    loaded = Config.model_validate(
        config_document(
            providers=[provider("acme", small)],
            profiles={"default": {"routes": ["acme/small"]}},
            capabilities=[{"match": ["a*", "b*"], "tools": False}],
        )
    )
    assert loaded.capabilities[0].globs == ("a*", "b*")
    assert loaded.providers[0].models[0].capabilities.thinking == "none"


NAMES = [
    # name, kind, flags that must be so
    ("gpt-4o-2024-08-06", "openai_compat", {"images": True, "thinking": "none", "max_output_tokens": 16_384}),
    ("openai/gpt-4o-mini", "openai_compat", {"tools": True, "context_tokens": 128_000, "cache_control": False}),
    ("gpt-4.1-nano", "openai_compat", {"context_tokens": 1_047_576, "thinking": "none", "sampling": True}),
    ("gpt-4-1106-preview", "openai_compat", {"context_tokens": 128_000, "images": False}),
    ("gpt-4-0613", "openai_compat", {"context_tokens": 8_192, "images": False, "structured_output": False}),
    ("gpt-4-turbo-2024-04-09", "openai_compat", {"context_tokens": 128_000, "images": True}),
    ("gpt-4.5-preview", "openai_compat", {"context_tokens": 128_000, "max_output_tokens": 16_384}),
    ("gpt-3.5-turbo-0125", "openai_compat", {"images": False, "context_tokens": 16_385}),
    ("gpt-5-mini", "openai_compat", {"thinking": "effort", "sampling": False, "context_tokens": 400_000}),
    ("gpt-5.1-2025-11-13", "openai_compat", {"thinking": "effort", "context_tokens": 400_000}),
    ("gpt-5-chat-latest", "openai_compat", {"thinking": "none", "sampling": True, "context_tokens": 128_000}),
    ("gpt-5-pro", "openai_compat", {"max_output_tokens": 272_000, "context_tokens": 400_000}),
    ("gpt-5.4-mini", "openai_compat", {"context_tokens": 400_000, "max_output_tokens": 128_000}),
    ("openai/gpt-5.6-sol", "openai_compat", {"context_tokens": 1_050_000, "developer_role": True}),
    ("gpt-oss:20b", "openai_compat", {"thinking": "effort", "images": False, "sampling": True}),
    ("openai.gpt-oss-120b-1:0", "bedrock", {"thinking": "effort", "max_tokens_field": None}),
    ("o1-mini", "openai_compat", {"tools": False, "developer_role": False, "thinking": "none"}),
    ("o3-mini", "openai_compat", {"images": False, "thinking": "effort", "sampling": False}),
    ("openai/o4-mini-2025-04-16", "openai_compat", {"images": True, "max_tokens_field": "max_completion_tokens"}),
    ("claude-3-haiku-20240307", "anthropic", {"thinking": "none", "max_output_tokens": 4_096, "images": True}),
    ("anthropic/claude-3.5-sonnet", "openai_compat", {"thinking": "none", "max_output_tokens": 8_192}),
    ("claude-3-7-sonnet-latest", "anthropic", {"thinking": "budget", "sampling": True}),
    ("claude-sonnet-4-20250514", "anthropic", {"thinking": "budget", "structured_output": False}),
    ("claude-sonnet-4", "anthropic", {"thinking": "budget", "max_output_tokens": 64_000}),
    ("claude-opus-4-1-20250805", "anthropic", {"max_output_tokens": 32_000, "structured_output": True}),
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", {"thinking": "budget", "context_tokens": 200_000}),
    ("claude-haiku-4-5@20251001", "anthropic", {"thinking": "budget", "max_output_tokens": 64_000}),
    ("claude-sonnet-4-6", "anthropic", {"thinking": "adaptive", "sampling": True, "context_tokens": 1_000_000}),
    ("anthropic/claude-opus-4.7", "openai_compat", {"thinking": "adaptive", "sampling": False}),
    ("claude-opus-5-5", "anthropic", {"thinking": "adaptive", "sampling": False, "max_output_tokens": 128_000}),
    ("claude-fable-5-1", "anthropic", {"thinking": "adaptive", "cache_control": True}),
    ("claude-2.1", "bedrock", {"tools": False, "images": False}),
    ("gemini-2.5-pro", "openai_compat", {"thinking": "effort", "audio": True, "cache_control": None}),
    ("google/gemini-3-flash-preview", "openai_compat", {"context_tokens": 1_048_576, "cache_control": True}),
    ("gemini-2.0-flash", "openai_compat", {"thinking": "none", "max_output_tokens": 8_192}),
    ("llama3.1:8b", "openai_compat", {"images": False, "tools": True, "context_tokens": 131_072}),
    ("meta-llama/Llama-3.3-70B-Instruct", "openai_compat", {"images": False, "thinking": "none"}),
    ("llama3.2-vision:11b", "openai_compat", {"images": True}),
    ("meta-llama/llama-4-maverick", "openai_compat", {"images": True, "tools": True}),
    ("Qwen/Qwen2.5-VL-72B-Instruct", "openai_compat", {"images": True, "thinking": "none"}),
    ("qwen2.5:7b", "openai_compat", {"images": False, "thinking": "none"}),
    ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "openai_compat", {"images": False, "context_tokens": 262_144}),
    ("qwen3:32b", "openai_compat", {"images": False, "thinking": None}),
    ("deepseek-ai/DeepSeek-V3.1", "openai_compat", {"images": False, "tools": True}),
    ("deepseek-v4-pro", "openai_compat", {"context_tokens": 1_000_000}),
    ("mistralai/mistral-small-3.2-24b-instruct", "openai_compat", {"images": True}),
    ("mixtral:8x22b", "openai_compat", {"context_tokens": 65_536}),
    ("moonshotai/kimi-k2.6", "openai_compat", {"images": True, "context_tokens": 262_144}),
    ("moonshotai/Kimi-K2-Instruct-0905", "openai_compat", {"images": False, "context_tokens": 262_144}),
    ("kimi-k2", "openai_compat", {"context_tokens": 131_072}),
    ("zai-org/GLM-4.6", "openai_compat", {"images": False, "context_tokens": 202_752}),
    ("glm-4.6v", "openai_compat", {"images": True, "context_tokens": 131_072}),
]


@pytest.mark.parametrize(("name", "kind", "flags"), NAMES, ids=[name for name, *_ in NAMES])
def test_well_known_models_are_known(name: str, kind: str, flags: Json) -> None:
    """By the names that their vendors, brokers and local servers give them."""
    known = dataclasses.asdict(able(name, kind=kind))
    assert {flag: known[flag] for flag in flags} == flags


@pytest.mark.parametrize(
    "name", ["my-gpt-4o", "openai", "claude", "gpt", "o5", "o12", "o1x", "llamafile", "small"]
)
def test_what_only_looks_like_one_is_unknown(name: str) -> None:
    """A name that has a known one in it, or the beginning of one."""
    assert able(name) == ResolvedCapabilities()


def test_every_bundled_glob_is_the_first_to_say_something() -> None:
    """A rule behind one that says all that it says would be dead, and somebody would go on keeping it."""
    for at, rule in enumerate(load_bundled()):
        says = rule.model_dump(exclude={"match", "kind"}, exclude_none=True)
        for glob in rule.globs:
            name = glob.replace("*", "0").replace("?", "0")
            before = [r for r in load_bundled()[:at] if does_fit(r, rule.kind or "any", name)]
            said = {flag for r in before for flag in r.model_dump(exclude={"match", "kind"}, exclude_none=True)}
            assert set(says) - said, f"{glob} in rule {at} says nothing new"


def does_fit(rule: CapabilityRule, kind: str, name: str) -> bool:
    """Told by a number that no rule of ours has."""
    marked = CapabilityRule(match=rule.match, kind=rule.kind, context_tokens=7)
    return capabilities_of(kind, name, name, Capabilities(), [marked]).context_tokens == 7


def test_the_bundled_file_is_sound() -> None:
    """No key twice in a rule (YAML would drop one), no rule without a flag, limits that can be."""
    text = BUNDLED.read_text(encoding="utf-8")
    document = yaml.compose(text, yaml.SafeLoader)
    assert document is not None
    for node in document.value:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), keys
    for rule in load_bundled():
        assert rule.model_dump(exclude={"match", "kind"}, exclude_none=True), rule.match
        assert (rule.max_output_tokens or 1) <= (rule.context_tokens or 10**9), rule.match
        assert all(glob == glob.lower() and "." not in glob for glob in rule.globs), rule.match
    assert load_bundled() == parse_rules(text)


def test_every_flag_is_a_flag_everywhere() -> None:
    """What is resolved is what a rule can say, and nothing of it is lost on the way."""
    assert set(FLAGS) == set(CapabilityRule.model_fields) - {"match", "kind"}
    values: Json = dict.fromkeys(Capabilities.model_fields, True)
    values |= {"thinking": "budget", "max_tokens_field": "max_tokens", "context_tokens": 2, "max_output_tokens": 1}
    assert dataclasses.asdict(able("small", {"match": "small", **values})) == values


FLAG_VALUES = st.fixed_dictionaries({"match": st.sampled_from(["*", "small", "sm*", "other"])}, optional={
    "tools": st.booleans(), "images": st.booleans(), "thinking": st.sampled_from(["none", "budget"]),
    "context_tokens": st.integers(1, 9),
})  # fmt: skip


@given(st.lists(FLAG_VALUES, max_size=6))
def test_the_first_that_fits_and_says_it(rules: list[Json]) -> None:
    """For any rules: each flag is that of the first rule that fits and has it."""
    known = dataclasses.asdict(able("small", *rules))
    fitting = [rule for rule in rules if rule["match"] != "other"]
    for flag in ("tools", "images", "thinking", "context_tokens"):
        expected: Any = next((rule[flag] for rule in fitting if flag in rule), None)
        assert known[flag] == expected


@given(st.text(max_size=60))
def test_any_name_is_looked_up(name: str) -> None:
    """Whatever a model is called, nothing fails."""
    able(name or "x", kind="bedrock")


def test_a_look_up_costs_nothing_the_second_time() -> None:
    """It is done for each route of each request."""
    rules = tuple(CapabilityRule(match=f"m{i}*", tools=True) for i in range(20))
    own = Capabilities()
    capabilities_of("anthropic", "claude-sonnet-4-6", "claude-sonnet-4-6", own, rules)
    start = time.perf_counter()
    for _ in range(1000):
        capabilities_of("anthropic", "claude-sonnet-4-6", "claude-sonnet-4-6", own, rules)
    assert time.perf_counter() - start < 1  # 8 µs each here; 1 ms would still be tolerable
