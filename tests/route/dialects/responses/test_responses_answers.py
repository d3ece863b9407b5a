"""Answers of Responses, read to events and written from them: whole and streamed, in the vendor's own types."""

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects.base import BadAnswer, ErrorInAnswer, Features, dump
from route.dialects.conversion import AnswerContext, AnswerWriting
from route.dialects.fields import Report
from route.dialects.names import wire_name
from route.dialects.neutral import (
    AnswerEvent,
    Began,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Finished,
    Logprobs,
    Opened,
    Sealed,
    Stop,
)
from route.dialects.pipe import TranslatedReader
from route.dialects.responses import RESPONSES
from route.dialects.responses.conversion import CONVERSION
from route.dialects.responses.seals import MARKER, unpack
from route.dialects.sse import Splitter
from tests.route.build import RECEIPT, cuts, documents, read
from tests.route.dialects.responses import responses_wire as made
from tests.route.dialects.responses.test_responses_native import JSON, without

Json = dict[str, Any]
USAGE = Usage(150, 800, 50, 0, 20, 7)
BEGAN = Began("resp_1", "small-2026-01", 1_790_000_000)
STREAM = made.stream(*made.OUTPUT)
BODY: Json = {
    "model": "default",
    "input": "Hello",
    "instructions": "Be brief.",
    "temperature": 0.5,
    "tools": [
        {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False},
        {"type": "custom", "name": "patch"},
        {
            "type": "namespace",
            "name": "mcp tools",
            "description": "",
            "tools": [{"type": "custom", "name": "run"}],
        },
    ],
    "tool_choice": {"type": "function", "name": "weather"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"verbosity": "low"},
    "metadata": {"a": "b"},
    "max_output_tokens": 100,
}


def translated(*, stream: bool = True, body: Json | None = None) -> TranslatedReader:
    """From this dialect, through the neutral form, to this dialect."""
    features = Features("m", stream, tools_requested=False, images=False)
    reading = CONVERSION.answer_reading(Report())
    asked = AnswerContext(body or {"model": "m", "input": "x"}, stream=stream, created=7)
    writing = CONVERSION.answer_writing(asked, Report())
    readers = (RESPONSES.reader(features), RESPONSES.reader(features))
    return TranslatedReader(*readers, reading, [], writing, stream=stream)


def events_of(stream: bytes, report: Report | None = None) -> list[AnswerEvent]:
    reading = CONVERSION.answer_reading(report or Report())
    return [event for one in Splitter().feed(stream) for event in reading.feed(one)] + list(reading.end())


def merged(events: Sequence[AnswerEvent]) -> list[AnswerEvent]:
    """The same with neighbouring deltas as one."""
    after: list[AnswerEvent] = []
    for event in events:
        last = after[-1] if after else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.block == event.block:
            after[-1] = Delta(0, event.block, last.text + event.text)
        else:
            after.append(event)
    return after


def written(events: Sequence[AnswerEvent], body: Json | None = None, report: Report | None = None) -> bytes:
    asked = AnswerContext(BODY if body is None else body, stream=True, created=7)
    writing = CONVERSION.answer_writing(asked, report or Report())
    return b"".join(writing.feed(event) for event in events) + writing.end()


def whole(events: Sequence[AnswerEvent], body: Json | None = None, report: Report | None = None) -> Json:
    return _whole(
        CONVERSION.answer_writing(AnswerContext(BODY if body is None else body, created=7), report or Report()),
        events,
    )


def _whole(writing: AnswerWriting, events: Sequence[AnswerEvent]) -> Json:
    return writing.whole(events)


def said(kind: BlockKind, text: str = "", block: int = 0, **call: Any) -> list[AnswerEvent]:
    return [Opened(0, block, kind, **call), *([Delta(0, block, text)] if text else []), Closed(0, block)]


FULL: list[AnswerEvent] = [
    BEGAN,
    Opened(0, 0, BlockKind.THINKING),
    Delta(0, 0, made.SUMMARY),
    Sealed(0, 0, encrypted="gAAAA-sealed"),
    Closed(0, 0),
    *said(BlockKind.TEXT, made.TEXT["text"], 1),
    *said(BlockKind.TOOL_CALL, made.CALL["arguments"], 2, id="call_1", name="weather"),
    *said(BlockKind.TOOL_CALL, made.CUSTOM["input"], 3, id="call_2", name="patch", namespace="tools", free=True),
    Finished(0, Stop.TOOL_CALLS),
    Counted(USAGE, cache_said=True),
]


