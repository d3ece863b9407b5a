"""Requests for Anthropic's messages, written: what comes out is what Anthropic takes, whatever went in."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import anthropic.types as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from route.dialects.base import dump
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.messages import MESSAGES
from route.dialects.neutral import (
    OPTIONS,
    Audio,
    File,
    Format,
    HostedTool,
    Image,
    NeutralRequest,
    Option,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.fakes.rules_messages import messages_rules
from tests.fakes.seals import seal
from tests.route.build import Json

SIGNER = "anna"
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
TARGET = Target("claude")
FUNCTION = Tool("f", parameters={"type": "object"}, at="tools[].f")
CALL = ToolCall(id="a", name="f", arguments='{"x":1}', at="call")
RESULT = ToolResult(call_id="a", parts=(Text(text="42", at="in"),), at="result")
THOUGHT = Thinking(text="hm", signature=seal(SIGNER, "hm"), at="thought")
BLOCK: TypeAdapter[Any] = TypeAdapter(sdk.ContentBlockParam)
CONVERSION = MESSAGES.conversion


def user(*parts: Part) -> Turn:
    return Turn("user", parts, "user")


def assistant(*parts: Part) -> Turn:
    return Turn("assistant", parts, "assistant")


def text(said: str, **more: Any) -> Text:
    return Text(text=said, at="text", **more)


HELLO = user(text("Hello"))


def written(request: NeutralRequest, target: Target = TARGET) -> tuple[Json, Report]:
    assert CONVERSION is not None
    report = Report()
    return CONVERSION.write_request(request, target, report), report


def body(*turns: Turn, target: Target = TARGET, tools: Iterable[Tool] = (), **options: Any) -> tuple[Json, Report]:
    """The body, where nothing is refused, and the report. Options stand at their own names."""
    said = {name: Option(value, name) for name, value in options.items()}
    made, report = written(NeutralRequest(turns or (HELLO,), tools=tuple(tools), options=said), target)
    judge(made)
    return made, report


def whole(*turns: Turn, **more: Any) -> Json:
    """The body, where nothing is reported at all."""
    made, report = body(*turns, **more)
    assert (report.dropped, report.refused) == ((), ())
    return made


def judge(made: Json) -> None:
    """The vendor's rules and the types of its SDK."""
    assert [fail.body or fail.message for fail in messages_rules(made, SIGNER)] == []
    for message in made["messages"]:
        for block in message["content"]:
            BLOCK.validate_python(block)
            for inner in block.get("content") or ():
                BLOCK.validate_python(inner)
    for tool in made.get("tools", ()):
        TypeAdapter(sdk.ToolParam).validate_python(tool)
    roles = [message["role"] for message in made["messages"]]
    assert all(a != b for a, b in pairwise(roles))
    assert str(made).count("'cache_control'") <= 4


def contents(made: Json) -> list[list[Json]]:
    return [message["content"] for message in made["messages"]]


def test_system_turns_go_before_all_others_in_their_order() -> None:
    made = whole(Turn("system", (text("a"),)), HELLO, Turn("developer", (text("b", cache=MARK),)), user(text("c")))
    assert made["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": MARK}]
    assert contents(made) == [[{"type": "text", "text": "Hello"}, {"type": "text", "text": "c"}]]


def test_neighbours_of_one_side_become_one_message_results_first() -> None:
    """Two results that came in a turn each, and what the user said between them."""
    calls = (CALL, replace(CALL, id="b"))
    turns = (HELLO, assistant(text("x")), assistant(*calls), user(RESULT), user(text("y")))
    made = whole(*turns, user(replace(RESULT, call_id="b")), tools=[FUNCTION])
    assert [[block["type"] for block in blocks] for blocks in contents(made)] == [
        ["text"],
        ["text", "tool_use", "tool_use"],
        ["tool_result", "tool_result", "text"],
    ]


def test_a_result_that_came_late_goes_to_its_call() -> None:
    """Anthropic wants it in the message after the call."""
    calls = (CALL, replace(CALL, id="b"))
    late = replace(RESULT, call_id="b")
    made = whole(HELLO, assistant(*calls), user(RESULT), assistant(text("x")), user(late), tools=[FUNCTION])
    assert [block["tool_use_id"] for block in contents(made)[2]] == ["a", "b"]


