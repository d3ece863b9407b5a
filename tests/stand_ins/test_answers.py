"""Answers out of the ordinary but legal, against the vendors' SDKs in strict mode; and what a record tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import Answer, Provider, ToolCall
from tests.fakes.sdk import anthropic_of, openai_of, post

TURNS: Any = [{"role": "user", "content": "Hi"}]
SAY: Any = {"model": "m", "max_tokens": 64, "messages": TURNS}


def chat_deltas(provider: Provider, **given: Any) -> list[Any]:
    """The first choice of each chunk of a stream."""
    with openai_of(provider) as client:
        request: Any = {"model": "m", "messages": TURNS, "stream": True, **given}
        return [chunk.choices[0] for chunk in client.chat.completions.create(**request)]


def both_messages(provider: Provider, answer: Answer) -> Any:
    """The message, the same whole and streamed."""
    provider.plan(answer, answer)
    with anthropic_of(provider) as client:
        whole = client.messages.create(**SAY)
        with client.messages.stream(**SAY) as stream:
            final = stream.get_final_message()
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in whole.content]
    assert (final.stop_reason, final.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
    return whole


class TestChat:
    def test_logprobs(self, oai: Provider) -> None:
        """Asked for, every piece of text has its own with so many alternatives; not asked for, there are none."""
        with openai_of(oai) as client:
            given: Any = {"model": "m", "messages": TURNS, "logprobs": True, "top_logprobs": 2}
            choice = client.chat.completions.create(**given).choices[0]
            plain = client.chat.completions.create(model="m", messages=TURNS).choices[0]
        assert choice.logprobs is not None
        assert "".join(one.token for one in choice.logprobs.content or []) == choice.message.content
        assert {len(one.top_logprobs) for one in choice.logprobs.content or []} == {2}
        assert plain.logprobs is None
        deltas = [c for c in chat_deltas(oai, logprobs=True) if c.delta.content]
        assert [c.logprobs.content[0].token for c in deltas] == [c.delta.content for c in deltas]

    def test_reasoning_under_other_names(self, oai: Provider) -> None:
        """OpenRouter's and vLLM's ``reasoning``, with details beside it, whole and streamed."""
        details = [{"type": "reasoning.text", "text": "hm", "signature": "s", "format": "x", "index": 0}]
        answer = Answer(text="4", thinking="hm", reasoning_field="reasoning", reasoning_details=details)
        oai.plan(answer, answer)
        with openai_of(oai) as client:
            message = client.chat.completions.create(model="m", messages=TURNS).choices[0].message
        assert message.model_extra == {"reasoning": "hm", "reasoning_details": details}
        extras = [c.delta.model_extra for c in chat_deltas(oai) if c.delta.model_extra]
        assert extras == [{"reasoning": "hm", "reasoning_details": details}]

    def test_annotations(self, oai: Provider) -> None:
        """Citations stand on the message in chat and on the text in responses, in the shape of each."""
        where = {"start_index": 0, "end_index": 1, "title": "T", "url": "https://example.com"}
        with openai_of(oai) as client:
            cited = {"type": "url_citation", "url_citation": where}
            oai.plan(Answer(text="So", citations=[cited]))
            message = client.chat.completions.create(model="m", messages=TURNS).choices[0].message
            assert [one.to_dict() for one in message.annotations or []] == [cited]
            flat = {"type": "url_citation", **where}
            oai.plan(Answer(text="So", citations=[flat]))
            with client.responses.stream(model="m", input="Hi") as stream:
                final: Any = stream.get_final_response()
        assert [one.to_dict() for one in final.output[0].content[0].annotations] == [flat]

    def test_parts_of_all_kinds_are_taken(self, oai: Provider) -> None:
        """Images, files and audio beside a text, which is what is answered."""
        parts: Any = [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        ]
        with openai_of(oai) as client:
            turns: Any = [{"role": "user", "content": parts}]
            assert client.chat.completions.create(model="m", messages=turns).choices[0].message.content == (
                "m answers: Look"
            )

    def test_custom_tools(self, oai: Provider) -> None:
        """A custom tool is called with a text, whole and streamed, and can be forced."""
        tools: Any = [{"type": "custom", "custom": {"name": "patch"}}]
        oai.plan(Answer(tool_calls=[ToolCall("patch", "*** Begin")]))
        body: Any = {"model": "m", "messages": TURNS, "tools": tools}
        with openai_of(oai) as client:
            [call] = client.chat.completions.create(**body).choices[0].message.tool_calls or []
            assert call.to_dict()["custom"] == {"name": "patch", "input": "*** Begin"}
            choice: Any = {"type": "custom", "custom": {"name": "patch"}}
            [forced] = (
                client.chat.completions.create(**body, tool_choice=choice).choices[0].message.tool_calls or []
            )
            assert forced.type == "custom"
        raw = post(oai, "/v1/chat/completions", {**body, "tool_choice": "required", "stream": True}).text
        assert '"custom":{"name":"patch","input":""}' in raw


class TestMessages:
    def test_redacted_thinking_and_citations(self, ant: Provider) -> None:
        """A redacted block beside thinking, and citations on the text, which in a stream come as deltas."""
        place = {"document_index": 0, "document_title": None, "start_char_index": 0, "end_char_index": 2}
        cited = {"type": "char_location", "cited_text": "So", **place}
        message = both_messages(ant, Answer(text="So", thinking="hm", redacted="secret", citations=[cited]))
        assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text"]
        assert message.content[2].citations[0].cited_text == "So"

    @pytest.mark.parametrize("stop", ["pause_turn", "refusal", "model_context_window_exceeded", "max_tokens"])
    def test_stop_reasons(self, ant: Provider, stop: str) -> None:
        """Each reason passes; a refusal has its details even without a word of explanation."""
        message = both_messages(ant, Answer(text="So", stop=stop))
        assert message.stop_reason == stop
        assert (message.stop_details is not None) == (stop == "refusal")

    def test_stop_sequence(self, ant: Provider) -> None:
        """The sequence that was met, and the reason that follows from it."""
        message = both_messages(ant, Answer(text="So", stop_sequence="END"))
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")

    def test_counting_takes_what_creating_takes(self, ant: Provider) -> None:
        """Tools, system and thinking are counted, in both surfaces of the SDK."""
        given: Any = {"model": "m", "messages": TURNS, "system": "Be brief."}
        given["tools"] = [{"name": "f", "input_schema": {"type": "object"}}]
        with anthropic_of(ant) as client:
            plain = client.messages.count_tokens(**given)
            beta = client.beta.messages.count_tokens(**given, thinking={"type": "enabled", "budget_tokens": 2048})
        assert plain.input_tokens == beta.input_tokens > 4


def test_a_record_is_easy_to_ask(oai: Provider) -> None:
    """Path, query, headers in any case, and values deep in the body, without a fault where there is none."""
    post(oai, "/v1/responses?a=1&b=&a=2", {"model": "m", "input": [{"role": "user", "content": "Hi"}]})
    [record] = oai.requests
    assert (record.path, record.target) == ("/v1/responses", "/v1/responses?a=1&b=&a=2")
    assert record.params == {"a": "2", "b": ""}
    assert record.header("Authorization") == "Bearer sk-a"
    assert record.header("x-none") is None
    assert (record.at("input.-1.content"), record.at("model")) == ("Hi", "m")
    assert [record.at(path) for path in ("input.7.content", "input.x", "model.y", "none.at.all")] == [None] * 4
