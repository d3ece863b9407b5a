"""Responses that the stand-in keeps: reading and deleting them, going on from them, counting and compacting."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.fakes import Answer, Provider
from tests.fakes.sdk import openai_of
from tests.stand_ins.asking import LONG
from tests.stand_ins.responding import ASK, CALLS, TOOLS, respond


def test_read_delete_and_input_items(oai: Provider) -> None:
    """A stored answer is read as it was, lists its input, and is gone once deleted."""
    with openai_of(oai) as client:
        first = client.responses.create(model="m", input=ASK)
        assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
        items: Any = client.responses.input_items.list(first.id)
        assert [item.content[0].text for item in items.data] == [ASK]
        client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
        unkept = client.responses.create(model="m", input=ASK, store=False)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(unkept.id)


def test_background_and_cancel(oai: Provider) -> None:
    """A background answer is queued, then there, and can be cancelled; any other cannot."""
    with openai_of(oai) as client:
        queued = client.responses.create(model="m", input=ASK, background=True)
        assert (queued.status, queued.output) == ("queued", [])
        assert client.responses.retrieve(queued.id).status == "completed"
        assert client.responses.cancel(queued.id).status == "cancelled"
        plain = client.responses.create(model="m", input="Else")
        with pytest.raises(openai.BadRequestError, match="synchronous"):
            client.responses.cancel(plain.id)


def test_a_conversation_by_its_last_answer(oai: Provider) -> None:
    """``previous_response_id`` and item references bring the earlier turns; an unknown id is refused."""
    oai.plan(Answer(tool_calls=CALLS[:1]))
    called = respond(oai, tools=TOOLS)
    output: Any = {"type": "function_call_output", "call_id": called.output[0].call_id, "output": "12"}
    after = respond(oai, tools=TOOLS, previous_response_id=called.id, input=[output])
    assert after.usage.input_tokens > called.usage.input_tokens
    reference: Any = {"type": "item_reference", "id": called.output[0].id}
    assert respond(oai, tools=TOOLS, input=[{"role": "user", "content": ASK}, reference, output]).id == after.id
    with pytest.raises(openai.BadRequestError) as caught:
        respond(oai, previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError, match="not persisted"):
        respond(oai, input=[{"type": "item_reference", "id": "msg_none"}])


def test_counting_and_compacting(oai: Provider) -> None:
    """Counts equal the usage; a compacted conversation can be sent on."""
    with openai_of(oai) as client:
        counted = client.responses.input_tokens.count(model="m", input=ASK)
        assert counted.input_tokens == client.responses.create(model="m", input=ASK).usage.input_tokens  # type: ignore[union-attr]
        compacted = client.responses.compact(model="m", input=LONG)
        assert compacted.output[-1].type == "compaction"
        items: Any = [item.to_dict() for item in compacted.output]
        asked = [*items, {"role": "user", "content": "And?"}]
        assert client.responses.create(model="m", input=asked).output_text == "m answers: And?"
