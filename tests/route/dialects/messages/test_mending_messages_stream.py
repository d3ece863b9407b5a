"""Events of a damaged stream of messages are sound for every client, keep their bytes, or are an error."""

from typing import Any

import pytest

from ledger.usage import Usage
from route.dialects.base import BadAnswer
from route.dialects.messages.native import MessagesStream
from tests.route.build import (
    BLOCK_STOP,
    MESSAGE_STOP,
    PING,
    TEXT_START,
    Json,
    block_start,
    delta,
    documents,
    event,
    message_delta,
    message_event,
    message_start,
    read,
)
from tests.route.dialects.judges import message_streamed
from tests.route.dialects.messages.damaged_messages import (
    FINISH,
    SOUND,
    START,
    TEXT,
    THOUGHT,
    input_delta,
    mended,
    says,
    stop,
    text_start,
    tool_start,
    whole,
)


def start_with(**message: Any) -> bytes:
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    usage: Json = {"usage": {"input_tokens": 9, "output_tokens": 1}}
    return message_event("message_start", message={k: v for k, v in (whole | usage | message).items() if v != ...})


@pytest.mark.parametrize(
    ("start", "finish", "counts", "names"),
    [
        (start_with(usage=...), FINISH, (9, 2), {"usage"}),
        (start_with(usage=None), FINISH, (9, 2), {"usage"}),
        (start_with(usage=[]), FINISH, (9, 2), {"usage"}),
        (start_with(usage={"input_tokens": 9}), FINISH, (9, 2), {"usage"}),
        (start_with(usage={"input_tokens": "9", "output_tokens": 1.0}), FINISH, (9, 2), {"usage"}),
        (
            START,
            message_event("message_delta", delta={"stop_reason": "end_turn"}),
            (9, 1),
            {"usage", "usage_repeat"},
        ),
        (START, message_delta(output_tokens=2), (9, 2), {"usage_repeat"}),
        (START, message_delta(input_tokens=9), (9, 1), {"usage"}),
        (start_with(usage=...), message_event("message_delta", delta={"stop_reason": "x"}), (0, 0), {"usage"}),
    ],
)
def test_usage_is_there(start: bytes, finish: bytes, counts: tuple[int, int], names: set[str]) -> None:
    """Three clients fail without it; the last event repeats what is known, since one reads nothing else."""
    stream, repaired = mended(start + TEXT + finish + MESSAGE_STOP)
    usage = message_streamed(stream).usage
    assert (usage.input_tokens, usage.output_tokens) == counts
    assert repaired == names


def test_counts_that_were_filled_in_are_repeated_too() -> None:
    """The last event says what the first one says, so that what is mended once has nothing left to mend."""
    stream, _ = mended(start_with(usage=None) + message_delta(stop_reason="refusal") + MESSAGE_STOP)
    assert mended(stream) == (stream, set())


def test_cache_counts_are_repeated() -> None:
    """One client takes the last event's counts for all there are."""
    cache = {"cache_creation_input_tokens": 5, "cache_read_input_tokens": 0}
    start = message_start(input_tokens=9, output_tokens=1, **cache)
    stream, _ = mended(start + TEXT + message_delta(output_tokens=2) + MESSAGE_STOP)
    [last] = [d["usage"] for d in documents(stream) if d["type"] == "message_delta"]
    assert last == {"output_tokens": 2, "input_tokens": 9, **cache}


def test_what_we_fill_in_is_not_counted() -> None:
    """The provider said nothing: for the ledger that is unknown, and not zero."""
    reader = MessagesStream()
    read(
        reader,
        [start_with(usage=...) + TEXT + message_event("message_delta", delta={"stop_reason": "x"}) + MESSAGE_STOP],
    )
    assert reader.usage is None
    assert reader.seen_usage == Usage(output=1)
    _, _, unary_usage = whole({k: v for k, v in SOUND.items() if k != "usage"})
    assert unary_usage is None


@pytest.mark.parametrize("name", ["id", "type", "role", "model", "content"])
def test_the_message_has_a_head(name: str) -> None:
    """Clients read it without asking whether it is there."""
    stream, names = mended(start_with(**{name: ...}) + TEXT + FINISH + MESSAGE_STOP)
    message = message_streamed(stream)
    assert getattr(message, name) is not None
    assert names == {"content" if name == "content" else "head"}
    assert stream.endswith(TEXT + FINISH + MESSAGE_STOP)


UNKNOWN = [
    message_event("future_event", what={"is": "new"}),
    block_start(0, type="future_block", what=1) + delta(0, type="future_delta", what="x") + BLOCK_STOP,
    TEXT_START + delta(0, type="future_delta", what="x") + BLOCK_STOP,
    block_start(0, type="server_tool_use", id="s", name="web_search", input={}) + input_delta("{}") + BLOCK_STOP,
    block_start(0, type="web_search_tool_result", tool_use_id="s", content=[]) + BLOCK_STOP,
    block_start(0, type="redacted_thinking", data="c2Vj") + BLOCK_STOP,
    b"".join(THOUGHT) + BLOCK_STOP,
    (TEXT_START + says("a") + BLOCK_STOP).replace(b"\n", b"\r\n"),
    b": comment\n\nid: 7\nretry: 10\n" + TEXT,
]


@pytest.mark.parametrize("content", UNKNOWN)
@pytest.mark.parametrize("before", [b"", PING])
def test_what_is_sound_keeps_its_bytes(content: bytes, before: bytes) -> None:
    """Kinds of events, blocks and deltas that we do not know are the vendor's to add."""
    stream = before + START + content + PING + FINISH + MESSAGE_STOP
    assert mended(stream) == (stream, set())


def test_a_mended_event_keeps_its_other_lines() -> None:
    """Comments and ids stay, and the events beside it are not touched."""
    odd = b": note\nid: 7\n" + text_start(1) + says("a", 1) + stop(1)
    stream, _ = mended(START + odd + FINISH + MESSAGE_STOP)
    assert stream.startswith(START + b": note\nid: 7\nevent: content_block_start\ndata: {")
    assert stream.endswith(FINISH + MESSAGE_STOP)


@pytest.mark.parametrize(
    "content",
    [
        START,
        tool_start(name=None),
        tool_start(name=""),
        input_delta("{}"),
        TEXT_START + input_delta("{}"),
        tool_start() + BLOCK_STOP + input_delta("{}"),
        delta(0, type="citations_delta", citation={}),
        block_start(0),
        block_start(0, type=7),
        message_event("content_block_start", index=0),
        message_event("content_block_delta", index=0, delta="a"),
        TEXT_START + delta(0, type="text_delta", text=7),
        TEXT_START + delta(0, type=7),
        TEXT_START + delta(0, what="a"),
        block_start(0, type="text", text=[]),
        event({"index": 0, "text": "a"}),
        event({"type": 7}),
    ],
)
def test_what_cannot_be_mended_is_an_error(content: bytes) -> None:
    """What it meant would be a guess."""
    with pytest.raises(BadAnswer):
        mended(START + content + BLOCK_STOP + FINISH + MESSAGE_STOP)


@pytest.mark.parametrize(
    "start", [b"", message_event("message_start"), message_event("message_start", message=[])]
)
def test_a_stream_without_its_beginning_is_a_failure(start: bytes) -> None:
    """What was in it nobody knows."""
    with pytest.raises(BadAnswer):
        mended(start + TEXT + FINISH + MESSAGE_STOP)
