"""Bedrock: where a call goes and as what, how it is signed, and what a refusal becomes."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yarl
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from ledger.outcomes import FaultKind
from route.calling.classify import classify
from route.config.file import ConfigError
from route.providers.base import Outgoing, Refused, Unreachable
from route.providers.bedrock import BETAS, VERSION, Bedrock
from tests.fakes.bedrock_signature import fault_in_signature
from tests.ledger.make import NOW
from tests.route.build import Json, body, model
from tests.route.providers.bedrock_build import ASKED, KEYS, PROFILE, SONNET, made, outgoing, set_surroundings

IDS = st.from_regex(r"[a-zA-Z0-9][ -~]{0,80}", fullmatch=True)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_surroundings(monkeypatch, tmp_path)


def test_a_model_stands_in_the_path() -> None:
    """By whether it is streamed, without the query, and neither in the body."""
    whole, stream = outgoing(made()), outgoing(made(), ASKED | {"stream": True})
    base = "https://bedrock-runtime.us-east-1.amazonaws.com/model"
    assert whole.url == f"{base}/{SONNET}/invoke"
    assert stream.url == f"{base}/{SONNET}/invoke-with-response-stream"
    assert json.loads(whole.body) == json.loads(stream.body)
    assert outgoing(made(), ASKED | {"stream": False}).url == whole.url


def test_the_body_is_anthropic_s_with_the_version() -> None:
    """Every other field as it came, also those that we do not know."""
    expected = {name: value for name, value in ASKED.items() if name != "model"}
    assert json.loads(outgoing(made()).body) == expected | {"anthropic_version": VERSION}
    own = ASKED | {"anthropic_version": "bedrock-2030-01-01"}
    assert json.loads(outgoing(made(), own).body)["anthropic_version"] == "bedrock-2030-01-01"


def test_an_arn_is_one_segment() -> None:
    """Its slash is part of its name."""
    sent = outgoing(made(), ASKED | {"model": PROFILE})
    assert urlsplit(sent.url).path == f"/model/{PROFILE.replace('/', '%2F')}/invoke"


@given(IDS)
def test_what_is_signed_is_what_is_sent(name: str) -> None:
    """The HTTP client leaves the URL as we wrote it: any change of its own would break the signature."""
    sent = outgoing(made(), ASKED | {"model": name})
    assert str(yarl.URL(sent.url, encoded=sent.is_encoded)) == sent.url


def test_betas_go_into_the_body() -> None:
    """Those that Bedrock knows, by its names and once each; the others are reported, since it refuses them."""
    header = "context-1m-2025-08-07, new-2030-01-01,,advanced-tool-use-2025-11-20,tool-search-tool-2025-10-19"
    sent = outgoing(made(), headers={"anthropic-beta": header, "anthropic-version": "2026-10-21"})
    assert json.loads(sent.body)["anthropic_beta"] == ["context-1m-2025-08-07", "tool-search-tool-2025-10-19"]
    assert sent.dropped == ("anthropic-beta: new-2030-01-01",)
    assert not any(name.startswith("anthropic") for name in sent.headers)


def test_without_betas_there_is_no_list() -> None:
    """An empty one would be a field that the caller did not send; a body's own list is the operator's word."""
    assert "anthropic_beta" not in json.loads(outgoing(made(), headers={"anthropic-beta": "new-2030-01-01"}).body)
    own = ASKED | {"anthropic_beta": ["odd"]}
    sent = outgoing(made(), own, {"anthropic-beta": "context-1m-2025-08-07"})
    assert json.loads(sent.body)["anthropic_beta"] == ["odd"]
    assert set(BETAS.values()) <= set(BETAS)


def test_other_models_speak_openai_s_dialect() -> None:
    """On its own path, with the body as it is, and no headers of Anthropic's."""
    asked = body(model="openai.gpt-oss-120b-1:0", stream=True)
    sent = made().outgoing("chat", asked, {"anthropic-beta": "a", "openai-beta": "b"}, "")
    assert sent.url == "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions"
    assert (json.loads(sent.body), sent.headers["openai-beta"]) == (asked, "b")
    assert "anthropic-beta" not in sent.headers


@pytest.mark.parametrize(
    ("entry", "dialects"),
    [
        (model("claude-sonnet-4-5", wire_model=SONNET), ("messages",)),
        (model("sonnet", wire_model="eu.anthropic.claude-sonnet-4-6"), ("messages",)),
        (model("claude-sonnet-4-6", wire_model=PROFILE), ("messages",)),
        (model("gpt-oss-120b", wire_model="openai.gpt-oss-120b-1:0"), ("chat",)),
        (model("sonnet", wire_model=PROFILE, dialects=["messages"]), ("messages",)),
        (model("claude-sonnet-4-6", dialects=["chat"]), ("chat",)),
    ],
)
def test_a_model_s_dialect_is_data(entry: Json, dialects: tuple[str, ...]) -> None:
    """By its name, neutral or on the wire; and configured where a name says nothing."""
    of = made(entry=entry)
    assert of.spoken(of.config, of.config.models[0]) == dialects
    mantle = made("k", "bedrock_mantle", entry)
    assert mantle.spoken(mantle.config, mantle.config.models[0])[:1] == dialects


