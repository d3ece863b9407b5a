"""Where this router runs: environment variables, secrets, logging. The only file here that knows boto3."""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ledger.store.facts import FACTS_TABLE
from ledger.store.views import VIEWS_TABLE
from route.config.file import Config, ConfigError, load_config

DEFAULT_REQUEST_S = 600.0
LEVEL_VARIABLE = "WARMROUTE_LOG_LEVEL"
MAX_BODY_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """Everything that differs between two places where the same code runs. Durations as their suffix says."""

    config: Config
    secrets: dict[str, str]
    facts_table: str = FACTS_TABLE
    views_table: str = VIEWS_TABLE
    region: str = "us-east-1"
    dynamodb_url: str | None = None
    views_refresh_ms: int = 1_000
    key_cache_ms: int = 30_000
    request_s: float = DEFAULT_REQUEST_S
    max_body_bytes: int = MAX_BODY_BYTES


def settings_from_environment() -> RouterSettings:
    """WARMROUTE_CONFIG, WARMROUTE_FACTS_TABLE, WARMROUTE_VIEWS_TABLE, AWS_REGION, WARMROUTE_DYNAMODB_URL (local).

    The log is configured too, at WARMROUTE_LOG_LEVEL: any server that starts the app by its name comes through
    here, and has no other place to do it. ConfigError when the file is faulty or a secret cannot be had.
    """
    configure_logging(os.environ.get(LEVEL_VARIABLE) or "INFO")
    config = load_config(Path(os.environ.get("WARMROUTE_CONFIG", "warmroute.yaml")))
    return RouterSettings(
        config=config,
        secrets=read_secrets(provider.api_key for provider in config.providers if provider.api_key),
        facts_table=os.environ.get("WARMROUTE_FACTS_TABLE", FACTS_TABLE),
        views_table=os.environ.get("WARMROUTE_VIEWS_TABLE", VIEWS_TABLE),
        region=os.environ.get("AWS_REGION", "us-east-1"),
        dynamodb_url=os.environ.get("WARMROUTE_DYNAMODB_URL"),
    )


def read_secrets(references: Iterable[str]) -> dict[str, str]:
    """The value of each `env:`, `ssm:` or `secretsmanager:` reference. ConfigError names what is missing."""
    return {reference: _usable(reference, _read_secret(reference)) for reference in dict.fromkeys(references)}


def _usable(reference: str, secret: str) -> str:
    """Without the line break that files and consoles leave behind. ConfigError for what no header can carry."""
    key = secret.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(f"{reference}: empty, or with characters that no HTTP header can carry")
    return key


def _read_secret(reference: str) -> str:
    store, _, name = reference.partition(":")
    if store == "env":
        value = os.environ.get(name)
        if not value:
            raise ConfigError(f"{reference}: the environment variable {name} is not set")
        return value
    import boto3  # noqa: PLC0415 - 300 ms, and only where a secret lies in AWS
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        if store == "ssm":
            parameter = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
            return str(parameter["Parameter"]["Value"])
        return str(boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"{reference}: {error}") from error


def configure_logging(level: str = "INFO") -> None:
    """JSON lines on stderr for the `warmroute` loggers: one event name, then its fields.

    ERROR is the highest level there is: rows that the store did not take are logged with it, and they are in no
    other place. ConfigError for a level that has no name.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"{LEVEL_VARIABLE}: {level!r} is no level; there are DEBUG, INFO, WARNING and ERROR")
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter  # noqa: PLC0415

    handler = logging.StreamHandler()
    order = ["level", "message", "timestamp"]
    handler.setFormatter(LambdaPowertoolsFormatter(log_record_order=order, location=None))
    logger = logging.getLogger("warmroute")
    logger.handlers[:] = [handler]
    logger.setLevel(min(number, logging.ERROR))
    logger.propagate = False
