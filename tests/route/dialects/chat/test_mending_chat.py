"""Streamed chat completions with silent damage: what comes out is sound, or is an error. Judged by the SDK."""

import json

import pytest

from route.dialects.base import BadAnswer, ErrorInAnswer
from route.dialects.chat.native import ChatStream
from tests.route.build import DONE, RECEIPT, ROLE, Json, choice, chunk, documents, event, finishes, read, says
from tests.route.dialects.chat.chat_pieces import END, MADE, USAGE_CHUNK, calls, mended, piece
from tests.route.dialects.judges import chat_streamed


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
    monkeypatch.setattr("route.dialects.mending.MAX_CALLS", 3)
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
    reader.feed(ROLE * 2 + says("a") + finishes() * 2)
    with pytest.raises(BadAnswer):
        reader.feed(finishes() * 2)


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


def test_a_byte_order_mark_is_taken_away() -> None:
    """One SDK takes it for a part of the first event, which it then passes over."""
    stream, names = mended(b"\xef\xbb\xbf" + ROLE + says("a") + finishes() + END)
    assert stream == ROLE + says("a") + finishes() + END
    assert names == {"bom"}


@pytest.mark.parametrize("said", [{"object": "error", "message": "busy"}, {"error": "busy"}])
def test_an_error_in_other_words_is_one_too(said: Json) -> None:
    """As some servers of open models say it, in a stream and alone."""
    with pytest.raises(ErrorInAnswer):
        mended(ROLE + event(said))


def test_numbers_of_any_size_survive_mending() -> None:
    """What is written again says the same as before."""
    stream, _ = mended(ROLE + says("a", created=1.0, n=123456789012345678901234567890) + finishes() + END)
    assert b'"n":123456789012345678901234567890' in stream
