"""Chat completions with silent damage: what reaches the caller is sound, or is an error. Judged by the SDK."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import BadAnswer, ErrorInAnswer, Features
from route.dialects.chat import CHAT
from route.dialects.chat.native import ChatStream
from tests.route.build import (
    DONE,
    RECEIPT,
    ROLE,
    USAGE,
    Json,
    choice,
    chunk,
    cuts,
    documents,
    event,
    finishes,
    read,
    says,
)
from tests.route.judges import chat_streamed, chat_whole

USAGE_CHUNK = chunk(usage=USAGE)
MADE = finishes(0, "tool_calls")
END = USAGE_CHUNK + DONE
FEATURES = Features("small", stream=False, tools_requested=False, images=False)


def piece(index: Any = 0, call_id: Any = None, name: Any = None, arguments: Any = None, **more: Any) -> Json:
    """Of a call; only what is given is there."""
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    head = {"index": index, "id": call_id} | ({"type": "function"} if call_id else {})
    return {k: v for k, v in head.items() if v is not None} | {"function": function} | more


def calls(*pieces: Any, **more: Any) -> bytes:
    return chunk(choice({"tool_calls": list(pieces)}), **more)


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


def one(name: str, arguments: str, call_id: str, index: Any) -> list[bytes]:
    """A call in three pieces."""
    half = len(arguments) // 2
    first = calls(piece(index, call_id, name, ""))
    return [
        first,
        calls(piece(index, None, None, arguments[:half])),
        calls(piece(index, None, None, arguments[half:])),
    ]


TWO = [("a", "f", '{"c":1}'), ("b", "g", '{"c":2}')]
SAME = [("a", "f", '{"c":1}'), ("b", "f", '{"c":2}')]


def repeated(index_of: list[Any], wanted: list[tuple[str, str, str]]) -> bytes:
    """Id, type and name with each of two pieces."""
    return b"".join(
        calls(piece(index, call_id, name, part))
        for index, (call_id, name, arguments) in zip(index_of, wanted, strict=True)
        for part in (arguments[:3], arguments[3:])
    )


@pytest.mark.parametrize(
    ("pieces", "wanted", "repaired"),
    [
        (b"".join(one("f", '{"c":1}', "a", 0) + one("g", '{"c":2}', "b", 0)), TWO, {"tool_index"}),
        (b"".join(one("f", '{"c":1}', "a", 0) + one("f", '{"c":2}', "b", 0)), SAME, {"tool_index"}),
        (b"".join(one("f", '{"c":1}', "a", 0) + one("g", '{"c":2}', "b", 2)), TWO, {"tool_index"}),
        (b"".join(one("f", '{"c":1}', "a", 1) + one("g", '{"c":2}', "b", 2)), TWO, {"tool_index"}),
        (b"".join(one("f", '{"c":1}', "a", None) + one("g", '{"c":2}', "b", None)), TWO, {"tool_index"}),
        (b"".join(one("f", '{"c":1}', "a", "0") + one("g", '{"c":2}', "b", 1.0)), TWO, {"tool_index"}),
        (calls(piece(0, "a", "f", '{"c":1}'), piece(0, "b", "g", '{"c":2}')), TWO, {"tool_index"}),
        (calls(piece(None, "a", "f", '{"c":1}'), piece(None, "b", "g", '{"c":2}')), TWO, {"tool_index"}),
        (repeated([0, 1], TWO), TWO, {"tool_repeat"}),
        (repeated([0, 1], SAME), SAME, {"tool_repeat"}),
        (repeated([0, 0], TWO), TWO, {"tool_repeat", "tool_index"}),
        (repeated([0, 0], SAME), SAME, {"tool_repeat", "tool_index"}),
        (repeated([None, None], TWO), TWO, {"tool_repeat", "tool_index"}),
        (
            calls(piece(0, "a", "f", ""), piece(1, "b", "g", ""))
            + calls(piece(None, "b", None, '{"c":2}'), piece(None, "a", None, '{"c":1}')),
            TWO,
            {"tool_repeat", "tool_index"},
        ),
        (
            calls(piece(0, "a", "f", '{"c"')) + calls(piece(0, "x", None, ":1")) + calls(piece(0, "y", None, "}")),
            TWO[:1],
            {"tool_repeat"},
        ),
        (calls(piece(0, "a", "f", {"c": 1})), [("a", "f", '{"c":1}')], {"tool_arguments"}),
        (calls({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}), None, {"tool_type"}),
        (
            calls({**piece(0, "a"), "function": {"name": "f", "arguments": None}}),
            [("a", "f", "{}")],
            {"tool_arguments"},
        ),
        (calls(piece(0, "a", "f")), [("a", "f", "{}")], {"tool_arguments"}),
        (calls(None, piece(0, "a", "f", "{}")), [("a", "f", "{}")], {"tool_index"}),
        (
            calls(piece(0, "a", "get_", ""))
            + calls(piece(0, None, "weather", ""))
            + calls(piece(0, None, None, "{}")),
            [("a", "get_weather", "{}")],
            set(),
        ),
        (calls(piece(0, "a")) + calls(piece(0, None, "f", "{}")), [("a", "f", "{}")], set()),
    ],
    ids=[
        "one index for two",
        "one index for two of one name",
        "a gap",
        "from one",
        "no index",
        "index as text and float",
        "one index in one chunk",
        "no index in one chunk",
        "all repeated",
        "all repeated, one name",
        "all repeated at one index",
        "all repeated at one index, one name",
        "all repeated without an index",
        "by id alone",
        "a new id for each piece",
        "arguments as an object",
        "no type",
        "arguments null",
        "no arguments",
        "a null among the calls",
        "a name in pieces",
        "the name after the id",
    ],
)
def test_streamed_calls_are_put_together(
    pieces: bytes, wanted: list[tuple[str, str, str]] | None, repaired: set[str]
) -> None:
    """What the model called is what the SDK's helper adds up, and what was mended on the way has a name."""
    stream, names = mended(ROLE + pieces + MADE + END)
    assert made(stream) == (wanted or [("a", "f", "{}")])
    assert names == repaired
    if not repaired:
        assert stream == ROLE + pieces + MADE + END


