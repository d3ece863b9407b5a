"""What a caller is told: the vendors' own SDKs decide whether an envelope is right."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest

from route.answering.send import answer_headers
from route.dialects.base import Dialect, dump
from route.dialects.chat import CHAT
from route.dialects.messages import MESSAGES
from route.errors import (
    ApiError,
    BadRequest,
    BudgetExceeded,
    ChainExhausted,
    Forbidden,
    InvalidKey,
    NotFound,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
)
from tests.route.build import ROLE, TEXT_START, delta, message_start, says

ID = "inf_018f"


@dataclass(slots=True)
class Answering:
    """A server that gives the same answer to everything."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: int = 0

    def openai(self, max_retries: int = 0) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="k", max_retries=max_retries)

    def anthropic(self, max_retries: int = 0) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.url, api_key="k", max_retries=max_retries)

    def says(self, error: ApiError, dialect: Dialect) -> None:
        """As the router sends an error before anything else."""
        self.status, self.body = error.status, dump(dialect.error_document(error, ID))
        kind = {"content-type": "application/json"}
        self.headers = answer_headers(ID, "", 0, 0) | error.headers() | kind


@contextmanager
def answering() -> Iterator[Answering]:
    server = Answering()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.asked += 1
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(server.status)
            for name, value in (server.headers | {"content-length": str(len(server.body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Answering]:
    with answering() as running:
        yield running


def ask_openai(client: openai.OpenAI, *, stream: bool = False) -> object:
    with client:
        answer = client.chat.completions.create(model="m", messages=[], stream=stream)
        return list(answer) if isinstance(answer, openai.Stream) else answer


def ask_anthropic(client: anthropic.Anthropic, *, stream: bool = False) -> object:
    with client:
        answer = client.messages.create(model="m", max_tokens=5, messages=[], stream=stream)
        return list(answer) if isinstance(answer, anthropic.Stream) else answer


OPENAI = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    402: openai.APIStatusError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    408: openai.APIStatusError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
    504: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize(("status", "kind"), OPENAI.items())
@pytest.mark.case("C2")
def test_openai_raises_its_own_class(server: Answering, status: int, kind: type[openai.APIStatusError]) -> None:
    """Status, message, code and our id arrive where that SDK looks for them."""
    server.says(ApiError(status, "a_code", "It is so.", param="messages"), CHAT)
    with pytest.raises(openai.APIStatusError) as caught:
        ask_openai(server.openai())
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.code, error.param, error.request_id) == (status, "a_code", "messages", ID)
    assert "It is so." in str(error)


ANTHROPIC = {
    400: ("BadRequestError", "invalid_request_error"),
    401: ("AuthenticationError", "authentication_error"),
    402: ("APIStatusError", "billing_error"),
    403: ("PermissionDeniedError", "permission_error"),
    404: ("NotFoundError", "not_found_error"),
    408: ("APIStatusError", "timeout_error"),
    409: ("ConflictError", "conflict_error"),
    413: ("APIStatusError", "request_too_large"),
    422: ("UnprocessableEntityError", "invalid_request_error"),
    429: ("RateLimitError", "rate_limit_error"),
    500: ("InternalServerError", "api_error"),
    502: ("InternalServerError", "api_error"),
    503: ("InternalServerError", "api_error"),
    504: ("InternalServerError", "timeout_error"),
    529: ("InternalServerError", "overloaded_error"),
}
"""The class or, in newer versions of that SDK, a class of its own below it; and the envelope's type."""


@pytest.mark.parametrize(("status", "kind", "type_"), [(s, *row) for s, row in ANTHROPIC.items()])
@pytest.mark.case("C2")
def test_anthropic_raises_its_own_class(server: Answering, status: int, kind: str, type_: str) -> None:
    """Status, type, message and our id arrive where that SDK looks for them."""
    server.says(ApiError(status, "a_code", "It is so."), MESSAGES)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask_anthropic(server.anthropic())
    error = caught.value
    assert isinstance(error, getattr(anthropic, kind))
    assert (error.status_code, error.request_id) == (status, ID)
    assert error.body == {
        "type": "error",
        "error": {"type": type_, "message": "It is so.", "code": "a_code"},
        "request_id": ID,
    }


CLASSES = {402: "PaymentRequiredError", 504: "GatewayTimeoutError", 529: "OverloadedError"}


@pytest.mark.parametrize(("status", "name"), CLASSES.items())
def test_anthropic_s_finer_classes_are_reached(server: Answering, status: int, name: str) -> None:
    """An application that catches the finer class catches ours."""
    server.says(ApiError(status, "a_code", "It is so."), MESSAGES)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask_anthropic(server.anthropic())
    assert type(caught.value).__name__ == name


@pytest.mark.case("C19")
def test_an_error_inside_an_openai_stream(server: Answering) -> None:
    """The SDK raises with our message after what came before; nothing hangs."""
    end = CHAT.error_event(ApiError(502, "stream_interrupted", "It broke."), ID)
    server.status, server.headers = 200, {"content-type": "text/event-stream"}
    server.body = ROLE + says("a") + end
    with pytest.raises(openai.APIError, match=r"It broke\."):
        ask_openai(server.openai(), stream=True)


@pytest.mark.case("C19")
def test_an_error_inside_an_anthropic_stream(server: Answering) -> None:
    """That SDK raises a status error, with 200, and the document as its body."""
    end = MESSAGES.error_event(ApiError(529, "stream_interrupted", "It broke."), ID)
    server.status, server.headers = 200, {"content-type": "text/event-stream"}
    server.body = message_start(input_tokens=1) + TEXT_START + delta(type="text_delta", text="a") + end
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask_anthropic(server.anthropic(), stream=True)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"] == {
        "type": "overloaded_error", "message": "It broke.", "code": "stream_interrupted",
    }  # fmt: skip


ATTEMPTS = [
    {"n": 1, "route": "acme|small|", "outcome": "error", "kind": "rate_limited", "http_status": 429},
    {"n": 2, "route": "other|small|", "outcome": "error", "kind": "network", "http_status": None},
]


@pytest.mark.case("C2")
def test_an_exhausted_chain_is_not_asked_again(server: Answering) -> None:
    """`x-should-retry: false`: both SDKs would multiply our retries by theirs, and neither does."""
    for dialect in (CHAT, MESSAGES):
        server.says(ChainExhausted(529, "overloaded", ATTEMPTS, None), dialect)
        server.asked = 0
        with pytest.raises((openai.InternalServerError, anthropic.APIStatusError)):
            ask_openai(server.openai(max_retries=2)) if dialect is CHAT else ask_anthropic(
                server.anthropic(max_retries=2)
            )
        assert server.asked == 1


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES])
def test_an_exhausted_chain_names_every_attempt(dialect: Dialect) -> None:
    """In the message for people, as rows for programs, with when to come back."""
    error = ChainExhausted(429, "rate_limited", ATTEMPTS, 7.4)
    told = dialect.error_document(error, ID)["error"]
    assert told["attempts"] == ATTEMPTS
    assert told["message"] == (
        "All 2 attempts failed. 1. acme|small|: rate_limited (429); 2. other|small|: network"
    )
    assert error.headers() == {"retry-after": "7", "x-should-retry": "false"}


