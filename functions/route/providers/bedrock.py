"""Amazon Bedrock: Claude by InvokeModel, other models by Bedrock's OpenAI-compatible path.

InvokeModel takes Anthropic's body, with the model in the path and versions and betas in the body, and streams
Anthropic's events inside AWS's binary frames. Here they become what Anthropic itself would send.

Sources: the AWS API reference (`InvokeModelWithResponseStream`, `ResponseStream`), "Inference using Anthropic
Messages API" in the Bedrock user guide, and the Bedrock clients in the vendors' SDKs.
"""

import base64
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from ledger.moments import now_ms
from route.config.file import ConfigError
from route.config.providers import ModelConfig, ProviderConfig
from route.dialects import BY_NAME
from route.dialects.base import BadAnswer, Document, dump, mapping, parse_object, text
from route.dialects.sse import encode
from route.errors import ApiError
from route.providers.anthropic import DEFAULT_VERSION
from route.providers.base import Decode, Outgoing, Provider, Refused, Unreachable
from route.providers.error_body import read_error_body
from route.providers.eventstream import CONTENT_TYPE, Frame, Frames

VERSION = "bedrock-2023-05-31"
"""The only version of every model there. Anthropic's 2026-10-21 takes fields away and adds none, so that a request
of it means the same under this one."""

_SAME = (
    "compact-2026-01-12",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
)
BETAS: Mapping[str, str] = {
    **{name: name for name in _SAME},
    "advanced-tool-use-2025-11-20": "tool-search-tool-2025-10-19",
}
"""Betas that Bedrock knows, with its names for them, as of 2026-11. It refuses a request for any other ("invalid
beta flag"), and agents send a dozen. A model's `extra_body: {anthropic_beta: […]}` says it otherwise."""

STATUSES: Mapping[str, int] = {
    "validationexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "throttlingexception": 429,
    "servicequotaexceededexception": 429,
    "internalserverexception": 500,
    "modelerrorexception": 500,
    "modelstreamerrorexception": 500,
    "modeltimeoutexception": 504,
    "modelnotreadyexception": 529,
    "serviceunavailableexception": 529,
}
"""What Anthropic would have answered, by AWS's word for the error: AWS's own numbers (400 for a quota, 424 for a
model that failed) would be taken for the caller's fault. Words that are not here keep their status."""

_CLAUDES = ("messages", "count_tokens")
"""The dialects of Anthropic's models; all others are the other models'."""

_REGION = re.compile(r"[a-z]{2,8}(-[a-z0-9]+)+-[0-9]+")
_EVENT_NAME = re.compile("[a-z_]{1,64}")


class Bedrock(Provider):
    """With an `api_key` (a Bedrock API key) as Bearer, else signed with the process's AWS credentials.

    These are looked for once, when the provider is made, where botocore looks: environment, profile, container,
    instance. It renews those that expire, at most once an hour, within the call that needs them.
    """

    kind = "bedrock"
    host: ClassVar[str] = "bedrock-runtime.{region}.amazonaws.com"
    service: ClassVar[str] = "bedrock"
    paths: ClassVar[Mapping[str, str]] = {
        "messages": "/model/{model}/{operation}",
        "chat": "/openai/v1/chat/completions",
    }

    def __init__(self, config: ProviderConfig, api_key: str | None, clock: Callable[[], int] = now_ms) -> None:
        super().__init__(config, api_key, clock)
        region = config.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        is_signed = config.enabled and not api_key
        if not _REGION.fullmatch(region) and (is_signed or not config.base_url):
            raise ConfigError(f"{config.name}: region: set it, or AWS_REGION; there is {region!r}")
        self.base_url = config.base_url or f"https://{self.host.format(region=region)}"
        self._sign = open_signer(config.name, self.service, region) if is_signed else None

    @classmethod
    def native(cls, model: ModelConfig) -> tuple[str, ...]:
        names = f"{model.model} {model.on_wire}".lower()
        is_claude = "claude" in names or "anthropic" in names
        return tuple(name for name in cls.paths if (name in _CLAUDES) is is_claude)

    def addressed(self, dialect: str, body: Document, headers: Mapping[str, str], query: str) -> Outgoing:
        if dialect != "messages":
            return super().addressed(dialect, body, headers, query)
        betas, dropped = _betas(headers.get("anthropic-beta", ""))
        said_in_body = {"anthropic_version": VERSION} | ({"anthropic_beta": betas} if betas else {})
        invoked = said_in_body | {name: value for name, value in body.items() if name not in ("model", "stream")}
        operation = "invoke-with-response-stream" if body.get("stream") is True else "invoke"
        # An ARN's slash is part of its name.
        path = self.paths[dialect].format(model=quote(str(body["model"]), safe=":"), operation=operation)
        return Outgoing(self.base_url + path, {}, dump(invoked), dropped, is_encoded=True)

    def auth_headers(self, call: Outgoing) -> dict[str, str]:
        if self._sign is None:
            return {"authorization": f"Bearer {self._api_key}"}
        return self._sign(call, self._clock())

    def decoder(self, content_type: str) -> Decode:
        if not content_type.startswith(CONTENT_TYPE):
            return bytes
        frames = Frames()
        return lambda chunk: b"".join(_event_of(frame) for frame in frames.feed(chunk))

    def refusal(self, dialect: str, refused: Refused) -> Refused:
        words = read_error_body(refused.body)
        name = _name_of(refused.headers.get("x-amzn-errortype", "") or words.type)
        if words.in_envelope or not (name or words.message):
            return refused
        error = _error(name, words.message, refused.status, _document(refused.body))
        request_id = refused.headers.get("x-amzn-requestid", "")
        body = dump(BY_NAME[dialect].error_document(error, request_id))
        return Refused(error.status, refused.headers, body)