@pytest.mark.parametrize(("finish", "arguments"), [("tool_calls", "{}"), ("stop", "{}"), ("length", "")])
def test_a_call_that_was_cut_off_gets_no_arguments(finish: str, arguments: str) -> None:
    """Nothing said is an empty object where the call is whole, and a torn one where the answer was cut."""
    stream, _ = mended(ROLE + calls(piece(0, "a", "f", "")) + finishes(0, finish) + END)
    pieces = [p for d in documents(stream) for c in d["choices"] for p in c["delta"].get("tool_calls", [])]
    assert "".join(p["function"]["arguments"] for p in pieces) == arguments
    answer, _ = whole(json.dumps(called(CALL | {"function": {"name": "f"}}, finish=finish)).encode())
    [call] = json.loads(answer)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == arguments


CALLS = st.lists(
    st.tuples(st.sampled_from("fg"), st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5))),
    min_size=1,
    max_size=4,
)


@given(st.data(), CALLS, st.sampled_from(["zero", "gap", "none"]), st.booleans())
def test_any_calls_survive_any_damage(
    data: st.DataObject, wanted: list[tuple[str, Json]], index: str, repeat: bool
) -> None:
    """However the index is lost and whatever is repeated, while ids tell calls apart they stay what they were."""
    pieces = []
    for number, (name, arguments) in enumerate(wanted):
        at = {"zero": 0, "gap": number * 3, "none": None}[index]
        for place, part in enumerate(data.draw(cuts(json.dumps(arguments).encode()))):
            with_head = repeat or place == 0
            pieces.append(
                piece(at, f"id{number}" if with_head else None, name if with_head else None, part.decode())
            )
    reader = ChatStream(usage_asked=True)
    stream = ROLE + b"".join(calls(one) for one in pieces) + MADE + END
    stream = b"".join(read(reader, data.draw(cuts(stream))))
    sums: dict[int, list[str]] = {}
    for document in documents(stream):
        for part in [p for c in document["choices"] for p in c["delta"].get("tool_calls", [])]:
            known = sums.setdefault(part["index"], ["", "", ""])
            function = part["function"]
            for i, text in enumerate((part.get("id"), function.get("name"), function.get("arguments"))):
                known[i] += text or ""
    assert list(sums) == list(range(len(wanted)))
    got = [(call_id, name, json.loads(arguments)) for call_id, name, arguments in sums.values()]
    assert got == [(f"id{number}", name, arguments) for number, (name, arguments) in enumerate(wanted)]
    assert reader.tool_calls == len(wanted)


