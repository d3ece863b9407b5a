"""Responses as they pass by: what is asked, what is held back, what is mended, and where the receipt goes."""

import contextlib
import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.dialects.base import BadAnswer, ErrorInAnswer, Features, Reader
from route.dialects.responses import RESPONSES
from route.dialects.responses.native import Responses
from route.dialects.responses.seals import Seal, pack
from route.dialects.responses.spans import span_of
from route.errors import ApiError, BadRequest
from tests.route.build import RECEIPT, cuts, read
from tests.route.dialects.responses import responses_wire as made
from tests.route.dialects.responses.responses_wire import JSON, without
from warmroute.lookup import receipt_in

Json = dict[str, Any]
STREAM = made.stream(*made.OUTPUT)


def reader(*, stream: bool = True) -> Reader:
    return RESPONSES.reader(Features("m", stream, tools_requested=False, images=False))


@given(cuts(STREAM))
def test_a_stream_passes_as_it_came(pieces: list[bytes]) -> None:
    """However it is cut; without a receipt not a byte is another one."""
    passed, tail = read(reader(), pieces)
    assert passed + tail == STREAM
    assert b"response.completed" in tail
    assert b"response.completed" not in passed


@given(cuts(STREAM))
def test_the_receipt_stands_in_the_response_of_the_last_event(pieces: list[bytes]) -> None:
    """There the SDK keeps it and our client finds it; everything else stays as it was, byte for byte."""
    passed, tail = read(reader(), pieces, RECEIPT)
    last = json.loads(tail.split(b"data: ")[1])
    assert last["response"].pop("x_router") == RECEIPT
    assert last == made.events(*made.OUTPUT)[-1]
    final = made.accumulated(passed + tail)
    assert receipt_in(final.to_dict()) == RECEIPT
    assert final.output_text == made.TEXT["text"]


def test_the_receipt_leaves_numbers_and_order_alone() -> None:
    """The response need not be the event's last field, and big or odd numbers are not written anew."""
    data = (
        '{"type":"response.completed", "response" : {"output":[],"n":1.50,"big":12345678901234567890123}, "z":1e2}'
    )
    answer = reader()
    answer.feed(made.wire(made.events()[0]))
    answer.feed(b"data: " + data.encode() + b"\n\n")
    answer.end()
    line = answer.tail({"a": 1}).split(b"data: ")[-1].strip().decode()
    assert line == data.replace('123}, "z"', '123,"x_router":{"a":1}}, "z"')


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.integers() | st.text(), st.lists, max_leaves=5)),
    st.sampled_from([None, 2]),
)
def test_a_span_is_where_the_value_stands(document: Json, indent: int | None) -> None:
    """For every field of every object, however it is written."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    for name, value in document.items():
        span = span_of(text, name)
        assert span is not None
        assert json.loads(text[span[0] : span[1]]) == value
    assert span_of(text, "\0missing") is None


def test_usage_model_and_calls_are_read() -> None:
    """The counts stand in the event that ends it; the cached ones are part of the input."""
    answer = reader()
    read(answer, [STREAM])
    assert answer.usage == Usage(150, 800, 50, 0, 20, 7)
    assert (answer.served_model, answer.tool_calls, answer.usage_is_sound) == ("small-2026-01", 2, True)
    texts = (made.SUMMARY, made.TEXT["text"], made.CALL["arguments"], made.CUSTOM["input"])
    assert answer.output_chars == sum(map(len, texts))
    whole = reader(stream=False)
    read(whole, [json.dumps(made.response(*made.OUTPUT)).encode()])
    assert (whole.usage, whole.tool_calls, whole.output_chars) == (answer.usage, 2, answer.output_chars)


@pytest.mark.parametrize(
    ("item", "is_content"), [(made.MESSAGE, False), (made.REASONING, True), (made.CALL, True), (made.CUSTOM, True)]
)
def test_what_promises_an_answer_is_content(item: Json, is_content: bool) -> None:
    """An empty message promises nothing yet; a tool's name or reasoning does."""
    answer = reader()
    for event in made.events(item)[:3]:
        answer.feed(made.wire(event))
    assert answer.content_seen is is_content


