"""Whole chat completions with silent damage, mended. Judged by the SDK's own type."""

import json
from typing import Any

import pytest

from route.dialects.base import BadAnswer, ErrorInAnswer, Features
from route.dialects.chat import CHAT
from tests.route.build import DONE, ROLE, USAGE, Json, finishes, read, says
from tests.route.dialects.judges import chat_whole

FEATURES = Features("small", stream=False, tools_requested=False, images=False)
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
    big = {"n": [7, {"a": 123456789012345678901234567890}, 1e30]}
    answer, _ = whole(json.dumps(SOUND | {"created": 1.0} | big).encode())
    assert b'"n":[7,{"a":123456789012345678901234567890},1e+30]' in answer


@pytest.mark.parametrize(("finish", "arguments"), [("tool_calls", "{}"), ("stop", "{}"), ("length", "")])
def test_a_call_that_was_cut_off_gets_no_arguments(finish: str, arguments: str) -> None:
    """As in a stream."""
    answer, _ = whole(json.dumps(called(CALL | {"function": {"name": "f"}}, finish=finish)).encode())
    [call] = json.loads(answer)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == arguments


def test_a_stream_instead_of_a_document_is_a_failure() -> None:
    """A server that streams to everybody."""
    with pytest.raises(BadAnswer):
        whole(ROLE + says("a") + finishes() + DONE)


def test_a_byte_order_mark_is_taken_away() -> None:
    """JSON has none, and one SDK's parser takes it for a fault."""
    answer, names = whole(b"\xef\xbb\xbf" + json.dumps(SOUND).encode())
    assert answer == json.dumps(SOUND).encode()
    assert names == {"bom"}


@pytest.mark.parametrize("said", [{"object": "error", "message": "busy"}, {"error": "busy"}])
def test_an_error_in_other_words_is_one_too(said: Json) -> None:
    """As some servers of open models say it."""
    with pytest.raises(ErrorInAnswer):
        whole(json.dumps(said).encode())