class BedrockMantle(Bedrock):
    """Bedrock's newer endpoint: each vendor's dialect as the vendor has it, with plain streams."""

    kind = "bedrock_mantle"
    host = "bedrock-mantle.{region}.api.aws"
    service = "bedrock-mantle"
    paths: ClassVar[Mapping[str, str]] = {
        "messages": "/anthropic/v1/messages",
        "count_tokens": "/anthropic/v1/messages/count_tokens",
        "chat": "/openai/v1/chat/completions",
        "responses": "/openai/v1/responses",
    }

    def addressed(self, dialect: str, body: Document, headers: Mapping[str, str], query: str) -> Outgoing:
        version = {"anthropic-version": DEFAULT_VERSION} if dialect in _CLAUDES else {}
        return Provider.addressed(self, dialect, body, version | {**headers}, query)


def _betas(header: str) -> tuple[list[str], tuple[str, ...]]:
    """Bedrock's names of the betas that it knows, and those that it does not, as they are reported."""
    asked = [name for part in header.split(",") if (name := part.strip())]
    known = dict.fromkeys(BETAS[name] for name in asked if name in BETAS)
    unknown = dict.fromkeys(f"anthropic-beta: {name}" for name in asked if name not in BETAS)
    return list(known), tuple(unknown)


def _event_of(frame: Frame) -> bytes:
    """A frame as Anthropic would have sent it: an event, an error event, or nothing where it says nothing."""
    match frame.headers.get(":message-type"):
        case "event" if frame.headers.get(":event-type") == "chunk":
            return _event(frame.payload)
        case "exception":
            name, message = frame.headers.get(":exception-type", ""), read_error_body(frame.payload).message
        case "error":
            name, message = frame.headers.get(":error-code", ""), frame.headers.get(":error-message", "")
        case _:
            return b""
    error = _error(name, message, 500, _document(frame.payload))
    return encode(dump(BY_NAME["messages"].error_document(error, "")), "error")


def _event(payload: bytes) -> bytes:
    """Out of `{"bytes": base64 of an event's JSON, "p": padding}`."""
    try:
        data = base64.b64decode(text(parse_object(payload).get("bytes")), validate=True)
    except ValueError:
        raise BadAnswer("the event stream has a chunk that is not base64") from None
    kind = text(parse_object(data).get("type"))
    # Between the tokens of JSON a blank is as good as a new line, and inside them there is none.
    return encode(b" ".join(data.splitlines()), kind if _EVENT_NAME.fullmatch(kind) else "")


def _error(name: str, message: str, status: int, document: Mapping[str, Any]) -> ApiError:
    """`name`: AWS's, in either spelling. A model's own status, where AWS passes one on, weighs more than AWS's."""
    own = document.get("originalStatusCode")
    is_status = isinstance(own, int) and not isinstance(own, bool) and 400 <= own < 600
    status = own if is_status else STATUSES.get(name.lower(), status)  # type: ignore[assignment]
    return ApiError(status, name or "error", text(document.get("originalMessage")) or message or name)


def _name_of(word: str) -> str:
    """`ThrottlingException` of `com.amazon.coral#ThrottlingException:http://internal.amazon.com/…`."""
    return word.partition(":")[0].rpartition("#")[2].strip()


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        return mapping(parse_object(body))
    except BadAnswer:
        return {}


Sign = Callable[[Outgoing, int], dict[str, str]]
"""The headers that sign a call at an instant, ms since the epoch."""

UNSIGNED = ("accept-encoding", "user-agent", "authorization")
"""What proxies on the way may change, and what the signature itself becomes."""


def open_signer(provider: str, service: str, region: str) -> Sign:
    """Signature Version 4 with the credentials of this process. ConfigError where there are none."""
    # 60 to 130 ms, and only where calls are signed. Lambda's own runtime has it.
    try:
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415
    except ImportError:
        raise ConfigError(f"{provider}: without an api_key calls are signed, by botocore: install it") from None
    try:
        credentials = Session().get_credentials()
    except BotoCoreError as error:
        raise ConfigError(f"{provider}: AWS credentials: {error}") from None
    if credentials is None:
        raise ConfigError(f"{provider}: neither an api_key nor AWS credentials")

    def sign(call: Outgoing, at_ms: int) -> dict[str, str]:
        try:
            frozen = credentials.get_frozen_credentials()
        except (BotoCoreError, RuntimeError) as error:
            raise Unreachable(type(error).__name__, accepted=False) from error
        stamp = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        signed = {"x-amz-date": stamp} | ({"x-amz-security-token": frozen.token} if frozen.token else {})
        headers = {name: value for name, value in call.headers.items() if name not in UNSIGNED}
        request = AWSRequest(call.method, call.url, headers | signed, call.body)
        request.context["timestamp"] = stamp
        # The steps of `add_auth`, which would look at the clock itself.
        auth = SigV4Auth(frozen, service, region)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        names = auth.signed_headers(auth.headers_to_sign(request))
        proof = f"Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"
        return signed | {"authorization": f"AWS4-HMAC-SHA256 {proof}"}

    return sign
