"""A neutral request as a chat completion: by the vendor's rules, and nothing is lost without a word."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.chat.conversion import CONVERSION
from route.dialects.chat.reading import read_request
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.neutral import (
    Audio,
    File,
    Format,
    HostedTool,
    Image,
    NeutralRequest,
    Option,
    Part,
    ReasoningSettings,
    Refusal,
    Role,
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
from tests.route.build import Json

TARGET = Target("small-2026-01")
GATEWAY = replace(TARGET, cache_control=True, developer_role=True)
MARK = {"type": "ephemeral"}
HELLO = Turn("user", (Text(text="Hello"),))
CALL = ToolCall(id="c1", name="f", arguments='{"a":1}')
TOOL = Tool("f", at="tools[]")


def write(
    *turns: Turn, target: Target = TARGET, stream: bool = False, **more: Any
) -> tuple[Json, tuple[str, ...], tuple[str, ...]]:
    """The body, what was dropped, what was refused. Raises AssertionError where the vendor would say no."""
    report = Report()
    request = NeutralRequest(turns=turns or (HELLO,), stream=stream, **more)
    body = CONVERSION.write_request(request, target, report)
    if not report.refused:
        assert [fault.message for fault in chat_rules(body)] == []
    if not report.refused and target.cache_control is not True:
        assert chat_field_unknown(body) is None
    return body, report.dropped, report.refused


def messages(*turns: Turn, target: Target = TARGET) -> list[Json]:
    body, dropped, refused = write(*turns, target=target)
    assert (dropped, refused) == ((), ())
    found: list[Json] = body["messages"]
    return found


def with_option(name: str, value: Any, target: Target = TARGET, **more: Any) -> tuple[Json, Any, Any]:
    """What the option adds to the body."""
    body, dropped, refused = write(target=target, options={name: Option(value, "its.place")}, **more)
    return {k: v for k, v in body.items() if k not in ("model", "messages")}, dropped, refused


def result(call_id: str, *parts: Part, **more: Any) -> ToolResult:
    return ToolResult(call_id=call_id, parts=parts, at="r", **more)


def test_plain() -> None:
    """The smallest request there is."""
    body, dropped, refused = write()
    assert body == {"model": "small-2026-01", "messages": [{"role": "user", "content": "Hello"}]}
    assert (dropped, refused) == ((), ())


def test_stream() -> None:
    """A stream always asks for its usage."""
    body, _, _ = write(stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("role", "knows", "wire"),
    [("system", True, "system"), ("developer", True, "developer"), ("developer", False, "system")],
)
def test_system_roles(role: Role, knows: bool, wire: str) -> None:
    """The developer speaks as the system where the server does not know it."""
    target = replace(TARGET, developer_role=knows)
    assert messages(Turn(role, (Text(text="Be brief"),)), HELLO, target=target)[0]["role"] == wire


def test_user_parts() -> None:
    """All kinds of parts; data that was sent as such goes as such."""
    (message,) = messages(
        Turn(
            "user",
            (
                Text(text="Look"),
                Image(url="https://x.example/a.png", detail="low"),
                Image(media_type="image/png", data="iVBO"),
                Audio(data="UklG", format="wav"),
                File(media_type="application/pdf", data="JVBE", name="a.pdf"),
                File(text="plain", name="a.txt"),
            ),
        )
    )
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "a.txt\n\nplain"},
    ]


@pytest.mark.parametrize(
    ("role", "part", "target"),
    [
        ("user", Image(url="https://x.example", at="p"), replace(TARGET, images=False)),
        ("user", Image(file_id="file-1", at="p"), TARGET),
        ("user", File(file_id="file-1", at="p"), TARGET),
        ("user", File(url="https://x.example/a.pdf", at="p"), TARGET),
        ("system", Image(url="https://x.example", at="p"), TARGET),
        ("assistant", Image(url="https://x.example", at="p"), TARGET),
        ("assistant", Thinking(text="Hm", signature="s", at="p"), TARGET),
        ("assistant", Thinking(redacted="r", at="p"), TARGET),
        ("assistant", Thinking(encrypted="e", at="p"), TARGET),
    ],
)
def test_refused_parts(role: Role, part: Part, target: Target) -> None:
    """What the target cannot see, or only its writer can read, is not left out of the question."""
    _, _, refused = write(Turn(role, (Text(text="x"), part)), target=target)
    assert refused == (part.path,)


def test_images_of_a_result_where_there_are_none() -> None:
    """An image is refused inside the result of a tool, too."""
    turns = Turn("assistant", (CALL,)), Turn("user", (result("c1", Image(url="https://x.example", at="p")),))
    assert write(*turns, target=replace(TARGET, images=False))[2] == ("p.image",)


def test_reasoning_of_the_history() -> None:
    """Unsealed reasoning is of no use to a plain server; a gateway to Anthropic's models gets all of it back."""
    plain = Thinking(text="Hm", at="p")
    turn = Turn("assistant", (plain, Text(text="Hi")))
    body, dropped, refused = write(turn)
    assert body["messages"] == [{"role": "assistant", "content": "Hi"}]
    assert (dropped, refused) == (("p.thinking",), ())
    sealed = Thinking(text="So", signature="s"), Thinking(redacted="r"), Thinking(text="Yes", encrypted="e")
    (message,) = messages(Turn("assistant", (plain, *sealed, Text(text="Hi"))), target=GATEWAY)
    (read,) = read_request({"messages": [message]}).turns
    found = [replace(part, at="") for part in read.parts if isinstance(part, Thinking)]
    assert found == [Thinking(text="Hm"), *sealed]


