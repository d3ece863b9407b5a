"""Errors as the vendors' SDKs raise them, whoever made them: a provider of any dialect, or the router itself."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from ledger.items import ApiKey, InferenceState
from ledger.outcomes import FaultKind
from ledger.store.opened import Store
from route.request.auth import digest_of
from tests.fakes import Fail, Hang
from tests.route.callers import CALLERS, ONE_EACH, PAIRS, SPEAKS, Caller
from tests.route.house import ALICE, House, build_house

CLASSES: dict[int, tuple[str, str]] = {
    400: ("BadRequestError", "BadRequestError"),
    401: ("AuthenticationError", "AuthenticationError"),
    402: ("APIStatusError", "PaymentRequiredError"),
    403: ("PermissionDeniedError", "PermissionDeniedError"),
    404: ("NotFoundError", "NotFoundError"),
    408: ("APIStatusError", "RequestTimeoutError"),
    409: ("ConflictError", "ConflictError"),
    413: ("APIStatusError", "ContentTooLargeError"),
    422: ("UnprocessableEntityError", "UnprocessableEntityError"),
    429: ("RateLimitError", "RateLimitError"),
    499: ("APIStatusError", "ClientClosedRequestError"),
    500: ("InternalServerError", "InternalServerError"),
    501: ("InternalServerError", "HTTPNotImplementedError"),
    503: ("InternalServerError", "ServiceUnavailableError"),
    504: ("InternalServerError", "GatewayTimeoutError"),
    529: ("InternalServerError", "OverloadedError"),
}
"""By status: what OpenAI's SDK and Anthropic's raise."""
OF_THE_REQUEST = {400, 409, 413, 422, 499}
"""What no other route could mend: these come with the provider's own words, the others with the whole story."""
CODES = {
    401: "auth",
    402: "payment_required",
    403: "auth",
    404: "model_not_found",
    408: "timeout",
    429: "rate_limited",
    500: "server_error",
    501: "server_error",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CLAUDE_TYPES = TYPES | {
    400: "invalid_request_error",
    402: "billing_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    504: "timeout_error",
    529: "overloaded_error",
}


def raised(own: str, status: int) -> type[Any]:
    """The class that the caller's SDK has for a status, exactly."""
    of_openai, of_anthropic = CLASSES[status]
    kind: type[Any] = getattr(anthropic, of_anthropic) if is_claude(own) else getattr(openai, of_openai)
    return kind


def is_claude(own: str) -> bool:
    return own in ("messages", "count_tokens")


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    """Each dialect is spoken by one provider."""
    with build_house(dynamodb_url, **ONE_EACH) as built:
        yield built


@pytest.fixture
def caller(house: House, own: str) -> Iterator[Caller]:
    """With the retries that an SDK makes unless it is told not to."""
    house.begin_anew()
    with CALLERS[own](house, max_retries=2) as made:
        yield made


def inner(error: Any, own: str) -> dict[str, Any]:
    """The error object inside of the caller's own envelope, which must have nothing else that it should not."""
    document: dict[str, Any] = error.response.json()
    if is_claude(own):
        assert document.keys() == {"type", "error", "request_id"}
        assert document["type"] == "error"
        assert document["request_id"] == error.request_id
    else:
        assert document.keys() == {"error"}
        assert {"message", "type", "param", "code"} <= document["error"].keys()
    said: dict[str, Any] = document["error"]
    return said


@pytest.mark.case("C2")
@pytest.mark.parametrize("mode", ["whole", "events"])
@pytest.mark.parametrize("status", CLASSES)
@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
def test_each_status_of_a_provider_is_the_sdks_own_exception(
    house: House, caller: Caller, own: str, theirs: str, status: int, mode: str
) -> None:
    """Class, status, words, id and headers are the same whoever speaks the provider's dialect; nobody retries."""
    words = "the provider's own words"
    house.providers[SPEAKS[theirs]].default = Fail(status, words, code="a_code", headers={"retry-after": "3600"})
    with pytest.raises(openai.APIStatusError if own != "messages" else anthropic.APIStatusError) as caught:
        caller.ask(theirs, [caller.user("hi")], mode)
    error: Any = caught.value
    assert type(error) is raised(own, status)
    assert error.status_code == status
    said = inner(error, own)
    if status in OF_THE_REQUEST:
        assert said["message"] == words
    else:
        assert said["message"].startswith(f"The only attempt failed. 1. {SPEAKS[theirs]}|small|: {CODES[status]}")
        assert (said["code"], said["provider_message"]) == (CODES[status], words)
        assert [(row["n"], row["http_status"]) for row in said["attempts"]] == [(1, status)]
        assert error.response.headers["retry-after"] == "60"
    if own == "messages":
        assert said["type"] == CLAUDE_TYPES.get(status, "api_error" if status >= 500 else said["type"])
    assert words in str(error) or words in error.response.text
    assert error.response.headers["x-should-retry"] == "false"
    inference, [fact] = caller.written
    assert error.request_id == inference.inference_id
    assert (inference.state, inference.status, fact.http_status) == (InferenceState.CLOSED, status, status)
    assert len(house.providers[SPEAKS[theirs]].calls) == 1


@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
def test_the_field_at_fault_and_the_code_cross_over(house: House, caller: Caller, own: str, theirs: str) -> None:
    """What a provider says of a bad request's code and field is where the caller's SDK looks for it."""
    fail = Fail(400, "bad", type="invalid_request_error", code="a_code", param="messages.3")
    house.providers[SPEAKS[theirs]].default = fail
    with pytest.raises(raised(own, 400)) as caught:
        caller.ask(theirs, [caller.user("hi")])
    said, error = inner(caught.value, own), vars(caught.value)
    if own != "messages":
        assert error["code"] == ("a_code" if theirs != "messages" else "invalid_request_error")
        assert error["param"] == ("messages.3" if theirs != "messages" else None)
    else:
        assert said["type"] == "invalid_request_error"
        assert said.get("code") == ("a_code" if theirs != "messages" else None)


OVERFLOW = {
    "chat": Fail(400, "This model's maximum context length is 10 tokens.", code="context_length_exceeded"),
    "messages": Fail(400, "prompt is too long: 300000 tokens > 200000 maximum"),
    "responses": Fail(400, "Your input exceeds the context window of this model.", code="context_length_exceeded"),
}


@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
def test_a_conversation_that_is_too_long(house: House, caller: Caller, own: str, theirs: str) -> None:
    """Agents shorten it when they are told so by the code of their own vendor, which others do not have."""
    house.providers[SPEAKS[theirs]].default = OVERFLOW[theirs]
    with pytest.raises(raised(own, 400), match=OVERFLOW[theirs].message) as caught:
        caller.ask(theirs, [caller.user("hi")])
    if own != "messages":
        assert caught.value.code == "context_length_exceeded"
    assert caller.fact.kind is FaultKind.CONTEXT_OVERFLOW


@pytest.mark.parametrize("mode", ["whole", "events"])
@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
def test_a_page_that_is_no_error_of_any_dialect(
    house: House, caller: Caller, own: str, theirs: str, mode: str
) -> None:
    """A gateway's HTML is never passed on: the caller gets our own words in its envelope."""
    house.providers[SPEAKS[theirs]].default = Fail(400, body="<html>400 proxy</html>")
    with pytest.raises(raised(own, 400)) as caught:
        caller.ask(theirs, [caller.user("hi")], mode)
    assert inner(caught.value, own)["code"] == "invalid_request"
    assert "html" not in caught.value.args[0]


# What follows is the router's own.

BROKE = {"period": "day", "limit_usd": 0}
SLOW = {"first_token_s": 0.2, "attempt_s": 0.2}
REVOKED, EXPIRED = "sk-revoked", "sk-expired"
HI: Any = [{"role": "user", "content": "hi"}]
OURS: dict[str, Callable[..., Any]] = {
    "chat": lambda sdk, name, **more: sdk.chat.completions.create(model=name, messages=HI, **more),
    "responses": lambda sdk, name, **more: sdk.responses.create(model=name, input="hi", **more),
    "embeddings": lambda sdk, name, **more: sdk.embeddings.create(model=name, input="hi", **more),
    "messages": lambda sdk, name, **more: sdk.messages.create(model=name, messages=HI, max_tokens=9, **more),
    "count_tokens": lambda sdk, name, **more: sdk.messages.count_tokens(model=name, messages=HI, **more),
}
"""A plain request in each dialect."""
STREAMED = ("chat", "responses", "messages")


@pytest.fixture(scope="module")
def guarded(dynamodb_url: str) -> Iterator[House]:
    """A router that refuses: unknown models, large bodies, two providers without money, a chain without time."""
    profiles = {
        "good": {"routes": ["a/small", "c/small"]},
        "broke": {"routes": ["b/small", "d/small"]},
        "slow": {"routes": ["a/small", "c/small"], "deadlines": SLOW},
    }
    with build_house(
        dynamodb_url,
        profiles=profiles,
        budgets=[BROKE | {"scope": f"provider:{name}"} for name in "bd"],
        unknown_model="reject",
        default_profile="good",
        settings={"max_body_bytes": 10_000},
    ) as built:

        async def write(store: Store) -> None:
            await store.views.put_api_key(ApiKey(digest_of(REVOKED), "carol", "t", active=False))
            await store.views.put_api_key(ApiKey(digest_of(EXPIRED), "carol", "t", expires_at_ms=1))

        built.at_table(write)
        yield built


def refused(house: House, own: str, status: int, name: str = "good", key: str = ALICE, **more: Any) -> Any:
    """The SDK's exception, of the right class, for a request of which the router itself says no."""
    make = house.anthropic if is_claude(own) else house.openai
    with make(key) as sdk, pytest.raises(raised(own, status)) as caught:
        OURS[own](sdk, name, **more)
    error: Any = caught.value
    assert error.status_code == status
    assert error.request_id
    return error


@pytest.mark.case("C25", "C4")
@pytest.mark.parametrize("own", OURS)
def test_the_routers_own_errors_in_every_dialect(guarded: House, own: str) -> None:
    """Keys, names and sizes: the class, the code and an id, in the envelope of the path, before any provider."""
    for provider in guarded.providers.values():
        provider.clear()
    cases: list[tuple[int, str, dict[str, Any]]] = [
        (401, "invalid_api_key", {"key": "sk-nobody"}),
        (403, "key_revoked", {"key": REVOKED}),
        (403, "key_expired", {"key": EXPIRED}),
        (404, "model_not_found", {"name": "gpt-9"}),
        (400, "unknown_profile", {"extra_headers": {"x-warmroute-profile": "nope"}}),
        (413, "request_too_large", {"extra_body": {"padding": "x" * 20_000}}),
    ]
    for status, code, more in cases:
        error = refused(guarded, own, status, **more)
        assert inner(error, own)["code"] == code
        assert inner(error, own)["message"]
    assert not any(provider.calls for provider in guarded.providers.values())


@pytest.mark.case("C25")
@pytest.mark.parametrize(
    "path", ["chat/completions", "responses", "embeddings", "messages", "messages/count_tokens"]
)
def test_no_key_at_all(guarded: House, path: str) -> None:
    """What no SDK would send is a 401 in the envelope of the path."""
    response = guarded.post(f"/v1/{path}", {"model": "good"}, authorization="none")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "missing_api_key"
    assert (response.json().get("type") == "error") == path.startswith("messages")
    assert response.headers["x-request-id"] == response.headers["request-id"] != ""


@pytest.mark.case("C11")
@pytest.mark.parametrize("mode", ["whole", "streamed"])
@pytest.mark.parametrize("own", [name for name in OURS if name != "count_tokens"])
def test_a_spent_budget(guarded: House, own: str, mode: str) -> None:
    """402 with all that a caller needs to know of the budget, streamed requests before their stream begins."""
    more: dict[str, Any] = {"stream": True} if mode == "streamed" and own in STREAMED else {}
    said = inner(refused(guarded, own, 402, "broke", **more), own)
    assert said["code"] == "budget_exceeded"
    assert (said["scope"], said["period"], said["spent_usd"], said["limit_usd"]) == ("provider:b", "day", "0", "0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00\.000Z", said["resets_at"])


@pytest.mark.case("P5")
@pytest.mark.parametrize("mode", ["whole", "streamed"])
@pytest.mark.parametrize("own", [name for name in OURS if name != "count_tokens"])
def test_no_answer_in_time(guarded: House, own: str, mode: str) -> None:
    """504 with every attempt, whatever the dialects of the routes, and no retry by the SDK."""
    guarded.begin_anew()
    for provider in guarded.providers.values():
        provider.default = Hang(5_000)
    more: dict[str, Any] = {"stream": True} if mode == "streamed" and own in STREAMED else {}
    error = refused(guarded, own, 504, "slow", **more)
    said = inner(error, own)
    routes = ["a|small|"] if own == "embeddings" else ["a|small|", "c|small|"]
    assert [(row["route"], row["kind"]) for row in said["attempts"]] == [(route, "timeout") for route in routes]
    assert (said["code"], error.response.headers["x-should-retry"]) == ("timeout", "false")
    assert error.request_id.startswith("inf_")


def test_tokens_are_counted_without_money(guarded: House) -> None:
    """Counting is free and always has an answer: where nobody may be asked, an estimate that says so."""
    with guarded.anthropic() as sdk:
        counted: Any = sdk.messages.count_tokens(model="broke", messages=HI).to_dict()
    assert counted["input_tokens"] > 0
    assert counted["x_router"] == {"attempts": [], "estimated": True}


@pytest.mark.case("P6", "S4")
def test_a_store_that_cannot_be_read(dynamodb_url: str) -> None:
    """Keys that cannot be checked open nothing: 503 in every dialect, and the SDK may try again."""
    with build_house(dynamodb_url) as house:
        house.at_table(lambda store: store.client.delete_table(store.views.name))
        house.at_table(lambda store: store.client.delete_table(store.facts.name))
        for own, ask in OURS.items():
            sdk = (house.anthropic if is_claude(own) else house.openai)(max_retries=0)
            with sdk, pytest.raises(raised(own, 503)) as caught:
                ask(sdk, "chat")
            error: Any = caught.value
            assert inner(error, own)["code"] == "store_unavailable"
            assert "x-should-retry" not in error.response.headers
        assert not any(provider.calls for provider in house.providers.values())
