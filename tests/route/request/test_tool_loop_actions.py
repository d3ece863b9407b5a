"""What the guard against repeated tool calls does, and how little it reads."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from route.request.parse import estimate_tokens
from route.request.tool_loop import HINT, ToolLoop, _tail, detect, guard_tool_loop
from tests.route.build import Json, request
from tests.route.request.tool_talks import (
    DIALECTS,
    OTHER,
    READ,
    Call,
    Step,
    _chat,
    _messages,
    guarded,
    guarding,
)

SECRET = "swordfish"


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
