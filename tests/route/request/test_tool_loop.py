"""The tool-loop guard: what is a loop, in each dialect, and what becomes of the request."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.config.file import Config
from route.config.profiles import ToolLoopGuard
from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.count_tokens import COUNT_TOKENS
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.neutral import NeutralRequest
from route.dialects.responses import RESPONSES
from route.errors import ApiError
from route.request.lazy_neutral import LazyNeutral
from route.request.parse import Request, estimate_tokens
from route.request.tool_loop import HINT, ToolLoop, _tail, detect, guard_tool_loop
from tests.route.build import Json, config, request

SECRET = "swordfish"


@dataclass(frozen=True)
class Call:
    """A call of a tool and what came of it; no result yet where that is None."""

    name: str = "Read"
    arguments: str = '{"path": "a"}'
    result: str | None = "same"
    id: str = ""


READ = Call()
OTHER = Call(arguments='{"path": "b"}')

Step = str | tuple[Call, ...]
"""What the user says (`user: …`), the assistant says (`…`), or the assistant calls at once."""


def _chat(steps: Sequence[Step]) -> Json:
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n, step in enumerate(steps):
        if isinstance(step, str):
            said.append(_words(step))
            continue
        calls = [(call.id or f"c{n}.{m}", call) for m, call in enumerate(step)]
        functions = [(i, {"name": call.name, "arguments": call.arguments}) for i, call in calls]
        made = [{"id": i, "type": "function", "function": function} for i, function in functions]
        said.append({"role": "assistant", "content": None, "tool_calls": made})
        said += [
            {"role": "tool", "tool_call_id": i, "content": c.result} for i, c in calls if c.result is not None
        ]
    return {"model": "", "messages": said}


def _messages(steps: Sequence[Step]) -> Json:
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n, step in enumerate(steps):
        if isinstance(step, str):
            said.append(_words(step))
            continue
        calls = [(call.id or f"c{n}.{m}", call) for m, call in enumerate(step)]
        made = [
            {"type": "tool_use", "id": i, "name": c.name, "input": json.loads(c.arguments, strict=False)}
            for i, c in calls
        ]
        said.append({"role": "assistant", "content": made})
        results = [
            {"type": "tool_result", "tool_use_id": i, "content": [{"type": "text", "text": c.result}]}
            for i, c in calls
            if c.result is not None
        ]
        said += [{"role": "user", "content": results}] if results else []
    return {"model": "", "max_tokens": 100, "messages": said}


def _responses(steps: Sequence[Step]) -> Json:
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n, step in enumerate(steps):
        if isinstance(step, str):
            said.append(_words(step))
            continue
        calls = [(call.id or f"c{n}.{m}", call) for m, call in enumerate(step)]
        said += [
            {"type": "function_call", "call_id": i, "name": c.name, "arguments": c.arguments} for i, c in calls
        ]
        said += [
            {"type": "function_call_output", "call_id": i, "output": c.result}
            for i, c in calls
            if c.result is not None
        ]
    return {"model": "", "input": said}


def _words(step: str) -> Json:
    role, _, words = step.rpartition(": ")
    return {"role": role or "assistant", "content": words}


TALKS = {CHAT: _chat, MESSAGES: _messages, RESPONSES: _responses}
DIALECTS = pytest.mark.parametrize("dialect", TALKS, ids=lambda dialect: dialect.name)


def guarded(dialect: Dialect, *steps: Step, **guard: Any) -> Request:
    """A request with this conversation, before its guard, under a profile with these numbers."""
    return request(TALKS[dialect](steps), dialect=dialect, config=guarding(**guard))


def guarding(**guard: Any) -> Config:
    return config(profiles={"default": {"routes": ["acme/small"], "tool_loop": guard}})


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


LOOP: list[Step] = [(Call(arguments=json.dumps({"path": SECRET}), result=SECRET),)] * 4
TOLD = {"profile": "default", "tool_name": "Read", "repeat_count": 4, "threshold": 3, "window": 5}


@DIALECTS
def test_a_warning_changes_nothing_but_the_mark(dialect: Dialect, caplog: pytest.LogCaptureFixture) -> None:
    """The same body goes on; the event says what was seen, and no argument and no result."""
    asked = guarded(dialect, *LOOP)
    went_on = guard_tool_loop(asked)
    assert went_on == replace(asked, origin=replace(asked.origin, tool_loop="warn"))
    assert went_on.body is asked.body
    assert went_on.neutral is asked.neutral
    (record,) = caplog.records
    assert (record.message, record.levelno) == ("tool-loop-detected", logging.WARNING)
    assert {name: vars(record)[name] for name in (*TOLD, "action")} == TOLD | {"action": "warn"}
    assert SECRET not in repr(vars(record))


@DIALECTS
def test_a_hint_is_added_to_a_copy(dialect: Dialect) -> None:
    """At the end of the system prompt; the caller's body stays, and the copy is what is read and weighed."""
    asked = guarded(dialect, *LOOP, action="inject")
    before = json.dumps(asked.body)
    went_on = guard_tool_loop(asked)
    assert (went_on.origin.tool_loop, json.dumps(asked.body)) == ("inject", before)
    assert json.dumps(went_on.body).count(HINT) == 1
    assert isinstance(went_on.neutral, NeutralRequest)
    first = went_on.neutral.turns[0]
    assert (first.role, [_text_of(part) for part in first.parts]) == ("system", [HINT])
    assert went_on.input_tokens == asked.input_tokens + estimate_tokens(HINT)
    assert went_on.choice == asked.choice