def test_an_answer_is_read() -> None:
    """Whole and streamed it is the same series of events."""
    assert merged(events_of(STREAM)) == FULL
    assert list(CONVERSION.answer_reading(Report()).whole(made.response(*made.OUTPUT))) == FULL


@given(cuts(STREAM))
def test_a_stream_survives_its_translation(pieces: list[bytes]) -> None:
    """Reasoning, text and calls of both kinds, however it is cut; and the receipt where it belongs."""
    answer = translated()
    passed, tail = read(answer, pieces, RECEIPT)
    final = made.accumulated(passed + tail)
    assert final.to_dict()["x_router"] == RECEIPT
    assert _bare(made.output_of(final)) == _bare(made.OUTPUT)
    assert final.usage is not None
    assert final.usage.to_dict() == made.COUNTS
    assert (final.id, final.model, final.created_at) == ("resp_1", "small-2026-01", 1_790_000_000)
    assert (answer.usage, answer.tool_calls, answer.dropped) == (USAGE, 2, ())


def _bare(items: Sequence[Json]) -> list[Json]:
    return [{name: value for name, value in item.items() if name != "id"} for item in items]


def test_a_whole_answer_survives_its_translation() -> None:
    """All of its output is there again, and the receipt is beside it."""
    answer = translated(stream=False)
    read(answer, [dump(made.response(*made.OUTPUT))])
    final = made.validated(answer.tail(RECEIPT))
    assert _bare(made.output_of(final)) == _bare(made.OUTPUT)
    assert final.to_dict()["x_router"] == RECEIPT


def test_a_stream_has_the_order_of_the_vendors() -> None:
    """Each item and part is begun, said, ended; numbers count up; and names of events are their types."""
    expected = [event["type"] for event in made.events(made.REASONING, made.MESSAGE, made.CALL, made.CUSTOM)]
    passed = documents(written(FULL))
    kinds = [event["type"] for event in passed]
    assert _once(kinds) == _once(expected)
    assert [event["sequence_number"] for event in passed] == list(range(len(passed)))
    assert [event.name for event in Splitter().feed(written(FULL))] == kinds


def _once(kinds: Sequence[str]) -> list[str]:
    return [kind for n, kind in enumerate(kinds) if not n or kind != kinds[n - 1]]


def test_a_whole_answer_is_what_the_stream_ends_with() -> None:
    """The same events make the same response, streamed or whole."""
    assert documents(written(FULL))[-1]["response"] == whole(FULL)


def test_the_request_is_said_again() -> None:
    """The vendor's types require it, and clients read it."""
    final = made.validated(dump(whole(FULL)))
    assert final.instructions == "Be brief."
    assert (final.temperature, final.top_p, final.max_output_tokens) == (0.5, 1.0, 100)
    assert final.metadata == {"a": "b"}
    assert final.reasoning is not None
    assert final.reasoning.effort == "low"
    assert final.text is not None
    assert final.text.to_dict() == {"format": {"type": "text"}, "verbosity": "low"}
    assert [tool.type for tool in final.tools] == ["function", "custom", "namespace"]
    bare = made.validated(dump(whole([], {})))
    assert (bare.status, bare.output, bare.tool_choice, bare.model) == ("completed", [], "auto", "")


@given(st.dictionaries(st.sampled_from([*BODY, "include", "top_logprobs", "tools"]), JSON))
def test_a_hostile_request_is_still_answered(body: Json) -> None:
    """What is said again is of the right type or left out; names are looked up in whatever tools there are."""
    assert whole(FULL, body)["output"]


@pytest.mark.parametrize(
    ("stop", "status", "reason", "dropped"),
    [
        (Stop.END, "completed", None, ()),
        (Stop.TOOL_CALLS, "completed", None, ()),
        (Stop.STOP_SEQUENCE, "completed", None, ("stop_reason",)),
        (Stop.PAUSE, "completed", None, ("stop_reason",)),
        ("eos", "completed", None, ("stop_reason",)),
        (Stop.LENGTH, "incomplete", "max_output_tokens", ()),
        (Stop.CONTEXT_FULL, "incomplete", "max_output_tokens", ()),
        (Stop.REFUSAL, "incomplete", "content_filter", ()),
        ("max_messages", "incomplete", "max_messages", ()),
    ],
)
def test_how_an_answer_stopped(stop: str, status: str, reason: str | None, dropped: tuple[str, ...]) -> None:
    """What the dialect has no word for is reported; what was cut short is incomplete, with its last item."""
    report = Report()
    series = [
        BEGAN,
        *said(BlockKind.TEXT, "One"),
        *said(BlockKind.TOOL_CALL, "{}", 1, name="f"),
        Finished(0, stop),
    ]
    final = made.validated(dump(whole(series, report=report)))
    assert final.status == status
    assert (final.incomplete_details and final.incomplete_details.reason) == reason
    assert [item["status"] for item in made.output_of(final)] == ["completed", status]
    assert report.dropped == dropped
    assert documents(written(series))[-1]["type"] == f"response.{status}"


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("max_output_tokens", Stop.LENGTH),
        ("content_filter", Stop.REFUSAL),
        ("steered", "steered"),
        (None, Stop.LENGTH),
    ],
)
def test_why_an_answer_is_incomplete(reason: str | None, stop: str) -> None:
    """Each reason has its stop; an unknown one passes, and none at all means the length."""
    cut_short = made.response(made.MESSAGE, status="incomplete", incomplete_details={"reason": reason})
    assert Finished(0, stop) in list(CONVERSION.answer_reading(Report()).whole(cut_short))


