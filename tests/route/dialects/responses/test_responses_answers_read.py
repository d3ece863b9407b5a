"""Answers of Responses, whole and streamed, read as events."""

import pytest

from route.dialects.base import BadAnswer
from route.dialects.fields import Report
from route.dialects.neutral import Delta, Finished, Stop
from route.dialects.responses.conversion import CONVERSION
from tests.route.dialects.responses import responses_wire as made
from tests.route.dialects.responses.responses_answers import FULL, STREAM, Json, by_block, events_of, merged
from tests.route.dialects.responses.responses_wire import without


def test_an_answer_is_read() -> None:
    """Whole and streamed it is the same series of events."""
    assert merged(events_of(STREAM)) == FULL
    assert list(CONVERSION.answer_reading(Report()).whole(made.response(*made.OUTPUT))) == FULL


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
    assert by_block(merged(events_of(without(*missing)))) == by_block(FULL)


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
