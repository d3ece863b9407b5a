"""The text of a config file: pasted keys, what is no YAML, and keys that are there twice."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.config.file import ConfigError, load_config, parse_config
from tests.route.build import document, provider
from tests.route.config.files import DESIGN, ONE, fault, loaded

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
    assert parse_config(merged).routes["other/small"].model.quality == 0.1


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
