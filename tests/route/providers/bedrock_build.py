"""A Bedrock provider for a test: without a clock, and with nothing of the machine's own AWS settings."""

from pathlib import Path
from typing import Any

import pytest

from route.config.file import Config
from route.providers import KINDS
from route.providers.base import Outgoing
from route.providers.bedrock import Bedrock
from tests.ledger.make import NOW
from tests.route.build import Json, body, document, model, provider

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc.123"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
ASKED = body(model=SONNET, max_tokens=64, anthropic_unknown={"a": [1]})


def set_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Static credentials, and nothing of the machine's own."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def made(key: str | None = "key-1", kind: str = "bedrock", entry: Json | None = None, **more: Any) -> Bedrock:
    """A provider, with an API key unless it shall sign."""
    entry = entry or model("claude")
    one = provider("acme", entry, **{"kind": kind, "region": "us-east-1"} | more)
    if "base_url" not in more:
        del one["base_url"]
    config = document(providers=[one], profiles={"default": {"routes": [f"acme/{entry['model']}"]}})
    opened = KINDS[kind](Config.model_validate(config).providers[0], key, lambda: NOW)
    assert isinstance(opened, Bedrock)
    return opened


def outgoing(of: Bedrock, asked: Json = ASKED, headers: Json | None = None, dialect: str = "messages") -> Outgoing:
    return of.outgoing(dialect, asked, headers or {}, "beta=true")
