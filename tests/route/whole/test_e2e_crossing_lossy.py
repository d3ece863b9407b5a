"""What another dialect cannot say: what matters makes a route ineligible, and all else is reported."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

import warmroute
from route.decision.stored import DecisionRecord
from tests.fakes import Answer, ToolCall
from tests.route.callers import CALLERS, CROSSING, DIALECTS, ONE_EACH, PAIRS, SPEAKS, Caller, Result
from tests.route.house import ALICE, House, build_house

MIXED = {
    f"{theirs}-{own}": {"routes": [f"{SPEAKS[theirs]}/small", f"{SPEAKS[own]}/small"]} for own, theirs in CROSSING
}
"""Chains whose first route speaks another dialect than the caller, the second the caller's own."""

AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
SAID_BACK: list[Any] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [SIGNED]}]
SEALED_DETAIL = {
    "type": "reasoning.text",
    "text": "hm",
    "signature": "c2ln",
    "format": "anthropic-claude-v1",
    "index": 0,
}
SEALED_ITEM = {"type": "reasoning", "summary": [], "encrypted_content": "c2VhbGVk"}

CANNOT: list[tuple[str, str, dict[str, Any], list[Any], str]] = [
    ("chat", "messages", {"n": 2}, [], "n"),
    ("chat", "responses", {"n": 2}, [], "n"),
    ("chat", "messages", {"logprobs": True, "top_logprobs": 2}, [], "logprobs"),
    ("chat", "messages", {"response_format": {"type": "json_object"}}, [], "response_format"),
    (
        "chat",
        "messages",
        {"modalities": ["text", "audio"], "audio": {"voice": "ash", "format": "mp3"}},
        [],
        "modalities",
    ),
    ("chat", "messages", {}, [{"role": "user", "content": [AUDIO]}], "messages[].content[]"),
    ("chat", "responses", {"stop": "END"}, [], "stop"),
    ("chat", "messages", {"web_search_options": {}}, [], "web_search_options"),
    ("messages", "chat", {}, SAID_BACK, "messages[].content[]"),
    ("messages", "responses", {}, SAID_BACK, "messages[].content[]"),
    ("messages", "responses", {"stop_sequences": ["END"]}, [], "stop_sequences"),
    ("messages", "chat", {"extra_body": {"container": "container_1"}}, [], "container"),
    (
        "messages",
        "chat",
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        [],
        "tools[].web_search_20250305",
    ),
    ("responses", "chat", {"previous_response_id": "resp_1"}, [], "previous_response_id"),
    ("responses", "messages", {"previous_response_id": "resp_1"}, [], "previous_response_id"),
    ("responses", "messages", {"conversation": "conv_1"}, [], "conversation"),
    ("responses", "messages", {"background": True, "store": True}, [], "background"),
    ("responses", "messages", {"tools": [{"type": "web_search"}]}, [], "tools[].web_search"),
    ("responses", "messages", {}, [{"role": "user", "content": "a"}, SEALED_ITEM], "input[]"),
    ("responses", "messages", {"include": ["message.output_text.logprobs"]}, [], "include[]"),
]
"""Caller's dialect, provider's, options, turns before the last one, and the name of what cannot be carried."""
IDS = [f"{own}-{theirs}-{name}" for own, theirs, _, _, name in CANNOT]


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    """Each dialect is spoken by one provider; chains of one route, and of a foreign one before one's own."""
    profiles = ONE_EACH["profiles"] | MIXED
    with build_house(dynamodb_url, models=ONE_EACH["models"], profiles=profiles) as built:
        for provider in built.providers.values():
            provider._stand_in.strict = False  # what is asked of it is odd on purpose
        yield built


@pytest.fixture
def caller(house: House, own: str) -> Iterator[Caller]:
    for provider in house.providers.values():
        provider.clear()
    with CALLERS[own](house) as made:
        yield made


