"""Embeddings, end to end: the vendor's SDK in front, a stand-in behind, and the ledger beside them."""

import json
from decimal import Decimal
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import warmroute
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.usage import Usage
from route.dialects.embeddings import EMBEDDINGS
from route.errors import BadRequest
from route.request.parse import estimate_tokens
from tests.fakes import Answer, Cut, Fail, Garbage
from tests.fakes.embeddings import vector_of
from tests.route.build import request
from tests.route.house import ALICE, House, build_house

PATH = "/v1/embeddings"
ASKED: dict[str, Any] = {"model": "chat", "input": ["one", "two"]}


@pytest.mark.case("C25")
@pytest.mark.parametrize("ours", [False, True], ids=["vendor", "ours"])
@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_vectors_come_as_the_provider_made_them(house: House, encoding: str | None, ours: bool) -> None:
    """Whatever the SDK asks for (base64, unless told otherwise), it gets the right numbers out of it.

    Its strict types know numbers alone: base64 they refuse, also from the vendor, before the SDK unpacks it.
    """
    client = warmroute.OpenAI if ours else openai.OpenAI
    more: dict[str, Any] = {"encoding_format": encoding} if encoding else {}
    with client(base_url=f"{house.url}/v1", api_key=ALICE, _strict_response_validation=encoding == "float") as sdk:
        answer = sdk.embeddings.create(model="chat", input=["one", "two"], dimensions=8, **more)
    # Where the caller says base64, the SDK leaves it packed.
    if encoding != "base64":
        assert [each.embedding for each in answer.data] == [vector_of("one", 8), vector_of("two", 8)]
    assert (answer.object, answer.model) == ("list", "small-2026-01")
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    [call] = house.providers["a"].calls
    assert (call.path, call.body["model"], call.body["dimensions"]) == (PATH, "small-2026-01", 8)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_only_the_receipt_is_added(house: House, encoding: str) -> None:
    """The provider's bytes, and behind their last field ours."""
    asked = {"input": "one", "encoding_format": encoding}
    direct = house.providers["a"]
    own = _direct(direct.base_url, asked | {"model": "small-2026-01"})
    routed = house.post(PATH, asked | {"model": "chat"}).content
    assert routed.startswith(own.removesuffix(b"}"))
    assert list(json.loads(routed)) == [*json.loads(own), "x_router"]


def _direct(base_url: str, body: dict[str, Any]) -> bytes:
    import httpx2

    return httpx2.post(f"{base_url}/embeddings", json=body, headers={"authorization": "Bearer k"}).content


def test_what_is_written_down(house: House) -> None:
    """One inference of one attempt: input tokens alone, priced, and a receipt that says the same."""
    answer = house.post(PATH, {"model": "chat", "input": [[1, 2, 3], [4]], "session": "s"}).json()
    [inference], [fact] = house.inferences(), house.facts()
    assert (inference.origin.dialect, inference.ending, fact.outcome) == ("embeddings", Ending.OK, Outcome.OK)
    assert (fact.usage, fact.estimated) == (Usage(input=4), False)
    assert fact.cost_usd == Decimal("0.000012")
    assert (answer["x_router"]["inference_id"], answer["x_router"]["cost_usd"]) == (
        inference.inference_id,
        "0.000012",
    )
    assert house.session("s")["calls"] == 1


@pytest.mark.case("U1")
@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Fail(500), FaultKind.SERVER_ERROR),
        (Cut(how="torn"), FaultKind.BAD_ANSWER),
        (Garbage(body=b'{"object": "list"}'), FaultKind.BAD_ANSWER),
        (Garbage(body=b"[]"), FaultKind.BAD_ANSWER),
        (Garbage(body=b'{"error": {"message": "busy", "type": "server_error"}}'), FaultKind.SERVER_ERROR),
    ],
)
def test_they_fall_back_like_everything_else(house: House, step: Any, kind: FaultKind) -> None:
    """The first route fails or says no vectors: the second one serves, two attempts of one inference."""
    house.providers["a"].default = step
    with house.openai() as client:
        assert len(client.embeddings.create(model="chat", input="hi").data) == 1
    first, second = house.facts()
    assert (first.kind, first.closes, second.provider, second.closes) == (kind, None, "b", Ending.FALLBACK)


def test_a_provider_that_says_no_usage_is_estimated(house: House) -> None:
    """From the input, and it says so; one that says only a total has said it."""
    total = b'{"object": "list", "data": [], "model": "m", "usage": {"total_tokens": 7}}'
    house.providers["a"].plan(Answer(usage=False), Garbage(body=total))
    for _ in range(2):
        assert house.post(PATH, ASKED).status_code == 200
    first, second = house.facts()
    assert first.estimated
    assert first.usage is not None
    assert first.usage.input > 0
    assert (second.usage, second.estimated) == (Usage(input=7), False)


def test_a_route_of_another_vendor_is_passed_over(dynamodb_url: str) -> None:
    """Anthropic has no embeddings: its route is not eligible, and where there is no other the caller is told."""
    profiles = {"mixed": {"routes": ["c/small", "a/small"]}, "chat": {"routes": ["c/small"]}}
    with build_house(dynamodb_url, profiles=profiles) as house:
        assert house.post(PATH, ASKED | {"profile": "mixed"}).status_code == 200
        refused = house.post(PATH, ASKED | {"profile": "chat"})
        assert not house.providers["c"].requests
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "no_eligible_route")


@pytest.mark.parametrize("given", [None, 7, {"text": "x"}, True])
def test_an_input_of_a_wrong_shape_is_the_callers_fault(house: House, given: Any) -> None:
    """Told in OpenAI's envelope, raised as the SDK's own class, written down, and no provider is asked."""
    with house.openai() as client, pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="chat", input=given)
    assert (caught.value.code, caught.value.param) == ("invalid_input", "input")
    assert not house.providers["a"].requests
    assert [fact.outcome for fact in house.facts()] == [Outcome.REFUSED]
    with pytest.raises(BadRequest):
        EMBEDDINGS.features({"input": given})


def test_the_providers_own_refusal_is_told(house: House) -> None:
    """What only the provider can know is wrong stops the chain with its own words."""
    response = house.post(PATH, {"model": "chat", "input": []})
    assert response.status_code == 400
    assert "$.input" in response.json()["error"]["message"]
    assert not house.providers["b"].calls


@given(
    st.lists(st.integers(0, 200_000), max_size=50), st.lists(st.lists(st.integers(0, 9), max_size=9), max_size=9)
)
def test_tokens_count_as_tokens(tokens: list[int], several: list[list[int]]) -> None:
    """A list of tokens is as many as it is long, alone or among others; flags are no tokens."""
    assert estimate_tokens(tokens) == len(tokens)
    assert estimate_tokens(several) == sum(map(len, several))
    assert estimate_tokens([True] * 8) == 2


def test_what_is_ours_stays_here() -> None:
    """Our fields go no further, and a stream that nobody knows here is no stream."""
    asked = request({"model": "x", "input": "a", "session": "s", "stream": True, "user": "u"}, dialect=EMBEDDINGS)
    assert (asked.features.stream, asked.origin.session) == (False, "s")
    body = EMBEDDINGS.upstream_body(asked.body, "wire")
    assert body == {"model": "wire", "input": "a", "stream": True, "user": "u"}