def test_nothing_goes_on_before_the_first_text() -> None:
    """So that a failure before it can still go to another route."""
    said = made.events(made.MESSAGE)
    answer = reader()
    assert b"".join(answer.feed(made.wire(event)) for event in said[:4]) == b""
    assert answer.feed(made.wire(said[4])) == made.wire(*said[:5])


@pytest.mark.parametrize("cut", range(1, len(made.events(*made.OUTPUT))))
def test_a_stream_that_ends_early_is_none(cut: int) -> None:
    """At every event but the last."""
    answer = reader()
    answer.feed(made.wire(*made.events(*made.OUTPUT)[:cut]))
    with pytest.raises(BadAnswer):
        answer.end()


def test_an_incomplete_answer_is_whole() -> None:
    """It has been cut short, and says so."""
    cut_short = {"incomplete_details": {"reason": "max_output_tokens"}}
    data = made.stream(made.MESSAGE, end="incomplete", **cut_short)
    tail = read(reader(), [data], RECEIPT)[1]
    assert json.loads(tail.split(b"data: ")[1])["response"]["x_router"] == RECEIPT


ERRORS: list[tuple[Json, Json]] = [
    (
        {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None},
        {"message": "Slow down", "type": "rate_limit_exceeded", "code": "rate_limit_exceeded"},
    ),
    (
        {"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "No", "param": "p"}},
        {"message": "No", "type": "invalid_request_error", "code": "x", "param": "p"},
    ),
    (
        {"type": "response.failed", "response": made.response(error={"code": "server_error", "message": "Oh"})},
        {"message": "Oh", "type": "server_error", "code": "server_error"},
    ),
    (
        {"type": "response.failed", "response": made.response(error={"code": "invalid_prompt", "message": "Oh"})},
        {"message": "Oh", "type": "invalid_request_error", "code": "invalid_prompt"},
    ),
    ({"type": "response.failed", "response": None}, {"message": "The response failed.", "type": "server_error"}),
    ({"error": "broken"}, {"message": "broken", "type": "server_error"}),
]


@pytest.mark.parametrize(("event", "error"), ERRORS)
def test_an_error_in_a_stream_is_one(event: Json, error: Json) -> None:
    """In both of its forms, and in the envelope in which callers get it."""
    answer = reader()
    answer.feed(made.wire(made.events()[0]))
    with pytest.raises(ErrorInAnswer) as caught:
        answer.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert caught.value.document == {"error": {"code": None, "param": None, **error}}


def test_a_response_that_failed_is_an_error() -> None:
    """A 200 with `status: failed`, with and without what failed; an `error` that is null is none."""
    for said, code in (({"code": "server_error", "message": "Oh"}, "server_error"), (None, None)):
        answer = reader(stream=False)
        answer.feed(json.dumps(made.response(status="failed", error=said)).encode())
        with pytest.raises(ErrorInAnswer) as caught:
            answer.end()
        assert caught.value.document["error"]["code"] == code
        assert set(caught.value.document) == {"error"}


@pytest.mark.parametrize("output", [None, {}, "text"])
def test_a_response_without_output_is_no_answer(output: object) -> None:
    """Its output is a list; without one the answer counts as failed."""
    answer = reader(stream=False)
    answer.feed(json.dumps(made.response(output=output)).encode())
    with pytest.raises(BadAnswer):
        answer.end()


def test_a_stream_without_its_beginning_gets_one() -> None:
    """The next event says all that it takes. The vendor's helper fails without it."""
    damaged = without("response.created")
    with pytest.raises(RuntimeError):
        made.accumulated(damaged)
    answer = reader()
    assert made.accumulated(b"".join(read(answer, [damaged]))).output_text == made.TEXT["text"]
    assert answer.repaired == {"response_created"}


def test_a_stream_that_is_its_end_alone_gets_a_beginning() -> None:
    """The vendor's client reads all of the text from what is mended."""
    answer = reader()
    mended = b"".join(read(answer, [made.wire(made.events(*made.OUTPUT)[-1])]))
    assert made.accumulated(mended).output_text == made.TEXT["text"]


def test_a_stream_that_never_says_its_response_is_no_answer() -> None:
    """An id must be the same from beginning to end, so that none can be made up."""
    with pytest.raises(BadAnswer):
        reader().feed(without("response.created", "response.in_progress"))


@pytest.mark.parametrize(
    ("missing", "repaired"),
    [
        (("response.output_item.added",), {"output_item_added"}),
        (("response.content_part.added",), {"content_part_added"}),
        (
            ("response.output_item.added", "response.content_part.added"),
            {"output_item_added", "content_part_added"},
        ),
    ],
)
@pytest.mark.parametrize("item", [made.MESSAGE, made.REFUSAL])
def test_text_of_an_item_that_was_not_added_gets_one(
    item: Json, missing: tuple[str, ...], repaired: set[str]
) -> None:
    """The vendor's helper fails without it, for it has nowhere to put the text."""
    damaged = without(*missing, of=made.events(item))
    answer = reader()
    final = made.accumulated(b"".join(read(answer, [damaged])))
    assert made.output_of(final)[0]["content"] == item["content"]
    assert answer.repaired == repaired


def test_arguments_of_a_call_without_a_name_are_no_answer() -> None:
    """Nobody could call it, and no name can be made up."""
    with pytest.raises(BadAnswer):
        reader().feed(without("response.output_item.added", of=made.events(made.CALL)))


@pytest.mark.parametrize("empty", [[], None])
def test_an_end_without_output_gets_what_was_streamed(empty: object) -> None:
    """Else the vendor's helper hands on an answer that says nothing, and nobody is told."""
    said = made.events(*made.OUTPUT)
    said[-1]["response"]["output"] = empty
    answer = reader()
    passed, tail = read(answer, [made.wire(*said)], RECEIPT)
    assert made.output_of(made.accumulated(passed + tail)) == list(made.OUTPUT)
    assert answer.repaired == {"output"}


def test_what_no_client_minds_is_left_alone() -> None:
    """No numbers, no `event:` lines, unknown events, comments, a `[DONE]` after the end."""
    said = [{k: v for k, v in event.items() if k != "sequence_number"} for event in made.events(*made.OUTPUT)]
    said.insert(3, {"type": "response.future.event", "what": 1})
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in said)
    answer = reader()
    passed, tail = read(answer, [b": hello\n\n" + data + b"data: [DONE]\n\n"])
    assert passed + tail == b": hello\n\n" + data
    assert answer.repaired == set()


