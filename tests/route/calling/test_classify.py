"""From what went wrong to what it means: every row of the table, in every provider's wording."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.outcomes import NO_FAULT_OF_THE_ROUTE, FaultKind
from route.calling.classify import BY_ERROR_TYPE, BY_STATUS, FAULTS, Failure, classify, retry_after_s
from route.dialects.base import BadAnswer, Document, ErrorInAnswer
from route.providers.base import Refused, TooSlow, Unreachable
from tests.ledger.make import NOW


def refused(status: int, message: str = "no", **headers: str) -> Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Refused(status, named, json.dumps({"error": {"message": message}}).encode()), NOW)


def inside(error: object) -> Failure:
    return classify(ErrorInAnswer({"error": error}), NOW)


TABLE = [
    (400, FaultKind.INVALID_REQUEST, False),
    (413, FaultKind.INVALID_REQUEST, False),
    (422, FaultKind.INVALID_REQUEST, False),
    (401, FaultKind.AUTH, True),
    (403, FaultKind.AUTH, True),
    (402, FaultKind.PAYMENT_REQUIRED, True),
    (404, FaultKind.MODEL_NOT_FOUND, True),
    (408, FaultKind.TIMEOUT, True),
    (425, FaultKind.SERVER_ERROR, True),
    (429, FaultKind.RATE_LIMITED, True),
    (500, FaultKind.SERVER_ERROR, True),
    (502, FaultKind.SERVER_ERROR, True),
    (503, FaultKind.OVERLOADED, True),
    (504, FaultKind.TIMEOUT, True),
    (529, FaultKind.OVERLOADED, True),
    (501, FaultKind.SERVER_ERROR, True),
    (599, FaultKind.SERVER_ERROR, True),
    (405, FaultKind.MODEL_NOT_FOUND, True),
    (409, FaultKind.INVALID_REQUEST, False),
]


@pytest.mark.parametrize(("status", "kind", "onwards"), TABLE)
@pytest.mark.case("C2")
def test_every_status_has_its_row(status: int, kind: FaultKind, onwards: bool) -> None:
    """What the next route could not do better either stops the chain; everything else goes on."""
    assert refused(status) == Failure(kind, onwards, status, status)


@pytest.mark.parametrize(("status", "kind", "onwards"), TABLE)
def test_only_the_request_does_not_count_against_the_route(status: int, kind: FaultKind, onwards: bool) -> None:
    """Whatever sends the request on is a fault of the route, and whatever stops it is not."""
    assert (kind not in NO_FAULT_OF_THE_ROUTE) is onwards


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308])
def test_a_redirect_is_no_answer(status: int) -> None:
    """Nobody follows it with a key in hand: the route is to blame, the next is tried, the caller gets 502."""
    failure = refused(status, location="https://elsewhere.example")
    assert failure == Failure(FaultKind.BAD_ANSWER, True, 502, status)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Unreachable("ClientConnectorError", accepted=False), Failure(FaultKind.NETWORK, True, 502)),
        (Unreachable("ServerDisconnectedError", accepted=True), Failure(FaultKind.NETWORK, True, 502)),
        (BadAnswer("torn"), Failure(FaultKind.BAD_ANSWER, True, 502)),
        (TooSlow("first_token"), Failure(FaultKind.TIMEOUT, True, 504)),
        (TooSlow("gap"), Failure(FaultKind.TIMEOUT, True, 504)),
        (TooSlow("attempt"), Failure(FaultKind.TIMEOUT, True, 504)),
        (TooSlow("request"), Failure(FaultKind.OUT_OF_TIME, False, 504)),
    ],
)
@pytest.mark.case("P5")
def test_what_is_no_status_has_its_row(error: Exception, failure: Failure) -> None:
    """Network, torn answers, and each deadline: only the whole request's leaves no time for another route."""
    assert classify(error, NOW) == failure