def test_a_dialect_that_the_kind_cannot_is_refused_at_start() -> None:
    """And the models say which could be."""
    with pytest.raises(
        ConfigError, match="acme/x: 'responses' is no dialect of its kind; there are messages, chat"
    ):
        made(entry=model("x", dialects=["responses"]))


def test_mantle_speaks_as_the_vendors_do() -> None:
    """Plain paths, the version in a header, the model in the body, the query along."""
    of = made("key-1", "bedrock_mantle")
    sent = of.outgoing("messages", ASKED, {"anthropic-beta": "a,b"}, "beta=true")
    assert sent.url == "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages?beta=true"
    assert json.loads(sent.body) == ASKED
    assert (sent.headers["anthropic-version"], sent.headers["anthropic-beta"]) == ("2023-06-01", "a,b")
    newer = of.outgoing("messages", ASKED, {"anthropic-version": "2026-10-21"}, "")
    assert newer.headers["anthropic-version"] == "2026-10-21"
    for dialect, path in (("chat", "chat/completions"), ("responses", "responses")):
        sent = of.outgoing(dialect, body(), {}, "")
        assert sent.url == f"https://bedrock-mantle.us-east-1.api.aws/openai/v1/{path}"
        assert "anthropic-version" not in sent.headers


def test_an_api_key_is_a_bearer() -> None:
    """And then AWS credentials are not even looked for."""
    assert outgoing(made()).headers["authorization"] == "Bearer key-1"
    assert "x-amz-date" not in outgoing(made()).headers


@pytest.mark.parametrize(("kind", "service"), [("bedrock", "bedrock"), ("bedrock_mantle", "bedrock-mantle")])
def test_a_signature_is_what_botocore_would_sign(kind: str, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the provider's own time, over every header that no proxy changes, with a session's token."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-1")
    sent = made(None, kind, headers={"X-Amzn-Bedrock-Trace": "ENABLED"}).outgoing("messages", ASKED, {}, "")
    at = datetime.fromtimestamp(NOW / 1000, UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at)
    signed = {n: v for n, v in sent.headers.items() if n not in ("authorization", "user-agent", "accept-encoding")}
    request = AWSRequest("POST", sent.url, signed, sent.body)
    credentials = ReadOnlyCredentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], "token-1")
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    assert sent.headers["authorization"] == request.headers["Authorization"]
    assert sent.headers["x-amz-date"] == at.strftime("%Y%m%dT%H%M%SZ")
    assert sent.headers["x-amz-security-token"] == "token-1"
    assert "x-amzn-bedrock-trace" in sent.headers["authorization"]


def _fault(sent: Outgoing, **more: Any) -> str | None:
    """What the hand-written verifier says of a call."""
    split = urlsplit(sent.url)
    headers = {**sent.headers, "host": split.netloc} | more.pop("headers", {})
    given: Json = {"secrets": {KEYS["AWS_ACCESS_KEY_ID"]: KEYS["AWS_SECRET_ACCESS_KEY"]}, "region": "us-east-1"}
    given |= {"service": "bedrock", "now": datetime.fromtimestamp(NOW / 1000, UTC)} | more
    body = given.pop("body", sent.body)
    return fault_in_signature(split.path + (f"?{split.query}" if split.query else ""), headers, body, **given)


@given(IDS, st.text(max_size=20))
def test_another_s_verifier_takes_the_signature(name: str, text: str) -> None:
    """For any model id and any body."""
    assert _fault(outgoing(_SIGNING[0], body(text, model=name))) is None


_SIGNING: list[Bedrock] = []


@pytest.fixture(scope="module", autouse=True)
def signing() -> Iterator[None]:
    """One provider that signs, for tests with hundreds of examples."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        _SIGNING.append(made(None))
        yield
        _SIGNING.clear()


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{}"},
        {"headers": {"host": "elsewhere.example"}},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"x-amz-target": "x"}},
        {"region": "eu-west-1"},
        {"service": "bedrock-mantle"},
        {"secrets": {}},
        {"secrets": {"AKIDEXAMPLE": "other"}},
        {"now": datetime.fromtimestamp(NOW / 1000 + 301, UTC)},
    ],
)
def test_the_verifier_refuses_what_was_changed(change: Json) -> None:
    """Else its consent would prove nothing."""
    assert _fault(outgoing(made(None))) is None
    assert _fault(outgoing(made(None)), **change) is not None


def test_a_configured_key_header_wins_over_the_signature() -> None:
    """A gateway in front may want its own."""
    sent = outgoing(made(None, headers={"Authorization": "Bearer gateway"}))
    assert sent.headers["authorization"] == "Bearer gateway"


def test_the_region_comes_from_the_config_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config's first; with neither there is nowhere to call, and that is said at start."""
    with pytest.raises(ConfigError, match="acme: region"):
        made(region="")
    with pytest.raises(ConfigError, match="acme: region"):
        made(None, region="", base_url="http://127.0.0.1:1")
    made("key", region="", base_url="http://127.0.0.1:1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert made(region="").base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert made(region="").base_url == "https://bedrock-runtime.eu-north-1.amazonaws.com"
    assert made().base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "not a region")
    with pytest.raises(ConfigError, match="acme: region"):
        made(region="")