def test_marks() -> None:
    """Marks for the cache go where they are known to be taken; elsewhere they are reported, each at its place."""
    turns = Turn("system", (Text(text="Be brief", cache=MARK, at="s"),)), HELLO
    tools = (Tool("f", cache=MARK, at="tools[]"),)
    body, dropped, _ = write(*turns, tools=tools)
    assert "cache_control" not in json.dumps(body)
    assert dropped == ("s.cache_control", "tools[].cache_control")
    body, dropped, _ = write(*turns, tools=tools, target=GATEWAY)
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Be brief", "cache_control": MARK}]
    assert body["tools"][0]["cache_control"] == MARK
    assert dropped == ()


def test_calls_and_results() -> None:
    """Calls of neighbouring turns stand in one message, and each result in its own after it."""
    found = messages(
        Turn("assistant", (CALL,)),
        Turn("assistant", (ToolCall(id="c2", name="g", arguments=""), Text(text="Looking"))),
        Turn("user", (result("c2", Text(text="2")),)),
        Turn("user", (Text(text="And?"), result("c1", Text(text="1")))),
    )
    assert found == [
        {
            "role": "assistant",
            "content": "Looking",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "user", "content": "And?"},
    ]


def test_images_of_results() -> None:
    """Images come after all results, with the call that they belong to, and before what the user says next."""
    image = Image(url="https://x.example/a.png")
    found = messages(
        Turn("assistant", (CALL, replace(CALL, id="c2"))),
        Turn("user", (result("c1", image),)),
        Turn("user", (result("c2", Text(text="2"), image), Text(text="And?"))),
    )
    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user"]
    *shown, last = found[3]["content"]
    assert [part["type"] for part in shown] == ["text", "image_url", "text", "image_url"]
    assert "c1" in shown[0]["text"]
    assert "c2" in shown[2]["text"]
    assert last == {"type": "text", "text": "And?"}