def test_an_explanation_of_a_refusal_is_said_to_the_caller() -> None:
    """Where nothing else says it; as the vendor says it."""
    series: list[AnswerEvent] = [BEGAN, Finished(0, Stop.REFUSAL, explanation="Not this.")]
    assert _bare(whole(series)["output"]) == [
        {
            **_bare([made.REFUSAL])[0],
            "status": "incomplete",
            "content": [{"type": "refusal", "refusal": "Not this."}],
        }
    ]


def test_texts_that_follow_each_other_are_one_message() -> None:
    """With several parts, as the dialect has it; a refusal is a part too."""
    series = [
        BEGAN,
        *said(BlockKind.TEXT, "One"),
        *said(BlockKind.TEXT, "Two", 1),
        *said(BlockKind.REFUSAL, "No", 2),
    ]
    final = made.accumulated(written([*series, Finished(0, Stop.END)]))
    assert [part["type"] for part in made.output_of(final)[0]["content"]] == [
        "output_text",
        "output_text",
        "refusal",
    ]
    assert final.output_text == "OneTwo"


def test_reasoning_without_a_seal_is_known_as_ours() -> None:
    """Sent back to the vendor it would be an item that it cannot find: so it must stay behind."""
    item = whole([BEGAN, *said(BlockKind.THINKING, "Hm."), Finished(0, Stop.END)])["output"][0]
    assert RESPONSES.upstream_body({"input": [item]}, "m")["input"] == []


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


def test_tools_have_the_callers_own_names() -> None:
    """A namespace's tool comes back in its namespace, and free text as free text, though the wire knew neither."""
    wrapped, name = json.dumps({"input": "ls\n"}), wire_name("mcp tools", "run")
    series = [
        BEGAN,
        *said(BlockKind.TOOL_CALL, wrapped, id="c1", name=name),
        *said(BlockKind.TOOL_CALL, "not wrapped", 1, id="c2", name="patch"),
        *said(BlockKind.TOOL_CALL, "", 2, id="", name="weather"),
        *said(BlockKind.TOOL_CALL, "{}", 3, id="c4", name="unknown"),
        Finished(0, Stop.TOOL_CALLS),
    ]
    run, patch, weather, unknown = made.output_of(made.accumulated(written(series)))
    assert (run["type"], run["name"], run["namespace"], run["input"]) == (
        "custom_tool_call",
        "run",
        "mcp tools",
        "ls\n",
    )
    assert (patch["type"], patch["input"]) == ("custom_tool_call", "not wrapped")
    assert (weather["type"], weather["arguments"], weather["call_id"][:5]) == ("function_call", "{}", "call_")
    assert (unknown["name"], "namespace" in unknown) == ("unknown", False)


def test_ids_are_derived_and_stable() -> None:
    """Of another dialect's id, of this dialect's own, and of the request where there is none."""
    for began in (Began("chatcmpl-1"), Began("resp_9"), Began()):
        first, second = (whole([began, *FULL[1:]]) for _ in range(2))
        assert first == second
        assert first["id"].startswith("resp_")
        ids = [item["id"] for item in first["output"]]
        assert [one.partition("_")[0] for one in ids] == ["rs", "msg", "fc", "ctc"]
        assert len(set(ids)) == 4
    assert whole([Began("resp_9")])["id"] == "resp_9"
    assert whole([Began("a")])["id"] != whole([Began("b")])["id"]
    assert whole([])["created_at"] == 7


