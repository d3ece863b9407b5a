"""What is no JSON object, numbers and strings as they came, and the bound of nesting."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import dump
from route.errors import BadRequest
from route.request.parse import (
    MAX_LEVELS,
    estimate_tokens,
    parse_body,
)
from tests.route.build import Json, body, request

SECRET = "swordfish"


HOSTILE = {
    "nothing": b"",
    "a word": b"swordfish",
    "torn": b'{"a": "swordfish',
    "two": b'{"a": "swordfish"} {}',
    "a list": b'["swordfish"]',
    "a string": b'"swordfish"',
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"swordfish": NaN}',
    "infinity": b'{"swordfish": -Infinity}',
    "beyond a double": b'{"swordfish": 1e999}',
    "5,000 digits": b'{"swordfish": ' + b"9" * 5000 + b"}",
    "deep": b'{"swordfish": ' * 100_000,
    "deep and whole": b"[" * 5000 + b"]" * 5000,
    "not UTF-8": b'{"swordfish": "\xff\xfe"}',
    "half a character": b'{"swordfish": "\xf0\x9f\x98"}',
    "single quotes": b"{'swordfish': 1}",
    "a comment": b'{"swordfish": 1} // x',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_json_object_is_a_bad_request(data: bytes) -> None:
    """400 that says what is wrong, and never repeats what was sent."""
    with pytest.raises(BadRequest) as caught:
        parse_body(data)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
    assert SECRET not in caught.value.message


@given(st.binary() | st.text('{}[]":,01eE.-+\\u" \n', max_size=60).map(str.encode))
def test_no_bytes_break_us(data: bytes) -> None:
    """Whatever comes is an object or a bad request, and an object can be sent on."""
    try:
        asked = parse_body(data)
    except BadRequest:
        return
    assert parse_body(dump(asked)) == asked


@pytest.mark.parametrize(
    "text",
    [
        '{"n":123456789012345678901234567890}',
        '{"a":1.0}',
        '{"a":-0.0}',
        '{"a":"\\ud800"}',
        '{"a":"\\u0000"}',
        '{"a":' + "[" * 100 + "]" * 100 + "}",
    ],
)
@pytest.mark.case("C1")
def test_numbers_and_strings_go_on_as_they_came(text: str) -> None:
    """Of any size, half characters too: the provider decides what it takes."""
    assert dump(parse_body(text.encode())).decode() == text


def nested(levels: int) -> Json:
    """An object in which that many levels lie, the outermost included."""
    value: Any = "x"
    for _ in range(levels - 1):
        value = [value]
    return {"v": value}


def test_nesting_has_a_bound() -> None:
    """At the bound it is read, one level more is a bad request and not a crash deep inside."""
    assert estimate_tokens(nested(MAX_LEVELS)) == 1
    with pytest.raises(BadRequest):
        estimate_tokens(nested(MAX_LEVELS + 1))


@pytest.mark.parametrize("levels", [300, 600, 900])
def test_a_deep_request_is_refused_and_not_a_crash(levels: int) -> None:
    """What the parser still reads must not end in a RecursionError behind it, also inside inline data."""
    for inner in (nested(levels), {"type": "base64", "data": nested(levels)}):
        with pytest.raises(BadRequest, match="nested too deeply"):
            request(parse_body(json.dumps(body(x=inner)).encode()))
