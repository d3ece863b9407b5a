"""Requests between every two dialects: what one caller says, each provider is told, and strictly judges.

Real SDKs, a real router, stand-ins that refuse what their vendor would refuse.
"""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import Answer, Record, ToolCall
from tests.route.callers import CALLERS, MODES, ONE_EACH, PAIRS, PDF, PNG, SPEAKS, Caller, Result
from tests.route.house import House, build_house

IN_PAIRS = pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
IN_MODES = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    """Each dialect is spoken by one strict provider; the profile of the dialect's name leads there alone."""
    with build_house(dynamodb_url, strict=True, **ONE_EACH) as built:
        yield built


@pytest.fixture
def caller(house: House, own: str) -> Iterator[Caller]:
    """The SDK of the dialect `own`, at a house whose providers have forgotten what was before."""
    for provider in house.providers.values():
        provider.clear()
    with CALLERS[own](house) as made:
        yield made


def told(house: House, theirs: str) -> Record:
    """The last request that the provider of a dialect has got."""
    return house.providers[SPEAKS[theirs]].calls[-1]


def in_order(body: Any, *words: str) -> bool:
    """Whether a body says these, one after another."""
    text = json.dumps(body, ensure_ascii=False)
    places = [text.find(word) for word in words]
    return -1 not in places and places == sorted(places)


@IN_MODES
@IN_PAIRS
def test_text_with_instructions_and_history(
    house: House, caller: Caller, own: str, theirs: str, mode: str
) -> None:
    """System, developer, user and assistant turns arrive in their order; the answer's text comes back whole."""
    house.providers[SPEAKS[theirs]].plan(Answer(text="Grüße, 世界 🌍"))
    turns = [
        caller.developer("be brief"),
        caller.user("first question", "and its end"),
        {"role": "assistant", "content": "first answer"},
        caller.user("second \U0001f600"),
    ]
    heard = caller.ask(theirs, turns, mode, system="you are a test")
    assert (heard.text, heard.calls, heard.refusal) == ("Grüße, 世界 🌍", [], "")
    body = told(house, theirs).body
    assert body["model"] == "small-2026-01"
    said = {**body, "messages": body.get("messages") or body.get("input")}
    front = {name: said.pop(name) for name in ("system", "instructions") if name in said}
    assert in_order([front, said["messages"]], "you are a test", "be brief") or theirs == own == "messages"
    assert in_order(said["messages"], "first question", "and its end", "first answer", "second \U0001f600")
    inference, facts = caller.written
    assert [(f.n, f.provider, f.repaired) for f in facts] == [(1, SPEAKS[theirs], ())]
    assert caller.dropped == []
    assert (inference.origin.dialect, inference.status) == (own, 200)


@pytest.mark.case("C18", "A7")
@IN_MODES
@IN_PAIRS
def test_a_tool_loop_with_parallel_calls(house: House, caller: Caller, own: str, theirs: str, mode: str) -> None:
    """Two calls at once, their results given back in another order, a second loop, the end: ids and pairs hold."""
    provider = house.providers[SPEAKS[theirs]]
    provider.plan(
        Answer(text="Looking.", tool_calls=[ToolCall("read", {"path": "a"}), ToolCall("list", {"path": "b"})]),
        Answer(tool_calls=[ToolCall("read", {"path": "c"})]),
        Answer(text="Done."),
    )
    turns, tools = [caller.user("look")], caller.tools("read", "list")
    first = caller.ask(theirs, turns, mode, **tools)
    assert [(c.name, c.arguments) for c in first.calls] == [("read", {"path": "a"}), ("list", {"path": "b"})]
    assert len({call.id for call in first.calls}) == 2
    assert first.text == "Looking."
    assert first.stop == {"chat": "tool_calls", "messages": "tool_use", "responses": "completed"}[own]
    a, b = (call.id for call in first.calls)
    turns += [*first.turns, *caller.results(Result(b, "result of b"), Result(a, "result of a"))]
    second = caller.ask(theirs, turns, mode, **tools)
    assert [(c.name, c.arguments) for c in second.calls] == [("read", {"path": "c"})]
    assert second.calls[0].id not in {a, b}
    turns += [*second.turns, *caller.results(Result(second.calls[0].id, "result of c"))]
    assert caller.ask(theirs, turns, mode, **tools).text == "Done."
    assert results(told(house, theirs).body, theirs) == {
        a: "result of a",
        b: "result of b",
        second.calls[0].id: "result of c",
    }
    assert caller.dropped == []


