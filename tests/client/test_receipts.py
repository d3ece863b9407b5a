"""Receipts through the real SDKs, from every kind of object that they hand out."""

import copy
import pickle
from decimal import Decimal
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import warmroute
from tests.client.stand_in import StandIn
from warmroute import Receipt

HELLO: Any = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "routed", "messages": HELLO}
MESSAGE: dict[str, Any] = {"model": "routed", "max_tokens": 5, "messages": HELLO}
RESPONSE: dict[str, Any] = {"model": "routed", "input": "hi"}


class City(BaseModel):
    city: str


def _whole(found: Receipt | None) -> None:
    """The receipt that the stand-in wrote, with nothing lost."""
    assert found is not None
    assert not found.partial
    assert (found.provider, found.model, found.served_by) == ("acme", "small", "acme-eu")
    assert found.cost_usd == Decimal("0.010935")
    assert found.overhead_ms == 3.25
    assert (found.inference_id or "").startswith("inf_")


def _partial(found: Receipt | None) -> None:
    """All that the headers tell."""
    assert found is not None
    assert found.partial
    assert (found.inference_id or "").startswith("inf_")
    assert (found.route, found.attempt_count) == ("acme|small|acme-eu", 2)
    assert (found.cost_usd, found.usage, found.attempts) == (None, None, ())


def test_unary_answers(settings: StandIn) -> None:
    """Every unary answer of both vendors carries its whole receipt."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        answers = [
            client.chat.completions.create(**CHAT),
            client.responses.create(**RESPONSE),
            client.embeddings.create(model="routed", input="hi"),
            other.messages.create(**MESSAGE),
            other.beta.messages.create(**MESSAGE),
        ]
    found = [warmroute.receipt(answer) for answer in answers]
    for each in found:
        _whole(each)
    assert len({each.inference_id for each in found if each}) == len(answers)


def test_the_whole_receipt_is_typed(settings: StandIn) -> None:
    """Each field arrives in its type and unit: money exact, unknown money None, names kept."""
    with warmroute.OpenAI() as client, client.session("s"):
        found = warmroute.receipt(client.chat.completions.create(**CHAT))
    assert found is not None
    assert found.usage == warmroute.Usage(
        input=9, cache_read=0, cache_write=0, cache_write_1h=3, output=2, reasoning=0
    )
    assert found.estimated is False
    assert [(each.n, each.outcome, each.kind) for each in found.attempts] == [
        (1, "error", "rate_limited"),
        (2, "ok", None),
    ]
    assert (found.attempts[0].cost_usd, found.attempts[1].cost_usd) == (None, Decimal("0.0109"))
    assert (found.saved_usd, found.wasted_usd) == (Decimal("0.00054"), None)
    assert found.dropped == ("logit_bias",)
    assert found.plan == warmroute.Plan(rule_fired="static", ruleset_hash="ab12", views_age_s=4.5)
    assert found.session is not None
    assert (found.session.session, found.session.calls, found.session.unpriced) == ("s", 1, 0)
    assert found.raw["from_a_newer_router"] == {"kept": True}


async def test_unary_answers_async(settings: StandIn) -> None:
    """The asynchronous classes are no different."""
    async with warmroute.AsyncOpenAI() as client, warmroute.AsyncAnthropic() as other:
        _whole(warmroute.receipt(await client.chat.completions.create(**CHAT)))
        _whole(warmroute.receipt(await client.responses.create(**RESPONSE)))
        _whole(warmroute.receipt(await other.messages.create(**MESSAGE)))


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_a_stream_has_its_receipt_when_it_was_read(settings: StandIn, options: dict[str, Any]) -> None:
    """Partial while it runs, whole at its end, wherever the last chunk is."""
    with warmroute.OpenAI() as client:
        stream: Any = client.chat.completions.create(**CHAT, **options, stream=True)
        next(stream)
        _partial(warmroute.receipt(stream))
        chunks = list(stream)
        _whole(warmroute.receipt(stream))
        _whole(warmroute.receipt(chunks[-1]))


def test_streams_of_the_other_dialects(settings: StandIn) -> None:
    """Messages and Responses streams carry the receipt in their closing event."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        for stream in (
            client.responses.create(**RESPONSE, stream=True),
            other.messages.create(**MESSAGE, stream=True),
        ):
            assert len(list(stream)) > 1
            _whole(warmroute.receipt(stream))