def test_images_of_the_last_results() -> None:
    """Images are shown also where nothing follows."""
    image = Image(url="https://x.example/a.png")
    found = messages(Turn("assistant", (CALL,)), Turn("user", (result("c1", image),)))
    assert [message["role"] for message in found] == ["assistant", "tool", "user"]


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((Text(text="no such file"),), "Error: no such file"),
        ((Text(text="Error 404"),), "Error 404"),
        ((Text(text=""),), "Error"),
        ((), "Error"),
    ],
)
def test_errors_of_tools(parts: tuple[Part, ...], content: str) -> None:
    """An error says that it is one, once."""
    found = messages(Turn("assistant", (CALL,)), Turn("user", (result("c1", *parts, is_error=True),)))
    assert found[1]["content"] == content


@pytest.mark.parametrize("length", [40, 41])
def test_ids(length: int) -> None:
    """Ids that are empty or too long are replaced, the same in a call and its result, each by its own."""
    long = "x" * length
    calls = (replace(CALL, id=""), replace(CALL, id=long), replace(CALL, id=long + "y"), replace(CALL, id=""))
    results = tuple(result(call.id, Text(text="1")) for call in calls)
    found = messages(Turn("assistant", calls), Turn("user", results))
    ids = [call["id"] for call in found[0]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in found[1:]]
    assert len(set(ids)) == 4
    assert (long in ids) == (length == 40)


def test_free_tools() -> None:
    """A tool that takes text is a function with one text, and so are its calls."""
    free = ToolCall(id="c1", name="g", arguments='say "hi"', free=True)
    turns = Turn("assistant", (free,)), Turn("user", (result("c1", Text(text="1")),))
    body, dropped, refused = write(*turns, tools=(Tool("g", "G", free=True),))
    assert (dropped, refused) == ((), ())
    function = body["tools"][0]["function"]
    assert function["parameters"]["required"] == ["input"]
    call = body["messages"][0]["tool_calls"][0]["function"]
    assert json.loads(call["arguments"]) == {"input": 'say "hi"'}


def test_names() -> None:
    """A tool is called by the same legal name in its declaration, its calls and the choice."""
    long = Tool("n" * 70, namespace="mcp"), Tool("read", namespace="files"), Tool("a.b")
    call = ToolCall(id="c1", name="read", namespace="files", arguments="{}")
    turns = Turn("assistant", (call,)), Turn("user", (result("c1", Text(text="1")),))
    options = {"tool_choice": Option(ToolChoice("named", "read"), "tool_choice")}
    body, dropped, refused = write(*turns, tools=long, options=options)
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert names[1] == "files__read"
    assert len(names[0]) == 64
    assert body["messages"][0]["tool_calls"][0]["function"]["name"] == "files__read"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "files__read"}}
    assert (dropped, refused) == ((), ())


def test_hosted_tools() -> None:
    """A tool of the provider's own is left out beside functions; alone it is what the request is about."""
    hosted = (HostedTool("web_search", "tools[].web_search"),)
    assert write(hosted_tools=hosted)[1:] == ((), ("tools[].web_search",))
    assert write(hosted_tools=hosted, tools=(TOOL,))[1:] == (("tools[].web_search",), ())


@pytest.mark.parametrize(
    ("choice", "tools", "dropped", "refused"),
    [
        (ToolChoice("auto"), (), ("c",), ()),
        (ToolChoice("none"), (), ("c",), ()),
        (ToolChoice("required"), (), (), ("c",)),
        (ToolChoice("named", "f"), (), (), ("c",)),
        (ToolChoice("named", "g"), (TOOL,), (), ("c",)),
        (ToolChoice("named", "f"), (TOOL,), (), ()),
        (ToolChoice("required"), (TOOL,), (), ()),
    ],
)
def test_choice(choice: ToolChoice, tools: tuple[Tool, ...], dropped: Any, refused: Any) -> None:
    """A choice goes with its tools; one that forces what is not there is refused."""
    body, *said = write(tools=tools, options={"tool_choice": Option(choice, "c")})
    assert said == [dropped, refused]
    assert ("tool_choice" in body) == (not dropped and not refused)


ABLE = replace(TARGET, max_output_tokens=100)


