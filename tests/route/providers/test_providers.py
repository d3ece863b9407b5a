"""Where a call goes, with which headers, and with which key."""

import json
from typing import Any, get_args

import pytest

from route.config.file import Config, ConfigError
from route.config.providers import DialectName
from route.dialects import BY_NAME
from route.providers import KINDS
from route.providers.base import PASSED_ON, Outgoing, Provider, Refused
from tests.route.build import Json, body, document, model, provider

BASES = {
    "openai_compat": {"base_url": "https://acme.example/v1"},
    "anthropic": {"base_url": "https://acme.example"},
    "bedrock": {"base_url": "https://bedrock.example", "region": "eu-west-1"},
    "bedrock_mantle": {"base_url": "https://mantle.example", "region": "eu-west-1"},
}
PLAIN = ("openai_compat", "anthropic")
CALLS = [(kind, dialect) for kind in KINDS for dialect in KINDS[kind].paths]


def made(kind: str = "openai_compat", key: str | None = "sk-p", **more: Any) -> Provider:
    entry = provider(kind=kind, **(BASES[kind] | more))
    profiles = {"default": {"routes": ["acme/small"]}}
    config = Config.model_validate(document(providers=[entry], profiles=profiles)).providers[0]
    return KINDS[kind](config, key)


def outgoing(
    of: Provider, headers: Json | None = None, query: str = "", *, dialect: str | None = None
) -> Outgoing:
    """In the first dialect that it speaks, unless told otherwise."""
    return of.outgoing(dialect or next(iter(of.paths)), body(model="small"), headers or {}, query)


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


ANTHROPICS = {"anthropic-beta": "a-2026,b-2030", "anthropic-version": "2030-01-01"}
OPENAIS = {"openai-beta": "x", "idempotency-key": "k"}


@pytest.mark.parametrize(("kind", "dialect"), CALLS)
def test_headers_that_belong_to_the_request_go_along(kind: str, dialect: str) -> None:
    """Beta flags and versions as they came, also those that we do not know; and none of another vendor's."""
    is_anthropic_s = dialect in ("messages", "count_tokens")
    sent = outgoing(made(kind), ANTHROPICS | OPENAIS | CALLERS_OWN, dialect=dialect).headers
    own, other = (ANTHROPICS, OPENAIS) if is_anthropic_s else (OPENAIS, ANTHROPICS)
    # Bedrock's InvokeModel wants them in its body.
    expected = {} if (kind, dialect) == ("bedrock", "messages") else own
    assert {name: sent[name] for name in own if name in sent} == expected
    assert not set(other) & set(sent)


def test_every_dialect_says_which_headers_belong_to_it() -> None:
    """One that is missing would lose them in silence."""
    assert set(PASSED_ON) >= {*BY_NAME, *get_args(DialectName), *(dialect for _, dialect in CALLS)}


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


@pytest.mark.parametrize("kind", PLAIN)
def test_without_a_key_there_is_no_key_header(kind: str) -> None:
    """A local backend needs none, and an empty Bearer would be refused."""
    sent = outgoing(made(kind, None)).headers
    assert not {"authorization", "x-api-key"} & set(sent)


def test_configured_headers_win_whatever_their_case() -> None:
    """One header, not two of the same name."""
    sent = outgoing(made(headers={"Authorization": "Token t", "X-Title": "app"})).headers
    assert (sent["authorization"], sent["x-title"]) == ("Token t", "app")
    assert len({name.lower() for name in sent}) == len(sent)


def test_a_configured_version_is_the_one_whose_key_is_sent() -> None:
    """What the provider reads is what decides."""
    sent = outgoing(made("anthropic", headers={"Anthropic-Version": "2026-10-21"})).headers
    assert (sent["authorization"], "x-api-key" in sent) == ("Bearer sk-p", False)


@pytest.mark.parametrize(("kind", "dialect"), [call for call in CALLS if call != ("bedrock", "messages")])
def test_the_body_is_json(kind: str, dialect: str) -> None:
    """Compact UTF-8, and all of it."""
    assert json.loads(outgoing(made(kind), dialect=dialect).body) == body(model="small")


@pytest.mark.parametrize("kind", PLAIN)
def test_what_most_providers_say_is_said_in_their_dialect(kind: str) -> None:
    """Answers and refusals pass as they came."""
    refused = Refused(429, {"retry-after": "1"}, b'{"error": {}}')
    assert made(kind).refusal("chat", refused) is refused
    assert made(kind).decoder("application/vnd.amazon.eventstream")(b"any bytes") == b"any bytes"


def test_a_model_s_dialects_are_its_own_its_provider_s_or_its_kind_s() -> None:
    """The first of these that is said."""
    both = [model("small"), model("large", dialects=["chat"])]
    entry = provider("acme", *both, dialects=["responses", "chat"])
    config = Config.model_validate(document(providers=[entry], profiles={"default": {"routes": ["acme/small"]}}))
    of = config.providers[0]
    assert [KINDS[of.kind].spoken(of, each) for each in of.models] == [("responses", "chat"), ("chat",)]
    assert KINDS["anthropic"].spoken(made("anthropic").config, of.models[0]) == tuple(KINDS["anthropic"].paths)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_dialect_that_the_kind_cannot_speak_is_refused_at_start(kind: str) -> None:
    """It would fail at the first request."""
    wrong = {"openai_compat": "messages", "anthropic": "chat"}[kind]
    with pytest.raises(ConfigError, match=f"acme/small: '{wrong}' is no dialect of its kind"):
        made(kind, dialects=[wrong])
