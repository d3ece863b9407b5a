"""Whatever a provider sends: bytes that are sound, or an error of the provider's. Never one of ours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from route.dialects import base
from route.dialects.base import BadAnswer, Dialect, ErrorInAnswer, Reader
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.pipe import TranslatedReader
from tests.route.build import RECEIPT, read
from tests.route.dialects import fuzzing
from tests.route.dialects.fuzzing import DIALECTS, REQUESTS, STREAMS, TRANSLATED, WHOLES, as_json, features

REFUSED = (BadAnswer, ErrorInAnswer)
STREAMED = [dialect for dialect in DIALECTS if dialect.name in STREAMS]
MENDED = [dialect for dialect in STREAMED if dialect.name in ("chat", "messages")]
ONLY_NOTED = {"usage", "usage_repeat"}  # what was never said, and the zeros that then stand for it
PAIRS = [(theirs, own) for theirs in TRANSLATED for own in TRANSLATED]


def named(dialect: Dialect) -> str:
    return dialect.name


def outcome(reader: Reader, data: bytes, size: int) -> bytes | None:
    """What the caller gets in the end; None where the answer is refused."""
    try:
        passed, held = read(reader, fuzzing.pieces(data, size), RECEIPT)
    except REFUSED:
        return None
    assert isinstance(reader.seen_usage.output, int)
    assert all(isinstance(name, str) for name in (*reader.repaired, *reader.dropped))
    return passed + held


def translated(theirs: Dialect, own: Dialect, *, stream: bool) -> Reader:
    assert theirs.conversion
    assert own.conversion
    asked = AnswerContext(REQUESTS[own.name], stream, True, 1)
    reading, writing = theirs.conversion.answer_reading(Report()), own.conversion.answer_writing(asked, Report())
    traits = features(stream=stream)
    return TranslatedReader(theirs.reader(traits), own.reader(traits), reading, [], writing, stream=stream)


@st.composite
def damage(draw: st.DrawFn, dialect: Dialect) -> tuple[bytes, bool]:
    """A damaged answer, and whether it is a stream."""
    if draw(st.booleans()):
        return b"".join(draw(fuzzing.damaged_streams(draw(st.sampled_from(STREAMS[dialect.name]))))), True
    return as_json(draw(fuzzing.damaged(draw(st.sampled_from(WHOLES[dialect.name]))))), False


SIZES = st.integers(1, 400)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
@given(st.data())
def test_any_bytes_are_an_answer_or_none(dialect: Dialect, stream: bool, data: st.DataObject) -> None:
    """Also such as look like events."""
    words = [
        b"data:",
        b"event: error",
        b"\n",
        b"\r",
        b"{",
        b"}",
        b"[DONE]",
        b'"choices"',
        b'"type":',
        b"\xef\xbb\xbf",
    ]
    sent = b"".join(data.draw(st.lists(st.sampled_from(words) | st.binary(max_size=6), max_size=20)))
    outcome(dialect.reader(features(stream=stream)), sent, data.draw(SIZES))


@pytest.mark.parametrize("dialect", STREAMED, ids=named)
@given(st.data())
@settings(max_examples=300)
def test_any_damaged_stream_is_an_answer_or_none(dialect: Dialect, data: st.DataObject) -> None:
    """Values of other types, events lost, doubled or swapped, bytes torn."""
    events = data.draw(fuzzing.damaged_streams(data.draw(st.sampled_from(STREAMS[dialect.name]))))
    outcome(dialect.reader(features(stream=True)), b"".join(events), data.draw(SIZES))


@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
@given(st.data())
@settings(max_examples=200)
def test_any_damaged_document_is_an_answer_or_none(dialect: Dialect, data: st.DataObject) -> None:
    """The same of whole answers."""
    sent = as_json(data.draw(fuzzing.damaged(data.draw(st.sampled_from(WHOLES[dialect.name])))))
    outcome(dialect.reader(features(stream=False)), sent, data.draw(SIZES))


@pytest.mark.parametrize("dialect", MENDED, ids=named)
@given(st.data())
@settings(max_examples=300)
def test_what_has_been_mended_is_sound(dialect: Dialect, data: st.DataObject) -> None:
    """What a reader passes on, another passes on as it is: nothing is left to mend, streamed or whole."""
    sent, stream = data.draw(damage(dialect))
    first = dialect.reader(features(stream=stream))
    try:
        got = b"".join(read(first, [sent]))
    except REFUSED:
        return
    second = dialect.reader(features(stream=stream))
    assert b"".join(read(second, [got])) == got
    assert second.repaired <= ONLY_NOTED
    assert (second.tool_calls, second.output_chars) == (first.tool_calls, first.output_chars)


@pytest.mark.parametrize("dialect", STREAMED, ids=named)
def test_sound_streams_are_not_touched(dialect: Dialect) -> None:
    """All that is damaged above passes byte for byte as long as it is whole."""
    for events in STREAMS[dialect.name]:
        reader = dialect.reader(features(stream=True))
        assert b"".join(read(reader, events)) == b"".join(events)
        assert reader.repaired <= ONLY_NOTED


@pytest.mark.parametrize("dialect", STREAMED, ids=named)
@given(st.data())
@settings(max_examples=50)
def test_what_is_held_is_bounded(dialect: Dialect, data: st.DataObject) -> None:
    """A stream that goes on and on in any one of its events is refused, or passes through; it is not kept."""
    limit = 20_000
    event = data.draw(st.sampled_from([e for events in STREAMS[dialect.name] for e in events]))
    first = data.draw(st.sampled_from(STREAMS[dialect.name]))[: data.draw(st.integers(0, 4))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "MAX_HELD_BYTES", limit)
        patch.setattr(base, "MAX_ANSWER_BYTES", limit)
        reader = dialect.reader(features(stream=True))
        try:
            for piece in (*first, *[event] * (4 * limit // len(event))):
                reader.feed(piece)
        except REFUSED:
            return
    assert reader.done or fuzzing.weight(reader) < 3 * limit


@pytest.mark.parametrize(("theirs", "own"), PAIRS, ids=[f"{t.name}-{o.name}" for t, o in PAIRS])
@given(st.data())
@settings(max_examples=100)
def test_any_damage_survives_translation(theirs: Dialect, own: Dialect, data: st.DataObject) -> None:
    """From each dialect to each, streamed and whole."""
    sent, stream = data.draw(damage(theirs))
    outcome(translated(theirs, own, stream=stream), sent, data.draw(SIZES))


@pytest.mark.parametrize(("theirs", "own"), PAIRS, ids=[f"{t.name}-{o.name}" for t, o in PAIRS])
def test_sound_answers_are_translated(theirs: Dialect, own: Dialect) -> None:
    """What is damaged above comes through as long as it is whole, and needs no mending on the other side."""
    for events, whole in zip(STREAMS[theirs.name], WHOLES[theirs.name], strict=True):
        for sent, stream in ((b"".join(events), True), (as_json(whole), False)):
            got = outcome(translated(theirs, own, stream=stream), sent, 100)
            assert got is not None
            again = own.reader(features(stream=stream))
            read(again, [got])
            assert again.repaired <= ONLY_NOTED