@pytest.mark.parametrize("said", [None, "", []])
def test_calls_without_ids_get_some_of_their_own(said: object) -> None:
    """Different ones for different calls, and the same ones each time the same bytes are read."""
    pair = [{"index": n, "id": said, "function": {"name": "f", "arguments": f'{{"a":{n}}}'}} for n in (0, 1)]
    stream, names = mended(ROLE + calls(*pair) + MADE + END)
    again, _ = mended(ROLE + calls(*pair) + MADE + END)
    (first, _, one), (second, _, two) = made(stream)
    assert stream == again
    assert first != second
    assert first.startswith("call_")
    assert (one, two) == ('{"a":0}', '{"a":1}')
    assert names == {"tool_id", "tool_type"}


def test_calls_without_ids_at_one_index_are_told_apart() -> None:
    """By another name, or by arguments that begin once more after they were whole."""
    whole = [piece(0, None, "f", '{"c":1}'), piece(0, None, "f", '{"c":2}'), piece(0, None, "g", "{}")]
    stream, names = mended(ROLE + b"".join(calls(one) for one in whole) + MADE + END)
    assert [call[1:] for call in made(stream)] == [("f", '{"c":1}'), ("f", '{"c":2}'), ("g", "{}")]
    assert names == {"tool_id", "tool_type", "tool_index"}


def test_one_id_for_two_calls_becomes_two() -> None:
    """A server that uses the function's name as the id: the results could not be told apart."""
    stream, names = mended(ROLE + calls(piece(0, "f", "f", "{}"), piece(1, "f", "f", "{}")) + MADE + END)
    first, second = made(stream)
    assert first == ("f", "f", "{}")
    assert second[0] != "f"
    assert names == {"tool_id"}


def test_custom_tools_stay_custom() -> None:
    """A call of a tool that takes text is no function."""
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    stream = ROLE + calls(custom) + MADE + END
    assert mended(stream) == (stream, set())


def without(sent: bytes, *names: str) -> bytes:
    [document] = documents(sent)
    return event({name: value for name, value in document.items() if name not in names})


@pytest.mark.parametrize("name", ["id", "created", "object", "model"])
def test_a_chunk_gets_the_head_that_came_first(name: str) -> None:
    """Its own bytes stay, with what is missing at their end."""
    stream, names = mended(ROLE + without(says("a"), name) + finishes() + END)
    [head, chunk, *_] = documents(stream)
    assert chunk[name] == head[name]
    assert without(says("a"), name).rstrip()[:-1] in stream
    assert chat_streamed(stream).choices[0].message.content == "a"
    assert names == {"head"}


def test_a_head_that_never_comes_is_made_up() -> None:
    """One id for all chunks, the same each time, and a time that is a number."""
    bare = b"".join(without(sent, "id", "created", "object", "model") for sent in (ROLE, says("a"), finishes()))
    stream, names = mended(bare + DONE)
    heads = {(d["id"], d["object"], d["created"], d["model"]) for d in documents(stream)}
    [(made_up, kind, created, model)] = heads
    assert made_up.startswith("chatcmpl-")
    assert (kind, created, model) == ("chat.completion.chunk", 0, "")
    assert stream == mended(bare + DONE)[0]
    assert names == {"head", "usage"}


