"""Answers between every two dialects: reasoning, refusals, stops, structured output, counts: as SDKs read them."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import warmroute
from ledger.usage import Usage
from tests.fakes import Answer, Record, ToolCall
from tests.route.callers import CALLERS, CROSSING, MODES, ONE_EACH, PAIRS, SPEAKS, Caller, Result
from tests.route.house import ALICE, House, build_house

IN_PAIRS = pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
IN_MODES = pytest.mark.parametrize("mode", MODES)
GOLDEN = {"prompt": 1000, "cached": 800, "completion": 500, "reasoning": 100}
TIERS = {"prompt": 1000, "cached": 200, "written": 300, "written_1h": 400, "completion": 5}


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


def plan(house: House, theirs: str, *answers: Answer) -> None:
    house.providers[SPEAKS[theirs]].plan(*answers)


def told(house: House, theirs: str) -> Record:
    """The last request that the provider of a dialect has got."""
    return house.providers[SPEAKS[theirs]].calls[-1]


@pytest.mark.case("C7")
@IN_MODES
@pytest.mark.parametrize(("own", "theirs"), [p for p in PAIRS if p != ("chat", "chat")], ids=lambda name: name)
def test_reasoning_comes_and_goes_back_with_its_seal(
    house: House, caller: Caller, own: str, theirs: str, mode: str
) -> None:
    """Every caller reads it; sent back, its provider gets its own seal again, wherever that can be said."""
    thought = Answer(thinking="Let me see.", text="Looking.", tool_calls=[ToolCall("read", {"path": "a"})])
    plan(house, theirs, thought, Answer(text="Done."))
    turns, more = [caller.user("look")], caller.tools("read") | caller.effort("medium")
    first = caller.ask(theirs, turns, mode, **more)
    assert (first.thinking, first.text) == ("Let me see.", "Looking.")
    has_words = (own, theirs) != ("messages", "responses")
    lost = {
        ("messages", "responses"): ["answer.reasoning.encrypted_content"],
        ("responses", "chat"): ["reasoning"],
    }
    assert caller.dropped == lost.get((own, theirs), []), "nor has chat a word for a wanted summary"
    turns += [*first.turns, *caller.results(Result(first.calls[0].id, "result"))]
    assert caller.ask(theirs, turns, mode, **more).text == "Done."
    assert seal_in(told(house, theirs).body, theirs) == (theirs != "chat" and has_words)


def seal_in(body: Any, dialect: str) -> bool:
    """Whether a provider has got reasoning with a seal; whether it is its own, the strict provider has judged."""
    if dialect == "messages":
        contents = [m["content"] for m in body["messages"] if isinstance(m["content"], list)]
        return any(block.get("signature") for content in contents for block in content)
    items = body.get("input") or body["messages"]
    return any(item.get("encrypted_content") or item.get("reasoning_details") for item in items)


@pytest.mark.case("C7")
@pytest.mark.parametrize("own", ["chat", "messages", "responses"])
def test_redacted_reasoning_goes_back(house: House, caller: Caller, own: str) -> None:
    """What Anthropic hides comes through each dialect as a seal without a text, and goes back as it was."""
    plan(
        house, "messages", Answer(thinking="Hm.", redacted="secret", tool_calls=[ToolCall("read", {"path": "a"})])
    )
    turns, more = [caller.user("look")], caller.tools("read") | caller.effort("medium")
    first = caller.ask("messages", turns, "events", **more)
    assert first.thinking == "Hm."
    turns += [*first.turns, *caller.results(Result(first.calls[0].id, "result"))]
    caller.ask("messages", turns, **more)
    [assistant] = [m for m in told(house, "messages").body["messages"] if m["role"] == "assistant"]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "redacted_thinking", "tool_use"]


@IN_PAIRS
def test_effort(house: House, caller: Caller, own: str, theirs: str) -> None:
    """How much to think is said in the provider's words: an effort, or a number of tokens."""
    caller.ask(theirs, [caller.user("think")], **caller.effort("high") | caller.limit(4_000))
    body = told(house, theirs).body
    thinking = body.get("thinking") or {}
    said = body.get("reasoning_effort") or body.get("reasoning", {}).get("effort") or thinking.get("budget_tokens")
    assert said == (3_200 if theirs == "messages" else "high")
    assert thinking.get("type") == ("enabled" if theirs == "messages" else None)


@pytest.mark.case("C18")
@IN_MODES
@IN_PAIRS
def test_a_refusal(house: House, caller: Caller, own: str, theirs: str, mode: str) -> None:
    """A refusal is told as one: its words are there, and the caller's own sign of it, or its SDK's exception."""
    plan(house, theirs, Answer(refusal="I would rather not."))
    if mode == "helper" and theirs == "messages" != own:
        with pytest.raises(openai.ContentFilterFinishReasonError if own == "chat" else RuntimeError):
            caller.ask(theirs, [caller.user("go")], mode)
        return
    heard = caller.ask(theirs, [caller.user("go")], mode)
    assert "I would rather not." in (heard.refusal, heard.text)
    if own == "messages":
        assert heard.stop == "refusal"
    else:
        assert heard.refusal == "I would rather not."
        assert heard.text == ""


