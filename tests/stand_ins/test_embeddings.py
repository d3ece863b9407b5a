"""The stand-in's embeddings against the vendor's own SDK in strict mode."""

from __future__ import annotations

import math
from typing import Any

import openai
import pytest

from tests.fakes import Answer, Cut, Damaged, Fail, Provider
from tests.fakes.embeddings import vector_of
from tests.fakes.sdk import openai_of, post

PATH = "/v1/embeddings"


def embed(provider: Provider, given: Any, **more: Any) -> Any:
    """The answer as the SDK reads it."""
    with openai_of(provider) as client:
        # the SDK unpacks base64 only once an answer has been validated, which strict mode then refuses
        return client.embeddings.create(**{"model": "m", "input": given, "encoding_format": "float", **more})


@pytest.mark.parametrize(("given", "n"), [("a", 1), (["a", "b"], 2), ([1, 2], 1), ([[1, 2], [3]], 2)])
def test_each_shape_of_input(oai: Provider, given: Any, n: int) -> None:
    """A text, texts, tokens and lists of tokens get one vector each, in order, of length 1."""
    answer = embed(oai, given)
    assert [one.index for one in answer.data] == list(range(n))
    assert all(math.isclose(math.hypot(*one.embedding), 1, abs_tol=1e-6) for one in answer.data)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0


def test_vectors_are_a_function_of_the_input(oai: Provider) -> None:
    """The same input has the same vector, alone or among others, as floats or packed; another has another."""
    alone, both = embed(oai, "a").data, embed(oai, ["b", "a"]).data
    assert alone[0].embedding == both[1].embedding == vector_of("a")
    assert both[0].embedding != both[1].embedding
    with openai.OpenAI(base_url=oai.base_url, api_key="k") as client:
        assert client.embeddings.create(model="m", input="a").data[0].embedding == pytest.approx(vector_of("a"))
    assert oai.requests[-1].at("encoding_format") == "base64"
    packed = post(oai, PATH, {"model": "m", "input": "a", "encoding_format": "base64"}).json()
    assert isinstance(packed["data"][0]["embedding"], str)
    assert len(embed(oai, "a", dimensions=3).data[0].embedding) == 3


def test_steps_and_refusals(oai: Provider) -> None:
    """Steps are used here too; an input of no known shape, an empty one and unknown fields are refused."""
    oai.plan(
        Fail(429), Cut(how="close"), Answer(usage=False), Answer(usage={"prompt_tokens": 9, "total_tokens": 9})
    )
    with pytest.raises(openai.RateLimitError):
        embed(oai, "a")
    with pytest.raises(openai.APIConnectionError):
        embed(oai, "a")
    assert "usage" not in post(oai, PATH, {"model": "m", "input": "a"}).json()
    assert embed(oai, "a").usage.prompt_tokens == 9
    oai.plan(Damaged("no_usage"))
    assert "usage" not in post(oai, PATH, {"model": "m", "input": "a"}).json()
    wrong: list[Any] = ["", [], [""], {}, [["a"]]]
    for given in wrong:
        assert post(oai, PATH, {"model": "m", "input": given}).status_code == 400
    with Provider("openai", strict=True) as strict:
        assert post(strict, PATH, {"model": "m", "input": "a", "x": 1}).status_code == 400
        assert post(strict, PATH, {"model": "m", "input": "a", "user": "u"}).status_code == 200