@pytest.mark.case("C7", "A4")
@pytest.mark.parametrize(("own", "theirs", "options", "before", "name"), CANNOT, ids=IDS)
def test_what_matters_makes_a_route_ineligible(
    house: House, caller: Caller, own: str, theirs: str, options: Any, before: list[Any], name: str
) -> None:
    """With that route alone: a 400 that names what it is, and nobody is called. The plan says why."""
    refused: tuple[type[Any], ...] = (openai.BadRequestError, anthropic.BadRequestError)
    with pytest.raises(refused) as caught:
        caller.ask(theirs, [*before, caller.user("go")], **options)
    assert f"{SPEAKS[theirs]}/small: lossy_translation ({name}" in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert not any(provider.calls for provider in house.providers.values())
    [row] = DecisionRecord.unpack(caller.written[0].plan).document["candidates"]
    assert (row["rejection_reason"], row["eligible"]) == ("lossy_translation", False)
    assert row["refused"][0].startswith(name)


@pytest.mark.case("C7")
@pytest.mark.parametrize(("own", "theirs", "options", "before", "name"), CANNOT, ids=IDS)
def test_the_next_route_of_the_own_dialect_is_used_instead(
    house: House, caller: Caller, own: str, theirs: str, options: Any, before: list[Any], name: str
) -> None:
    """A chain that has a route of the caller's dialect serves the request there, whole, as its first attempt."""
    turns = [*before, caller.user("go")]
    caller.ask(f"{theirs}-{own}", turns, **options) if "n" not in options else _asked_twice(caller, theirs, turns)
    assert not house.providers[SPEAKS[theirs]].calls
    inference, facts = caller.written
    assert [(fact.n, fact.provider, fact.ok, fact.dropped) for fact in facts] == [(1, SPEAKS[own], True, ())]
    rows = DecisionRecord.unpack(inference.plan).document["candidates"]
    assert [(row.get("rejection_reason"), row["chosen"]) for row in rows] == [
        ("lossy_translation", False),
        (None, True),
    ]
    body = house.providers[SPEAKS[own]].calls[-1].body
    sent = options.get("extra_body", options)
    assert {field: body[field] for field in sent} == sent


def _asked_twice(caller: Caller, theirs: str, turns: list[Any]) -> None:
    """Two choices, which the plain reading of an answer does not expect."""
    answer = caller.sdk.chat.completions.create(model=f"{theirs}-chat", messages=turns, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


ODD: dict[str, dict[str, Any]] = {
    "chat": {"seed": 7, "logit_bias": {"5": 1}, "frequency_penalty": 0.5, "metadata": {"a": "b"}},
    "messages": {
        "metadata": {"user_id": "u"},
        "extra_headers": {"anthropic-version": "2023-06-01"},
        "extra_body": {"top_k": 5, "context_management": {"edits": []}, "cache_control": {"type": "ephemeral"}},
    },
    "responses": {"truncation": "auto", "max_tool_calls": 3, "metadata": {"a": "b"}, "service_tier": "priority"},
}
"""Options by the caller's dialect that do not matter enough to refuse a route."""
DROPPED: dict[tuple[str, str], list[str]] = {
    ("chat", "messages"): ["frequency_penalty", "logit_bias", "metadata", "seed"],
    ("chat", "responses"): ["frequency_penalty", "logit_bias", "seed"],
    ("messages", "chat"): ["cache_control", "context_management", "top_k"],
    ("messages", "responses"): ["cache_control", "context_management", "top_k"],
    ("responses", "chat"): ["max_tool_calls", "metadata", "truncation"],
    ("responses", "messages"): ["max_tool_calls", "metadata", "service_tier", "truncation"],
}


@pytest.mark.case("C8", "P4")
@pytest.mark.parametrize("mode", ["whole", "events", "helper"])
@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=lambda name: name)
def test_what_is_left_out_is_reported_everywhere_and_once(
    house: House, caller: Caller, own: str, theirs: str, mode: str
) -> None:
    """Body, stream and typed receipt name it, and so does the ledger; nobody names it twice."""
    ours = warmroute.Anthropic if own == "messages" else warmroute.OpenAI
    caller.sdk = ours(base_url=house.url if own == "messages" else f"{house.url}/v1", api_key=ALICE)
    odd = ODD[own] | {"extra_body": ODD[own].get("extra_body", {}) | {"a_field_of_next_year": {"x": 1}}}
    heard = caller.ask(theirs, [caller.user("go")], mode, **odd)
    receipt = warmroute.receipt(heard.answer)
    assert receipt is not None
    told = [name for name in receipt.dropped if not name.startswith("answer.")]
    expected = sorted([*DROPPED[own, theirs], "a_field_of_next_year"]) if own != theirs else []
    assert told == expected
    assert len(set(receipt.dropped)) == len(receipt.dropped)
    assert receipt.raw["dropped"] == list(receipt.dropped)
    [fact] = [fact for fact in house.facts() if fact.inference_id == receipt.inference_id]
    assert fact.dropped == receipt.dropped


