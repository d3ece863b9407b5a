"""A whole message that is damaged reaches the caller sound, or is an error. Judged by the SDK."""

import json
from typing import Any

import pytest

from route.dialects.base import BadAnswer, ErrorInAnswer
from route.dialects.messages import MESSAGES
from tests.route.build import MESSAGE_STOP, Json, delta, event, read
from tests.route.dialects.judges import message_whole
from tests.route.dialects.messages.damaged_messages import (
    FEATURES,
    FINISH,
    SOUND,
    START,
    TEXT,
    blocks,
    mended,
    stop,
    text_start,
    whole,
)

CALL: Json = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}


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