def test_no_credentials_are_a_fault_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said at start, by the provider's name, and only where they are needed."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigError, match="acme: neither an api_key nor AWS credentials"):
        made(None)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match=r"acme: AWS credentials: .*nobody"):
        made(None)
    made("key")
    made(None, enabled=False)


def test_without_botocore_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local router need not have it."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigError, match=r"acme: .* botocore: install it"):
        made(None)
    made("key")


def test_credentials_that_cannot_be_renewed_are_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of this route alone: another may do better."""
    of = made(None)

    def fail(_self: object) -> None:
        raise RuntimeError("expired")

    monkeypatch.setattr("botocore.credentials.Credentials.get_frozen_credentials", fail)
    with pytest.raises(Unreachable) as caught:
        outgoing(of)
    assert not caught.value.accepted
    assert classify(caught.value, NOW).next


AWS = "x-amzn-errortype"
REFUSALS: list[tuple[int, str, str, int, FaultKind, bool]] = [
    (400, "ValidationException", "messages: Field required", 400, FaultKind.INVALID_REQUEST, False),
    (400, "ValidationException", "Input is too long for requested model.", 400, FaultKind.CONTEXT_OVERFLOW, True),
    (
        400,
        "ValidationException",
        "prompt is too long: 9 tokens > 8 maximum",
        400,
        FaultKind.CONTEXT_OVERFLOW,
        True,
    ),
    (400, "ServiceQuotaExceededException", "Too many.", 429, FaultKind.RATE_LIMITED, True),
    (403, "AccessDeniedException", "You don't have access to the model.", 403, FaultKind.AUTH, True),
    (403, "UnrecognizedClientException", "The security token is invalid.", 403, FaultKind.AUTH, True),
    (404, "ResourceNotFoundException", "Could not resolve the model.", 404, FaultKind.MODEL_NOT_FOUND, True),
    (408, "ModelTimeoutException", "Too long.", 504, FaultKind.TIMEOUT, True),
    (424, "ModelErrorException", "The model failed.", 500, FaultKind.SERVER_ERROR, True),
    (429, "ThrottlingException", "Too many tokens, please wait.", 429, FaultKind.RATE_LIMITED, True),
    (429, "ModelNotReadyException", "Not ready.", 529, FaultKind.OVERLOADED, True),
    (500, "InternalServerException", "Try again.", 500, FaultKind.SERVER_ERROR, True),
    (503, "ServiceUnavailableException", "Unable to process.", 529, FaultKind.OVERLOADED, True),
    (418, "NewException", "Hello.", 418, FaultKind.INVALID_REQUEST, False),
]


@pytest.mark.parametrize(("status", "name", "message", "told", "kind", "onwards"), REFUSALS)
def test_a_refusal_is_what_anthropic_would_have_said(
    status: int, name: str, message: str, told: int, kind: FaultKind, onwards: bool
) -> None:
    """Envelope, status and verdict; AWS's word is the code."""
    headers = {AWS: f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/", "x-amzn-requestid": "aws-1"}
    refused = Refused(status, headers, json.dumps({"message": message}).encode())
    said = made().refusal("messages", refused)
    envelope = json.loads(said.body)
    assert (said.status, said.headers, envelope["type"]) == (told, headers, "error")
    assert (envelope["error"]["message"], envelope["error"]["code"]) == (message, name)
    assert envelope["request_id"] == "aws-1"
    verdict = classify(said, NOW)
    assert (verdict.kind, verdict.next) == (kind, onwards)


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        ({"Message": "User is not authorized"}, "User is not authorized", "error"),
        ({"message": "Forbidden"}, "Forbidden", "error"),
        (
            {"Output": {"__type": "com.amazon.coral#NewOperation"}, "Version": "1.0"},
            "NewOperation",
            "NewOperation",
        ),
        ({"__type": "ThrottlingException", "message": "Slow"}, "Slow", "ThrottlingException"),
    ],
)
def test_every_envelope_of_aws_s_is_read(content: Json, message: str, code: str) -> None:
    """From whichever of its layers it came, in the dialect of the call."""
    refused = Refused(403, {}, json.dumps(content).encode())
    for dialect in ("messages", "chat"):
        error = json.loads(made().refusal(dialect, refused).body)["error"]
        assert (error["message"], error["code"]) == (message, code)


@pytest.mark.parametrize("content", [b'{"error":{"message":"No.","type":"x"}}', b"<html>", b"", b"[]", b"{}"])
def test_what_is_in_the_vendor_s_envelope_or_in_none_stays(content: bytes) -> None:
    """The OpenAI-compatible path answers as OpenAI does, and a page of some gateway says nothing."""
    refused = Refused(400, {}, content)
    assert made().refusal("chat", refused) is refused
