"""Shapes that real clients were seen to send and that a translation once got wrong (`tests/real_clients`)."""

from typing import Any

import pytest

from route.dialects import BY_NAME
from route.dialects.conversion import AnswerContext, AnswerWriting, Target
from route.dialects.fields import Report
from route.dialects.neutral import AnswerEvent, Began, BlockKind, Closed, Delta, Finished, Opened, Stop

Json = dict[str, Any]

CLAUDE_CODES_USER = (
    '{"device_id":"84c270aafd0301947521d7daea3b8a8086d4270843eafdabe77cf3861245e65b","account_uuid":"",'
    '"session_id":"847862dc-9b08-4661-8bc8-64d298923327"}'
)
QUESTION: Json = {"role": "user", "content": [{"type": "input_text", "text": "Read it."}]}
CALL: Json = {"type": "function_call", "call_id": "call_1", "name": "read_file", "arguments": "{}"}
RESULT: Json = {"type": "function_call_output", "call_id": "call_1", "output": "42"}


def crossed(own: str, theirs: str, body: Json) -> tuple[Json, set[str], set[str]]:
    """A body of one dialect in another: what is sent, what is dropped and what is refused."""
    reading, writing = BY_NAME[own].conversion, BY_NAME[theirs].conversion
    assert reading is not None
    assert writing is not None
    request, report = reading.read_request(body), Report()
    sent = writing.write_request(request, Target("small-2026-01"), report)
    return sent, {*request.dropped, *report.dropped}, {*request.refused, *report.refused}


def reasoned(body: Json) -> Json:
    """The reasoning item of an answer that a provider of another dialect gave."""
    conversion = BY_NAME["responses"].conversion
    assert conversion is not None
    writing: AnswerWriting = conversion.answer_writing(AnswerContext(body), Report())
    opened, closed = Opened(0, 0, BlockKind.THINKING), Closed(0, 0)
    events: list[AnswerEvent] = [Began("msg_1", "m"), opened, Delta(0, 0, "Hm."), closed, Finished(0, Stop.END)]
    [item] = writing.whole(events)["output"]
    document: Json = item
    return document


@pytest.mark.parametrize(("theirs", "field"), [("chat", "user"), ("responses", "safety_identifier")])
def test_an_end_users_id_is_no_longer_than_openai_takes(theirs: str, field: str) -> None:
    """Claude Code says a JSON document: each gives one id of 64 characters, and a short id stays what it is."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    asked = [body | {"metadata": {"user_id": said}} for said in (CLAUDE_CODES_USER, "u" * 65, "u" * 64)]
    ids = [crossed("messages", theirs, one)[0][field] for one in asked]
    assert [len(name) for name in ids] == [64, 64, 64]
    assert ids[2] == "u" * 64
    assert len({*ids}) == 3


@pytest.mark.parametrize("theirs", ["chat", "messages"])
def test_reasoning_of_ours_that_comes_back_by_its_id_is_reported_and_no_reason_to_refuse(theirs: str) -> None:
    """The AI SDK takes all for stored where it has not said `store: false`, and sends no more than an id. Nobody
    keeps the reasoning, so refusing that would end every conversation with a model that reasons.
    """
    item = reasoned({"model": "m", "input": [QUESTION]})
    for reference in ({"type": "item_reference", "id": item["id"]}, {"id": item["id"]}):
        body = {"model": "m", "input": [QUESTION, reference, CALL, RESULT]}
        sent, dropped, refused = crossed("responses", theirs, body)
        assert refused == set()
        assert dropped == {"input[].item_reference"}
        assert sent == crossed("responses", theirs, body | {"input": [QUESTION, CALL, RESULT]})[0]


@pytest.mark.parametrize("item_id", ["rs_05e256220faff78d57a00248", "msg_1", "rs_warmroute", "", None, 5])
def test_any_other_item_that_comes_by_its_id_is_refused(item_id: object) -> None:
    """It is part of what was said, or a vendor has it."""
    body = {"model": "m", "input": [QUESTION, {"type": "item_reference", "id": item_id}, CALL, RESULT]}
    assert crossed("responses", "chat", body)[2] == {"input[].item_reference"}


def test_openai_is_not_asked_for_reasoning_that_it_never_wrote() -> None:
    """Not by a reference, nor as an item; its own references stay, and what is left out is reported."""
    responses = BY_NAME["responses"]
    item = reasoned({"model": "m", "input": [QUESTION]})
    ours = {"type": "item_reference", "id": item["id"]}
    theirs = {"type": "item_reference", "id": "rs_05e256220faff78d57a00248"}
    body = {"model": "m", "input": [QUESTION, ours, item, theirs, CALL, RESULT]}
    assert responses.upstream_body(body, "small-2026-01")["input"] == [QUESTION, theirs, CALL, RESULT]
    assert [*responses.left_out(body)] == ["input[].encrypted_content", "input[].item_reference"]
    assert [*responses.left_out({"model": "m", "input": [QUESTION, theirs]})] == []
