"""What is configured of a route: what it is told besides, and is not; what its answers go through."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

import warmroute
from ledger.outcomes import FaultKind
from tests.fakes import Answer, Fail, Hang, ToolCall
from tests.route.callers import CALLERS, DIALECTS, MODES, PAIRS, SPEAKS
from tests.route.house import ALICE, House, build_house, model

SPOKEN = {"a": ["chat"], "b": ["responses"], "c": ["messages"]}
PROFILES = {dialect: {"routes": [f"{name}/small"]} for dialect, name in SPEAKS.items()}
IN_PAIRS = pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
IN_MODES = pytest.mark.parametrize("mode", MODES)


def models(**more: Any) -> dict[str, Any]:
    """The same options on every route, each of which speaks one dialect."""
    return {name: model(dialects=spoken, **more) for name, spoken in SPOKEN.items()}


@pytest.fixture(scope="module")
def told(dynamodb_url: str) -> Iterator[House]:
    """Every route is told something besides, and has little time."""
    options = {"extra_body": {"top_p": 0.5}, "append_system_prompt": "Be kind.", "timeout_s": 0.5}
    with build_house(dynamodb_url, strict=True, models=models(**options), profiles=PROFILES) as built:
        yield built


@pytest.fixture(scope="module")
def filtered(dynamodb_url: str) -> Iterator[House]:
    """Every route's text is filtered, and searched for tool calls."""
    options = {"output_filters": ["strip_thinking", "strip_stop_markers"], "repair_tool_calls": True}
    with build_house(dynamodb_url, models=models(**options), profiles=PROFILES) as built:
        yield built


@pytest.fixture(scope="module")
def plain(dynamodb_url: str) -> Iterator[House]:
    """No route can think or take cache marks, but for `d`, which can; `a` and `b` may speak whatever they do."""
    unable = model(capabilities={"cache_control": False, "thinking": "none"})
    profiles = {
        "chat": {"routes": ["a/small"]},
        "messages": {"routes": ["c/small"]},
        "thinking": {"routes": ["c/small", "a/small", "d/small"]},
    }
    with build_house(dynamodb_url, models={"a": unable, "c": unable}, profiles=profiles) as built:
        yield built


def fresh(house: House) -> House:
    for provider in house.providers.values():
        provider.clear()
        provider.default = Answer()
    return house


def body_of(house: House, name: str) -> Any:
    return house.providers[name].calls[-1].body


@IN_PAIRS
def test_what_a_route_is_told_besides(told: House, own: str, theirs: str) -> None:
    """`extra_body` is in the body, and the prompt at the end of the system's, in the provider's dialect."""
    with CALLERS[own](fresh(told)) as caller:
        caller.ask(theirs, [caller.user("hi")], system="You are a test.", extra_headers=OLD)
    body = body_of(told, SPEAKS[theirs])
    assert body["top_p"] == 0.5
    said = json.dumps([body.get("system"), body.get("instructions"), body.get("messages"), body.get("input")])
    assert 0 < said.index("You are a test.") < said.index("Be kind.") < said.index('hi"')
    assert said.count("Be kind.") == 1


OLD = {"anthropic-version": "2023-06-01"}
"""The API version that still has sampling."""


@IN_PAIRS
def test_a_prompt_where_there_was_none(told: House, own: str, theirs: str) -> None:
    """Without a system prompt, the appended one is it."""
    with CALLERS[own](fresh(told)) as caller:
        caller.ask(theirs, [caller.user("hi")], extra_headers=OLD)
    body = body_of(told, SPEAKS[theirs])
    system = {"chat": lambda: body["messages"][0]["content"], "messages": lambda: body["system"]}
    assert system.get(theirs, lambda: body["instructions"])() == "Be kind."


@pytest.mark.parametrize("theirs", DIALECTS)
def test_a_routes_own_deadline(told: House, theirs: str) -> None:
    """`timeout_s` ends an attempt before the profile's deadlines do, whole or streamed."""
    with CALLERS["chat"](fresh(told)) as caller:
        for mode in ("whole", "events"):
            told.providers[SPEAKS[theirs]].plan(Hang(5_000))
            with pytest.raises(openai.InternalServerError, match="timeout"):
                caller.ask(theirs, [caller.user("hi")], mode)
            assert (caller.fact.kind, caller.fact.http_status) == (FaultKind.TIMEOUT, None)
            assert 400 < (caller.fact.latency_ms or 0) < 2_000


@pytest.mark.case("C16")
@IN_MODES
@IN_PAIRS
def test_filters_work_across_chunks_and_dialects(filtered: House, own: str, theirs: str, mode: str) -> None:
    """Reasoning in the text and template words are gone, also where chunks cut them; what only looks so stays."""
    chunks = ["hello <thi", "nk>hidden</think> world", " abc<", "def a<b <|im_", "end|>", "<th"]
    with CALLERS[own](fresh(filtered)) as caller:
        filtered.providers[SPEAKS[theirs]].plan(Answer(chunks=chunks))
        heard = caller.ask(theirs, [caller.user("hi")], mode)
    assert heard.text == "hello  world abc<def a<b <th"
    assert heard.stop == {"chat": "stop", "messages": "end_turn", "responses": "completed"}[own]
    assert heard.usage["output"] > 0