STOPS: dict[str, dict[str, tuple[str, str, str]]] = {
    "messages": {
        "end_turn": ("stop", "end_turn", "completed"),
        "max_tokens": ("length", "max_tokens", "max_output_tokens"),
        "stop_sequence": ("stop", "stop_sequence", "completed"),
        "refusal": ("content_filter", "refusal", "content_filter"),
        "pause_turn": ("stop", "pause_turn", "completed"),
        "model_context_window_exceeded": ("length", "model_context_window_exceeded", "max_output_tokens"),
        "a_word_of_next_year": ("a_word_of_next_year", "a_word_of_next_year", "completed"),
    },
    "chat": {
        "stop": ("stop", "end_turn", "completed"),
        "length": ("length", "max_tokens", "max_output_tokens"),
        "content_filter": ("content_filter", "refusal", "content_filter"),
        "a_word_of_next_year": ("a_word_of_next_year", "a_word_of_next_year", "completed"),
    },
    "responses": {
        "completed": ("stop", "end_turn", "completed"),
        "max_output_tokens": ("length", "max_tokens", "max_output_tokens"),
        "content_filter": ("content_filter", "refusal", "content_filter"),
    },
}
"""By the provider's dialect and word: what callers of chat, messages and responses read."""
REPORTED = {
    ("chat", "stop_sequence"): ["answer.stop_sequence"],
    ("chat", "pause_turn"): ["answer.stop_reason"],
    ("responses", "stop_sequence"): ["answer.stop_reason", "answer.stop_sequence"],
    ("responses", "pause_turn"): ["answer.stop_reason"],
    ("responses", "a_word_of_next_year"): ["answer.stop_reason"],
}
"""By the caller's dialect: stops of which it is told less than the provider has said."""


@pytest.mark.case("C18")
@pytest.mark.parametrize("mode", ["whole", "events"])
@pytest.mark.parametrize(("theirs", "word"), [(name, word) for name, words in STOPS.items() for word in words])
@pytest.mark.parametrize("own", ["chat", "messages", "responses"])
def test_why_it_stopped(house: House, caller: Caller, own: str, theirs: str, word: str, mode: str) -> None:
    """Every reason to stop is the caller's nearest one, never an error; what is lost of it is reported."""
    plan(house, theirs, Answer(text="so", stop=word, stop_sequence="END" if word == "stop_sequence" else None))
    heard = caller.ask(theirs, [caller.user("go")], mode)
    place = ("chat", "messages", "responses").index(own)
    assert (heard.text, heard.stop) == ("so", STOPS[theirs][word][place])
    assert caller.fact.ok
    assert caller.dropped == (REPORTED.get((own, word), []) if own != theirs else [])


@pytest.mark.parametrize(
    ("word", "fault"),
    [("length", openai.LengthFinishReasonError), ("content_filter", openai.ContentFilterFinishReasonError)],
)
@pytest.mark.parametrize("theirs", ["chat", "messages", "responses"])
@pytest.mark.parametrize("own", ["chat"])
def test_the_helper_raises_what_it_raises_at_its_own_vendor(
    house: House, caller: Caller, own: str, theirs: str, word: str, fault: type[Exception]
) -> None:
    """An answer that was cut short is the SDK's own exception where an object was to be made of it."""
    plan(house, theirs, Answer(text='{"city":', stop=word))
    with pytest.raises(fault):
        caller.ask(theirs, [caller.user("go")], "helper")


@pytest.mark.case("U13", "C9")
@IN_MODES
@IN_PAIRS
def test_counts_are_the_same_in_every_dialect(
    house: House, caller: Caller, own: str, theirs: str, mode: str
) -> None:
    """1000 in the prompt, 800 of them cached, is 200 fresh and 800 read; the ledger has the same counts."""
    plan(house, theirs, Answer(usage=GOLDEN, thinking="hm"))
    heard = caller.ask(theirs, [caller.user("hi")], mode)
    said = {"prompt": 1000, "cached": 800, "output": 500, "reasoning": 100}
    assert heard.usage.items() >= said.items()
    assert not (heard.usage.keys() - {*said, "written", "written_1h"})
    fact = caller.fact
    assert fact.usage == Usage(input=200, cache_read=800, output=500, reasoning=100)
    assert (fact.estimated, str(fact.cost_usd)) == (False, "0.00834")


@pytest.mark.case("C9")
@IN_MODES
@IN_PAIRS
def test_both_tiers_of_what_was_written_to_a_cache(
    house: House, caller: Caller, own: str, theirs: str, mode: str
) -> None:
    """Anthropic's two tiers are told apart where the caller's dialect can; elsewhere they are one sum."""
    plan(house, theirs, Answer(usage=TIERS))
    heard = caller.ask(theirs, [caller.user("hi")], mode)
    assert (heard.usage["prompt"], heard.usage["cached"], heard.usage["written"]) == (1000, 200, 700)
    assert heard.usage.get("written_1h") == (400 if own == theirs == "messages" else heard.usage.get("written_1h"))
    written = Usage(100, 200, 300, 400, 5) if theirs == "messages" else Usage(100, 200, 700, 0, 5)
    assert caller.fact.usage == written