def _text_of(part: Any) -> str:
    return str(part.text)


def test_a_hint_stands_after_the_system_prompt_that_is_there() -> None:
    """It takes nothing away, a cache mark least of all."""
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    asked = request(_messages(LOOP) | {"system": system}, dialect=MESSAGES, config=guarding(action="inject"))
    assert guard_tool_loop(asked).body["system"] == [*system, {"type": "text", "text": HINT}]


@DIALECTS
@pytest.mark.case("C12")
def test_a_broken_loop_is_an_error_in_the_dialect(dialect: Dialect) -> None:
    """400 with what was seen and without arguments; never tried again, since it would be the same."""
    with pytest.raises(ApiError) as caught:
        guard_tool_loop(guarded(dialect, *LOOP, action="break"))
    error = caught.value
    assert (error.status, error.code) == (400, "tool_loop_detected")
    assert error.headers()["x-should-retry"] == "false"
    document = dialect.error_document(error, "inf_1")
    assert document["error"]["tool_loop"] == TOLD
    assert document["error"]["code"] == "tool_loop_detected"
    assert document["error"]["type"] == "invalid_request_error"
    assert SECRET not in json.dumps(document)


def test_a_name_that_no_log_takes_is_cut() -> None:
    """A caller may call a tool anything."""
    call = Call(name="x" * 1000 + "\ud800")
    with pytest.raises(ApiError) as caught:
        guard_tool_loop(guarded(CHAT, *[(call,)] * 3, action="break"))
    assert caught.value.detail["tool_loop"]["tool_name"] == "x" * 256
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("action", ["warn", "inject", "break"])
def test_without_a_loop_the_request_is_the_same(action: str) -> None:
    """Not a copy: the very one."""
    for steps in (LOOP[:2], [], [*LOOP, "user: go on"]):
        asked = guarded(CHAT, *steps, action=action)
        assert guard_tool_loop(asked) is asked


def test_a_guard_that_is_off_does_not_look(caplog: pytest.LogCaptureFixture) -> None:
    """Neither does one look at what is no inference, nor at what cannot be read."""
    counted = request(_messages(LOOP), dialect=COUNT_TOKENS, config=guarding(action="break"))
    unreadable = request(
        {"messages": [*_chat(LOOP)["messages"], {"role": "oracle"}]}, config=guarding(action="break")
    )
    counts = guarded(CHAT, *LOOP, action="break")
    counts = replace(counts, origin=replace(counts.origin, dialect=COUNT_TOKENS.name))
    embedded = request({"input": ["a"]}, dialect=EMBEDDINGS, config=guarding(action="break"))
    for asked in (guarded(CHAT, *LOOP, action="off"), counted, counts, unreadable, embedded):
        assert guard_tool_loop(asked) is asked
    assert not caplog.records


