"""Streamed tool calls with silent damage, mended. Judged by the SDK's helper, which adds up what it gets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.chat.native import ChatStream
from tests.route.build import ROLE, Json, cuts, documents, finishes, read
from tests.route.dialects.chat.chat_pieces import END, MADE, calls, made, mended, piece


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


def test_pieces_with_one_id_for_two_calls_go_by_their_index() -> None:
    """Begun before the first one is whole, and with the id in every piece."""
    pieces = [piece(0, "f", "f", '{"c"'), piece(1, "f", "f", '{"d"')]
    pieces += [piece(0, "f", None, ":1}"), piece(1, "f", None, ":2}")]
    stream, _ = mended(ROLE + b"".join(calls(one) for one in pieces) + MADE + END)
    assert [call[2] for call in made(stream)] == ['{"c":1}', '{"d":2}']


def test_a_piece_without_an_id_belongs_to_the_call_that_came_last() -> None:
    """At its index: here that is the first again, after the second had begun."""
    pieces = [
        piece(0, "a", "f", ""),
        piece(0, "b", "g", "{}"),
        piece(0, "a", None, '{"c"'),
        piece(0, None, None, ":1}"),
    ]
    stream, _ = mended(ROLE + b"".join(calls(one) for one in pieces) + MADE + END)
    assert made(stream) == [("a", "f", '{"c":1}'), ("b", "g", "{}")]


@pytest.mark.parametrize("index", [0, 0.0, "0", False, None])
def test_heads_come_once_and_indexes_are_whole_numbers(index: object) -> None:
    """Also a type that is repeated alone, and a number that is equal to the right one and no integer."""
    more = {"type": "function"}
    stream, _ = mended(
        ROLE + calls(piece(0, "a", "f", "{")) + calls(piece(index, None, None, "}", **more)) + MADE + END
    )
    [_, later] = [p for d in documents(stream) for c in d["choices"] for p in c["delta"].get("tool_calls", [])]
    assert later == {"index": 0, "function": {"arguments": "}"}}
    assert type(later["index"]) is int


def test_custom_tools_stay_custom() -> None:
    """A call of a tool that takes text is no function."""
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    stream = ROLE + calls(custom) + MADE + END
    assert mended(stream) == (stream, set())