@pytest.mark.parametrize(("own", "theirs"), CROSSING, ids=lambda name: name)
def test_any_number_of_odd_fields_is_told_in_bounds(house: House, caller: Caller, own: str, theirs: str) -> None:
    """Fields that nobody knows are reported at any depth; a hostile number of them does not fill the ledger."""
    turn = caller.user("go")
    turn["content"][0]["oddity"] = 1
    caller.ask(theirs, [turn], extra_body={"odd": 1})
    path = {"chat": "messages[]", "messages": "messages[]", "responses": "input[]"}[own]
    assert {f"{path}.content[].oddity", "odd"} <= {*caller.fact.dropped}
    caller.ask(theirs, [turn], extra_body={f"odd{n:02}" + "x" * 500: n for n in range(60)})
    dropped = caller.fact.dropped
    assert 2 < len(dropped) <= 25
    assert sum(map(len, dropped)) < 700, "each kilobyte of a row is a write unit"
    assert dropped[-1].startswith("and ")
    assert all(len(name) <= 100 for name in dropped)


@pytest.mark.case("C8")
@pytest.mark.parametrize(
    ("own", "theirs"), [("messages", "chat"), ("messages", "responses")], ids=lambda name: name
)
def test_cache_marks_are_reported_where_they_cannot_be_set(
    house: House, caller: Caller, own: str, theirs: str
) -> None:
    """Marks on the system prompt, tools, blocks and results are named by their places; the request is served."""
    mark = {"cache_control": {"type": "ephemeral"}}
    tools = [caller.tools("read")["tools"][0] | mark]
    house.providers[SPEAKS[theirs]].plan(Answer(tool_calls=[ToolCall("read", {"path": "a"})]))
    turns = [{"role": "user", "content": [{"type": "text", "text": "look", **mark}]}]
    first = caller.ask(theirs, turns, tools=tools)
    results = caller.results(Result(first.calls[0].id, "x"))
    results[0]["content"][0] |= mark
    system: Any = [{"type": "text", "text": "brief", **mark}]
    caller.ask(theirs, [*turns, *first.turns, *results], tools=tools, system=system)
    assert caller.dropped == [
        "messages[].content[].cache_control",
        "system[].cache_control",
        "tools[].cache_control",
    ]


@pytest.mark.parametrize("own", DIALECTS)
def test_a_body_that_cannot_be_read_matters_only_across(house: House, caller: Caller, own: str) -> None:
    """What our reading refuses goes to the own dialect as it came; across it is a 400 that says why."""
    odd = {"chat": {"role": "narrator", "content": "x"}, "messages": {"role": "narrator", "content": "x"}}
    turns = [odd.get(own, {"type": "message", "role": "narrator", "content": "x"}), caller.user("go")]
    caller.ask(own, turns)
    assert "narrator" in house.providers[SPEAKS[own]].calls[-1].raw.decode()
    theirs = next(name for name in DIALECTS if name != own)
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match="role"):
        caller.ask(theirs, turns)
    assert not house.providers[SPEAKS[theirs]].calls