@pytest.mark.parametrize(
    ("created", "mended_to"),
    [
        (1.0, 1),
        (1e9 + 0.5, 10**9),
        ("17", 17),
        (True, 1),
        (None, 1),
        ("x", 1),
        ([], 1),
        (float("inf"), 1),
        (1e300, 1),
    ],
)
def test_created_is_a_whole_number(created: object, mended_to: int) -> None:
    """A client that is strict about it fails on a float; what is no number is the one that came first."""
    stream, names = mended(ROLE + says("a", created=created) + finishes() + END)
    got = documents(stream)[1]["created"]
    assert (got, type(got)) == (mended_to, int)
    assert names == {"head"}


AZURE = event({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{}]})


@pytest.mark.parametrize(
    "sound",
    [
        AZURE + ROLE + says("a") + finishes() + END,
        ROLE + chunk(choice({"content": "a", "tool_calls": None, "function_call": None})) + finishes() + END,
        ROLE + chunk({"index": 0, "delta": {"content": "a"}}) + finishes() + END,
        ROLE + chunk(choice({"content": None, "tool_calls": []})) + says("a") + finishes() + END,
        ROLE + calls(piece(0, "a", "f", "{")) + calls({**piece(0, None, None, "}"), "id": None}) + MADE + END,
        ROLE + calls(piece(0, "a", "f", "{")) + calls({**piece(0, "", "", "}")}) + MADE + END,
        ROLE + says("a", x=[1.0, {"usage": 7}], n=12345678901234567890123) + finishes(0, "eos") + END,
        ROLE + chunk(choice({"content": [{"type": "thinking", "thinking": []}]})) + finishes() + END,
        b": wait\r\n\r\ndata:" + says("a")[6:-2] + b"\r\n\r\n" + finishes() + END,
        (ROLE + says("a") + finishes() + END).replace(b"\n", b"\r"),
    ],
)
def test_what_is_sound_keeps_its_bytes(sound: bytes) -> None:
    """Odd is not damaged: empty heads, nulls, no finish reason yet, a vendor's own fields, parts and words."""
    assert mended(sound) == (sound, set())


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        (chunk(choices=None), "choices"),
        (chunk(choices=[None]), "choices"),
        (chunk({"delta": {"content": ""}, "finish_reason": None}), "choice_index"),
        (chunk({"index": "0", "delta": {}}), "choice_index"),
        (chunk({"index": 0}), "delta"),
        (chunk({"index": 0, "delta": None}), "delta"),
        (chunk(choice({"role": "assistant"})), "role"),
        (chunk(choice({}, finish="")), "finish_reason"),
        (chunk(choice({"content": [{"type": "text", "text": ""}]})), "content"),
        (chunk(choice({"refusal": [""]})), "refusal"),
        (chunk({**choice({}), "logprobs": 7}), "logprobs"),
        (chunk(usage=[7]), "usage"),
        (chunk(usage={"prompt_tokens": "9", "completion_tokens": 2.0}), "usage"),
    ],
)
def test_a_damaged_chunk_is_mended_alone(damaged: bytes, name: str) -> None:
    """The SDK gets through, and what stands before and after keeps its bytes."""
    stream, names = mended(ROLE + says("a") + damaged + says("b") + finishes() + END)
    assert stream.startswith(ROLE + says("a"))
    assert stream.endswith(says("b") + finishes() + END)
    assert names == {name}
    message = chat_streamed(stream).choices[0].message
    assert (message.content, message.role) == ("ab", "assistant")


def test_chunks_without_choices_get_none() -> None:
    """Clients go through the choices without asking whether there are any."""
    stream, names = mended(ROLE + says("a") + without(chunk(), "choices") + finishes() + END)
    assert documents(stream)[2]["choices"] == []
    assert names == {"head"}


def test_content_in_parts_is_joined() -> None:
    """Two clients fail on a list."""
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    stream, names = mended(ROLE + chunk(choice({"content": parts})) + finishes() + END)
    assert chat_streamed(stream).choices[0].message.content == "Hello"
    assert names == {"content"}