@DIALECTS
def test_where_a_person_spoke_last_nothing_is_read(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that plain talk costs nothing: it can be in no loop. Results of tools are read."""

    def read(self: object, body: Json) -> None:
        raise AssertionError

    asked, looping = guarded(dialect, "hello", "user: and now?"), guarded(dialect, *LOOP)
    spoken = request({"input": "hello"}, dialect=RESPONSES)
    monkeypatch.setattr(type(dialect.conversion), "read_request", read)
    monkeypatch.setattr(type(RESPONSES.conversion), "read_request", read)
    assert guard_tool_loop(asked) is asked
    assert guard_tool_loop(spoken) is spoken
    with pytest.raises(AssertionError):
        guard_tool_loop(looping)


def test_the_length_of_a_conversation_costs_nothing() -> None:
    """Only its end is looked at: nothing before the last calls is even touched."""

    class Trap:
        @property
        def role(self) -> str:
            raise AssertionError

    neutral = guarded(CHAT, *[(READ,)] * 10).neutral
    assert isinstance(neutral, NeutralRequest)
    long: Any = (*[Trap()] * 1000, *neutral.turns)
    assert detect(replace(neutral, turns=long), ToolLoopGuard()) == ToolLoop("Read", 5)
    other = guarded(CHAT, (OTHER,), (READ,)).neutral
    assert isinstance(other, NeutralRequest)
    assert detect(replace(other, turns=(*long[:1000], *other.turns)), ToolLoopGuard()) is None


@DIALECTS
def test_a_long_conversation_is_read_from_its_end_alone(dialect: Dialect) -> None:
    """What is found is what would be found in all of it, and what is read does not grow with it."""
    early = [(Call(arguments=json.dumps({"path": str(n)})),) for n in range(300)]
    looping = guarded(dialect, *early, *[(READ,)] * 3, action="break")
    with pytest.raises(ApiError):
        guard_tool_loop(looping)
    calm = guarded(dialect, *early, (READ,), (READ,), action="break")
    assert guard_tool_loop(calm) is calm
    for asked in (looping, calm):
        field = "messages" if "messages" in asked.body else "input"
        assert len(_tail(asked.body, 5)[field]) < 200 < len(asked.body[field])
        assert isinstance(LazyNeutral(dialect, _tail(asked.body, 5)).neutral, NeutralRequest)
        assert "neutral" not in vars(asked.lazy_neutral), "the whole of it has not been read"


@DIALECTS
@given(st.lists(st.integers(1, 6), min_size=20, max_size=60), st.integers(2, 8), st.booleans())
def test_the_end_says_what_all_of_it_says(dialect: Dialect, made: list[int], window: int, ends: bool) -> None:
    """Whatever number of calls each turn makes at once, up to half a dozen."""
    steps = [tuple(Call(arguments=json.dumps({"n": n % 2})) for _ in range(many)) for n, many in enumerate(made)]
    steps += [(READ,)] * (3 if ends else 1)
    guard = ToolLoopGuard(window=max(window, 3))
    asked = guarded(dialect, *steps)
    tail = LazyNeutral(dialect, _tail(asked.body, guard.window)).neutral
    whole = asked.neutral
    assert isinstance(tail, NeutralRequest)
    assert isinstance(whole, NeutralRequest)
    assert detect(tail, guard) == detect(whole, guard)


@given(st.integers(0, 9), st.integers(3, 8))
def test_words_between_calls_are_no_calls(many: int, window: int) -> None:
    """An assistant may write any number of items before each call: the end still holds the window."""
    said: list[Json] = [{"role": "user", "content": "go"}]
    for n in range(40):
        said += [{"role": "assistant", "content": f"Hm {m}."} for m in range(many)]
        said += [
            {"type": "function_call", "call_id": f"c{n}", "name": "Read", "arguments": "{}"},
            {"type": "function_call_output", "call_id": f"c{n}", "output": "same"},
        ]
    tail = LazyNeutral(RESPONSES, _tail({"model": "", "input": said}, window)).neutral
    assert isinstance(tail, NeutralRequest)
    assert detect(tail, ToolLoopGuard(window=window)) == ToolLoop("Read", window)
