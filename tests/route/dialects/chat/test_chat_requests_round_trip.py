"""A request that is written as a chat completion is read back as it was."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from route.dialects.chat.conversion import CONVERSION
from route.dialects.fields import Report
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
from tests.fakes.fields import chat_field_unknown
from tests.fakes.rules_chat import chat_rules
from tests.route.dialects.chat.chat_requests import GATEWAY, MARK, TARGET

# What is read back is what was written. Only what chat completions can say in one way alone is drawn here.

_TEXTS = st.text(min_size=1, max_size=20)
_IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)
_MARKS = st.none() | st.just(MARK)
_DATA = st.sampled_from(["aGk=", "iVBO", "JVBERi0="])
_SCHEMAS = st.none() | st.fixed_dictionaries({"type": st.just("object"), "properties": st.just({"a": {}})})
_TEXT = st.builds(Text, text=_TEXTS, cache=_MARKS)
_IMAGE = st.one_of(
    st.builds(Image, url=st.just("https://x.example/a"), detail=st.sampled_from(["", "low"]), cache=_MARKS),
    st.builds(Image, media_type=st.sampled_from(["image/png", "image/webp"]), data=_DATA, cache=_MARKS),
)
_USER_PARTS = st.one_of(
    _TEXT,
    _IMAGE,
    st.builds(Audio, data=_DATA, format=st.sampled_from(["wav", "mp3"]), cache=_MARKS),
    st.builds(File, media_type=st.just("application/pdf"), data=_DATA, name=_TEXTS, cache=_MARKS),
)
_THOUGHTS = st.one_of(
    st.builds(Thinking, text=st.text(max_size=20), signature=_TEXTS),
    st.builds(Thinking, redacted=_TEXTS),
    st.builds(Thinking, text=_TEXTS, encrypted=_TEXTS),
)
_TOOLS = st.builds(
    Tool,
    name=_IDS,
    description=st.text(max_size=9),
    parameters=_SCHEMAS,
    strict=st.none() | st.booleans(),
    cache=_MARKS,
)


@st.composite
def _exchange(draw: st.DrawFn) -> list[Turn]:
    """What the assistant says and calls; and what came of the calls, one turn for each."""
    thoughts = draw(st.lists(_THOUGHTS, max_size=2))
    said = draw(st.lists(_TEXT | st.builds(Refusal, text=_TEXTS, cache=_MARKS), max_size=2))
    calls = [
        ToolCall(id=call_id, name=draw(_IDS), arguments=draw(st.sampled_from(["{}", '{"a": 1}', "broken"])))
        for call_id in draw(st.lists(_IDS, max_size=2, unique=True))
    ]
    results = st.lists(_TEXT, max_size=2)
    turns = [Turn("user", (ToolResult(call_id=call.id, parts=tuple(draw(results))),)) for call in calls]
    return [Turn("assistant", (*thoughts, *said, *calls)), *turns, Turn("user", (draw(_TEXT),))]


_SAID = st.one_of(
    _exchange(),
    st.builds(lambda parts: [Turn("user", tuple(parts))], st.lists(_USER_PARTS, max_size=3)),
    st.builds(
        lambda role, parts: [Turn(role, tuple(parts))],
        st.sampled_from(["system", "developer"]),
        st.lists(_TEXT, max_size=2),
    ),
)
_FORMATS = st.just(Format("json_object")) | st.builds(
    Format,
    st.just("json_schema"),
    _SCHEMAS,
    name=_TEXTS,
    description=st.text(max_size=9),
    strict=st.none() | st.booleans(),
)
_EFFORTS = st.sampled_from(["minimal", "low", "medium", "high", "xhigh", "max"])
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "max_output_tokens": st.integers(1, 10**6),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "stop": st.lists(_TEXTS, min_size=1, max_size=4).map(tuple),
    "seed": st.integers(-(2**63), 2**63),
    "n": st.integers(2, 128),
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
    "logit_bias": st.just({"50": -100}),
    "logprobs": st.integers(0, 20),
    "format": _FORMATS,
    "reasoning": st.just(ReasoningSettings(False)) | st.builds(ReasoningSettings, st.just(True), _EFFORTS),
    "user": st.text(max_size=64),
    "service_tier": st.sampled_from(["auto", "flex"]),
    "verbosity": st.sampled_from(["low", "high"]),
    "cache_key": _TEXTS,
}


@st.composite
def _requests(draw: st.DrawFn) -> NeutralRequest:
    turns = [turn for run in draw(st.lists(_SAID, min_size=1, max_size=4)) for turn in run]
    tools = tuple(draw(st.lists(_TOOLS, max_size=3)))
    names = draw(st.sets(st.sampled_from(sorted(_VALUES))))
    options = {name: Option(draw(_VALUES[name]), "") for name in names}
    if tools:
        modes = [
            ToolChoice("auto"),
            ToolChoice("none"),
            ToolChoice("required"),
            ToolChoice("named", tools[0].name),
        ]
        options["tool_choice"] = Option(draw(st.sampled_from(modes)), "")
        options["parallel_tool_calls"] = Option(draw(st.booleans()), "")
    return NeutralRequest(tuple(turns), tools, options=options, stream=draw(st.booleans()))


def _placeless(part: Part) -> Part:
    if isinstance(part, ToolResult):
        return replace(part, at="", parts=tuple(_placeless(inner) for inner in part.parts))
    return replace(part, at="")


@given(_requests(), st.sampled_from(["max_tokens", "max_completion_tokens"]))
def test_round_trip(request: NeutralRequest, field: str) -> None:
    """What is written for a server that takes everything is read back as it was."""
    report = Report()
    target = replace(GATEWAY, max_tokens_field=field)
    body = CONVERSION.write_request(request, target, report)
    assert (report.dropped, report.refused) == ((), ())
    assert [fault.message for fault in chat_rules(body)] == []
    found = CONVERSION.read_request(json.loads(json.dumps(body)))
    assert (found.dropped, found.refused) == ((), ())
    turns = [Turn(turn.role, tuple(map(_placeless, turn.parts))) for turn in found.turns]
    assert tuple(turns) == request.turns
    assert tuple(replace(tool, at="") for tool in found.tools) == request.tools
    values = {name: option.value for name, option in found.options.items()}
    assert values == {name: option.value for name, option in request.options.items()}
    assert found.stream == request.stream


@given(_requests())
def test_plain_servers(request: NeutralRequest) -> None:
    """A server that knows only the vendor's own fields is sent no others."""
    report = Report()
    body = CONVERSION.write_request(request, TARGET, report)
    assert chat_field_unknown(body) is None