@pytest.mark.parametrize("turns", [(assistant(CALL),), (user(RESULT),), (assistant(CALL), user(RESULT, RESULT))])
def test_a_call_without_its_result_is_refused_and_a_result_without_its_call(turns: tuple[Turn, ...]) -> None:
    made, report = written(NeutralRequest((HELLO, *turns), tools=(FUNCTION,)))
    assert report.refused == ("call" if turns == (assistant(CALL),) else "result",)
    assert made["messages"]


def test_ids_become_legal_and_stay_apart() -> None:
    """Call and result alike: foreign characters, none at all, the same again in a later turn."""
    ids = ["functions.f:0", "functions_f_0", "", "call_0"]
    calls = [assistant(*(replace(CALL, id=i) for i in ids)), user(*(replace(RESULT, call_id=i) for i in ids))]
    made = whole(HELLO, *calls, *calls, tools=[FUNCTION])
    used = [block["id"] for blocks in contents(made)[1::2] for block in blocks]
    assert len(set(used)) == 8
    assert [used[1], used[3]] == ["functions_f_0", "call_0"]
    assert used == [block["tool_use_id"] for blocks in contents(made)[2::2] for block in blocks]
    assert contents(whole(HELLO, *calls, tools=[FUNCTION])) == contents(made)[:3]


