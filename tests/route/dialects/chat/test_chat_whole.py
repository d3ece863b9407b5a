"""A whole chat completion is one sound document within bounds, or a failure."""

import pytest

from route.dialects import base
from route.dialects.base import BadAnswer, ErrorInAnswer
from route.dialects.chat import CHAT
from tests.route.build import read
from tests.route.dialects.chat.chat_streams import FEATURES, unary


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"[]",
        b'"choices"',
        b"null",
        b'{"choices":[',
        b"{}",
        b'{"choices":null}',
        b'{"choices":[]}',
        b'{"choices":[null]}',
        b'{"id":"x"}',
        b'{"error":null}',
        b'{"choices":"x"}',
        '{"choices":[{}]}'.encode("utf-16"),
        b'{"choices":[{}],"n":' + b"9" * 5000 + b"}",
        b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_whole_answer_must_be_one(answer: bytes) -> None:
    """200 with a page, half a document, a list or nothing is a failure of the route, never passed on."""
    with pytest.raises(BadAnswer):
        read(CHAT.reader(FEATURES), [answer])


@pytest.mark.parametrize("said", [{"message": "busy"}, "busy", [1]])
def test_200_with_an_error_is_an_error(said: object) -> None:
    """The SDK would hand out an object without choices."""
    with pytest.raises(ErrorInAnswer):
        unary({"error": said, "choices": []})


def test_a_whole_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the limit it is kept, one byte more is a failure."""
    monkeypatch.setattr(base, "MAX_ANSWER_BYTES", 10)
    reader = CHAT.reader(FEATURES)
    reader.feed(b"x" * 10)
    with pytest.raises(BadAnswer):
        reader.feed(b"x")
