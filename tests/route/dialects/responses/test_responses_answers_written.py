"""Events written as answers of Responses, in the vendor's own types."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.base import dump
from route.dialects.fields import Report
from route.dialects.names import wire_name
from route.dialects.neutral import AnswerEvent, Began, BlockKind, Closed, Delta, Finished, Logprobs, Opened, Stop
from route.dialects.responses import RESPONSES
from route.dialects.responses.conversion import CONVERSION
from route.dialects.sse import Splitter
from tests.route.build import documents
from tests.route.dialects.responses import responses_wire as made
from tests.route.dialects.responses.responses_answers import (
    BEGAN,
    BODY,
    FULL,
    Json,
    bare,
    events_of,
    said,
    whole,
    written,
)
from tests.route.dialects.responses.responses_wire import JSON


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


def test_an_explanation_of_a_refusal_is_said_to_the_caller() -> None:
    """Where nothing else says it; as the vendor says it."""
    series: list[AnswerEvent] = [BEGAN, Finished(0, Stop.REFUSAL, explanation="Not this.")]
    assert bare(whole(series)["output"]) == [
        {
            **bare([made.REFUSAL])[0],
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