def test_blank_texts_are_left_out_and_their_marks_reported() -> None:
    made, report = body(user(text("", cache=MARK), text(" \n"), text("x")), assistant(text("")), user(text("y")))
    assert contents(made) == [[{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]]
    assert report.dropped == ("text.cache_control",)


def test_the_assistant_does_not_go_on_after_a_blank() -> None:
    """Only where it speaks last."""
    made = whole(HELLO, assistant(text("a \n")), HELLO, assistant(text("b"), text("c \n")))
    assert [blocks[-1]["text"] for blocks in contents(made)] == ["Hello", "a \n", "Hello", "c"]


@pytest.mark.parametrize("turns", [(assistant(text("x")), HELLO), (Turn("system", (text("x"),)),)])
def test_the_user_speaks_first(turns: tuple[Turn, ...]) -> None:
    made = whole(*turns)
    assert made["messages"][0] == {"role": "user", "content": [{"type": "text", "text": "."}]}


BROKEN = [("", False), ("{", False), ("[1]", False), ('{"n":1e400}', False), ("x", True)]


def test_arguments_are_an_object() -> None:
    """No text is an empty one, broken JSON is kept as it was said, free text is the one parameter."""
    calls = [replace(CALL, id=str(n), arguments=said, free=free) for n, (said, free) in enumerate(BROKEN)]
    results = [replace(RESULT, call_id=call.id) for call in calls]
    made = whole(HELLO, assistant(*calls), user(*results), tools=[FUNCTION])
    assert [block["input"] for block in contents(made)[1]] == [
        {},
        {"arguments": "{"},
        {"arguments": "[1]"},
        {"arguments": '{"n":1e400}'},
        {"input": "x"},
    ]


def test_an_error_says_something() -> None:
    made = whole(HELLO, assistant(CALL), user(replace(RESULT, parts=(), is_error=True)), tools=[FUNCTION])
    error = {"type": "tool_result", "tool_use_id": "a", "is_error": True}
    assert contents(made)[2] == [error | {"content": [{"type": "text", "text": "Error"}]}]


def test_a_mark_inside_a_result_stands_on_it() -> None:
    """Anthropic takes none inside; the last one covers what the others do, and the result's own all of them."""
    shown = (text("x", cache=MARK), text("y", cache=HOUR))
    made, report = body(HELLO, assistant(CALL), user(replace(RESULT, parts=shown)), tools=[FUNCTION])
    assert contents(made)[2][0]["cache_control"] == HOUR
    assert "cache_control" not in str(contents(made)[2][0]["content"])
    assert report.dropped == ("text.cache_control",)


def test_four_marks_at_most() -> None:
    """The first of five is dropped, tools before the system before messages; four stay."""
    tool, system = replace(FUNCTION, cache=MARK), Turn("system", (text("s", cache=MARK),))
    three = user(*(text(said, cache=MARK) for said in "abc"))
    made, report = body(system, three, tools=[tool])
    assert ("cache_control" in made["tools"][0], report.dropped) == (False, ("tools[].f.cache_control",))
    assert "cache_control" in whole(three, tools=[tool])["tools"][0]


def test_an_hour_does_not_come_after_five_minutes() -> None:
    made, report = body(user(text("a", cache=MARK), text("b", cache=HOUR)))
    assert [block["cache_control"] for block in contents(made)[0]] == [MARK, MARK]
    assert report.dropped == ("text.cache_control.ttl",)
    whole(user(text("a", cache=HOUR), text("b", cache=MARK)))


def test_no_marks_for_a_model_that_takes_none() -> None:
    made, report = body(user(text("a", cache=MARK)), target=replace(TARGET, cache_control=False))
    assert ("cache_control" in str(made), report.dropped) == (False, ("text.cache_control",))


def test_thoughts_go_back_to_who_sealed_them() -> None:
    """Unsealed ones are of no use to Anthropic; OpenAI's seals are refused."""
    redacted = Thinking(redacted=seal(SIGNER, "x"), at="redacted")
    made, report = body(HELLO, assistant(Thinking(text="hm", at="plain"), THOUGHT, redacted, text("x")), HELLO)
    assert [block["type"] for block in contents(made)[1]] == ["thinking", "redacted_thinking", "text"]
    assert (report.dropped, report.refused) == (("plain",), ())
    sealed = Thinking(encrypted="gAAA", at="sealed")
    assert body(HELLO, assistant(sealed, text("x")), HELLO)[1].refused == ("sealed",)


PNG = {"type": "base64", "media_type": "image/png", "data": "AA=="}
JPEG = PNG | {"media_type": "image/jpeg"}


@pytest.mark.parametrize(
    ("image", "source"),
    [
        (Image(url="https://a.example/b.png"), {"type": "url", "url": "https://a.example/b.png"}),
        (Image(media_type="image/png", data="AA=="), PNG),
        (Image(media_type="image/jpg", data="AA==", detail="auto"), JPEG),
        (Image(url="data:image/PNG;base64,AA=="), PNG),
    ],
)
def test_images(image: Image, source: Json) -> None:
    """By address, or as base64, also of an address that holds it."""
    assert contents(whole(user(image))) == [[{"type": "image", "source": source}]]


@pytest.mark.parametrize(
    "part",
    [
        Image(file_id="file-1", at="at"),
        Image(url="data:image/svg+xml,<svg/>", at="at"),
        Image(media_type="image/tiff", data="AA==", at="at"),
        Image(url="gs://bucket/b.png", at="at"),
        File(file_id="file-1", at="at"),
        File(media_type="application/zip", data="AA==", at="at"),
        File(media_type="text/plain", data="/w==", at="at"),
        Audio(data="AA==", format="wav", at="at"),
    ],
)
def test_what_anthropic_cannot_look_at_is_refused(part: Part) -> None:
    """In what the user says, and in what a tool gave."""
    assert body(user(text("x"), part))[1].refused == ("at",)
    given_back = replace(RESULT, parts=(part,))
    assert body(HELLO, assistant(CALL), user(given_back), tools=[FUNCTION])[1].refused == ("at",)


def test_a_model_without_eyes_gets_no_image() -> None:
    """Of a model that nothing is known of we take it that it has them."""
    image = Image(url="https://a.example/b.png", detail="high", at="at")
    assert body(user(text("x"), image), target=replace(TARGET, images=False))[1].refused == ("at",)
    assert body(user(image))[1].dropped == ("at.detail",)


PDF = b64encode(b"%PDF-1.7").decode()


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (File(url="https://a.example/b.pdf"), {"type": "url", "url": "https://a.example/b.pdf"}),
        (File(data=PDF), {"type": "base64", "media_type": "application/pdf", "data": PDF}),
        (
            File(url=f"data:application/pdf;base64,{PDF}"),
            {"type": "base64", "media_type": "application/pdf", "data": PDF},
        ),
        (File(text="x", media_type="text/plain"), {"type": "text", "media_type": "text/plain", "data": "x"}),
        (
            File(media_type="text/csv", data=b64encode(b"a,b").decode()),
            {"type": "text", "media_type": "text/plain", "data": "a,b"},
        ),
    ],
)
def test_documents(file: File, source: Json) -> None:
    made = whole(user(replace(file, name="t")))
    assert contents(made) == [[{"type": "document", "source": source, "title": "t"}]]