PLACES = ("response", "item", "delta", "output_index", "content_index", "part", "type", "error", "item_id")


@given(st.data())
def test_hostile_streams_are_no_answers(data: st.DataObject) -> None:
    """Whatever stands where: the stream goes on, or ends in one of the two faults."""
    said = made.events(*made.OUTPUT)
    event = data.draw(st.sampled_from(said))
    event[data.draw(st.sampled_from(PLACES))] = data.draw(JSON)
    answer = reader()
    with contextlib.suppress(BadAnswer, ErrorInAnswer):
        read(answer, [b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in said)], RECEIPT)


def test_what_is_asked_for() -> None:
    """Features of a body as agents send it."""
    body: Json = {
        "model": "m",
        "stream": True,
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}],
        "tools": [{"type": "web_search"}, {"type": "namespace", "name": "n", "tools": []}],
        "client_metadata": {"session_id": "s-1"},
    }
    seen = Responses().features(body)
    assert (seen.stream, seen.images, seen.tools_requested, seen.agent_session) == (True, True, True, "s-1")
    assert Responses().features({**body, "prompt_cache_key": "k"}).agent_session == "k"
    assert not Responses().features({**body, "tool_choice": "none"}).tools_requested
    assert not Responses().features({**body, "tools": [{"type": "web_search"}]}).tools_requested
    shown = [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image"}]}]
    assert Responses().features({"input": shown}).images
    assert Responses().features({"previous_response_id": "resp_1"}).session == ""


@pytest.mark.parametrize("asked", [{}, {"input": None}, {"prompt": {"id": "p"}}])
def test_whether_a_body_needs_an_input_is_the_provider_s_to_say(asked: Json) -> None:
    """The vendor's SDK can leave it out, and what it may come from instead is the vendor's to extend."""
    assert not Responses().features(asked).images


@pytest.mark.parametrize("asked", [{"input": 5}, {"input": {}}])
def test_an_input_that_is_none_is_refused(asked: Json) -> None:
    """Neither a text nor a list of items."""
    with pytest.raises(BadRequest) as caught:
        Responses().features(asked)
    assert caught.value.param == "input"


def test_a_body_goes_upstream_with_only_the_model_replaced() -> None:
    """Unknown fields, and reasoning that the vendor has sealed, go with it; what is ours does not."""
    body: Json = {
        "model": "m",
        "input": [made.REASONING, made.MESSAGE],
        "odd": {"a": 1},
        "session": "s",
        "profile": "p",
    }
    sent = RESPONSES.upstream_body(body, "wire")
    assert sent == {"model": "wire", "input": body["input"], "odd": {"a": 1}}
    assert list(RESPONSES.left_out(body)) == []


def test_reasoning_that_no_provider_of_the_dialect_wrote_stays_behind() -> None:
    """It was sealed by us for another dialect: the vendor would refuse it."""
    ours = {"type": "reasoning", "summary": [], "encrypted_content": pack(Seal(signature="s"))}
    body: Json = {"model": "m", "input": [ours, made.MESSAGE, ours]}
    assert RESPONSES.upstream_body(body, "w")["input"] == [made.MESSAGE]
    assert list(RESPONSES.left_out(body)) == ["input[].encrypted_content"]
    assert body["input"] == [ours, made.MESSAGE, ours]


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (429, "rate_limited", "rate_limit_exceeded"),
        (502, "stream_interrupted", "server_error"),
        (400, "context_length_exceeded", "context_length_exceeded"),
    ],
)
def test_an_error_in_a_stream_reaches_every_client(status: int, code: str, told: str) -> None:
    """SDKs raise it, with our words; agents find it in a response that failed; both fit the vendor's types."""
    error = ApiError(status, code, "It broke.", detail={"attempts": [1]})
    said = RESPONSES.error_event(error, "inf_1")
    for raised in (client_error(said), client_error(made.wire(*made.events(made.MESSAGE)[:6]) + said)):
        assert raised.message == "It broke."
        assert raised.code == code
        assert isinstance(raised.body, dict)
        assert raised.body["attempts"] == [1]
    event, failed = (json.loads(line[6:]) for line in said.splitlines() if line.startswith(b"data: "))
    assert (event["type"], event["code"], event["message"], event["param"]) == ("error", code, "It broke.", None)
    assert event["sequence_number"] < failed["sequence_number"]
    assert failed["response"]["error"] == {"code": told, "message": "It broke."}
    # The vendor's types know no word for a context that overflows, but agents do.
    lenient = made.client(made.wire(failed), strict=told != code)
    assert [one.type for one in lenient.responses.create(model="m", input="", stream=True)] == ["response.failed"]


def client_error(stream: bytes) -> openai.APIError:
    """What the vendor's client raises for a stream."""
    with (
        pytest.raises(openai.APIError) as caught,
        made.client(stream).responses.stream(model="m", input="x") as helper,
    ):
        helper.get_final_response()
    return caught.value


def test_an_error_outside_a_stream_is_the_vendors_envelope() -> None:
    """Message, type, parameter and code, as the vendor's clients expect them, and nothing else."""
    document = RESPONSES.error_document(ApiError(401, "missing_api_key", "No."), "inf_1")
    assert document == {
        "error": {"message": "No.", "type": "authentication_error", "param": None, "code": "missing_api_key"}
    }