@pytest.mark.case("U13")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("theirs", ["chat", "messages", "responses"])
@pytest.mark.parametrize(("own", "is_said"), [("chat", True), ("chat", False)])
def test_a_cached_zero_stays_and_what_was_not_said_stays_away(
    house: House, caller: Caller, own: str, theirs: str, mode: str, is_said: bool
) -> None:
    """`cached_tokens` is 0 where the provider said 0, and absent where it said nothing, streamed as well."""
    names = ("prompt_tokens", "completion_tokens") if theirs == "chat" else ("input_tokens", "output_tokens")
    silent = {names[0]: 9, names[1]: 2} | ({} if theirs == "messages" else {"total_tokens": 11})
    plan(house, theirs, Answer(usage={"prompt": 9, "cached": 0, "completion": 2} if is_said else silent))
    heard = caller.ask(theirs, [caller.user("hi")], mode)
    assert (heard.usage["prompt"], heard.usage["output"]) == (9, 2)
    assert heard.usage.get("cached") == (0 if is_said else None)


@pytest.mark.parametrize("theirs", ["chat", "messages", "responses"])
@pytest.mark.parametrize("own", ["chat"])
def test_a_usage_chunk_only_for_those_who_ask(house: House, caller: Caller, own: str, theirs: str) -> None:
    """A chat stream has no usage in it unless the caller asked, whoever serves; the ledger has it all the same."""
    plan(house, theirs, Answer(usage=GOLDEN))
    messages: Any = [caller.user("hi")]
    with caller.sdk.chat.completions.create(model=theirs, messages=messages, stream=True) as stream:
        chunks = [chunk.to_dict() for chunk in stream]
    assert not any("usage" in chunk for chunk in chunks)
    assert all(chunk["choices"] for chunk in chunks)
    assert caller.fact.usage == Usage(input=200, cache_read=800, output=500, reasoning=100)


@IN_MODES
@IN_PAIRS
def test_a_provider_that_does_not_count(house: House, caller: Caller, own: str, theirs: str, mode: str) -> None:
    """Across dialects the caller gets an estimate, since clients fail without; the ledger says that it is one."""
    plan(house, theirs, Answer(text="x" * 400, usage=False))
    heard = caller.ask(theirs, [caller.user("y" * 400)], mode)
    fact = caller.fact
    assert fact.estimated
    assert fact.usage is not None
    assert (fact.usage.output, fact.usage.input > 90) == (100, True)
    if own != theirs:
        assert "usage" in fact.repaired
        assert (heard.usage["prompt"], heard.usage["output"]) == (fact.usage.input, 100)


class Forecast(BaseModel):
    city: str
    days: int


@IN_PAIRS
def test_structured_output(house: House, caller: Caller, own: str, theirs: str) -> None:
    """The SDK's own `.parse` gets an object of the wanted class; a stream's text is one as well."""
    assert caller.parsed(theirs, [caller.user("weather")], Forecast) == Forecast(city="text", days=7)
    heard = caller.ask(theirs, [caller.user("weather")], "events", **caller.schema())
    assert Forecast.model_validate_json(heard.text) == Forecast(city="text", days=7)
    is_nameless = theirs == "messages" != own
    assert [name.rpartition(".")[2] for name in caller.dropped] == (["name"] if is_nameless else [])


@pytest.mark.case("P4")
@pytest.mark.parametrize(("own", "theirs"), CROSSING, ids=lambda name: name)
def test_our_own_clients_get_a_receipt_across_dialects(house: House, own: str, theirs: str) -> None:
    """Whole, streamed, helped: `warmroute.receipt` tells who of the other dialect served it, and what it cost."""
    plan(house, theirs, *[Answer(usage=GOLDEN)] * 3)
    clients: dict[str, Any] = {
        "messages": lambda: warmroute.Anthropic(base_url=house.url, api_key=ALICE),
        "chat": lambda: warmroute.OpenAI(base_url=f"{house.url}/v1", api_key=ALICE),
    }
    made = CALLERS[own](house)
    made.sdk = clients.get(own, clients["chat"])()
    assert isinstance(made.sdk, openai.OpenAI) == (own != "messages")
    for mode in MODES:
        heard = made.ask(theirs, [made.user("hi")], mode)
        receipt = warmroute.receipt(heard.answer)
        assert receipt is not None
        assert not receipt.partial
        assert (receipt.provider, receipt.attempt_count) == (SPEAKS[theirs], 1)
        assert (receipt.usage and receipt.usage.cache_read, str(receipt.cost_usd)) == (800, "0.00834")
    made.sdk.close()
