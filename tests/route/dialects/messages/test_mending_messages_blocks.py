"""Blocks of a damaged stream of messages come out in order, each begun, said and ended once. Judged by the SDK."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import BadAnswer
from route.dialects.messages.native import MessagesStream
from tests.route.build import (
    BLOCK_STOP,
    MESSAGE_STOP,
    PING,
    TEXT_START,
    Json,
    block_start,
    cuts,
    delta,
    documents,
    event,
    message_delta,
    message_event,
    read,
)
from tests.route.dialects.judges import message_streamed
from tests.route.dialects.messages.damaged_messages import (
    FINISH,
    START,
    TEXT,
    THOUGHT,
    blocks,
    input_delta,
    mended,
    says,
    stop,
    text_start,
    tool_start,
)

CALLED = message_delta("tool_use", input_tokens=9, output_tokens=2)


def is_in_order(stream: bytes) -> bool:
    """Blocks begin at 0, one after another, and each ends before the next begins or the message goes on."""
    open_block, number = None, 0
    for document in documents(stream):
        match document["type"]:
            case "content_block_start":
                if open_block is not None or document["index"] != number:
                    return False
                open_block, number = number, number + 1
            case "content_block_delta":
                if document["index"] != open_block:
                    return False
            case "content_block_stop":
                if document["index"] != open_block:
                    return False
                open_block = None
            case "message_delta":
                if open_block is not None:
                    return False
    return True


TOOL = [tool_start(1), input_delta('{"a"', 1), input_delta(":1}", 1), stop(1)]
NAMELESS = event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}})


@pytest.mark.parametrize(
    ("content", "made", "names"),
    [
        (TEXT, ["a"], set()),
        (TEXT_START + NAMELESS + BLOCK_STOP, ["b"], {"event_name"}),
        (TEXT_START + NAMELESS.replace(b"data", b"event: message\ndata", 1) + BLOCK_STOP, ["b"], {"event_name"}),
        (TEXT_START + event({"index": 0, "delta": {"type": "text_delta", "text": "b"}}, "content_block_delta")
         + BLOCK_STOP, ["b"], {"event_type"}),
        (TEXT_START + TOOL[0] + says("x") + TOOL[1] + says("y") + TOOL[2] + BLOCK_STOP + TOOL[3],
         ["xy", ("f", {"a": 1})], {"block_order"}),
        (TEXT_START + text_start(1) + text_start(2) + says("x", 2) + says("y", 1) + says("z") + stop(2) + stop(0)
         + stop(1), ["z", "y", "x"], {"block_order"}),
        (TEXT_START + text_start(1) + says("y", 1) + stop(1) + says("z") + stop(0), ["z", "y"], {"block_order"}),
        (TEXT + tool_start(2) + input_delta("{}", 2) + stop(2), ["a", ("f", {})], {"block_index"}),
        (text_start(1) + says("a", 1) + stop(1), ["a"], {"block_index"}),
        (text_start("0") + says("a", 0.0) + stop(None), ["a"], {"block_index"}),
        (TEXT + TEXT, ["a", "a"], {"block_index"}),
        (TEXT_START + says("a") + b"".join(TOOL), ["a", ("f", {"a": 1})], {"block_stop"}),
        (TEXT_START + says("a"), ["a"], {"block_stop"}),
        (TEXT_START + says("a") + TEXT_START + says("b"), ["a", "b"], {"block_stop", "block_index"}),
        (b"".join(THOUGHT) + text_start(1) + says("b", 1) + stop(1), [("thinking", "hm"), "b"], {"block_stop"}),
        (b"".join(THOUGHT) + text_start(1) + says("b", 1) + stop(0) + stop(1), [("thinking", "hm"), "b"],
         {"block_stop"}),
        (says("a") + BLOCK_STOP, ["a"], {"block_start"}),
        (says("a") + says("b", 1), ["a", "b"], {"block_start", "block_stop"}),
        (delta(0, type="thinking_delta", thinking="hm") + says("b"), [("thinking", "hm"), "b"],
         {"block_start", "block_stop", "block_index"}),
        (TEXT + stop(7), ["a"], {"block_stop"}),
        (TEXT + says("b"), ["a", "b"], {"block_start", "block_stop", "block_index"}),
        (TEXT + says(""), ["a"], {"delta"}),
        (block_start(0, type="text", text="Hel") + says("lo") + BLOCK_STOP, ["Hello"], {"block_text"}),
        (block_start(0, type="text") + says("a") + BLOCK_STOP, ["a"], {"block_text"}),
        (TEXT_START + delta(0, type="text_delta") + says("a") + BLOCK_STOP, ["a"], {"delta"}),
        (TEXT_START + delta(0, text="a") + BLOCK_STOP, ["a"], {"delta_type"}),
    ],
)  # fmt: skip
def test_blocks_are_put_in_order(content: bytes, made: list[Any], names: set[str]) -> None:
    """What the model said is what the SDK's helper adds up, in the order in which it was begun."""
    for middle in (content, content.replace(b"event: content_block_stop", PING + b"event: content_block_stop", 1)):
        stream, repaired = mended(
            START + middle + message_delta("max_tokens", input_tokens=9, output_tokens=2) + MESSAGE_STOP
        )
        assert blocks(stream) == made
        assert is_in_order(stream)
        assert repaired == names