@pytest.mark.case("C16")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_choices_are_filtered_each_for_itself(filtered: House, stream: bool) -> None:
    """A tag that one choice has open hides nothing of another."""
    fresh(filtered).providers["a"].plan(Answer(chunks=["a<thi", "nk>b</th", "ink>c"]))
    messages: Any = [{"role": "user", "content": "hi"}]
    texts = {0: "", 1: ""}
    with filtered.openai() as sdk:
        if stream:
            for chunk in sdk.chat.completions.create(model="chat", messages=messages, n=2, stream=True):
                for piece in chunk.choices:
                    texts[piece.index] += piece.delta.content or ""
        else:
            answer = sdk.chat.completions.create(model="chat", messages=messages, n=2)
            texts = {choice.index: choice.message.content or "" for choice in answer.choices}
    assert texts == {0: "ac", 1: "ac (1)"}


@pytest.mark.case("C17", "U6")
@IN_MODES
@IN_PAIRS
def test_tool_calls_in_the_text_are_calls(filtered: House, own: str, theirs: str, mode: str) -> None:
    """A declared tool's JSON becomes a call that the SDK parses, other fences stay; the ledger says so."""
    call = '<tool_call>{"name": "read", "arguments": {"path": "b"}}</tool_call>'
    bare = '{"name": "read", "arguments": {"path": "a"}}'
    text = f"Look:\n```python\nprint(1)\n```\n```json\n{bare}\n```\n{call}"
    chunks = [text[at : at + 7] for at in range(0, len(text), 7)]
    with CALLERS[own](fresh(filtered)) as caller:
        filtered.providers[SPEAKS[theirs]].plan(Answer(chunks=chunks))
        heard = caller.ask(theirs, [caller.user("hi")], mode, **caller.tools("read"))
        fact = caller.fact
    assert [(c.name, c.arguments) for c in heard.calls] == [("read", {"path": "a"}), ("read", {"path": "b"})]
    assert len({c.id for c in heard.calls}) == 2
    assert "print(1)" in heard.text
    assert "tool_call" not in heard.text
    assert heard.stop == {"chat": "tool_calls", "messages": "tool_use", "responses": "completed"}[own]
    assert (fact.tool_calls, fact.repaired) == (2, ("tool_calls",))


@IN_PAIRS
def test_real_calls_and_other_text_pass_the_repair_untouched(filtered: House, own: str, theirs: str) -> None:
    """A call that is one already, a tool that nobody declared and JSON that is an answer stay what they are."""
    text = 'Use {"name": "delete", "arguments": {}} or {"a": 1}.'
    with CALLERS[own](fresh(filtered)) as caller:
        filtered.providers[SPEAKS[theirs]].plan(Answer(text=text, tool_calls=[ToolCall("read", {"path": "a"})]))
        heard = caller.ask(theirs, [caller.user("hi")], "events", **caller.tools("read"))
        assert caller.fact.repaired == ()
    assert (heard.text, [c.arguments for c in heard.calls]) == (text, [{"path": "a"}])


def test_filters_need_no_reading_of_the_request(filtered: House) -> None:
    """An answer is filtered also where the request holds what our own reading does not understand."""
    filtered = fresh(filtered)
    filtered.providers["a"]._stand_in.strict = False
    filtered.providers["a"].plan(Answer(text="a<think>b</think>c"))
    body = {"model": "chat", "messages": [{"role": "narrator", "content": "x"}, {"role": "user", "content": "hi"}]}
    response = filtered.post("/v1/chat/completions", body)
    assert response.json()["choices"][0]["message"]["content"] == "ac"


@pytest.mark.case("C8")
@pytest.mark.parametrize("mode", ["whole", "events"])
@pytest.mark.parametrize("name", ["a", "c"])
def test_cache_marks_that_a_route_cannot_take(plain: House, name: str, mode: str) -> None:
    """`cache_control: false` overrides the provider's kind: marks are left out, and named in the receipt."""
    mark = {"cache_control": {"type": "ephemeral"}}
    ours = (
        warmroute.OpenAI(base_url=f"{plain.url}/v1", api_key=ALICE)
        if name == "a"
        else warmroute.Anthropic(base_url=plain.url, api_key=ALICE)
    )
    own = "chat" if name == "a" else "messages"
    with CALLERS[own](fresh(plain)) as caller, ours as caller.sdk:
        tools = [caller.tools("read")["tools"][0] | mark]
        turns = [{"role": "user", "content": [{"type": "text", "text": "hi", **mark}]}]
        heard = caller.ask(own, turns, mode, tools=tools)
    assert "cache_control" not in json.dumps(body_of(plain, name))
    receipt = warmroute.receipt(heard.answer)
    assert receipt is not None
    assert receipt.dropped == ("messages[].content[].cache_control", "tools[].cache_control")


