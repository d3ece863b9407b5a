"""When repeated tool calls are a loop, in every dialect."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.config.profiles import ToolLoopGuard
from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.messages import MESSAGES
from route.dialects.neutral import NeutralRequest
from route.dialects.responses import RESPONSES
from route.request.tool_loop import ToolLoop, detect
from tests.route.build import Json, request
from tests.route.request.tool_talks import (
    DIALECTS,
    OTHER,
    READ,
    TALKS,
    Call,
    Step,
    _messages,
    guarded,
)


def loop(dialect: Dialect, *steps: Step, **guard: Any) -> ToolLoop | None:
    neutral = guarded(dialect, *steps).neutral
    assert isinstance(neutral, NeutralRequest)
    return detect(neutral, ToolLoopGuard(**guard))


def seen(asked: Json) -> ToolLoop | None:
    """In a body of Anthropic's messages."""
    neutral = request(asked, dialect=MESSAGES).neutral
    assert isinstance(neutral, NeutralRequest)
    return detect(neutral, ToolLoopGuard())


def each(call: Call, *results: str | None) -> list[tuple[Call, ...]]:
    """The same call, turn by turn, with these results."""
    return [(replace(call, result=result),) for result in results]


BASH = Call(name="Bash", arguments="{}")


@DIALECTS
@pytest.mark.case("C12")
def test_three_equal_calls_are_a_loop_and_two_are_none(dialect: Dialect) -> None:
    """At the threshold it is one, with the tool's name and the length of the run."""
    assert loop(dialect, *[(READ,)] * 3) == ToolLoop("Read", 3)
    assert loop(dialect, *[(READ,)] * 2) is None
    assert loop(dialect, *[(READ,)] * 2, threshold=2) == ToolLoop("Read", 2)
    assert loop(dialect) is None


@DIALECTS
@pytest.mark.case("C12")
def test_only_the_run_at_the_end_counts(dialect: Dialect) -> None:
    """Other arguments are no loop, and a run that something else has ended is over."""
    a, b, c = ((Call(arguments=json.dumps({"path": path})),) for path in "abc")
    assert loop(dialect, a, b, c) is None
    assert loop(dialect, a, a, a, (BASH,)) is None
    assert loop(dialect, (BASH,), a, a, a) == ToolLoop("Read", 3)
    assert loop(dialect, a, a, b, a) is None
    assert loop(dialect, (BASH, READ), a, a) == ToolLoop("Read", 3)
    assert loop(dialect, (READ, BASH), a, a) is None
    assert loop(dialect, *[(Call(name=name),) for name in ("Read", "Write", "Read")]) is None


@DIALECTS
@pytest.mark.case("C12")
def test_the_order_of_keys_is_nothing(dialect: Dialect) -> None:
    """At any depth, and blanks neither; another value is another call."""
    one = Call(arguments='{"a": 1, "b": {"c": [1, 2], "d": null}}')
    two = Call(arguments='{"b":{"d":null,"c":[1,2]},"a":1}')
    assert loop(dialect, (one,), (two,), (one,)) == ToolLoop("Read", 3)
    assert loop(dialect, (one,), (Call(arguments='{"b":{"d":null,"c":[2,1]},"a":1}'),), (one,)) is None


@DIALECTS
@pytest.mark.case("C12")
def test_a_call_whose_results_differ_is_polling(dialect: Dialect) -> None:
    """Somebody waits for something; once the answers stay the same for long enough it is a loop."""
    assert loop(dialect, *each(READ, "10 %", "20 %", "30 %")) is None
    assert loop(dialect, *each(READ, "10 %", "30 %", "30 %")) is None
    assert loop(dialect, *each(READ, "10 %", "30 %", "30 %", "30 %")) == ToolLoop("Read", 3)


@DIALECTS
def test_a_result_that_is_not_there_yet_equals_any(dialect: Dialect) -> None:
    """But it does not make two others equal."""
    assert loop(dialect, *each(READ, "same", "same", None)) == ToolLoop("Read", 3)
    assert loop(dialect, *each(READ, "one", None, "two")) is None
    assert loop(dialect, *each(READ, "one", "two", None)) is None


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES], ids=lambda dialect: dialect.name)
def test_calls_without_any_result_are_a_loop(dialect: Dialect) -> None:
    """Where each stands in a message of its own, that is: what one item follows another is one turn."""
    assert loop(dialect, *each(READ, None, None, None)) == ToolLoop("Read", 3)
    assert loop(RESPONSES, *each(READ, None, None, None)) is None


@DIALECTS
@pytest.mark.case("C12")
def test_equal_calls_at_once_count_once(dialect: Dialect) -> None:
    """Three of a kind in one turn are no loop; such a turn three times is one, and so counted."""
    assert loop(dialect, (READ, READ, READ)) is None
    assert loop(dialect, (READ, READ), (READ,)) is None
    assert loop(dialect, *[(READ, READ)] * 3) == ToolLoop("Read", 3)
    assert loop(dialect, *[(READ, OTHER)] * 3) is None


@DIALECTS
def test_equal_calls_at_once_have_all_their_results(dialect: Dialect) -> None:
    """What came of the second of them can differ from what came of it before."""
    turns = [(READ, replace(READ, result=result)) for result in ("1", "2", "3")]
    assert loop(dialect, *turns) is None