def test_a_file_that_is_an_image_is_shown_as_one() -> None:
    assert contents(whole(user(File(media_type="image/png", data="AA==")))) == [[{"type": "image", "source": PNG}]]


@pytest.mark.parametrize("part", [Image(url="https://a.example", at="at"), File(text="x", at="at")])
def test_the_assistant_and_the_system_show_nothing(part: Part) -> None:
    assert body(HELLO, assistant(text("x"), part), HELLO)[1].refused == ("at",)
    assert body(Turn("system", (part,)), HELLO)[1].refused == ("at",)


def test_a_refusal_is_what_the_assistant_said() -> None:
    assert contents(whole(HELLO, assistant(Refusal(text="No.")), HELLO))[1] == [{"type": "text", "text": "No."}]


def test_tools_have_a_schema_of_an_object() -> None:
    """Empty where there was none. Free text is one parameter; a namespace is part of the name."""
    empty = {"type": "object", "properties": {}}
    tools = [
        Tool("a", "d", None, strict=True),
        Tool("b", parameters={}, strict=False),
        Tool("c", parameters={"properties": {"x": {}}}),
        Tool("d", free=True),
        Tool("e", namespace="n"),
    ]
    assert whole(tools=tools)["tools"] == [
        {"name": "a", "description": "d", "input_schema": empty, "strict": True},
        {"name": "b", "input_schema": empty},
        {"name": "c", "input_schema": {"type": "object", "properties": {"x": {}}}},
        {
            "name": "d",
            "input_schema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
        },
        {"name": "n__e", "input_schema": empty},
    ]


def test_names_that_anthropic_does_not_take_are_refused() -> None:
    """128 characters are legal, 129 are not; what is in a namespace gets a legal name. Twice the same is once."""
    assert whole(tools=[Tool("x" * 128)])["tools"][0]["name"] == "x" * 128
    for name in ("x" * 129, "a.b", ""):
        assert body(tools=[Tool(name, at="tool")])[1].refused == ("tool",)
    whole(tools=[Tool("a.b", namespace="n")])
    assert body(tools=[FUNCTION, FUNCTION])[1].dropped == ("tools[].f",)


