"""A receipt is added to a chat completion, and no other byte of it changes."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects import base
from route.dialects.chat import CHAT
from route.dialects.chat.native import ChatStream
from tests.route.build import DONE, RECEIPT, Json, documents, finishes, read, says
from tests.route.dialects.chat.chat_pieces import USAGE_CHUNK
from tests.route.dialects.chat.chat_streams import COMMENT, FEATURES, HEAD, asked, unasked


def test_the_receipt_goes_into_the_usage_chunk_that_was_asked_for() -> None:
    """The last chunk before `[DONE]`, and no other byte changes."""
    passed, held = read(asked(), [says("a"), finishes(), USAGE_CHUNK, DONE], RECEIPT)
    assert passed == says("a")
    assert held.startswith(finishes())
    assert held.endswith(DONE)
    assert documents(held)[1] == documents(USAGE_CHUNK)[0] | {"x_router": RECEIPT}


@pytest.mark.parametrize(("make", "sent"), [(unasked, USAGE_CHUNK), (asked, b"")])
def test_without_a_usage_chunk_the_receipt_goes_into_the_finish(
    make: Callable[[], ChatStream], sent: bytes
) -> None:
    """It was withheld, or the provider sent none: never a new event, which some SDKs refuse."""
    _, held = read(make(), [says("a"), finishes(), COMMENT, sent, DONE], RECEIPT)
    assert documents(held) == [documents(finishes())[0] | {"x_router": RECEIPT}]
    assert held.endswith(COMMENT + DONE)


def test_without_asking_there_is_no_receipt() -> None:
    """The tail is the provider's own."""
    _, held = read(asked(), [says("a"), finishes(), USAGE_CHUNK, DONE])
    assert held == finishes() + USAGE_CHUNK + DONE


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_the_receipt_is_added_and_nothing_else(answer: Json, indent: int | None, ascii_only: bool) -> None:
    """For every object in every notation: all of the provider's bytes but the closing brace come first."""
    data = json.dumps(answer, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    spliced = base.splice(data, RECEIPT)
    assert spliced.startswith(data.rstrip().removesuffix(b"}").rstrip())
    assert json.loads(spliced) == answer | {"x_router": RECEIPT}


@pytest.mark.parametrize(
    "data",
    [
        b'{%b"n":123456789012345678901234567890}',
        b'{%b"a":1.0,"b":1E5,"c":0.1000000000000000055}',
        b'{%b"a":"\\u00e9\\ud83d\\ude00\\/"}',
        b'{%b"a":"\\ud800"}',
        b'{%b"a":1,"a":2}',
        b'{ %b "b" : [ { } ] ,\n\t"a" : { } }',
        b'{%b"a":NaN,"b":1e999}',
    ],
)
def test_an_answer_keeps_its_bytes(data: bytes) -> None:
    """Large numbers, `1.0`, escapes, lone surrogates, repeated keys and blanks are not read and rewritten."""
    data %= WHOLE_HEAD
    reader = CHAT.reader(FEATURES)
    for cut in range(0, len(data), 7):
        assert reader.feed(data[cut : cut + 7]) == b""
    reader.end()
    assert reader.tail(None) == data
    assert reader.tail(RECEIPT).startswith(data[:-1].rstrip() + b',"x_router":')


WHOLE_HEAD = HEAD.replace(b".chunk", b"").replace(
    b"[]", b'[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]'
)


def test_an_empty_object_gets_no_comma() -> None:
    """The one object where the receipt is not the next member but the first."""
    assert base.splice(b"{}\n", {"a": 1}) == b'{"x_router":{"a":1}}'