@pytest.mark.parametrize(
    ("delta", "said", "wanted"),
    [
        ({"tool_calls": [piece(0, "a", "f", "{}")]}, "stop", "tool_calls"),
        ({"tool_calls": [piece(0, "a", "f", "{}")]}, "eos", "eos"),
        ({"tool_calls": [piece(0, "a", "f", "{}")]}, "tool_calls", "tool_calls"),
        ({"function_call": {"name": "f", "arguments": "{}"}}, "stop", "function_call"),
        ({"content": "a"}, "stop", "stop"),
    ],
)
def test_calls_end_with_their_own_reason(delta: Json, said: str, wanted: str) -> None:
    """Agents that read `stop` take the answer for the last one. In one chunk with the call or in the next."""
    for stream in (chunk(choice(delta, said)), chunk(choice(delta)) + finishes(0, said)):
        got, names = mended(ROLE + stream + END)
        assert chat_streamed(got).choices[0].finish_reason == wanted
        assert names == ({"finish_reason"} if said != wanted else set())


WHOLE_STREAM = ROLE + says("a") + finishes()


@pytest.mark.parametrize(
    ("stream", "names"),
    [
        (WHOLE_STREAM, {"terminator", "usage"}),
        (WHOLE_STREAM + USAGE_CHUNK, {"terminator"}),
        (WHOLE_STREAM + USAGE_CHUNK + b"\n\n", {"terminator"}),
        (WHOLE_STREAM + USAGE_CHUNK + DONE[:-1], {"terminator"}),
        (WHOLE_STREAM + USAGE_CHUNK + b"data:[DONE]", {"terminator"}),
        (says("a", 0) + says("b", 1) + finishes(1) + finishes(0) + USAGE_CHUNK, {"terminator"}),
    ],
)
def test_a_stream_that_says_all_but_its_terminator_is_whole(stream: bytes, names: set[str]) -> None:
    """Every client takes the connection's end for it; those who wait for `[DONE]` get it, after the receipt."""
    reader = ChatStream(usage_asked=True)
    passed, held = read(reader, [stream], RECEIPT)
    assert reader.repaired == names
    assert (passed + held).endswith(b"}\n\n" + DONE) or (passed + held).endswith(b"\n\n" + DONE)
    assert documents(held)[-1]["x_router"] == RECEIPT


@pytest.mark.parametrize(
    "stream",
    [
        ROLE + says("a"),
        WHOLE_STREAM + USAGE_CHUNK[:-9],
        WHOLE_STREAM + b'data: {"choices"',
        says("a", 0) + says("b", 1) + finishes(1),
        says("a", 0) + finishes(0) + says("b", 1),
        ROLE,
        b"",
    ],
)
def test_a_stream_that_stops_short_is_none(stream: bytes) -> None:
    """With a choice unfinished, or an event torn, nobody knows what is missing."""
    with pytest.raises(BadAnswer):
        mended(stream)


@pytest.mark.parametrize(("usage_asked", "names"), [(True, {"usage"}), (False, set())])
def test_usage_that_was_asked_for_and_never_came_is_noted(usage_asked: bool, names: set[str]) -> None:
    """It is not made up: the ledger has an estimate, and the caller no number that nobody counted."""
    stream = WHOLE_STREAM + DONE
    assert mended(stream, usage_asked=usage_asked) == (stream, names)


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(choices={}),
        chunk(choices="x"),
        chunk(choices=[7]),
        chunk({"index": 0, "delta": "x"}),
        chunk(choice({"content": 7})),
        chunk(choice({"content": {"text": "a"}})),
        chunk(choice({"content": [7]})),
        chunk(choice({"refusal": True})),
        b"ata: " + says("b"),
        says("b")[1:],
        b"<p>Bad gateway</p>\n\n",
        b": \xff\n\n",
        b"id: \xff\n" + says("b"),
        chunk(choice({"tool_calls": {}})),
        chunk(choice({"tool_calls": ["f"]})),
        calls({"index": 0, "id": "a", "function": "f"}),
        calls({"index": 0, "id": "a", "function": {"name": 7}}),
        chunk(choice({"function_call": "f"})),
        calls(piece(0, "a", None, "{}")) + MADE,
    ],
)
def test_what_cannot_be_mended_is_an_error(damaged: bytes) -> None:
    """What it meant would be a guess."""
    with pytest.raises(BadAnswer):
        mended(ROLE + damaged + finishes() + END)