TOP: Json = {"token": "e", "logprob": -1.0, "bytes": [101]}
TOKENS: tuple[Json, ...] = ({"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [TOP]},)


def test_log_probabilities_stand_with_their_text() -> None:
    """In the delta whose tokens they are, and in the part that ends; and they are read from there."""
    series: list[AnswerEvent] = [
        BEGAN,
        Opened(0, 0, BlockKind.TEXT),
        Delta(0, 0, "é"),
        Logprobs(0, TOKENS),
        Delta(0, 0, "!"),
        Closed(0, 0),
    ]
    stream = written([*series, Finished(0, Stop.END)], {"include": ["message.output_text.logprobs"]})
    assert made.accumulated(stream).output_text == "é!"
    deltas = [event for event in documents(stream) if event["type"] == "response.output_text.delta"]
    assert [(event["delta"], event["logprobs"]) for event in deltas] == [("é", list(TOKENS)), ("!", [])]
    assert [event for event in events_of(stream) if isinstance(event, Logprobs)] == [Logprobs(0, TOKENS)]
    answer = documents(stream)[-1]["response"]
    assert Logprobs(0, TOKENS) in list(CONVERSION.answer_reading(Report()).whole(answer))


def test_more_than_one_choice_cannot_be_said() -> None:
    """Nobody can ask for it; of a provider that answers so anyway the first is taken, and the rest reported."""
    report = Report()
    series = [
        BEGAN,
        *said(BlockKind.TEXT, "One"),
        Opened(1, 0, BlockKind.TEXT),
        Delta(1, 0, "Two"),
        Finished(1, Stop.END),
    ]
    assert len(whole([*series, Finished(0, Stop.END)], report=report)["output"]) == 1
    assert report.dropped == ("choices[]",)


@pytest.mark.parametrize(
    "missing",
    [
        ("response.output_text.delta", "response.function_call_arguments.delta"),
        tuple(
            {e["type"] for e in made.events(*made.OUTPUT)}
            - {"response.created", "response.output_item.done", "response.completed"}
        ),
        tuple({e["type"] for e in made.events(*made.OUTPUT)} - {"response.created", "response.completed"}),
        ("response.output_item.done",),
    ],
)
def test_what_deltas_leave_out_is_read_from_what_ends(missing: tuple[str, ...]) -> None:
    """Of the part, the item, or the response: texts, arguments and seals."""
    assert _by_block(merged(events_of(without(*missing)))) == _by_block(FULL)


def test_items_at_one_place_are_kept_apart() -> None:
    """Some servers give all of them the place 0."""
    same = [
        {**event, "output_index": 0} if "output_index" in event else event for event in made.events(*made.OUTPUT)
    ]
    assert merged(events_of(made.wire(*same))) == FULL


def test_what_the_neutral_form_does_not_have_is_reported() -> None:
    """Items of tools that the provider runs, annotations, what is to come; not what only repeats the request."""
    search: Json = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    part = {**made.TEXT, "annotations": [{"type": "url_citation"}]}
    message = {**made.MESSAGE, "phase": "commentary", "content": [part, {"type": "future"}]}
    report = Report()
    list(CONVERSION.answer_reading(report).whole(made.response(search, message, service_tier="flex", future=1)))
    assert report.dropped == (
        "future",
        "output[].content[].annotations",
        "output[].content[].future",
        "output[].phase",
        "output[].web_search_call",
        "service_tier",
    )


def test_reasoning_is_told_once() -> None:
    """A summary and the text that it sums up are not one after the other."""
    both = {**made.REASONING, "content": [{"type": "reasoning_text", "text": "Long."}]}
    report = Report()
    assert Delta(0, 0, made.SUMMARY) in list(CONVERSION.answer_reading(report).whole(made.response(both)))
    assert report.dropped == ("output[].content",)
    two = {**made.REASONING, "summary": [{"type": "summary_text", "text": t} for t in ("One", "Two")]}
    assert Delta(0, 0, "One\n\nTwo") in merged(events_of(made.stream(two)))
    raw = {**both, "summary": []}
    assert Delta(0, 0, "Long.") in list(CONVERSION.answer_reading(Report()).whole(made.response(raw)))


def test_a_call_without_a_name_is_no_answer() -> None:
    """Nobody could run it, whether the name is empty or null."""
    for stream in (made.stream({**made.CALL, "name": ""}), made.stream({**made.CALL, "name": None})):
        with pytest.raises(BadAnswer):
            events_of(stream)


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
    assert _by_block(merged(again)) == _by_block(series)


def _by_block(events: Sequence[AnswerEvent]) -> dict[object, list[AnswerEvent]]:
    found: dict[object, list[AnswerEvent]] = {}
    for event in events:
        found.setdefault(getattr(event, "block", None), []).append(event)
    return found
