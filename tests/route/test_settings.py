"""Where a router runs: its environment, its secrets, its log."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import ROOT
from route.app import create_app
from route.config.file import ConfigError
from route.settings import configure_logging, read_secrets, settings_from_environment

ENVIRONMENT = {
    "WARMROUTE_CONFIG": str(ROOT / "warmroute.example.yaml"),
    "OPENAI_API_KEY": "sk-o",
    "ANTHROPIC_API_KEY": "sk-a",
}


@pytest.fixture
def logged() -> Iterator[logging.Logger]:
    """The router's logger, left as it was."""
    logger = logging.getLogger("warmroute")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield logger
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, logged: logging.Logger) -> pytest.MonkeyPatch:
    """What the example needs, and no settings of anyone else."""
    for name in ("FACTS_TABLE", "VIEWS_TABLE", "DYNAMODB_URL", "LOG_LEVEL"):
        monkeypatch.delenv(f"WARMROUTE_{name}", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_defaults_of_an_environment_that_says_little(environment: pytest.MonkeyPatch) -> None:
    """Config and secrets are enough."""
    settings = settings_from_environment()
    assert settings.secrets == {"env:OPENAI_API_KEY": "sk-o", "env:ANTHROPIC_API_KEY": "sk-a"}
    assert (settings.facts_table, settings.views_table) == ("warmroute-facts", "warmroute-views")
    assert (settings.region, settings.dynamodb_url) == ("us-east-1", None)
    assert settings.max_body_bytes == 6 * 1024 * 1024


def test_an_environment_that_says_all(environment: pytest.MonkeyPatch) -> None:
    """Tables, region and a local store's address."""
    said = {"WARMROUTE_FACTS_TABLE": "f", "WARMROUTE_VIEWS_TABLE": "v", "AWS_REGION": "eu-central-1"}
    for name, value in (said | {"WARMROUTE_DYNAMODB_URL": "http://127.0.0.1:1"}).items():
        environment.setenv(name, value)
    settings = settings_from_environment()
    assert (settings.facts_table, settings.views_table, settings.region) == ("f", "v", "eu-central-1")
    assert settings.dynamodb_url == "http://127.0.0.1:1"


@pytest.mark.parametrize("value", [None, ""])
def test_a_secret_that_is_not_there_is_named(environment: pytest.MonkeyPatch, value: str | None) -> None:
    """Unset or empty: the router does not start without it."""
    environment.delenv("OPENAI_API_KEY") if value is None else environment.setenv("OPENAI_API_KEY", value)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        settings_from_environment()


def test_a_file_that_is_not_there_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its path."""
    environment.setenv("WARMROUTE_CONFIG", str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        settings_from_environment()


def test_each_secret_is_read_once(environment: pytest.MonkeyPatch) -> None:
    """Two providers may share one."""
    assert read_secrets(["env:OPENAI_API_KEY"] * 2) == {"env:OPENAI_API_KEY": "sk-o"}


def test_an_app_from_the_environment_logs(
    environment: pytest.MonkeyPatch, logged: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever server starts the app by its name: no entry point of ours need have run before."""
    logged.handlers[:] = []
    environment.setenv("WARMROUTE_LOG_LEVEL", "debug")
    create_app()
    logging.getLogger("warmroute.route").debug("some-event")
    assert json.loads(capsys.readouterr().err)["message"] == "some-event"


def test_an_app_with_settings_leaves_the_log_alone(
    environment: pytest.MonkeyPatch, logged: logging.Logger
) -> None:
    """Whoever puts the router together by hand has a log of their own."""
    settings = settings_from_environment()
    logged.handlers[:] = []
    create_app(settings)
    assert logged.handlers == []


@pytest.mark.parametrize("level", ["ERROR", "critical", "FATAL"])
def test_no_level_hides_a_spill(level: str, logged: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that the store did not take are in the log alone, at ERROR: no level is above that."""
    configure_logging(level)
    logging.getLogger("warmroute.route").error("ledger-spilled", extra={"item": "{}"})
    logging.getLogger("warmroute.route").warning("something-else")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["ledger-spilled"]


def test_a_level_that_there_is_not_is_named(environment: pytest.MonkeyPatch, logged: logging.Logger) -> None:
    """With the setting to change, before anything is served."""
    environment.setenv("WARMROUTE_LOG_LEVEL", "LOUD")
    with pytest.raises(ConfigError, match="WARMROUTE_LOG_LEVEL: 'LOUD'"):
        settings_from_environment()


def test_the_log_is_json_lines(logged: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """One event name and its fields a line; configuring twice does not double them."""
    configure_logging()
    configure_logging()
    logging.getLogger("warmroute.route").info("alias-resolved", extra={"alias": "gpt-4o"})
    logging.getLogger("warmroute.route").debug("too-much")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["message"], event["alias"], event["level"]) == ("alias-resolved", "gpt-4o", "INFO")
