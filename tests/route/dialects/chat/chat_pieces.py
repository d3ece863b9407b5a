"""Chat completions in pieces, for what is damaged about them; and what the caller gets of it."""

from typing import Any

from route.dialects.chat.native import ChatStream
from tests.route.build import DONE, USAGE, Json, choice, chunk, finishes, read
from tests.route.dialects.judges import chat_streamed

USAGE_CHUNK = chunk(usage=USAGE)
MADE = finishes(0, "tool_calls")
END = USAGE_CHUNK + DONE


def piece(index: Any = 0, call_id: Any = None, name: Any = None, arguments: Any = None, **more: Any) -> Json:
    """Of a call; only what is given is there."""
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    head = {"index": index, "id": call_id} | ({"type": "function"} if call_id else {})
    return {k: v for k, v in head.items() if v is not None} | {"function": function} | more


def calls(*pieces: Any, index: int = 0, **more: Any) -> bytes:
    """A chunk in which a choice says these pieces of tool calls."""
    return chunk(choice({"tool_calls": list(pieces)}, index=index), **more)


def mended(stream: bytes, *, usage_asked: bool = True) -> tuple[bytes, set[str]]:
    """The whole stream as the caller gets it, and what was mended."""
    reader = ChatStream(usage_asked=usage_asked)
    passed, held = read(reader, [stream])
    return passed + held, reader.repaired


def made(stream: bytes) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls that the SDK's helper puts together."""
    message = chat_streamed(stream).choices[0].message
    functions = [call for call in message.tool_calls or [] if call.type == "function"]
    return [(call.id, call.function.name, call.function.arguments) for call in functions]