def test_hosted_tools_are_dropped_beside_others_and_refused_alone() -> None:
    hosted = (HostedTool("web_search", "tools[].web_search"),)
    assert written(NeutralRequest((HELLO,), tools=(FUNCTION,), hosted_tools=hosted))[1].dropped == (hosted[0].at,)
    assert written(NeutralRequest((HELLO,), hosted_tools=hosted))[1].refused == (hosted[0].at,)


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        ({}, None),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": ToolChoice("auto")}, {"type": "auto"}),
        ({"tool_choice": ToolChoice("required")}, {"type": "any"}),
        ({"tool_choice": ToolChoice("none"), "parallel_tool_calls": False}, {"type": "none"}),
        (
            {"tool_choice": ToolChoice("named", "f"), "parallel_tool_calls": False},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choices_of_tools(options: Json, choice: Json | None) -> None:
    assert whole(tools=[FUNCTION], **options).get("tool_choice") == choice


def test_a_choice_of_what_is_not_there_is_refused() -> None:
    """Without tools Anthropic takes no choice: what did not force anything is dropped."""
    assert body(tools=[FUNCTION], tool_choice=ToolChoice("named", "g"))[1].refused == ("tool_choice",)
    assert body(tool_choice=ToolChoice("required"))[1].refused == ("tool_choice",)
    made, report = body(tool_choice=ToolChoice("auto"), parallel_tool_calls=False)
    assert ("tool_choice" in made, report.dropped) == (False, ("parallel_tool_calls", "tool_choice"))


def test_tools_that_were_called_are_declared_though_they_are_gone() -> None:
    """And may not be called."""
    made = whole(HELLO, assistant(CALL), user(RESULT))
    assert made["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert made["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("asked", "known", "limit"),
    [(None, None, 8192), (None, 4096, 4096), (100, None, 100), (4096, 4096, 4096)],
)
def test_how_long_an_answer_may_be(asked: int | None, known: int | None, limit: int) -> None:
    options = {} if asked is None else {"max_output_tokens": asked}
    assert whole(target=replace(TARGET, max_output_tokens=known), **options)["max_tokens"] == limit


def test_no_answer_is_longer_than_the_model_can() -> None:
    made, report = body(target=replace(TARGET, max_output_tokens=4096), max_output_tokens=4097)
    assert (made["max_tokens"], report.dropped) == (4096, ("max_output_tokens",))


def test_sampling() -> None:
    """Temperature ends at 1, and excludes top_p."""
    assert whole(temperature=1, top_k=5).items() >= {"temperature": 1, "top_k": 5}.items()
    assert whole(top_p=0.5)["top_p"] == 0.5
    made, report = body(temperature=1.1, top_p=0.5)
    assert (made["temperature"], "top_p" in made, report.dropped) == (1, False, ("temperature", "top_p"))
    made, report = body(target=replace(TARGET, sampling=False), temperature=0.5, top_p=0.5, top_k=5)
    assert report.dropped == ("temperature", "top_k", "top_p")
    assert not {"temperature", "top_p", "top_k"} & set(made)


THINKS = {"reasoning": Reasoning(effort="high"), "max_output_tokens": 10_000}


def test_a_model_that_thinks_is_not_steered() -> None:
    """No temperature but 1, no top_k, no top_p below 0.95, no forced tool."""
    made, report = body(
        tools=[FUNCTION], temperature=0.5, top_p=0.94, top_k=5, tool_choice=ToolChoice("required"), **THINKS
    )
    assert report.dropped == ("temperature", "tool_choice", "top_k", "top_p")
    assert not {"temperature", "top_p", "top_k", "tool_choice"} & set(made)
    made = whole(tools=[FUNCTION], temperature=1, top_p=0.95, tool_choice=ToolChoice("none"), **THINKS)
    assert (made["top_p"], made["tool_choice"]) == (0.95, {"type": "none"})


@pytest.mark.parametrize(
    ("thinking", "reasoning", "limit", "said"),
    [
        (None, Reasoning(effort="minimal"), 20_000, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ("budget", Reasoning(effort="max"), 20_000, {"thinking": {"type": "enabled", "budget_tokens": 19_000}}),
        ("budget", Reasoning(effort="low"), 2000, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("budget", Reasoning(effort="low"), 1025, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("budget", Reasoning(True), 20_000, {"thinking": {"type": "enabled", "budget_tokens": 10_000}}),
        ("budget", Reasoning(budget_tokens=9999), 2000, {"thinking": {"type": "enabled", "budget_tokens": 1999}}),
        ("budget", Reasoning(effort="none"), 20_000, {"thinking": {"type": "disabled"}}),
        ("budget", Reasoning(False), 20_000, {"thinking": {"type": "disabled"}}),
        (
            "adaptive",
            Reasoning(effort="minimal", shown=True),
            20_000,
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        ),
        ("adaptive", Reasoning(), 20_000, {"thinking": {"type": "adaptive"}}),
        ("adaptive", Reasoning(False), 20_000, {"thinking": {"type": "disabled"}}),
        (
            "adaptive",
            Reasoning(budget_tokens=10_000),
            20_000,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
        ),
        ("effort", Reasoning(effort="xhigh"), 20_000, {"output_config": {"effort": "xhigh"}}),
        ("none", Reasoning(False), 20_000, {}),
    ],
)
def test_reasoning(thinking: str | None, reasoning: Reasoning, limit: int, said: Json) -> None:
    """By a budget, by the model's own choice, by effort alone, or not at all."""
    made = whole(target=replace(TARGET, thinking=thinking), reasoning=reasoning, max_output_tokens=limit)
    assert {name: made[name] for name in ("thinking", "output_config") if name in made} == said


@pytest.mark.parametrize(
    ("thinking", "reasoning", "limit"),
    [
        ("budget", Reasoning(effort="high"), 1024),
        ("budget", Reasoning(shown=True), 20_000),
        ("effort", Reasoning(False), 20_000),
        ("effort", Reasoning(True), 20_000),
        ("none", Reasoning(effort="low"), 20_000),
    ],
)
def test_reasoning_that_cannot_be_asked_for_is_dropped(thinking: str, reasoning: Reasoning, limit: int) -> None:
    made, report = body(target=replace(TARGET, thinking=thinking), reasoning=reasoning, max_output_tokens=limit)
    assert report.dropped == ("reasoning",)
    assert not {"thinking", "output_config"} & set(made)


def test_no_budget_in_a_loop_that_began_without_thoughts() -> None:
    """Anthropic refuses it. With thoughts before the call it goes on, and after the loop it may begin."""
    for thoughts, is_thinking in (((), False), ((THOUGHT,), True)):
        made, report = body(HELLO, assistant(*thoughts, CALL), user(RESULT), tools=[FUNCTION], **THINKS)
        assert (("thinking" in made), report.dropped == ()) == (is_thinking, is_thinking)
    whole(HELLO, assistant(CALL), user(RESULT), assistant(text("x")), HELLO, tools=[FUNCTION], **THINKS)
    assert body(HELLO, assistant(text("x")), **THINKS)[1].dropped == ("reasoning",)


def test_structured_output() -> None:
    """A schema stays as it is; its name and JSON without one cannot be said."""
    schema = {"type": "object"}
    wanted = Format("json_schema", schema=schema, name="n", description="d", strict=True)
    made, report = body(format=wanted)
    assert made["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert report.dropped == ("format.description", "format.name")
    assert body(format=Format("json_object"))[1].refused == ("format",)
    assert body(format=wanted, target=replace(TARGET, structured_output=False))[1].refused == ("format",)
    made, _ = body(format=wanted, reasoning=Reasoning(effort="low"), target=replace(TARGET, thinking="effort"))
    assert set(made["output_config"]) == {"format", "effort"}


def test_words_to_stop_at() -> None:
    assert whole(stop=("a", "b"))["stop_sequences"] == ["a", "b"]
    made, report = body(stop=("a", "\n"))
    assert (made["stop_sequences"], report.dropped) == (["a"], ("stop",))
    assert "stop_sequences" not in body(stop=("",))[0]


def test_the_users_id_has_256_characters_at_most() -> None:
    assert whole(user="u" * 256)["metadata"] == {"user_id": "u" * 256}
    made, report = body(user="u" * 257)
    assert ("metadata" in made, report.dropped) == (False, ("user",))


SAID = {"max_output_tokens", "temperature", "top_p", "top_k", "stop", "format", "reasoning", "user"}


@pytest.mark.parametrize("name", sorted({*OPTIONS, "of_tomorrow"} - SAID - {"tool_choice", "parallel_tool_calls"}))
def test_no_setting_is_lost_in_silence(name: str) -> None:
    """What would make another answer of it is refused."""
    _, report = body(**{name: 2})
    assert (name in report.refused) is (name in ("n", "logprobs"))
    assert name in {*report.dropped, *report.refused}


def test_one_choice_is_what_anthropic_gives() -> None:
    """Likelihoods are refused also where only the chosen token's are asked for."""
    whole(n=1)
    assert body(logprobs=0)[1].refused == ("logprobs",)


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
        Reasoning, effort=st.sampled_from(["", "low", "max"]), budget_tokens=st.none() | st.integers()
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
