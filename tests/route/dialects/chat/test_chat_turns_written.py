"""Neutral turns and tools as a chat completion: by the vendor's rules, and nothing is lost without a word."""

import json
from dataclasses import replace
from typing import Any

import pytest

from route.dialects.chat.reading import read_request
from route.dialects.conversion import Target
from route.dialects.neutral import (
    Audio,
    File,
    Image,
    Option,
    Part,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.route.build import Json
from tests.route.dialects.chat.chat_requests import GATEWAY, HELLO, MARK, TARGET, write

CALL = ToolCall(id="c1", name="f", arguments='{"a":1}')


def messages(*turns: Turn, target: Target = TARGET) -> list[Json]:
    body, dropped, refused = write(*turns, target=target)
    assert (dropped, refused) == ((), ())
    found: list[Json] = body["messages"]
    return found


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
