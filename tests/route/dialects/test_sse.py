"""Server-sent events: what the splitter makes of bytes, against the standard's own algorithm."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from route.dialects import sse
from route.dialects.sse import Event, EventTooLarge, Splitter
from tests.route.build import cuts

WIRE = [b"\r", b"\n", b"\r\n", b"\n\n", b"data:", b"data: ", b"event: x", b":", b" ", "é😀".encode(), b"[DONE]"]
STREAMS = st.lists(st.sampled_from(WIRE), max_size=24).map(b"".join)


def split(*pieces: bytes) -> tuple[list[Event], bytes]:
    splitter = Splitter()
    return [event for piece in pieces for event in splitter.feed(piece)], splitter.rest


def dispatched(stream: str) -> list[tuple[str, str]]:
    """The standard's algorithm, line by line: the name and data of every event that has data."""
    events, name, data = [], "", list[str]()
    for line in stream.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        field, _, value = line.partition(":")
        if not line:
            events += [(name, "\n".join(data))] if data else []
            name, data = "", []
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
    return events


@given(st.data(), STREAMS)
@example(None, b"data: 1\r\n\r\ndata: 2\r\n\r\n")
def test_every_cut_gives_the_same_events(data: st.DataObject | None, stream: bytes) -> None:
    """A chunk may end anywhere, also inside a CRLF, a blank line or a character."""
    singly = [stream[i : i + 1] for i in range(len(stream))]
    pieces = data.draw(cuts(stream)) if data else singly
    assert split(*pieces) == split(stream) == split(*singly)


@given(STREAMS)
def test_no_byte_is_lost_or_changed(stream: bytes) -> None:
    """The raw bytes of the events and the rest are the stream: that is what goes on to the caller."""
    events, rest = split(stream)
    assert b"".join(event.raw for event in events) + rest == stream


LINES = st.sampled_from(
    ["data: a", "data:b", "data", "event: x", "event:y", ": note", "id: 7", "data: é:😀", "retry"]
)


@given(st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_are_those_of_the_standard(groups: list[list[str]], end: str) -> None:
    """LF, CRLF and CR; comments, unknown fields, several data lines, one blank after the colon removed."""
    stream = "".join(end.join([*lines, "", ""]) for lines in groups)
    events, rest = split(stream.encode())
    assert [(e.name, e.data.decode()) for e in events if e.data is not None] == dispatched(stream)
    assert rest == b""


@pytest.mark.parametrize(
    ("stream", "name", "data"),
    [
        (b"data: x\n\n", "", b"x"),
        (b"data:x\n\n", "", b"x"),
        (b"data:  x\n\n", "", b" x"),
        (b"data: a: b\n\n", "", b"a: b"),
        (b"data: a\ndata: b\n\n", "", b"a\nb"),
        (b"data\n\n", "", b""),
        (b"event: ping\ndata: {}\n\n", "ping", b"{}"),
        (b"event: ping\n\n", "ping", None),
        (b": keepalive\n\n", "", None),
        (b"data: x\r\n\r\n", "", b"x"),
        (b"data: x\r\r", "", b"x"),
        (b"data: x\n\r\n", "", b"x"),
        (b"data: x\r\n\n", "", b"x"),
    ],
)
def test_one_event(stream: bytes, name: str, data: bytes | None) -> None:
    """Each form of one event, with lines that end alike or not. Data None: nothing but comments or fields."""
    assert split(stream) == ([Event(stream, name, data)], b"")


@given(st.data(), STREAMS)
def test_a_byte_order_mark_is_no_part_of_the_stream(data: st.DataObject, stream: bytes) -> None:
    """However it is cut; the standard leaves it out. One that is not at the start is a character like others."""
    splitter = Splitter()
    pieces = data.draw(cuts(sse.BOM + stream))
    events = [event for piece in pieces for event in splitter.feed(piece)]
    assert (events, splitter.rest) == split(stream)
    assert splitter.had_bom
    assert sse.BOM in split(b"\n\n" + sse.BOM + b"\n\n")[0][1].raw


@pytest.mark.parametrize("start", [b"", b"\xef", b"\xef\xbb", b"\xef\xbb\xbe", b"data: 1\n\n"])
def test_what_is_no_byte_order_mark_stays(start: bytes) -> None:
    """Also the beginning of one."""
    splitter = Splitter()
    events = [event for i in range(len(start)) for event in splitter.feed(start[i : i + 1])]
    assert b"".join(event.raw for event in events) + splitter.rest == start
    assert not splitter.had_bom


@pytest.mark.parametrize(
    ("raw", "is_standard", "is_text"),
    [
        (b": note\n\n", True, True),
        (b"id: 7\nretry: 1\nevent: x\n\n", True, True),
        (b"data: 1\r\n\r\n", True, True),
        (b"ata: 1\n\n", False, True),
        (b": note\n<p>\n\n", False, True),
        (b": \xff\n\n", True, False),
        (": é\n\n".encode(), True, True),
    ],
)
def test_what_the_lines_of_an_event_are(raw: bytes, is_standard: bool, is_text: bool) -> None:
    """The standard passes over a field that it does not know: for us it is the sign of something torn."""
    (event,), _ = split(raw)
    assert (event.is_standard, event.is_text) == (is_standard, is_text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_rewritten_event_keeps_its_other_lines(end: str) -> None:
    """Comments, ids and what else there is stay; data of several lines becomes one."""
    raw = end.join([": note", "event: a", "id: 7", "data: 1", "data: 2", "", ""]).encode()
    (event,), _ = split(raw)
    (both,), _ = split(sse.rewritten(event, data=b"3", name="b").raw)
    assert both == Event(b"event: b\n: note\nid: 7\ndata: 3\n\n", "b", b"3")
    (named,), _ = split(sse.rewritten(event, name="b").raw)
    assert named == Event(b"event: b\n: note\nid: 7\ndata: 1\ndata: 2\n\n", "b", b"1\n2")
    assert sse.rewritten(event, data=b"3").raw == b": note\nevent: a\nid: 7\ndata: 3\n\n"


@pytest.mark.parametrize("stream", [b"data: x\n", b"data: x\r\n\r", b"data: x\r", b"data: x\r\n"])
def test_an_event_ends_with_its_blank_line(stream: bytes) -> None:
    """Until the blank line is whole there is no event, however near it is."""
    assert split(stream) == ([], stream)


@given(st.binary(max_size=40).filter(lambda b: b"\n" not in b and b"\r" not in b), st.sampled_from(["", "ping"]))
def test_what_is_encoded_is_split_again(data: bytes, name: str) -> None:
    """`encode` and the splitter are inverses for every single line of data."""
    (event,), rest = split(sse.encode(data, name))
    assert (event.name, event.data, rest) == (name, data, b"")


def test_the_keepalive_is_a_comment() -> None:
    """A keepalive carries nothing, so no client takes it for an event."""
    (event,), _ = split(sse.KEEPALIVE)
    assert event.data is None
    assert event.name == ""


def endless(size: int) -> Callable[[], object]:
    return lambda: Splitter().feed(b"data: " + b"x" * (size - len(b"data: ")))


def test_an_event_without_end_is_refused_in_time() -> None:
    """What is held in memory is bounded: at the limit still, one byte more not."""
    assert endless(sse.MAX_EVENT_BYTES)() == []
    with pytest.raises(EventTooLarge):
        endless(sse.MAX_EVENT_BYTES + 1)()
