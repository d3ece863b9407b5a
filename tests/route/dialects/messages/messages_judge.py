"""What Anthropic takes: bodies for it are made of small parts, and judged by its rules and its SDK's types."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import anthropic.types as sdk
from pydantic import TypeAdapter

from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.messages import MESSAGES
from route.dialects.neutral import (
    NeutralRequest,
    Option,
    Part,
    Text,
    Thinking,
    Tool,
    ToolCall,
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
