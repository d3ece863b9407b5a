"""The stand-in's responses dialect against the vendor's own SDK in strict mode."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.fakes import Answer, Cut, Fail, Garbage, Hang, Pings, Provider, Raw, StreamError, Wait
from tests.fakes.sdk import openai_of, post
from tests.stand_ins.asking import LONG
from tests.stand_ins.responding import ASK, CALLS, TOOLS, respond, stream


class TestAnswers:
    def test_event_order(self, oai: Provider) -> None:
        """Reasoning, text and calls come item by item, each opened, filled and closed; the numbers have no gap."""
        oai.plan(Answer(text="one two", thinking="hm", tool_calls=CALLS[:1]))
        events = stream(oai, tools=TOOLS)
        assert [e.type.removeprefix("response.") for e in events] == [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
        assert [e.sequence_number for e in events] == list(range(len(events)))
        assert events[0].response.output == []
        assert events[-1].response.output == [e.item for e in events if e.type == "response.output_item.done"]

    def test_whole_and_streamed_answers_are_the_same(self) -> None:
        """What ``response.completed`` carries is the unary object; there is no ``[DONE]``."""
        with Provider("openai", cache=False) as provider:
            whole = respond(provider)
            assert stream(provider)[-1].response.to_dict() == whole.to_dict()
            assert whole._request_id == provider.requests[0].request_id
            body = {"model": "small", "input": ASK, "stream": True}
            raw = post(provider, "/v1/responses", body)
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert "[DONE]" not in raw.text
        assert all(block.startswith("event: response.") for block in raw.text.strip().split("\n\n"))

    def test_request_fields_are_echoed(self, oai: Provider) -> None:
        """Instructions, tools, limits, format and the like come back as they were sent, the rest as defaults."""
        given: Any = {
            "instructions": "Be brief.",
            "tools": TOOLS,
            "tool_choice": {"type": "function", "name": "weather"},
            "parallel_tool_calls": False,
            "temperature": 0.5,
            "top_p": 0.5,
            "max_output_tokens": 64,
            "metadata": {"a": "b"},
            "reasoning": {"effort": "low"},
            "store": False,
            "truncation": "auto",
        }
        echoed = respond(oai, **given).to_dict()
        plain = respond(oai).to_dict()
        for name, value in given.items():
            if name == "tools":
                assert [tool["name"] for tool in echoed["tools"]] == ["weather", "files", "patch"]
            elif name == "reasoning":
                assert echoed[name] == {"effort": "low", "summary": None}
            else:
                assert echoed[name] == value
        assert (plain["temperature"], plain["tool_choice"], plain["store"]) == (1.0, "auto", True)

    def test_calls_of_each_kind_of_tool(self, oai: Provider) -> None:
        """A call in a namespace names it, a custom tool gets a text, and the helper's snapshot agrees."""
        oai.plan(*[Answer(tool_calls=CALLS)] * 2)
        whole = respond(oai, tools=TOOLS).output
        assert [item.type for item in whole] == ["function_call", "function_call", "custom_tool_call"]
        assert [item.namespace for item in whole] == [None, "files", None]
        assert json.loads(whole[0].arguments) == {"city": "Oslo"}
        assert whole[2].input == "*** Begin"
        with openai_of(oai) as client, client.responses.stream(model="small", input=ASK, tools=TOOLS) as events:
            final = events.get_final_response()
        assert [(i.type, i.call_id) for i in final.output] == [(i.type, i.call_id) for i in whole]  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("choice", "name"),
        [
            ("required", "weather"),
            ({"type": "custom", "name": "patch"}, "patch"),
            (
                {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "patch"}]},
                "patch",
            ),
        ],
    )
    def test_forced_tool_is_called(self, oai: Provider, choice: Any, name: str) -> None:
        """``tool_choice`` that forces a tool, of whatever kind, gets a call of it."""
        assert respond(oai, tools=TOOLS, tool_choice=choice).output[0].name == name

    def test_parsed_answer_follows_the_schema(self, oai: Provider) -> None:
        """``text.format`` gets a value of its schema, also through ``.parse``."""

        class Town(BaseModel):
            name: str
            people: int

        with openai_of(oai) as client:
            parsed = client.responses.parse(model="m", input=ASK, text_format=Town)
        assert parsed.output_parsed == Town(name="text", people=7)

    def test_refusal_truncation_and_filter(self, oai: Provider) -> None:
        """A refusal is a content part; too small a limit and a filter end as incomplete, with the reason."""
        oai.plan(*[Answer(refusal="No.")] * 2, *[Answer(text="So", stop="content_filter")] * 2)
        assert respond(oai).output[0].content[0].refusal == "No."
        kinds = [e.type for e in stream(oai)]
        assert kinds.count("response.refusal.delta") == 2
        assert "response.refusal.done" in kinds
        assert respond(oai).incomplete_details.reason == "content_filter"
        assert stream(oai)[-1].type == "response.incomplete"
        short = respond(oai, input=LONG, max_output_tokens=16)
        assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert short.output[-1].status == "incomplete"

    def test_encrypted_reasoning_comes_when_asked_for_and_goes_back(self, oai: Provider) -> None:
        """``include`` asks for it; sent back it is taken, changed it is a 400."""
        oai.plan(Answer(text="4", thinking="two and two"), Answer(text="4", thinking="two and two"))
        assert respond(oai).output[0].encrypted_content is None
        items = respond(oai, include=["reasoning.encrypted_content"], store=False).output
        turns: list[Any] = [{"role": "user", "content": ASK}, *(item.to_dict() for item in items)]
        turns.append({"role": "user", "content": "And?"})
        assert respond(oai, input=turns).output_text == "small answers: And?"
        turns[1]["encrypted_content"] = "AAAA"
        with pytest.raises(openai.BadRequestError) as caught:
            respond(oai, input=turns)
        assert caught.value.code == "invalid_encrypted_content"

    def test_logprobs(self, oai: Provider) -> None:
        """Asked for through ``include``, each piece of text has its own, in deltas and at the end."""
        given: Any = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
        part = respond(oai, **given).output[0].content[0]
        assert "".join(one.token for one in part.logprobs) == part.text
        assert {len(one.top_logprobs) for one in part.logprobs} == {2}
        deltas = [e for e in stream(oai, **given) if e.type == "response.output_text.delta"]
        assert [e.logprobs[0].token for e in deltas] == [e.delta for e in deltas]

    def test_usage_and_the_cache(self, oai: Provider) -> None:
        """A long prefix seen before is read from the cache, under another name than in chat; scripts work too."""
        first = respond(oai, instructions=LONG).usage
        second = respond(oai, instructions=LONG, input=[{"role": "user", "content": ASK}]).usage
        assert first.input_tokens_details.cache_write_tokens > 190
        assert 190 < second.input_tokens_details.cached_tokens < second.input_tokens
        oai.plan(Answer(usage={"prompt": 10, "cached": 8, "completion": 5, "reasoning": 2}))
        usage = respond(oai).usage
        assert (usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.total_tokens) == (10, 8, 15)
        assert usage.output_tokens_details.reasoning_tokens == 2