def test_more_calls_than_any_answer_has_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a stream has an end: at the limit still, one more not."""
    monkeypatch.setattr("route.dialects.damage.MAX_CALLS", 3)
    many = [calls(piece(n, f"id{n}", "f", "{}")) for n in range(4)]
    mended(ROLE + b"".join(many[:3]) + MADE + END)
    with pytest.raises(BadAnswer):
        mended(ROLE + b"".join(many) + MADE + END)
    with pytest.raises(BadAnswer):
        mended(b"".join(says("a", n) for n in range(4)))


def test_what_comes_before_the_content_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is what comes after the finish: both are held in memory."""
    monkeypatch.setattr("route.dialects.base.MAX_HELD_BYTES", len(ROLE) * 3)
    reader = ChatStream(usage_asked=True)
    reader.feed(ROLE + b": x\n\n")
    with pytest.raises(BadAnswer):
        reader.feed(ROLE * 3)
    reader = ChatStream(usage_asked=True)
    with pytest.raises(BadAnswer):
        reader.feed(says("a") + finishes() * 4)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"id": "x", "object": "chat.completion", "choices": [{"message": {"content": "a"}}]}, BadAnswer),
        ({"error": {"message": "busy"}}, ErrorInAnswer),
        ({"error": "busy"}, ErrorInAnswer),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_whole_document_instead_of_a_stream(document: Json, error: type[Exception], indent: int | None) -> None:
    """It is told as what it is: a server that does not stream, or an error that it had to say."""
    with pytest.raises(error) as caught:
        mended(json.dumps(document, indent=indent).encode() + b"\n\n")
    if error is BadAnswer:
        assert "whole document" in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"\n\n", b"<html>\n\n<p>Bad gateway</p>\n\n</html>"])
def test_a_page_instead_of_a_stream_is_a_failure(answer: bytes) -> None:
    """Its lines are no events, and nothing of it goes on."""
    with pytest.raises(BadAnswer):
        mended(answer)


def test_a_stream_instead_of_a_document_is_a_failure() -> None:
    """A server that streams to everybody."""
    with pytest.raises(BadAnswer):
        whole(WHOLE_STREAM + DONE)


def test_a_byte_order_mark_is_taken_away() -> None:
    """One SDK takes it for a part of the first event, which it then passes over."""
    stream, names = mended(b"\xef\xbb\xbf" + ROLE + says("a") + finishes() + END)
    assert stream == ROLE + says("a") + finishes() + END
    assert names == {"bom"}
    answer, names = whole(b"\xef\xbb\xbf" + json.dumps(SOUND).encode())
    assert answer == json.dumps(SOUND).encode()
    assert names == {"bom"}


@pytest.mark.parametrize("said", [{"object": "error", "message": "busy"}, {"error": "busy"}])
def test_an_error_in_other_words_is_one_too(said: Json) -> None:
    """As some servers of open models say it, in a stream and alone."""
    with pytest.raises(ErrorInAnswer):
        mended(ROLE + event(said))
    with pytest.raises(ErrorInAnswer):
        whole(json.dumps(said).encode())


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE: Json = {"role": "assistant", "content": "a"}
SOUND: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
    "usage": USAGE,
    "x_vendor": [1.0],
}


def whole(answer: bytes) -> tuple[bytes, set[str]]:
    reader = CHAT.reader(FEATURES)
    _, held = read(reader, [answer])
    return held, reader.repaired


def answered(message: Json, finish: object = "stop", **more: Any) -> Json:
    return SOUND | {"choices": [{"index": 0, "message": message, "finish_reason": finish}]} | more


def called(*calls: Any, finish: object = "tool_calls") -> Json:
    return answered({"role": "assistant", "content": None, "tool_calls": list(calls)}, finish)