@pytest.mark.case("C7")
@pytest.mark.parametrize("own", DIALECTS)
def test_who_can_think_is_asked_first(plain: House, own: str) -> None:
    """With reasoning asked for the capable route comes first; without, the order is the profile's."""
    with CALLERS[own](fresh(plain)) as caller:
        caller.ask("thinking", [caller.user("hi")], **caller.effort("medium"))
        assert (caller.fact.provider, caller.dropped) == ("d", [])
        caller.ask("thinking", [caller.user("hi")])
        assert caller.fact.provider == "c"


@pytest.mark.case("C7")
@pytest.mark.parametrize("theirs", ["chat", "messages"])
@pytest.mark.parametrize("own", DIALECTS)
def test_thinking_that_is_left_out_is_reported(plain: House, own: str, theirs: str) -> None:
    """A route that cannot think is not told to, nor asked for what it thought; the receipt says so."""
    asked: dict[str, Any] = {"output_config": {"effort": "high"}} if own == "messages" else {}
    with CALLERS[own](fresh(plain)) as caller:
        caller.ask(theirs, [caller.user("hi")], **caller.effort("high") | asked)
        dropped = caller.dropped
    said = json.dumps(body_of(plain, SPEAKS[theirs]))
    assert not any(word in said for word in ("reasoning", "thinking", "effort"))
    names = {"chat": "reasoning_effort", "messages": "thinking", "responses": "reasoning"}
    assert names[own] in dropped
    if (own, theirs) in (("messages", "messages"), ("responses", "chat")):
        assert dropped == [names[own], "output_config.effort" if own == "messages" else "include[]"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_provider_that_does_not_know_responses(
    house: House, mode: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The same route is asked again in chat, as a second attempt; the log says how to save the first.

    The router remembers it as long as it runs: the next request goes to chat at once.
    """
    plain = house
    with CALLERS["responses"](plain) as caller:
        plain.providers["a"].plan(Fail(status, body={"detail": "Not Found"}), Answer(text="in chat"))
        assert caller.ask("chat", [caller.user("hi")], mode).text == "in chat"
        inference, facts = caller.written
        assert caller.ask("chat", [caller.user("hi")], mode).text
    paths = [call.path for call in plain.providers["a"].calls]
    assert paths == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]
    assert [(f.n, f.provider, f.http_status, f.ok) for f in facts] == [
        (1, "a", status, False),
        (2, "a", 200, True),
    ]
    assert inference.served == 2
    [record] = [record for record in caplog.records if record.message == "dialect-not-spoken"]
    assert (vars(record)["route"], vars(record)["dialect"], vars(record)["fix"]) == (
        "a/small",
        "responses",
        "dialects: [chat]",
    )


def test_with_its_dialects_configured_no_call_is_wasted(told: House, caplog: pytest.LogCaptureFixture) -> None:
    """`dialects: [chat]`: a Responses caller is translated at once; and a 404 there is about the model."""
    with CALLERS["responses"](fresh(told)) as caller:
        caller.ask("chat", [caller.user("hi")])
        assert [call.path for call in told.providers["a"].calls] == ["/v1/chat/completions"]
        told.providers["a"].plan(Fail(404))
        with pytest.raises(openai.NotFoundError):
            caller.ask("chat", [caller.user("hi")])
        assert len(caller.written[1]) == 1
    assert "dialect-not-spoken" not in caplog.messages


@pytest.mark.parametrize("own", ["chat", "responses"])
@pytest.mark.parametrize(
    "fail",
    [
        Fail(404, "The model 'x' does not exist", code="model_not_found"),
        Fail(404, 'model "small-2026-01" not found, try pulling it first'),
    ],
    ids=["openai", "ollama"],
)
def test_a_model_that_is_not_there_is_asked_for_once(
    plain: House, own: str, fail: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    """A provider that says it of the model would say it again in another dialect."""
    with CALLERS[own](fresh(plain)) as caller:
        plain.providers["a"].plan(fail)
        with pytest.raises(openai.NotFoundError):
            caller.ask("chat", [caller.user("hi")])
        [fact] = caller.written[1]
    assert fact.kind is FaultKind.MODEL_NOT_FOUND
    assert "dialect-not-spoken" not in caplog.messages


def test_a_caller_is_kept_alive_while_a_filter_keeps_the_answer_back(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hidden thinking may take minutes: the provider is not silent, yet the caller hears nothing of it."""
    monkeypatch.setattr("route.calling.call.KEEPALIVE_S", 0.2)
    house: House = build(models={"a": model(output_filters=["strip_thinking"])})
    pieces = ["Hi", "<think>", *["hm"] * 20, "</think>", " there"]
    house.providers["a"].plan(Answer(chunks=pieces, gap_ms=50))
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    sent = house.post("/v1/chat/completions", body).content
    assert sent.count(b": keepalive") >= 2
    assert b"hm" not in sent
