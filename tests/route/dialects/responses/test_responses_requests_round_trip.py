"""A request that is written for a provider of Responses is read back as it was."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseInputItemParam
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from route.dialects.fields import Report
from route.dialects.neutral import (
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
    ToolCall,
    ToolResult,
    Turn,
)
from route.dialects.responses.conversion import CONVERSION
from tests.route.dialects.responses.responses_requests import TARGET, Json

ASKED: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsNonStreaming)
ITEM: TypeAdapter[Any] = TypeAdapter(ResponseInputItemParam)
TEXT = st.text(min_size=1, max_size=8)
USER = (
    st.builds(Text, text=TEXT)
    | st.builds(Image, url=st.just("https://x/y"))
    | st.builds(File, file_id=st.just("file-1"))
)
ASSISTANT = (
    st.builds(Text, text=TEXT)
    | st.builds(Refusal, text=TEXT)
    | st.builds(Thinking, text=TEXT, encrypted=st.just("gAAAA"))
    | st.builds(ToolCall, id=st.sampled_from("ab"), name=st.just("f"), arguments=st.just("{}"))
    | st.builds(ToolCall, id=st.sampled_from("cd"), name=st.just("g"), arguments=TEXT, free=st.just(True))
)
RESULT = st.builds(ToolResult, call_id=st.just("x"), parts=st.lists(USER, max_size=3).map(tuple))
TURN = (
    st.builds(
        Turn, st.sampled_from(["user", "system", "developer"]), st.lists(USER, min_size=1, max_size=3).map(tuple)
    )
    | st.builds(Turn, st.just("user"), RESULT.map(lambda result: (result,)))
    | st.builds(Turn, st.just("assistant"), st.lists(ASSISTANT, min_size=1, max_size=4).map(tuple))
)
OPTIONS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "max_output_tokens": st.integers(16, 999),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "logprobs": st.integers(0, 20),
        "format": st.just(Format("json_schema", {"type": "object"}, "n", "d", True)),
        "reasoning": st.builds(
            ReasoningSettings,
            st.just(True),
            st.sampled_from(["low", "xhigh"]),
            st.none(),
            st.sampled_from([None, True]),
        ),
        "user": TEXT,
        "metadata": st.dictionaries(TEXT, TEXT, max_size=2),
        "verbosity": st.sampled_from(["low", "high"]),
        "cache_key": TEXT,
    },
)


@given(st.lists(TURN, min_size=1, max_size=5), OPTIONS, st.booleans())
def test_a_request_goes_round(turns: list[Turn], options: Json, stream: bool) -> None:
    """Written and read again it is what it was, and the vendor's types take it."""
    asked = NeutralRequest(tuple(turns), options={n: Option(v, n) for n, v in options.items()}, stream=stream)
    report = Report()
    body = CONVERSION.write_request(asked, TARGET, report)
    again = CONVERSION.read_request(body)
    assert (report.dropped, report.refused, again.dropped, again.refused) == ((), (), (), ())
    assert {name: option.value for name, option in again.options.items()} == options
    assert again.stream is stream
    assert plain(again.turns) == plain(tuple(turns))
    ASKED.validate_python({**body, "input": "", "stream": False})
    for item in body["input"]:
        # The vendor takes an assistant's text without an id, though its types do not say so.
        if item.get("role") != "assistant" and item["type"] != "reasoning":
            ITEM.validate_python(item)


def plain(turns: tuple[Turn, ...]) -> list[tuple[str, list[str]]]:
    """Without places, and with what an assistant says in one go as one turn."""
    said: list[tuple[str, list[str]]] = []
    for turn in turns:
        parts = [str(_placeless(part)) for part in turn.parts]
        if said and said[-1][0] == turn.role == "assistant":
            said[-1][1].extend(parts)
        else:
            said.append((turn.role, parts))
    return said


def _placeless(part: Part) -> Json:
    fields = {name: getattr(part, name) for name in type(part).__match_args__ or _names(part)}
    if isinstance(part, ToolResult):
        fields["parts"] = [_placeless(inner) for inner in part.parts]
        fields.pop("free")
    return {"type": type(part).__name__, **{name: value for name, value in fields.items() if name != "at"}}


def _names(part: Part) -> tuple[str, ...]:
    return tuple(type(part).__dataclass_fields__)