def test_our_own_bugs_are_not_a_route_s() -> None:
    """Anything that a provider cannot cause is raised again."""
    with pytest.raises(ZeroDivisionError):
        classify(ZeroDivisionError(), NOW)
    assert not issubclass(ZeroDivisionError, FAULTS)


OVERFLOW = {
    "OpenAI chat": "This model's maximum context length is 128000 tokens. You sent 130000.",
    "OpenAI code": "context_length_exceeded",
    "OpenAI responses": "Your input exceeds the context window of this model. Please adjust it.",
    "Anthropic prompt": "prompt is too long: 208310 tokens > 200000 maximum",
    "Anthropic sum": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "Anthropic stop reason": "model_context_window_exceeded",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "llama.cpp type": "exceed_context_size_error",
    "vLLM chat": "This model's maximum context length is 4096 tokens. Please reduce the length of the messages.",
    "vLLM prompt": "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "OpenRouter": "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000.",
    "Ollama": "the input length exceeds the context length",
    "LM Studio": "The model is loaded with context length of only 4096 tokens, which is not enough.",
    "Gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Bedrock": "Input is too long for requested model.",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Mistral": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "Groq": "Please reduce the length of the messages or completion.",
    "Cohere": "too many tokens: total number of tokens in the prompt cannot exceed 128000",
}


@pytest.mark.parametrize("wording", OVERFLOW.values(), ids=OVERFLOW.keys())
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_full_context_is_known_in_every_wording(wording: str, status: int) -> None:
    """It does not count against the route, and a route with a larger context may do better."""
    failure = refused(status, wording)
    assert (failure.kind, failure.next, failure.status) == (FaultKind.CONTEXT_OVERFLOW, True, status)
    assert FaultKind.CONTEXT_OVERFLOW in NO_FAULT_OF_THE_ROUTE


@pytest.mark.parametrize(
    "wording",
    [
        "messages: must be a list",
        "temperature is too high",
        "max_tokens: 5 is below the minimum",
        "Unknown context",
    ],
)
def test_other_bad_requests_are_no_overflow(wording: str) -> None:
    """They stop: no other route would take them."""
    assert refused(400, wording).kind is FaultKind.INVALID_REQUEST


@pytest.mark.parametrize("status", [401, 429, 500])
def test_overflow_is_only_said_of_a_request(status: int) -> None:
    """The same words under another status are about something else."""
    assert refused(status, OVERFLOW["Groq"]).kind is not FaultKind.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    "wording",
    [
        "content_filter",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "ResponsibleAIPolicyViolation",
        "content_policy_violation",
        "Your request was rejected by our safety system.",
        "Output blocked by content filtering policy",
    ],
)
def test_a_filter_stops(wording: str) -> None:
    """Another provider is asked only where the profile says so; the route is not to blame."""
    failure = refused(400, wording)
    assert (failure.kind, failure.next) == (FaultKind.CONTENT_FILTER, False)
    assert FaultKind.CONTENT_FILTER in NO_FAULT_OF_THE_ROUTE


@pytest.mark.parametrize(
    "wording",
    [
        "CUDA error: out of memory",
        "OOM",
        "worker died: oom.",
        "killed (OOM)",
        "model requires more system memory (9.1 GiB) than is available (7.0 GiB)",
        "insufficient memory",
        "failed to allocate memory",
    ],
)
@pytest.mark.case("C13")
def test_out_of_memory_is_known(wording: str) -> None:
    """Whole phrases, and `oom` as a word, whatever its case."""
    failure = refused(500, wording)
    assert (failure.kind, failure.next) == (FaultKind.OUT_OF_MEMORY, True)
    assert FaultKind.OUT_OF_MEMORY not in NO_FAULT_OF_THE_ROUTE


@pytest.mark.parametrize(
    "wording", ["no room", "bloom", "a zoom", "zoomed", "oomph", "roomy", "mushroom", "memory"]
)
@pytest.mark.case("C13")
def test_oom_is_no_part_of_a_word(wording: str) -> None:
    """No room is not it."""
    assert refused(500, f"the server has {wording}").kind is FaultKind.SERVER_ERROR


