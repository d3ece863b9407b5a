"""Answers of Responses, drawn or hostile: written and read back they say the same, or are a fault."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import BadAnswer, ErrorInAnswer, Features, dump
from route.dialects.conversion import AnswerContext
from route.dialects.fields import Report
from route.dialects.neutral import AnswerEvent, BlockKind, Closed, Counted, Delta, Finished, Opened, Sealed, Stop
from route.dialects.pipe import TranslatedReader
from route.dialects.responses import RESPONSES
from route.dialects.responses.conversion import CONVERSION
from route.dialects.responses.seals import MARKER, unpack
from tests.route.build import RECEIPT, cuts, read
from tests.route.dialects.responses import responses_wire as made
from tests.route.dialects.responses.responses_answers import (
    BEGAN,
    STREAM,
    USAGE,
    Json,
    bare,
    by_block,
    events_of,
    merged,
    said,
    whole,
    written,
)
from tests.route.dialects.responses.responses_wire import JSON


def translated(*, stream: bool = True, body: Json | None = None) -> TranslatedReader:
    """From this dialect, through the neutral form, to this dialect."""
    features = Features("m", stream, tools_requested=False, images=False)
    reading = CONVERSION.answer_reading(Report())
    asked = AnswerContext(body or {"model": "m", "input": "x"}, stream=stream, created=7)
    writing = CONVERSION.answer_writing(asked, Report())
    readers = (RESPONSES.reader(features), RESPONSES.reader(features))
    return TranslatedReader(*readers, reading, [], writing, stream=stream)


@given(cuts(STREAM))
def test_a_stream_survives_its_translation(pieces: list[bytes]) -> None:
    """Reasoning, text and calls of both kinds, however it is cut; and the receipt where it belongs."""
    answer = translated()
    passed, tail = read(answer, pieces, RECEIPT)
    final = made.accumulated(passed + tail)
    assert final.to_dict()["x_router"] == RECEIPT
    assert bare(made.output_of(final)) == bare(made.OUTPUT)
    assert final.usage is not None
    assert final.usage.to_dict() == made.COUNTS
    assert (final.id, final.model, final.created_at) == ("resp_1", "small-2026-01", 1_790_000_000)
    assert (answer.usage, answer.tool_calls, answer.dropped) == (USAGE, 2, ())


def test_a_whole_answer_survives_its_translation() -> None:
    """All of its output is there again, and the receipt is beside it."""
    answer = translated(stream=False)
    read(answer, [dump(made.response(*made.OUTPUT))])
    final = made.validated(answer.tail(RECEIPT))
    assert bare(made.output_of(final)) == bare(made.OUTPUT)
    assert final.to_dict()["x_router"] == RECEIPT


@given(st.text(), st.text(), st.booleans())
def test_anthropics_seals_go_round(signature: str, redacted: str, shown: bool) -> None:
    """In the one field that callers send back; also when there is none, so that the vendor never sees the item."""
    text: list[AnswerEvent] = [Delta(0, 0, "Hm.")] if shown else []
    seals: list[AnswerEvent] = [Sealed(0, 0, signature, redacted), Closed(0, 0), Finished(0, Stop.END)]
    item = whole([BEGAN, Opened(0, 0, BlockKind.THINKING), *text, *seals])["output"][0]
    assert item["encrypted_content"].startswith(MARKER)
    seal = unpack(item["encrypted_content"])
    assert (seal.signature, seal.redacted, seal.encrypted) == (signature, redacted, "")
    assert unpack(MARKER + "é") == unpack(MARKER + "bm8=") == unpack(MARKER + "W10=") == type(seal)()


def test_an_answer_without_usage_gets_an_estimate() -> None:
    """The caller is told the same count as we book, and it is more than 0."""
    answer = translated()
    final = made.accumulated(b"".join(read(answer, [made.stream(made.MESSAGE, usage=None)])))
    assert final.usage is not None
    assert final.usage.output_tokens == answer.seen_usage.output > 0


PLACES = (
    "output_index",
    "content_index",
    "item",
    "delta",
    "type",
    "response",
    "part",
    "logprobs",
    "summary_index",
)


@given(st.data(), st.booleans())
def test_hostile_answers_are_no_answers(data: st.DataObject, deep: bool) -> None:
    """Whatever stands where: there is an answer, or one of the two faults."""
    said = made.events(*made.OUTPUT)
    event = data.draw(st.sampled_from(said))
    inside = [one for one in (event.get("item"), event.get("response"), event.get("part")) if one]
    held = data.draw(st.sampled_from(inside)) if deep and inside else event
    held[data.draw(st.sampled_from([*held, *PLACES]))] = data.draw(JSON)
    with contextlib.suppress(BadAnswer, ErrorInAnswer):
        read(translated(), [b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in said)], RECEIPT)
    with contextlib.suppress(BadAnswer, ErrorInAnswer):
        read(translated(stream=False), [dump(said[-1].get("response") or {})], RECEIPT)


TEXTS = st.text(min_size=1, max_size=12)
BLOCKS = st.lists(
    st.tuples(st.just(BlockKind.TEXT), TEXTS, st.just(""))
    | st.tuples(st.just(BlockKind.REFUSAL), TEXTS, st.just(""))
    | st.tuples(st.just(BlockKind.THINKING), TEXTS, st.text(min_size=1, max_size=5))
    | st.tuples(st.just(BlockKind.TOOL_CALL), TEXTS.filter(str.strip), st.sampled_from(["f", "g"])),
    max_size=6,
)


@given(BLOCKS, st.booleans())
def test_events_go_round(blocks: list[tuple[BlockKind, str, str]], stream: bool) -> None:
    """Written and read again they are what they were, whole or streamed."""
    series: list[AnswerEvent] = [BEGAN]
    for n, (kind, text, extra) in enumerate(blocks):
        call = {"id": f"call_{n}", "name": extra} if kind is BlockKind.TOOL_CALL else {}
        opened, delta, closed = said(kind, text, n, **call)
        seal = [Sealed(0, n, signature=extra)] if kind is BlockKind.THINKING else []
        series += [opened, delta, *seal, closed]
    called = any(kind is BlockKind.TOOL_CALL for kind, _, _ in blocks)
    series += [Finished(0, Stop.TOOL_CALLS if called else Stop.END), Counted(USAGE, cache_said=True)]
    if stream:
        again = events_of(written(series))
    else:
        again = list(CONVERSION.answer_reading(Report()).whole(whole(series)))
    # Parts of one message end together.
    assert by_block(merged(again)) == by_block(series)
