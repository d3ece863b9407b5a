"""Requests for Anthropic's messages: whatever is written is taken, and read as it was."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import dump
from route.dialects.neutral import (
    Audio,
    File,
    Format,
    Image,
    NeutralRequest,
    Option,
    Part,
    ReasoningSettings,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.route.build import Json
from tests.route.dialects.messages.messages_judge import (
    CONVERSION,
    FUNCTION,
    MARK,
    TARGET,
    THOUGHT,
    assistant,
    judge,
    text,
    user,
    written,
)

PDF = b64encode(b"%PDF-1.7").decode()
TEXTS = st.text(min_size=1, max_size=6).filter(str.strip)
LEGAL = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
MARKS = st.sampled_from([None, None, None, MARK])
JSON = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.none(), max_size=2)
SHOWN: st.SearchStrategy[Part] = st.one_of(
    TEXTS.map(text),
    st.builds(Image, media_type=st.just("image/png"), data=st.just("AA==")),
    st.builds(Image, url=st.just("https://a.example/b.png")),
    st.builds(File, media_type=st.just("application/pdf"), data=st.just(PDF), name=st.sampled_from(["", "t"])),
    st.builds(File, media_type=st.just("text/plain"), text=TEXTS),
)


@st.composite
def conversations(draw: st.DrawFn) -> NeutralRequest:
    """What Anthropic's dialect can say, in the form in which it would be read."""
    ids = iter(draw(st.lists(LEGAL, min_size=12, max_size=12, unique=True)))
    turns = [Turn("system", (text("s"),))] if draw(st.booleans()) else []
    results: list[Part] = []
    for _ in range(draw(st.integers(1, 3))):
        said: list[Part] = draw(st.lists(SHOWN, min_size=0 if results else 1, max_size=3))
        turns.append(user(*results, *said))
        calls = [
            ToolCall(id=next(ids), name=draw(LEGAL), arguments=dump(draw(JSON)).decode())
            for _ in range(draw(st.integers(0, 3)))
        ]
        thoughts = [THOUGHT] if draw(st.booleans()) else []
        turns.append(assistant(*thoughts, text(draw(TEXTS)), *calls))
        shown = st.lists(SHOWN, min_size=1, max_size=2).map(tuple)
        results = [ToolResult(call_id=c.id, parts=draw(shown), is_error=draw(st.booleans())) for c in calls]
    turns.append(user(*results, text(draw(TEXTS))))
    tools = tuple(Tool(name, "d", {"type": "object"}) for name in draw(st.lists(LEGAL, unique=True, min_size=1)))
    settings: Json = {
        "max_output_tokens": draw(st.integers(1, 64_000)),
        "temperature": draw(st.floats(0, 1)),
        "stop": tuple(draw(st.lists(TEXTS, min_size=1))),
        "tool_choice": ToolChoice("named", tools[0].name),
        "parallel_tool_calls": False,
        "user": draw(TEXTS),
        "format": Format("json_schema", schema={"type": "object"}),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(settings)))) | {"max_output_tokens"}
    # In this dialect the one is a word of the other.
    chosen |= {"tool_choice"} if "parallel_tool_calls" in chosen else set()
    options = {name: Option(settings[name], "") for name in chosen}
    return NeutralRequest(tuple(turns), tools, options=options, stream=draw(st.booleans()))


def _nowhere(part: Any) -> Any:
    """Without what it says of the place where it stood."""
    bare = replace(part, at="")
    return replace(bare, parts=tuple(map(_nowhere, part.parts))) if hasattr(part, "parts") else bare


@given(conversations())
def test_what_is_written_is_read_as_it_was(request: NeutralRequest) -> None:
    """Whatever Anthropic's dialect can say comes back the same, and nothing is reported on either way."""
    assert CONVERSION is not None
    made, report = written(request)
    judge(made)
    back = CONVERSION.read_request(made)
    assert (report.dropped, report.refused, back.dropped, back.refused) == ((), (), (), ())
    assert [_nowhere(turn) for turn in back.turns] == [_nowhere(turn) for turn in request.turns]
    assert tuple(_nowhere(tool) for tool in back.tools) == request.tools
    assert {n: o.value for n, o in back.options.items()} == {n: o.value for n, o in request.options.items()}
    assert back.stream is request.stream


IDS = st.sampled_from(["a", "b", "", "x.y", "x_y"])
ANY_PART: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=st.text(max_size=4), at=st.just("at"), cache=MARKS),
    SHOWN,
    st.builds(Image, url=st.text(max_size=4) | st.just("data:image/png;base64,AA=="), at=st.just("at")),
    st.builds(File, media_type=st.just("text/plain"), data=st.text(max_size=4), at=st.just("at")),
    st.builds(Audio, data=st.text(max_size=2), format=st.just("wav"), at=st.just("at")),
    st.builds(Refusal, text=st.text(max_size=4), at=st.just("at")),
    st.sampled_from([THOUGHT, Thinking(text="x", at="at"), Thinking(encrypted="x", at="at")]),
    st.builds(ToolCall, id=IDS, name=st.sampled_from(["f", "g.h"]), arguments=st.text(max_size=4), cache=MARKS),
)
ANY_RESULT = st.builds(
    ToolResult, call_id=IDS, parts=st.lists(ANY_PART, max_size=2).map(tuple), is_error=st.booleans(), cache=MARKS
)
ANY_TURN = st.builds(
    Turn,
    st.sampled_from(["system", "developer", "user", "assistant"]),
    st.lists(ANY_PART | ANY_RESULT, max_size=4).map(tuple),
)
ANY_OPTION: Json = {
    "max_output_tokens": st.integers(0, 9000),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "top_k": st.integers(0, 99),
    "stop": st.lists(st.text(max_size=2)).map(tuple),
    "tool_choice": st.sampled_from([ToolChoice("required"), ToolChoice("named", "f"), ToolChoice("none")]),
    "parallel_tool_calls": st.booleans(),
    "reasoning": st.builds(
        ReasoningSettings, effort=st.sampled_from(["", "low", "max"]), budget_tokens=st.none() | st.integers()
    ),
}


@given(
    st.lists(ANY_TURN, max_size=6).map(tuple),
    st.lists(st.builds(Tool, LEGAL, cache=MARKS) | st.just(FUNCTION), max_size=3).map(tuple),
    st.fixed_dictionaries({}, optional=ANY_OPTION),
    st.sampled_from([None, "budget", "adaptive", "effort", "none"]),
)
def test_whatever_is_not_refused_is_taken_by_anthropic(
    turns: tuple[Turn, ...], tools: tuple[Tool, ...], options: Json, thinking: str | None
) -> None:
    """Any parts in any turns in any order: the body keeps the vendor's rules, or the route is refused."""
    said = {name: Option(value, name) for name, value in options.items()}
    made, report = written(NeutralRequest(turns, tools, options=said), replace(TARGET, thinking=thinking))
    if not report.refused:
        judge(made)