def test_out_of_memory_is_only_said_by_a_server() -> None:
    """A refused request may quote the words."""
    assert refused(400, "out of memory").kind is FaultKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("error", "kind", "status", "onwards"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, FaultKind.OVERLOADED, 529, True),
        ({"type": "rate_limit_error"}, FaultKind.RATE_LIMITED, 429, True),
        ({"type": "authentication_error"}, FaultKind.AUTH, 401, True),
        ({"type": "billing_error"}, FaultKind.PAYMENT_REQUIRED, 402, True),
        ({"type": "not_found_error"}, FaultKind.MODEL_NOT_FOUND, 404, True),
        ({"type": "timeout_error"}, FaultKind.TIMEOUT, 504, True),
        ({"type": "invalid_request_error", "message": "bad"}, FaultKind.INVALID_REQUEST, 400, False),
        ({"code": "rate_limit_exceeded"}, FaultKind.RATE_LIMITED, 429, True),
        ({"code": "insufficient_quota", "type": None}, FaultKind.RATE_LIMITED, 429, True),
        ({"code": 429, "message": "busy"}, FaultKind.RATE_LIMITED, 429, True),
        ({"code": 503, "type": "whatever"}, FaultKind.OVERLOADED, 503, True),
        ({"code": "429"}, FaultKind.RATE_LIMITED, 429, True),
        ({"code": "503", "type": "invalid_request_error"}, FaultKind.OVERLOADED, 503, True),
        ({"code": "200"}, FaultKind.SERVER_ERROR, 500, True),
        ({"code": "4290"}, FaultKind.SERVER_ERROR, 500, True),
        ({"code": 200}, FaultKind.SERVER_ERROR, 500, True),
        ({"code": True}, FaultKind.SERVER_ERROR, 500, True),
        ({"code": ["x"], "type": {"y": 1}}, FaultKind.SERVER_ERROR, 500, True),
        ({"message": "CUDA out of memory"}, FaultKind.OUT_OF_MEMORY, 500, True),
        (
            {"type": "invalid_request_error", "message": "prompt is too long"},
            FaultKind.CONTEXT_OVERFLOW,
            400,
            True,
        ),
        ({"code": "context_length_exceeded"}, FaultKind.CONTEXT_OVERFLOW, 400, True),
        ({"code": "content_filter"}, FaultKind.CONTENT_FILTER, 400, False),
        ("busy", FaultKind.SERVER_ERROR, 500, True),
        (["busy"], FaultKind.SERVER_ERROR, 500, True),
        ({}, FaultKind.SERVER_ERROR, 500, True),
        ({"message": "\ud800"}, FaultKind.SERVER_ERROR, 500, True),
        ({"n": 10**30}, FaultKind.SERVER_ERROR, 500, True),
    ],
)
def test_an_error_inside_a_200(error: object, kind: FaultKind, status: int, onwards: bool) -> None:
    """By its code, a number or one as text, else its type, else a server's fault; the status itself was 200."""
    assert inside(error) == Failure(kind, onwards, status, 200)


SAID = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["code", "type", "message", "x"]), inner),
)


@given(SAID)
def test_no_error_inside_a_200_breaks_us(error: object) -> None:
    """Whatever a provider says, there is a verdict with a status that is an error's."""
    assert 400 <= inside(error).status < 600


def test_every_kind_has_a_row() -> None:
    """A kind that nothing leads to, or that the table forgot, fails here."""
    by_status = {kind for kind, _ in BY_STATUS.values()}
    by_wording = {FaultKind.CONTEXT_OVERFLOW, FaultKind.CONTENT_FILTER, FaultKind.OUT_OF_MEMORY}
    by_class = {refused(500).kind, refused(302).kind, classify(Unreachable("x", accepted=False), NOW).kind}
    by_deadline = {classify(TooSlow("request"), NOW).kind}
    not_from_providers = {FaultKind.CANCELLED, FaultKind.LOST, FaultKind.INTERNAL}
    assert by_status | by_wording | by_class | by_deadline | not_from_providers == set(FaultKind)