@pytest.mark.parametrize(
    ("content", "called_with"),
    [
        (tool_start(input={"a": 1}) + BLOCK_STOP, {"a": 1}),
        (tool_start(input='{"a":1}') + BLOCK_STOP, {"a": 1}),
        (tool_start(input={"a": 1}) + input_delta("") + BLOCK_STOP, {"a": 1}),
        (tool_start(input={"a": 1}) + input_delta('{"a":2}') + BLOCK_STOP, {"a": 2}),
        (tool_start(input={"a": 1}), {"a": 1}),
        (tool_start(input=None) + BLOCK_STOP, {}),
        (tool_start() + input_delta({"a": 1}) + BLOCK_STOP, {"a": 1}),
    ],
)
def test_a_tools_input_comes_in_deltas(content: bytes, called_with: Json) -> None:
    """Some clients read nothing else; what the deltas say is not said twice."""
    stream, names = mended(START + content + CALLED + MESSAGE_STOP)
    starts = [d["content_block"]["input"] for d in documents(stream) if d["type"] == "content_block_start"]
    deltas = [d["delta"]["partial_json"] for d in documents(stream) if d["type"] == "content_block_delta"]
    assert starts == [{}]
    assert json.loads("".join(deltas) or "{}") == called_with
    assert blocks(stream) == [("f", called_with)]
    assert "tool_input" in names


@pytest.mark.parametrize("said", [None, "", 7])
def test_calls_have_an_id_each(said: object) -> None:
    """Different ones, and the same ones each time the same bytes are read."""
    content = b"".join(tool_start(n, id=said) + stop(n) for n in (0, 1))
    stream, names = mended(START + content + CALLED + MESSAGE_STOP)
    ids = [block.id for block in message_streamed(stream).content if block.type == "tool_use"]
    assert len(set(ids)) == 2
    assert all(one.startswith("toolu_") for one in ids)
    assert names == {"tool_id"}
    assert mended(START + content + CALLED + MESSAGE_STOP)[0] == stream


def test_a_call_ends_with_its_own_reason() -> None:
    """Agents that read `end_turn` take the answer for the last one; any other word stays."""
    stream, names = mended(START + tool_start() + BLOCK_STOP + FINISH + MESSAGE_STOP)
    assert message_streamed(stream).stop_reason == "tool_use"
    assert names == {"stop_reason"}
    for sound in (message_delta("max_tokens", input_tokens=9, output_tokens=2), CALLED):
        whole_stream = START + tool_start() + BLOCK_STOP + sound + MESSAGE_STOP
        assert mended(whole_stream) == (whole_stream, set())


def test_a_count_in_between_ends_nothing() -> None:
    """A `message_delta` without a reason is a word on the way."""
    count = message_event("message_delta", delta={}, usage={"input_tokens": 9, "output_tokens": 1})
    stream = START + TEXT_START + says("a") + count + says("b") + BLOCK_STOP + FINISH + MESSAGE_STOP
    assert mended(stream) == (stream, set())


def test_waiting_blocks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never ends while another goes on is not held for ever."""
    monkeypatch.setattr("route.dialects.base.MAX_HELD_BYTES", 1000)
    with pytest.raises(BadAnswer, match="does not end"):
        mended(START + TEXT_START + says("a") + text_start(1) + says("b" * 900, 1) + says("c"))


def test_what_waited_and_went_on_is_no_longer_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on what waits at one time, and not on all that has ever waited."""
    monkeypatch.setattr("route.dialects.base.MAX_HELD_BYTES", 1000)
    turns = [
        text_start(n) + text_start(n + 1) + says("b" * 500, n + 1) + stop(n) + stop(n + 1) for n in range(0, 8, 2)
    ]
    stream, _ = mended(START + b"".join(turns) + FINISH + MESSAGE_STOP)
    assert blocks(stream) == ["", "b" * 500] * 4


def test_more_blocks_than_any_answer_has_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a stream has an end: at the limit still, one more not."""
    monkeypatch.setattr("route.dialects.mending.MAX_CALLS", 2)
    many = [text_start(n) + stop(n) for n in range(3)]
    mended(START + b"".join(many[:2]) + FINISH + MESSAGE_STOP)
    with pytest.raises(BadAnswer):
        mended(START + b"".join(many) + FINISH + MESSAGE_STOP)


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["text", "thinking", "tool_use"]),
        st.lists(st.text("ab{}", min_size=1, max_size=3), max_size=3),
    ),
    min_size=1,
    max_size=4,
)
FIELDS = {"text": "text", "thinking": "thinking", "tool_use": "partial_json"}
TYPES = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}


@given(st.data(), PARTS, st.booleans(), st.integers(1, 3))
def test_any_interleaving_comes_out_in_order(
    data: st.DataObject, parts: list[tuple[str, list[str]]], stops: bool, gap: int
) -> None:
    """Blocks begin in their order, everything else in any: each ends up whole, one after another."""
    queues = []
    for number, (kind, said) in enumerate(parts):
        index = number * gap
        start = {"type": kind, "id": f"t{number}", "name": "f", "input": {}, "text": "", "thinking": ""}
        deltas = [delta(index, **{"type": TYPES[kind], FIELDS[kind]: piece}) for piece in said]
        queues.append([block_start(index, **start), *deltas, *([stop(index)] if stops else [])])
    wire = queues[0].pop(0)
    begun = 1
    while any(queues):
        ready = [n for n in range(len(queues)) if queues[n] and n <= begun]
        n = data.draw(st.sampled_from(ready))
        wire += queues[n].pop(0)
        begun = max(begun, n + 1)
    reader = MessagesStream()
    stream = b"".join(read(reader, data.draw(cuts(START + wire + CALLED + MESSAGE_STOP))))
    assert is_in_order(stream)
    sums: dict[int, str] = {}
    for document in documents(stream):
        if document["type"] == "content_block_start":
            sums[document["index"]] = ""
        if document["type"] == "content_block_delta":
            sums[document["index"]] += next(v for k, v in document["delta"].items() if k != "type")
    assert list(sums.values()) == ["".join(said) for _, said in parts]