async def test_streams_async(settings: StandIn) -> None:
    """Asynchronous streams of both vendors."""
    async with warmroute.AsyncOpenAI() as client, warmroute.AsyncAnthropic() as other:
        for stream in (
            await client.chat.completions.create(**CHAT, stream=True),
            await other.messages.create(**MESSAGE, stream=True),
        ):
            async for _ in stream:
                pass
            _whole(warmroute.receipt(stream))


def test_stream_helpers(settings: StandIn) -> None:
    """The helper, its manager and its final object all lead to the receipt; the final object is not changed."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        cases: list[tuple[Any, str]] = [
            (client.chat.completions.stream(**CHAT), "get_final_completion"),
            (client.responses.stream(**RESPONSE), "get_final_response"),
            (other.messages.stream(**MESSAGE), "get_final_message"),
            (other.beta.messages.stream(**MESSAGE), "get_final_message"),
        ]
        for manager, final in cases:
            with manager as stream:
                answer = getattr(stream, final)()
            for each in (answer, stream, manager):
                _whole(warmroute.receipt(each))
            assert "_receipt" not in str(answer.to_dict())


async def test_stream_helpers_async(settings: StandIn) -> None:
    """The asynchronous helpers of both vendors."""
    async with warmroute.AsyncOpenAI() as client, warmroute.AsyncAnthropic() as other:
        cases: list[tuple[Any, str]] = [
            (client.chat.completions.stream(**CHAT), "get_final_completion"),
            (client.responses.stream(**RESPONSE), "get_final_response"),
            (other.messages.stream(**MESSAGE), "get_final_message"),
            (other.beta.messages.stream(**MESSAGE), "get_final_message"),
        ]
        for manager, final in cases:
            async with manager as stream:
                answer = await getattr(stream, final)()
            for each in (answer, stream, manager):
                _whole(warmroute.receipt(each))


def test_the_vendors_own_helpers_are_left_as_they_are(settings: StandIn) -> None:
    """A helper of the vendor's own client gives what it always gave, after ours was used in the same process."""
    with warmroute.OpenAI() as client, client.chat.completions.stream(**CHAT) as stream:
        stream.get_final_completion()
    plain = {**CHAT, "model": "plain"}
    vendor = openai.OpenAI(base_url=settings.origin + "/v1", api_key="k")
    with vendor, vendor.chat.completions.stream(**plain) as stream:
        answer = stream.get_final_completion()
    assert not hasattr(answer, "_receipt")
    assert warmroute.receipt(answer) is None


@pytest.mark.parametrize("model", ["routed", "headers-only"])
def test_parsed_answers(settings: StandIn, model: str) -> None:
    """`.parse` builds a new object; the receipt is on that one too."""
    check = _whole if model == "routed" else _partial
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        parsed = client.chat.completions.parse(**{**CHAT, "model": model}, response_format=City)
        assert parsed.choices[0].message.parsed == City(city="Bonn")
        check(warmroute.receipt(parsed))
        message = other.messages.parse(**{**MESSAGE, "model": model}, output_format=City)
        assert message.parsed_output == City(city="Bonn")
        check(warmroute.receipt(message))


@pytest.mark.parametrize("model", ["routed", "headers-only"])
async def test_parsed_answers_async(settings: StandIn, model: str) -> None:
    """`.parse` of the asynchronous classes."""
    check = _whole if model == "routed" else _partial
    async with warmroute.AsyncOpenAI() as client, warmroute.AsyncAnthropic() as other:
        check(
            warmroute.receipt(
                await client.chat.completions.parse(**{**CHAT, "model": model}, response_format=City)
            )
        )
        check(warmroute.receipt(await other.messages.parse(**{**MESSAGE, "model": model}, output_format=City)))


def test_raw_responses(settings: StandIn) -> None:
    """A raw response has its receipt before and after it was parsed, and so has what was parsed."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        raws: list[Any] = [
            client.chat.completions.with_raw_response.create(**CHAT),
            other.messages.with_raw_response.create(**MESSAGE),
        ]
        for raw in raws:
            _whole(warmroute.receipt(raw))
            _whole(warmroute.receipt(raw.parse()))
            _whole(warmroute.receipt(raw.http_response))
            assert raw.headers["x-warmroute-route"] == "acme|small|acme-eu"
        streamed = client.chat.completions.with_raw_response.create(**CHAT, stream=True)
        list(streamed.parse())
        _whole(warmroute.receipt(streamed))


def test_streaming_responses(settings: StandIn) -> None:
    """A streaming response is partial until its body was read."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        managers: list[Any] = [
            client.chat.completions.with_streaming_response.create(**CHAT),
            other.messages.with_streaming_response.create(**MESSAGE),
        ]
        for manager in managers:
            with manager as response:
                _partial(warmroute.receipt(response))
                answer = response.parse()
                _whole(warmroute.receipt(response))
                _whole(warmroute.receipt(answer))