@DIALECTS
def test_the_window_bounds_what_is_looked_at(dialect: Dialect) -> None:
    """Of nine equal calls five are seen, or as many as the window has; a threshold as large is reached."""
    assert loop(dialect, *[(READ,)] * 9) == ToolLoop("Read", 5)
    assert loop(dialect, *[(READ,)] * 9, window=50, threshold=9) == ToolLoop("Read", 9)
    assert loop(dialect, *[(READ,)] * 9, window=50, threshold=10) is None
    assert loop(dialect, *[(READ,)] * 9, window=2, threshold=2) == ToolLoop("Read", 2)


@DIALECTS
def test_who_says_something_in_between_ends_the_run(dialect: Dialect) -> None:
    """An assistant that speaks instead of calling, and a person: `break` would end their conversation for good."""
    turns: list[Step] = [(READ,)] * 3
    assert loop(dialect, *turns, "user: try something else") is None
    assert loop(dialect, *turns, "I am done", "user: again") is None
    assert loop(dialect, *turns[:2], "let me think", "user: go on", *turns[:2]) is None
    assert loop(dialect, *turns, "user: again", *turns) == ToolLoop("Read", 3)
    assert loop(dialect, *turns, "assistant: I give up") is None


def test_words_beside_a_result_are_no_person() -> None:
    """An agent adds reminders to them."""
    asked = _messages([(READ,)] * 3)
    for message in asked["messages"][2::2]:
        message["content"].append({"type": "text", "text": "<system-reminder>no</system-reminder>"})
    assert seen(asked) == ToolLoop("Read", 3)


def test_words_beside_a_call_do_not_end_the_run() -> None:
    """Most models say what they are about to do."""
    asked = _messages([(READ,)] * 3)
    for n, message in enumerate(asked["messages"][1::2]):
        message["content"].insert(0, {"type": "text", "text": f"Let me look, {n}."})
    assert seen(asked) == ToolLoop("Read", 3)


def test_a_mark_for_the_cache_makes_no_other_result() -> None:
    """Clients move it on to the last one with each turn."""
    asked = _messages([(READ,)] * 3)
    last = asked["messages"][-1]["content"][0]
    last["cache_control"] = last["content"][0]["cache_control"] = {"type": "ephemeral"}
    assert seen(asked) == ToolLoop("Read", 3)
    for n, message in enumerate(asked["messages"][2::2]):
        image: Json = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
        message["content"][0]["content"] = [image | ({"cache_control": {"type": "ephemeral"}} if n == 2 else {})]
    assert seen(asked) == ToolLoop("Read", 3)
    image["source"]["url"] = "https://a.example/c.png"
    assert seen(asked) is None


def test_a_failure_and_a_success_with_the_same_words_differ() -> None:
    """`is_error` is part of what came of a call."""
    asked = _messages([(READ,)] * 3)
    asked["messages"][4]["content"][0]["is_error"] = True
    assert seen(asked) is None


def test_ids_may_be_used_again() -> None:
    """Some local servers call each first call `call_0`: a call's result is the next one of its id."""
    turns = [replace(call, id="call_0") for (call,) in each(READ, "1", "2", "3")]
    assert loop(CHAT, *[(call,) for call in turns]) is None
    assert loop(CHAT, *[(replace(call, result="1"),) for call in turns]) == ToolLoop("Read", 3)
    assert loop(CHAT, *[(call,) for call in turns[:2]], (replace(turns[0], result=None),)) is None


BROKEN = ["{", "", "NaN", "[" * 100_000, '{"a": 1} x']


@pytest.mark.parametrize("arguments", BROKEN, ids=lambda text: text[:8] or "empty")
@pytest.mark.parametrize("dialect", [CHAT, RESPONSES], ids=lambda dialect: dialect.name)
def test_arguments_that_are_no_json_are_compared_as_they_stand(dialect: Dialect, arguments: str) -> None:
    """What a model says over and over need not make sense."""
    assert loop(dialect, *[(Call(arguments=arguments),)] * 3) == ToolLoop("Read", 3)
    assert loop(dialect, *[(Call(arguments=arguments + " " * n),) for n in range(3)]) is None or arguments == "NaN"


def test_free_text_of_a_tool_is_no_json() -> None:
    """`{"a":1}` and `{"a": 1}` are two scripts."""
    for scripts, expected in ((['{"a": 1}'] * 3, ToolLoop("run", 3)), (['{"a": 1}', '{"a":1}', '{"a": 1}'], None)):
        said: list[Json] = []
        for n, script in enumerate(scripts):
            said += [
                {"type": "custom_tool_call", "call_id": f"c{n}", "name": "run", "input": script},
                {"type": "custom_tool_call_output", "call_id": f"c{n}", "output": "same"},
            ]
        neutral = request({"input": said}, dialect=RESPONSES).neutral
        assert isinstance(neutral, NeutralRequest)
        assert detect(neutral, ToolLoopGuard()) == expected


CALLS = st.lists(st.lists(st.sampled_from([READ, OTHER, BASH]), min_size=1, max_size=3).map(tuple), max_size=9)


@given(CALLS, st.integers(2, 6), st.integers(2, 6))
def test_the_dialects_see_the_same_loops(turns: list[tuple[Call, ...]], window: int, threshold: int) -> None:
    """Whatever is called; and a loop is never longer than the window, nor shorter than the threshold."""
    guard = {"window": window, "threshold": min(window, threshold)}
    loops = {loop(dialect, *turns, **guard) for dialect in TALKS}
    assert len(loops) == 1
    (one,) = loops
    assert one is None or guard["threshold"] <= one.repeat_count <= window