CALLED = called(CALL)
PROMPT_ONLY = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 0}
TWICE = {"id": "a", "type": "function", "function": {"name": "g", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("damaged", "wanted", "names"),
    [
        (SOUND, SOUND, set()),
        (CALLED, CALLED, set()),
        (SOUND | {"created": 1.0}, SOUND, {"head"}),
        (answered({"content": "a"}), SOUND, {"role"}),
        (answered({"role": "assistant", "content": [{"type": "text", "text": "a"}]}), SOUND, {"content"}),
        (
            SOUND | {"choices": [{"message": SOUND["choices"][0]["message"]}]},
            SOUND,
            {"choice_index", "finish_reason"},
        ),
        (called(CALL, finish="stop"), CALLED, {"finish_reason"}),
        (called(CALL, finish=None), CALLED, {"finish_reason"}),
        (called(CALL | {"function": {"name": "f", "arguments": {}}}), CALLED, {"tool_arguments"}),
        (called(CALL | {"function": {"name": "f", "arguments": None}}), CALLED, {"tool_arguments"}),
        (called(CALL | {"function": {"name": "f", "arguments": ""}}), CALLED, {"tool_arguments"}),
        (called(CALL | {"function": {"name": "f"}}), CALLED, {"tool_arguments"}),
        (called({"id": "a", "function": CALL["function"]}), CALLED, {"tool_type"}),
        (called(None, CALL), CALLED, {"tool_index"}),
        ({k: v for k, v in SOUND.items() if k != "usage"}, None, {"usage"}),
        (SOUND | {"usage": "9"}, SOUND | {"usage": None}, {"usage"}),
        (SOUND | {"usage": USAGE | {"prompt_tokens": "9"}}, SOUND, {"usage"}),
        (SOUND | {"usage": {"prompt_tokens": 9}}, SOUND | {"usage": PROMPT_ONLY}, {"usage"}),
    ],
)
def test_a_whole_answer_is_mended(damaged: Json, wanted: Json | None, names: set[str]) -> None:
    """To what it should have been; what is sound keeps its bytes; a vendor's own fields stay in either."""
    data = json.dumps(damaged).encode()
    answer, repaired = whole(data)
    assert repaired == names
    assert json.loads(answer) == (wanted or damaged)
    chat_whole(answer)
    if not names or wanted is None:
        assert answer == data


@pytest.mark.parametrize("name", ["id", "object", "created", "model"])
def test_a_whole_answer_gets_its_head(name: str) -> None:
    """The vendor's own type takes it, and it is the same each time."""
    data = json.dumps({key: value for key, value in SOUND.items() if key != name}).encode()
    answer, names = whole(data)
    assert getattr(chat_whole(answer), name) is not None
    assert answer == whole(data)[0]
    assert names == {"head"}


@pytest.mark.parametrize("said", [None, "", "a"])
def test_calls_of_a_whole_answer_have_an_id_each(said: object) -> None:
    """Missing, empty, or one for two."""
    answer, names = whole(json.dumps(called(CALL | {"id": said}, TWICE | {"id": said})).encode())
    made = chat_whole(answer).choices[0].message.tool_calls or []
    assert len({call.id for call in made}) == 2
    assert all(call.id for call in made)
    assert names == {"tool_id"}


@pytest.mark.parametrize(
    "damaged",
    [
        answered({"role": "assistant", "content": 7}),
        SOUND | {"choices": [{"index": 0, "finish_reason": "stop"}]},
        SOUND | {"choices": [{"message": {}}, 7]},
        called(CALL | {"function": {"arguments": "{}"}}),
        called(7),
        answered({"role": "assistant", "tool_calls": "f"}),
    ],
)
def test_a_whole_answer_that_cannot_be_mended_is_an_error(damaged: Json) -> None:
    """What it meant would be a guess."""
    with pytest.raises(BadAnswer):
        whole(json.dumps(damaged).encode())


def test_numbers_of_any_size_survive_mending() -> None:
    """What is written again says the same as before."""
    answer, _ = whole(json.dumps(SOUND | {"created": 1.0, "n": 123456789012345678901234567890}).encode())
    assert b'"n":123456789012345678901234567890' in answer