class TestFaults:
    @pytest.mark.parametrize("how", ["reset", "close", "eof", "torn"])
    @pytest.mark.parametrize("streamed", [True, False])
    def test_cut(self, oai: Provider, how: Any, streamed: bool) -> None:
        """Streams and whole answers break in each of the ways; a clean end too soon raises nothing by itself."""
        oai.plan(Cut(2, how))
        if streamed and how in ("eof", "torn"):
            kinds = [e.type for e in stream(oai)]
            assert kinds.count("response.output_text.delta") == 2
            assert "response.completed" not in kinds
        else:
            with pytest.raises((openai.APIConnectionError, httpx2.TransportError, json.JSONDecodeError)):
                (stream if streamed else respond)(oai)

    def test_stream_error(self, oai: Provider) -> None:
        """An ``error`` event, or ``response.failed``, numbered like the others; whole: 500, or a failed answer."""
        oai.plan(*[StreamError(2)] * 2, *[StreamError(2, {"message": "Broke."}, how="failed")] * 2)
        events = stream(oai)
        assert events[-1].type == "error"
        assert events[-1].message.startswith("The server had an error")
        assert events[-1].sequence_number == len(events) - 1
        with pytest.raises(openai.InternalServerError):
            respond(oai)
        failed = stream(oai)[-1]
        assert (failed.type, failed.response.status) == ("response.failed", "failed")
        assert failed.response.error.message == "Broke."
        whole = respond(oai)
        assert (whole.status, whole.error.code) == ("failed", "server_error")

    def test_the_other_steps(self, oai: Provider) -> None:
        """Fail, Hang, Garbage, Raw, Pings and Wait do on this path what they do on the others."""
        oai.plan(Fail(429, "slow"), Hang(), Garbage(200, b"<html>"), Raw([b"event: x\n\n"]))
        with pytest.raises(openai.RateLimitError, match="slow"):
            stream(oai)
        with openai_of(oai, timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
            client.responses.create(model="m", input=ASK)
        body = {"model": "m", "input": ASK}
        assert post(oai, "/v1/responses", body).content == b"<html>"
        assert post(oai, "/v1/responses", body).content == b"event: x\n\n"
        oai.plan(Pings(2, 1, Answer(text="hi")), Pings(2, 1, Answer(text="hi")), Wait("go", 1, Answer(text="a b")))
        assert respond(oai).output_text == "hi"
        assert stream(oai)[-1].response.output_text == "hi"
        oai.release("go")
        assert stream(oai)[-1].response.output_text == "a b"