async def test_raw_and_streaming_responses_async(settings: StandIn) -> None:
    """Raw and streaming responses of the asynchronous classes."""
    async with warmroute.AsyncOpenAI() as client, warmroute.AsyncAnthropic() as other:
        _whole(warmroute.receipt(await client.chat.completions.with_raw_response.create(**CHAT)))
        raw = await other.messages.with_raw_response.create(**MESSAGE)
        _whole(warmroute.receipt(await raw.parse()))
        async with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            _partial(warmroute.receipt(response))
            _whole(warmroute.receipt(await response.parse()))


def test_headers_alone_give_a_partial_receipt(settings: StandIn) -> None:
    """A router that wrote no receipt into the body still says who answered."""
    with warmroute.OpenAI() as client:
        answer = client.chat.completions.create(**{**CHAT, "model": "headers-only"})
    found = warmroute.receipt(answer)
    _partial(found)
    assert found is not None
    assert (found.provider, found.model) == ("acme", "small")


@pytest.mark.parametrize(
    ("status", "name"), [(429, "RateLimitError"), (400, "BadRequestError"), (500, "InternalServerError")]
)
def test_errors_are_the_vendors_and_carry_a_receipt(settings: StandIn, status: int, name: str) -> None:
    """An error raised through the router is the vendor's own class and leads to its inference."""
    model = f"status-{status}"
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        with pytest.raises(Exception, match="no route left") as chat:
            client.chat.completions.create(**{**CHAT, "model": model})
        with pytest.raises(Exception, match="no route left") as messages:
            other.messages.create(**{**MESSAGE, "model": model})
    assert [type(chat.value).__name__, type(messages.value).__name__] == [name, name]
    _partial(warmroute.receipt(chat.value))
    _partial(warmroute.receipt(messages.value))
    found = warmroute.receipt(chat.value)
    assert found is not None
    assert found.inference_id == getattr(chat.value, "request_id", None)


def test_an_error_in_the_middle_of_a_stream_carries_a_receipt(settings: StandIn) -> None:
    """Also where the vendor's exception keeps the request alone."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        with pytest.raises(openai.APIError, match="upstream died") as chat:
            list(client.chat.completions.create(**{**CHAT, "model": "cut"}, stream=True))
        with pytest.raises(Exception, match="no route left") as messages:
            list(other.messages.create(**{**MESSAGE, "model": "cut"}, stream=True))
    assert not hasattr(chat.value, "response")
    _partial(warmroute.receipt(chat.value))
    _partial(warmroute.receipt(messages.value))


def test_no_router_no_receipt(router: StandIn) -> None:
    """Answers that no router wrote have none, and neither has anything else."""
    with warmroute.OpenAI(base_url=router.origin + "/v1", api_key="k") as client:
        answer = client.chat.completions.create(**{**CHAT, "model": "plain"})
        stream = client.chat.completions.create(**{**CHAT, "model": "plain"}, stream=True)
        list(stream)
    with pytest.raises(openai.APIConnectionError) as refused:
        openai.OpenAI(base_url="http://127.0.0.1:9", api_key="k", max_retries=0).models.list()
    for each in (answer, stream, refused.value, None, 7, "text", {}, [], object(), RuntimeError("x")):
        assert warmroute.receipt(each) is None
    assert not hasattr(answer, "_receipt")


def test_a_body_as_a_dict_has_its_receipt(settings: StandIn) -> None:
    """Whoever works with dumps can read the receipt from them."""
    with warmroute.OpenAI() as client:
        answer = client.chat.completions.create(**CHAT)
    found = warmroute.receipt(answer.to_dict())
    assert found is not None
    assert found.cost_usd == Decimal("0.010935")


def test_receipts_survive_copies(settings: StandIn) -> None:
    """Model copies, deep copies and pickles, as caches make them, keep the receipt."""
    with warmroute.OpenAI() as client:
        answer = client.chat.completions.create(**{**CHAT, "model": "headers-only"})
    for copied in (answer.model_copy(), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):  # noqa: S301
        _partial(warmroute.receipt(copied))


def test_iterating_pages_and_other_endpoints_work(settings: StandIn) -> None:
    """Lists and requests by method name go through the same hooks unharmed."""
    with warmroute.OpenAI() as client:
        assert list(client.models.list()) == []
        assert client.get("/models", cast_to=object) == {"object": "list", "data": []}