def test_every_error_type_leads_to_a_row() -> None:
    """Types of either vendor have statuses that the table knows or that are a server's."""
    assert all(status in BY_STATUS or status >= 500 for status in BY_ERROR_TYPE.values())


LATER = datetime.fromtimestamp(NOW / 1000 + 30, UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": format_datetime(LATER, usegmt=True)}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"anthropic-ratelimit-requests-reset": LATER.isoformat().replace("+00:00", "Z")}, 30),
        ({"anthropic-ratelimit-tokens-reset": LATER.isoformat()}, 30),
        ({"retry-after": "7", "anthropic-ratelimit-tokens-reset": LATER.isoformat()}, 7),
        ({"retry-after": "soon", "anthropic-ratelimit-tokens-reset": LATER.isoformat()}, 30),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 20 Nov 2026 00:00:00 +99999999999999999999999"}, None),
        ({"retry-after": "Mon, 20 Nov 99999999999999999999 00:00:00 GMT"}, None),
        ({"anthropic-ratelimit-tokens-reset": "0001-01-01T00:00:00+23:59"}, 0),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "1d2h3m4.5s"}, 93_784.5),
        ({"x-ratelimit-reset-tokens": "1s"}, 1),
        ({"x-ratelimit-reset-tokens": "250ms"}, 0.25),
        ({"x-ratelimit-reset-tokens": "30"}, 30),
        ({"x-ratelimit-reset-tokens": "1s and more"}, None),
        ({"x-ratelimit-reset-tokens": "9" * 400 + "d"}, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "1s"}, 360),
        (
            {"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "17"}
            | {"x-ratelimit-reset-tokens": "1s", "x-ratelimit-remaining-tokens": "0"},
            1,
        ),
        ({"retry-after": "7", "x-ratelimit-reset-requests": "6m0s"}, 7),
        ({"x-ratelimit-reset": str(NOW + 30_000)}, 30),
        ({"x-ratelimit-reset": str(NOW - 1)}, 0),
        ({"x-ratelimit-reset": str(NOW // 1000 + 30)}, 30),
        ({"x-ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset": "soon"}, None),
    ],
)
def test_when_a_provider_wants_to_be_asked_again(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds before seconds before a date before a quota's reset, that of the one which is used up where
    the provider says so; what is no time, or one beyond all dates, is none."""
    assert retry_after_s(headers, NOW) == seconds
    assert classify(Refused(429, headers, b""), NOW).retry_after_s == seconds


DATE_LIKE = (
    st.text("0123456789-+:TZ .,GMTWedOct", max_size=40)
    | st.text(max_size=20)
    | st.text("0123456789.dhms", max_size=20)
    | st.datetimes().map(str)
    | st.integers().map("Mon, 20 Nov 2026 00:00:00 {:+}".format)
    | st.integers().map(str)
)


@given(DATE_LIKE)
def test_no_header_breaks_us(value: str) -> None:
    """Whatever a provider sends: nothing, or a finite number of seconds that is not negative."""
    for name in (
        *("retry-after", "retry-after-ms", "anthropic-ratelimit-tokens-reset"),
        *("x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"),
    ):
        seconds = retry_after_s({name: value}, NOW)
        assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize("page", [b"<html>502</html>", b"", b"\xff\xfe", b"[1]"])
def test_an_answer_that_is_no_document_goes_by_its_status(page: bytes) -> None:
    """Gateways answer with pages."""
    assert classify(Refused(502, {}, page), NOW) == Failure(FaultKind.SERVER_ERROR, True, 502, 502)


DOCUMENTS: list[Document] = [{"error": {"message": "x"}}, {"message": "x"}, {}]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_error_document_of_any_shape_has_a_verdict(document: Document) -> None:
    """Without a hint it is the server's fault."""
    assert classify(ErrorInAnswer(document), NOW) == Failure(FaultKind.SERVER_ERROR, True, 500, 200)