@pytest.mark.parametrize(
    ("name", "value", "target", "said"),
    [
        ("max_output_tokens", 5, TARGET, {"max_tokens": 5}),
        ("max_output_tokens", 100, ABLE, {"max_tokens": 100}),
        (
            "max_output_tokens",
            5,
            replace(TARGET, max_tokens_field="max_completion_tokens"),
            {"max_completion_tokens": 5},
        ),
        ("temperature", 2, TARGET, {"temperature": 2}),
        ("stop", ("a", "b", "c", "d"), TARGET, {"stop": ["a", "b", "c", "d"]}),
        ("n", 2, TARGET, {"n": 2}),
        ("logprobs", 0, TARGET, {"logprobs": True}),
        ("logprobs", 3, TARGET, {"logprobs": True, "top_logprobs": 3}),
        ("format", Format("json_object"), TARGET, {"response_format": {"type": "json_object"}}),
        (
            "format",
            Format("json_schema", {"type": "object"}),
            TARGET,
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}},
                }
            },
        ),
        ("reasoning", ReasoningSettings(True, "max"), TARGET, {"reasoning_effort": "max"}),
        ("reasoning", ReasoningSettings(False), TARGET, {"reasoning_effort": "none"}),
        ("service_tier", "flex", TARGET, {"service_tier": "flex"}),
        ("user", "u" * 64, TARGET, {"user": "u" * 64}),
        ("cache_key", "k", TARGET, {"prompt_cache_key": "k"}),
    ],
)
def test_carried_options(name: str, value: Any, target: Target, said: Json) -> None:
    """Each option in OpenAI's words."""
    assert with_option(name, value, target) == (said, (), ())


@pytest.mark.parametrize(
    ("name", "value", "target", "said"),
    [
        ("max_output_tokens", 101, ABLE, {"max_tokens": 100}),
        ("stop", ("a", "b", "c", "d", "e"), TARGET, {"stop": ["a", "b", "c", "d"]}),
        ("temperature", 1, replace(TARGET, sampling=False), {}),
        ("top_p", 1, replace(TARGET, sampling=False), {}),
        ("top_k", 40, TARGET, {}),
        ("metadata", {"a": "b"}, TARGET, {}),
        ("service_tier", "standard_only", TARGET, {}),
        ("parallel_tool_calls", False, TARGET, {}),
        ("reasoning", ReasoningSettings(True, "low"), replace(TARGET, thinking="none"), {}),
        ("reasoning", ReasoningSettings(True), TARGET, {}),
        ("reasoning", ReasoningSettings(True, "low", shown=True), TARGET, {"reasoning_effort": "low"}),
        ("no_such_option", 7, TARGET, {}),
    ],
)
def test_dropped_options(name: str, value: Any, target: Target, said: Json) -> None:
    """What cannot be said, or only in part, is reported at its place."""
    assert with_option(name, value, target) == (said, ("its.place",), ())


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_structured_output_that_cannot_be(kind: Any) -> None:
    """A caller who needs JSON is not given prose."""
    target = replace(TARGET, structured_output=False)
    assert with_option("format", Format(kind), target) == ({}, (), ("its.place",))


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(1, "low"), (3499, "low"), (3501, "medium"), (6499, "medium"), (6501, "high"), (9999, "high")],
)
def test_budget(budget: int, effort: str) -> None:
    """A budget is the nearest of the efforts that all models know, by its share of the output."""
    options = {
        "max_output_tokens": Option(10_000, "m"),
        "reasoning": Option(ReasoningSettings(True, "", budget), "r"),
    }
    body, dropped, refused = write(options=options)
    assert body["reasoning_effort"] == effort
    assert (dropped, refused) == ((), ())


def test_long_user() -> None:
    """One who has a longer id than OpenAI takes is known by its hash."""
    said = [with_option("user", user)[0]["user"] for user in ("u" * 65, "u" * 65, "u" * 66, "\ud800" * 65)]
    assert said[0] == said[1] != said[2]
    assert all(len(user) == 64 for user in said)


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