def results(body: Any, dialect: str) -> dict[str, str]:
    """The text of each tool's result, by the id of its call."""
    if dialect == "chat":
        pairs = [(m["tool_call_id"], m["content"]) for m in body["messages"] if m["role"] == "tool"]
    elif dialect == "messages":
        blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
        pairs = [(b["tool_use_id"], b["content"]) for b in blocks if b["type"] == "tool_result"]
    else:
        items = [item for item in body["input"] if item.get("type") == "function_call_output"]
        pairs = [(item["call_id"], item["output"]) for item in items]
    return {
        call: said if isinstance(said, str) else "".join(p.get("text", "") for p in said) for call, said in pairs
    }


@pytest.mark.case("C18")
@pytest.mark.parametrize(("own", "theirs"), [pair for pair in PAIRS if pair[0] != "chat"], ids=lambda name: name)
def test_a_result_with_an_image(house: House, caller: Caller, own: str, theirs: str) -> None:
    """A tool's screenshot reaches the model, whatever the provider lets a tool's result hold."""
    house.providers[SPEAKS[theirs]].plan(
        Answer(tool_calls=[ToolCall("read", {"path": "a"})]), Answer(text="A cat.")
    )
    turns, tools = [caller.user("look")], caller.tools("read")
    first = caller.ask(theirs, turns, **tools)
    turns += [*first.turns, *caller.results(Result(first.calls[0].id, "a screenshot", image=PNG))]
    assert caller.ask(theirs, turns, **tools).text == "A cat."
    assert in_order(told(house, theirs).body, "a screenshot", PNG)
    assert caller.dropped == []


@pytest.mark.case("C18")
@pytest.mark.parametrize(("own", "theirs"), [("messages", theirs) for theirs in SPEAKS], ids=lambda name: name)
def test_a_result_that_is_an_error(house: House, caller: Caller, own: str, theirs: str) -> None:
    """That a tool has failed is told: as a flag where there is one, else in words."""
    house.providers[SPEAKS[theirs]].plan(
        Answer(tool_calls=[ToolCall("read", {"path": "a"})]), Answer(text="Sorry.")
    )
    turns, tools = [caller.user("look")], caller.tools("read")
    first = caller.ask(theirs, turns, **tools)
    turns += [*first.turns, *caller.results(Result(first.calls[0].id, "no such file", is_error=True))]
    assert caller.ask(theirs, turns, **tools).text == "Sorry."
    [said] = results(told(house, theirs).body, theirs).values()
    assert said == ("no such file" if theirs == "messages" else "Error: no such file")
    assert ('"is_error": true' in json.dumps(told(house, theirs).body)) == (theirs == "messages")


@pytest.mark.case("C18")
@IN_PAIRS
def test_images_and_documents(house: House, caller: Caller, own: str, theirs: str) -> None:
    """Images, inline and by URL, and a PDF stand at their place among the texts, in the provider's own shape."""
    parts = (
        "one",
        caller.image(data=PNG),
        "two",
        caller.image(url="https://example.com/b.png"),
        caller.pdf(),
        "end",
    )
    heard = caller.ask(theirs, [caller.user(*parts)])
    assert heard.text.startswith("small-2026-01 answers: one two")
    body = told(house, theirs).body
    assert in_order(body, "one", PNG, "two", "https://example.com/b.png", PDF, "end")
    assert caller.dropped == []


@IN_PAIRS
def test_a_forced_tool(house: House, caller: Caller, own: str, theirs: str) -> None:
    """The choice of one tool is told to every provider, which then calls that one."""
    heard = caller.ask(theirs, [caller.user("go")], **caller.tools("read", "list"), **caller.forced("list"))
    assert [call.name for call in heard.calls] == ["list"]
    assert caller.dropped == []


@IN_PAIRS
def test_limits_and_stop_sequences(house: House, caller: Caller, own: str, theirs: str) -> None:
    """The output's limit and the stop sequences arrive; a provider without stop sequences is not asked at all."""
    asked = caller.stops("END", "STOP")
    if asked and theirs == "responses":
        with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match=r"lossy_translation \(stop"):
            caller.ask(theirs, [caller.user("go")], **asked)
        return
    caller.ask(theirs, [caller.user("go")], **caller.limit(77), **asked)
    body = told(house, theirs).body
    limits = {"max_completion_tokens", "max_tokens", "max_output_tokens"} & {*body}
    assert [body[name] for name in limits] == [77]
    assert (body.get("stop") or body.get("stop_sequences")) == (["END", "STOP"] if asked else None)
    assert caller.dropped == []
