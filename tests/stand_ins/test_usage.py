"""What the stand-ins count: tokens, the prompt cache, and usage that a test dictates."""

from __future__ import annotations

from typing import Any

from tests.fakes import Answer, Provider
from tests.stand_ins.asking import ASK, LONG, bare, chat, chat_chunks, say, say_streamed


def test_openai_caches_by_itself(oai: Provider) -> None:
    """A long prefix seen before is read from the cache; a short prompt and another key never are."""
    turns: Any = [{"role": "system", "content": LONG}, *ASK]
    first = chat(oai, messages=turns).usage
    longer = [*turns, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And?"}]
    second = chat(oai, messages=longer).usage
    assert first.prompt_tokens_details.cached_tokens == 0
    assert 190 <= second.prompt_tokens_details.cached_tokens < second.prompt_tokens
    assert first.prompt_tokens_details.cache_write_tokens > 190
    assert chat(oai).usage.prompt_tokens_details.cached_tokens == 0
    chat(oai)
    stranger = bare(oai, {"model": "small", "messages": turns}, key="sk-b").json()["usage"]
    details = {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 192}
    assert stranger["prompt_tokens_details"] == details


def test_anthropic_caches_what_is_marked(ant: Provider) -> None:
    """No mark, no cache. With a mark: written, then read; a mark that moves on reads the old place."""
    assert say(ant, system=LONG).usage.cache_creation_input_tokens == 0
    mark = {"type": "ephemeral"}
    system = [{"type": "text", "text": LONG, "cache_control": {**mark, "ttl": "1h"}}]
    first = say(ant, system=system).usage
    assert (first.cache_read_input_tokens, first.cache_creation_input_tokens) == (0, 201)
    assert first.cache_creation.ephemeral_1h_input_tokens == 201
    marked = [{"role": "user", "content": [{"type": "text", "text": LONG, "cache_control": mark}]}]
    second = say_streamed(ant, system=system, messages=marked).usage
    assert second.cache_read_input_tokens == 201
    assert second.cache_creation.ephemeral_5m_input_tokens == second.cache_creation_input_tokens > 190
    longer = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "Yes."}, *marked]
    third = say(ant, system=system, messages=longer).usage
    assert third.cache_read_input_tokens == 201 + second.cache_creation_input_tokens


def test_scripted_usage(oai: Provider, ant: Provider) -> None:
    """One neutral script: OpenAI's prompt includes the 800 cached tokens, Anthropic's input does not."""
    step = Answer(usage={"prompt": 1000, "cached": 800, "completion": 500})
    for provider in (oai, ant):
        provider.plan(step, Answer(usage=False), step)
    usage = chat(oai).usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (1000, 800)
    assert (usage.completion_tokens, usage.total_tokens) == (500, 1500)
    assert chat(oai).usage is None
    usage = say(ant).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (200, 800, 500)
    assert "usage" not in bare(ant, {"model": "m", "max_tokens": 9, "messages": ASK}).json()
    usage = say_streamed(ant).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (200, 800, 500)


def test_verbatim_usage_served_by_and_cost(oai: Provider) -> None:
    """Usage in the vendor's own keys is sent as it is; OpenRouter's extras are where it puts them."""
    given = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    oai.default = Answer(usage=given, served_by="DeepInfra", reported_cost=0.25, served_model="m-2")
    whole = chat(oai)
    assert whole.usage.to_dict() == {**given, "cost": 0.25}
    assert (whole.provider, whole.model) == ("DeepInfra", "m-2")
    chunks = chat_chunks(oai, stream_options={"include_usage": True})
    assert {c.provider for c in chunks} == {"DeepInfra"}
    assert chunks[-1].usage.cost == 0.25
