"""Messages with silent damage: what reaches the caller is sound, or is an error. Judged by the SDK."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects.base import BadAnswer, ErrorInAnswer, Features
from route.dialects.messages import MESSAGES
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
    message_start,
    read,
)
from tests.route.dialects.judges import message_streamed, message_whole

START = message_start(input_tokens=9, output_tokens=1)
FINISH = message_delta(input_tokens=9, output_tokens=2)
CALLED = message_delta("tool_use", input_tokens=9, output_tokens=2)
FEATURES = Features("small", stream=False, tools_requested=False, images=False)


def says(text: str, index: Any = 0) -> bytes:
    return delta(index, type="text_delta", text=text)


def input_delta(text: Any, index: Any = 0) -> bytes:
    return delta(index, type="input_json_delta", partial_json=text)


def text_start(index: Any = 0) -> bytes:
    return block_start(index, type="text", text="")


def tool_start(index: Any = 0, **more: Any) -> bytes:
    return block_start(index, **{"type": "tool_use", "id": f"toolu_{index}", "name": "f", "input": {}, **more})


def stop(index: Any = 0) -> bytes:
    return message_event("content_block_stop", index=index)


TEXT = TEXT_START + says("a") + BLOCK_STOP


def mended(stream: bytes) -> tuple[bytes, set[str]]:
    """The whole stream as the caller gets it, and what was mended."""
    reader = MessagesStream()
    passed, held = read(reader, [stream])
    return passed + held, reader.repaired


def blocks(stream: bytes) -> list[Any]:
    """The blocks that the SDK's helper adds up: a text, or a tool's name and input."""
    made: list[Any] = []
    for block in message_streamed(stream).content:
        if block.type == "text":
            made.append(block.text)
        if block.type == "thinking":
            made.append(("thinking", block.thinking))
        if block.type == "tool_use":
            made.append((block.name, block.input))
    return made


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
THOUGHT = [
    block_start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="c2ln"),
]
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


SOUND: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "a"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 2},
    "x_vendor": 1.0,
}
CALL: Json = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}


def whole(answer: Json) -> tuple[bytes, set[str], Usage | None]:
    reader = MESSAGES.reader(FEATURES)
    _, held = read(reader, [json.dumps(answer).encode()])
    return held, reader.repaired, reader.usage


def answered(*content: Any, reason: Any = "tool_use") -> Json:
    return SOUND | {"content": list(content), "stop_reason": reason}


@pytest.mark.parametrize(
    ("damaged", "wanted", "names"),
    [
        (SOUND, SOUND, set()),
        (answered(CALL), answered(CALL), set()),
        (answered({"type": "new"}, reason="pause_turn"), answered({"type": "new"}, reason="pause_turn"), set()),
        (SOUND | {"content": "a"}, SOUND, {"content"}),
        (SOUND | {"stop_reason": None}, SOUND, {"stop_reason"}),
        (answered(CALL, reason=None), answered(CALL), {"stop_reason"}),
        (answered(CALL, reason="end_turn"), answered(CALL), {"stop_reason"}),
        (answered(CALL | {"input": '{"a": 1}'}), answered(CALL), {"tool_input"}),
        (answered(CALL | {"input": None}), answered(CALL | {"input": {}}), {"tool_input"}),
        (answered(None, CALL), answered(CALL), {"content"}),
        (
            SOUND | {"content": [{"type": "text"}]},
            SOUND | {"content": [{"type": "text", "text": ""}]},
            {"block_text"},
        ),
        (SOUND | {"type": "x", "role": "user"}, SOUND, {"head"}),
        (SOUND | {"stop_sequence": 7}, SOUND, {"stop_reason"}),
        (SOUND | {"usage": {"input_tokens": "9", "output_tokens": 2.0}}, SOUND, {"usage"}),
        (SOUND | {"usage": None}, SOUND | {"usage": {"input_tokens": 0, "output_tokens": 0}}, {"usage"}),
    ],
)
def test_a_whole_message_is_mended(damaged: Json, wanted: Json, names: set[str]) -> None:
    """To what it should have been; what is sound keeps its bytes; a vendor's own fields stay in either."""
    answer, repaired, _ = whole(damaged)
    assert (json.loads(answer), repaired) == (wanted, names)
    if wanted["content"] != [{"type": "new"}]:
        message_whole(answer)
    if not names:
        assert answer == json.dumps(damaged).encode()


@pytest.mark.parametrize("name", ["id", "type", "role", "model", "usage", "stop_reason"])
def test_a_whole_message_gets_what_clients_take_for_granted(name: str) -> None:
    """The vendor's own type takes it, and it is the same each time."""
    damaged = {key: value for key, value in SOUND.items() if key != name}
    answer, _, _ = whole(damaged)
    assert getattr(message_whole(answer), name) is not None
    assert answer == whole(damaged)[0]


def test_calls_of_a_whole_message_have_an_id_each() -> None:
    """Missing, empty, or one for two."""
    for said in (None, "", "t"):
        answer, names, _ = whole(answered(CALL | {"id": said}, CALL | {"id": said}))
        made = [block.id for block in message_whole(answer).content if block.type == "tool_use"]
        assert len(set(made)) == 2
        assert names == {"tool_id"}


@pytest.mark.parametrize(
    "damaged",
    [
        answered(7),
        answered({"text": "a"}),
        answered({"type": "text", "text": 7}),
        answered(CALL | {"name": None}),
        answered(CALL | {"input": "{"}),
        answered(CALL | {"input": [1]}),
        SOUND | {"content": {}},
    ],
)
def test_a_whole_message_that_cannot_be_mended_is_an_error(damaged: Json) -> None:
    """What it meant would be a guess."""
    with pytest.raises(BadAnswer):
        whole(damaged)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (SOUND, BadAnswer),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, ErrorInAnswer),
    ],
)
def test_a_whole_document_instead_of_a_stream(document: Json, error: type[Exception]) -> None:
    """It is told as what it is: a server that does not stream, or an error that it had to say."""
    with pytest.raises(error) as caught:
        mended(json.dumps(document).encode())
    if error is BadAnswer:
        assert "whole document" in str(caught.value)


def test_an_error_without_its_envelope_is_one_too() -> None:
    """By its type, in a whole answer; by its name, in a stream."""
    with pytest.raises(ErrorInAnswer):
        whole({"type": "error", "message": "busy"})
    with pytest.raises(ErrorInAnswer):
        mended(START + event({"type": "x", "message": "busy"}, "error"))


def test_a_stream_instead_of_a_document_is_a_failure() -> None:
    """A server that streams to everybody."""
    with pytest.raises(BadAnswer):
        read(MESSAGES.reader(FEATURES), [START + TEXT + FINISH + MESSAGE_STOP])


def test_a_byte_order_mark_is_taken_away() -> None:
    """The SDK would not know the first event by its name."""
    stream, names = mended(b"\xef\xbb\xbf" + START + TEXT + FINISH + MESSAGE_STOP)
    assert blocks(stream) == ["a"]
    assert names == {"bom"}


def test_numbers_of_any_size_survive_mending() -> None:
    """What is written again says the same as before."""
    odd = delta(1, type="text_delta", text="a", n=123456789012345678901234567890)
    stream, _ = mended(START + text_start(1) + odd + stop(1) + FINISH + MESSAGE_STOP)
    assert b'"n":123456789012345678901234567890' in stream
