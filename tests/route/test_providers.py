"""Where a call goes, with which headers, and with which key."""

import json
from typing import Any

import pytest

from route.config import Config
from route.providers import KINDS
from route.providers.base import Outgoing, Provider
from tests.route.build import Json, body, document, provider

BASES = {"openai_compat": "https://acme.example/v1", "anthropic": "https://acme.example"}


def made(kind: str = "openai_compat", key: str | None = "sk-p", **more: Any) -> Provider:
    entry = provider(kind=kind, **({"base_url": BASES[kind]} | more))
    profiles = {"default": {"routes": ["acme/small"]}}
    config = Config.model_validate(document(providers=[entry], profiles=profiles)).providers[0]
    return KINDS[kind](config, key)


def outgoing(of: Provider, headers: Json | None = None, query: str = "") -> Outgoing:
    (dialect,) = of.paths
    return of.outgoing(dialect, body(), headers or {}, query)


def test_every_kind_of_the_config_is_there() -> None:
    """A kind that the file accepts and nobody speaks would fail at the first request."""
    kinds = Config.model_json_schema()["$defs"]["ProviderConfig"]["properties"]["kind"]["enum"]
    assert set(kinds) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "query", "url"),
    [
        ("openai_compat", "", "https://acme.example/v1/chat/completions"),
        ("anthropic", "", "https://acme.example/v1/messages"),
        ("anthropic", "beta=true", "https://acme.example/v1/messages?beta=true"),
    ],
)
def test_a_call_goes_to_the_dialect_s_path(kind: str, query: str, url: str) -> None:
    """An OpenAI base ends in `/v1`, an Anthropic one is the origin; the caller's query goes along."""
    assert outgoing(made(kind), query=query).url == url


CALLERS_OWN = {
    "authorization": "Bearer sk-caller",
    "x-api-key": "sk-caller",
    "cookie": "a=b",
    "host": "router",
    "openai-organization": "org-caller",
    "openai-project": "proj-caller",
    "x-warmroute-session": "s",
    "x-forwarded-for": "10.0.0.1",
    "accept-encoding": "gzip",
    "content-length": "99",
}


@pytest.mark.parametrize(("kind", "name"), [("openai_compat", "authorization"), ("anthropic", "x-api-key")])
def test_only_the_provider_s_key_goes_out(kind: str, name: str) -> None:
    """Keys, organisations, cookies and addresses of the caller are nobody else's business."""
    sent = outgoing(made(kind), CALLERS_OWN).headers
    assert sent[name].removeprefix("Bearer ") == "sk-p"
    assert "caller" not in json.dumps(dict(sent))
    ours = {"content-type", "accept-encoding", "user-agent", name}
    assert set(sent) - {"anthropic-version"} == ours
    assert sent["accept-encoding"] == "identity"


@pytest.mark.parametrize("kind", KINDS)
def test_headers_that_belong_to_the_request_go_along(kind: str) -> None:
    """Beta flags and versions as they came, also those that we do not know."""
    belong = {"anthropic-beta": "a-2026,b-2030", "openai-beta": "x", "idempotency-key": "k"}
    sent = outgoing(made(kind), belong | CALLERS_OWN).headers
    assert {name: sent[name] for name in belong} == belong


@pytest.mark.parametrize(
    ("asked", "version", "bearer"),
    [
        ({}, "2023-06-01", False),
        ({"anthropic-version": "2023-06-01"}, "2023-06-01", False),
        ({"anthropic-version": "2026-10-20"}, "2026-10-20", False),
        ({"anthropic-version": "2026-10-21"}, "2026-10-21", True),
        ({"anthropic-version": "2027-01-01"}, "2027-01-01", True),
    ],
)
def test_each_anthropic_version_has_its_key(asked: Json, version: str, bearer: bool) -> None:
    """`x-api-key` before 2026-10-21, Bearer from then on; the version goes on as it came."""
    sent = outgoing(made("anthropic"), asked).headers
    assert sent["anthropic-version"] == version
    assert (sent.get("authorization") == "Bearer sk-p", sent.get("x-api-key") == "sk-p") == (bearer, not bearer)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_there_is_no_key_header(kind: str) -> None:
    """A local backend needs none, and an empty Bearer would be refused."""
    sent = outgoing(made(kind, None)).headers
    assert not {"authorization", "x-api-key"} & set(sent)


def test_configured_headers_win_whatever_their_case() -> None:
    """One header, not two of the same name."""
    sent = outgoing(made(headers={"Authorization": "Token t", "X-Title": "app"})).headers
    assert (sent["authorization"], sent["x-title"]) == ("Token t", "app")
    assert len({name.lower() for name in sent}) == len(sent)


def test_the_body_is_json() -> None:
    """Compact UTF-8."""
    assert json.loads(outgoing(made()).body) == body()