def test_a_single_attempt_is_called_one() -> None:
    """The message does not claim a chain that there was not."""
    assert ChainExhausted(429, "rate_limited", ATTEMPTS[:1], None).message.startswith("The only attempt failed.")


@pytest.mark.parametrize(
    ("seconds", "header"),
    [(None, None), (0, "0"), (0.4, "0"), (59.4, "59"), (60, "60"), (61, "60"), (86_400, "60"), (-5, "0")],
)
def test_retry_after_is_capped(seconds: float | None, header: str | None) -> None:
    """One vendor's SDK sleeps whatever it is told: never more than 60 s, never less than 0."""
    assert ApiError(429, "c", "m", retry_after_s=seconds).headers().get("retry-after") == header


@pytest.mark.parametrize(("should", "header"), [(None, None), (True, "true"), (False, "false")])
def test_the_sdk_decides_unless_we_know_better(should: bool | None, header: str | None) -> None:
    """The header is only there where we say something."""
    assert ApiError(429, "c", "m", should_retry=should).headers().get("x-should-retry") == header


SPENT = {
    "scope": "provider:acme",
    "period": "month",
    "limit_usd": "5",
    "spent_usd": "5.01",
    "resets_at": "2026-12-01T00:00:00.000Z",
}


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES])
@pytest.mark.case("C11")
def test_a_spent_budget_says_which_and_until_when(dialect: Dialect) -> None:
    """402 with scope, period, limit, spend and reset, in the error of either dialect, not to be retried."""
    error = BudgetExceeded(SPENT)
    told = dialect.error_document(error, ID)["error"]
    assert (error.status, told["code"]) == (402, "budget_exceeded")
    assert {name: told[name] for name in SPENT} == SPENT
    assert error.headers() == {"x-should-retry": "false"}
    assert error.message == (
        "Budget exceeded: provider:acme has spent $5.01 of $5 this month; "
        "it is whole again at 2026-12-01T00:00:00.000Z."
    )


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadRequest("invalid_json", "m"), 400, "invalid_json"),
        (Unauthenticated(), 401, "missing_api_key"),
        (InvalidKey(), 401, "invalid_api_key"),
        (Forbidden("key_expired", "m"), 403, "key_expired"),
        (NotFound("model_not_found", "m"), 404, "model_not_found"),
        (TooLarge(6_291_456), 413, "request_too_large"),
        (StoreUnavailable("The key store"), 503, "store_unavailable"),
    ],
)
def test_each_error_has_its_status_and_code(error: ApiError, status: int, code: str) -> None:
    """Programs go by these two, so they are part of the interface."""
    assert (error.status, error.code) == (status, code)
    assert str(error) == error.message


def test_a_request_that_is_too_large_is_told_the_way_out() -> None:
    """The limit and what to do instead."""
    assert "6,291,456 bytes" in TooLarge(6_291_456).message
    assert "by URL or file id" in TooLarge(1).message


def test_an_answer_without_an_inference_has_no_id() -> None:
    """Null, never an empty string that looks like one."""
    assert MESSAGES.error_document(Unauthenticated(), "")["request_id"] is None


def test_every_envelope_is_json() -> None:
    """Whatever stands in a message, half a character too."""
    for dialect in (CHAT, MESSAGES):
        told = json.loads(dump(dialect.error_document(BadRequest("c", "é\ud800"), ID)))
        assert told["error"]["message"] == "é\ud800"
