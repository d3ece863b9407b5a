"""Everything that providers get wrong, in front of every caller: put right and said so, or an error; never silent.

The judge is the caller's own SDK: what it makes of the answer must be what the provider meant.
"""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

import warmroute
from ledger.outcomes import Outcome
from tests.fakes import Answer, Damaged, ToolCall
from tests.fakes.damage import KINDS, damaged_stream, damaged_whole
from tests.route.callers import CALLERS, DIALECTS, ONE_EACH, SPEAKS, Caller, ResponsesCaller
from tests.route.house import ALICE, House, build_house, model

MEANT = Answer(text="Hello damaged world", tool_calls=[ToolCall("read", {"path": "a"}), ToolCall("list")])
SILENT = Answer(text="Nobody hears this.")

SOUND = "sound"
"""Odd, but everybody can read it: it passes, and there is nothing to report."""
EMPTY = "empty"
"""An answer that says nothing, as Anthropic's really do at times: nobody hears anything else."""
UNCOUNTED = "uncounted"
"""The answer is right and there are no counts: the ledger has an estimate, flagged."""
FAILS = "fails"
"""An exception of the caller's SDK, and a row that is no success."""

BYTES = dict.fromkeys(
    ("crlf", "no_space", "comments", "many_lines", "extra_fields", "tiny_writes", "one_write"), (None, SOUND)
)
ANYWHERE: dict[str, tuple[str | None, str | None]] = BYTES | {
    "bom": (None, "bom"),
    "error_in_200": (FAILS, FAILS),
    "wrong_content_type": (SOUND, SOUND),
    "no_content_type": (SOUND, SOUND),
}
EXPECTED: dict[str, dict[str, tuple[str | None, str | None]]] = {
    "chat": ANYWHERE
    | {
        "same_index": (None, "tool_index"),
        "index_gap": (None, "tool_index"),
        "no_index": (None, "tool_index"),
        "id_repeated": (None, "tool_repeat"),
        "arguments_object": ("tool_arguments", "tool_arguments"),
        "no_id": ("head", "head"),
        "no_created": ("head", "head"),
        "choices_null": (FAILS, "choices"),
        "choices_empty": (FAILS, SOUND),
        "no_usage": (UNCOUNTED, UNCOUNTED),
        "usage_in_finish": (None, SOUND),
        "no_finish": ("finish_reason", FAILS),
        "finish_missing": (None, SOUND),
        "role_repeated": (None, "role"),
        "no_done": (None, "terminator"),
        "no_call_ids": ("tool_id", None),
        "content_parts": ("content", None),
    },
    "messages": ANYWHERE
    | {
        "no_event_lines": (None, "event_name"),
        "error_unnamed": (None, FAILS),
        "no_message_start": (None, FAILS),
        "no_message_delta": (None, FAILS),
        "no_message_stop": (None, FAILS),
        "no_end": (None, FAILS),
        "no_start_usage": (None, "usage"),
        "no_delta_usage": (None, "usage"),
        "output_usage_only": (None, "usage_repeat"),
        "interleaved": (None, "block_order"),
        "index_gap": (None, "block_index"),
        "no_block_stop": (None, "block_stop"),
        "input_in_start": (None, "tool_input"),
        "no_empty_delta": (None, SOUND),
        "unknown_event": (None, SOUND),
        "unknown_block": (SOUND, SOUND),
        "unknown_delta": (None, SOUND),
        "ping_first": (None, SOUND),
        "done_at_end": (None, SOUND),
        "no_usage": (UNCOUNTED, None),
        "no_stop_reason": ("stop_reason", None),
        "content_null": (FAILS, None),
        "content_empty": (EMPTY, None),
    },
    "responses": ANYWHERE
    | {
        "no_created": (None, FAILS),
        "no_item_added": (None, FAILS),
        "no_part_added": (None, "content_part_added"),
        "no_item_done": (None, SOUND),
        "no_deltas": (None, SOUND),
        "no_completed": (None, FAILS),
        "no_sequence": (None, SOUND),
        "no_event_lines": (None, SOUND),
        "unknown_event": (None, SOUND),
        "unknown_item": (SOUND, SOUND),
        "no_usage": (UNCOUNTED, UNCOUNTED),
        "output_empty": (EMPTY, "output"),
        "done_at_end": (None, SOUND),
        "output_null": (FAILS, None),
        "no_status": (SOUND, None),
    },
}
"""By the provider's dialect and the damage: what comes of it in a whole answer, and in a stream.

Any other word names the repair. None: there is no such damage.
"""
CASES = [
    (own, theirs, kind, mode)
    for theirs in DIALECTS
    for kind in KINDS[theirs]
    for own in DIALECTS
    for mode in ("whole", "events", *(["helper"] if own == theirs else []))
    if EXPECTED[theirs].get(kind, (FAILS, FAILS))[mode != "whole"] is not None
]


def test_every_kind_of_damage_has_an_expectation() -> None:
    """A new kind cannot be forgotten, nor one that is possible be said not to be."""
    for dialect in DIALECTS:
        assert EXPECTED[dialect].keys() == {*KINDS[dialect]}
        for kind, expected in EXPECTED[dialect].items():
            possible = [_is_possible(kind, dialect, streamed=streamed) for streamed in (False, True)]
            assert [each is not None for each in expected] == possible, kind


def _is_possible(kind: str, dialect: str, *, streamed: bool) -> bool:
    if kind == "error_in_200":
        return True
    try:
        damaged_stream(kind, dialect, [], "") if streamed else damaged_whole(kind, dialect, {}, "")
    except KeyError as missing:
        return missing.args != (kind,)
    except (IndexError, StopIteration):
        return True
    return True


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    """Each dialect is spoken by one provider, who also embeds."""
    models = ONE_EACH["models"] | {"b": model(dialects=["responses", "embeddings"])}
    with build_house(dynamodb_url, models=models, profiles=ONE_EACH["profiles"]) as built:
        yield built


@pytest.fixture(scope="module")
def callers(house: House) -> Iterator[dict[str, Caller]]:
    made = {own: kind(house) for own, kind in CALLERS.items()}
    assert isinstance(made["responses"], ResponsesCaller)
    made["responses"].exact = False
    yield made
    for caller in made.values():
        caller.sdk.close()


@pytest.mark.case("C18", "C19")
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(("own", "theirs", "kind", "mode"), CASES)
def test_damage(house: House, callers: dict[str, Caller], own: str, theirs: str, kind: str, mode: str) -> None:
    """See `EXPECTED`; whatever comes of it, there is one inference with one row that says the same."""
    expected = EXPECTED[theirs][kind][mode != "whole"]
    caller, provider = callers[own], house.providers[SPEAKS[theirs]]
    provider.clear()
    provider.plan(Damaged(kind, SILENT if expected == EMPTY else MEANT))
    turns, tools = [caller.user("hi")], caller.tools("read", "list")
    if expected == FAILS:
        with pytest.raises((openai.APIError, anthropic.APIStatusError)):
            caller.ask(theirs, turns, mode, **tools)
        _, [fact] = caller.written
        assert fact.outcome in (Outcome.ERROR, Outcome.STREAM_INTERRUPTED)
        assert fact.counts
        return
    heard = caller.ask(theirs, turns, mode, **tools)
    _, [fact] = caller.written
    assert fact.ok
    if expected == EMPTY:
        assert (heard.text, heard.calls, fact.repaired) == ("", [], ())
        return
    assert heard.text == "Hello damaged world"
    assert [(call.name, call.arguments) for call in heard.calls] == [("read", {"path": "a"}), ("list", {})]
    assert len({call.id for call in heard.calls if call.id}) == 2
    assert heard.stop in ("tool_calls", "tool_use", "completed", None)
    assert fact.estimated == (expected == UNCOUNTED)
    assert own == theirs or heard.usage["output"] > 0
    if expected not in (SOUND, UNCOUNTED):
        assert expected in fact.repaired
    if expected == SOUND:
        assert fact.repaired == ()


@pytest.mark.parametrize("own", DIALECTS)
@pytest.mark.parametrize(
    ("theirs", "kind", "name"),
    [
        ("chat", "same_index", "tool_index"),
        ("messages", "interleaved", "block_order"),
        ("responses", "no_part_added", "content_part_added"),
    ],
)
def test_a_repair_is_in_the_receipt(house: House, own: str, theirs: str, kind: str, name: str) -> None:
    """What was mended is told to the caller as well, at the end of a stream."""
    house.providers[SPEAKS[theirs]].clear()
    house.providers[SPEAKS[theirs]].plan(Damaged(kind, MEANT))
    ours: Any = warmroute.Anthropic if own == "messages" else warmroute.OpenAI
    with (
        CALLERS[own](house) as caller,
        ours(base_url=house.url if own == "messages" else f"{house.url}/v1", api_key=ALICE) as caller.sdk,
    ):
        heard = caller.ask(theirs, [caller.user("hi")], "helper", **caller.tools("read", "list"))
    receipt = warmroute.receipt(heard.answer)
    assert receipt is not None
    assert receipt.repaired == (name,)


@pytest.mark.parametrize("kind", KINDS["embeddings"])
def test_damaged_embeddings(house: House, kind: str) -> None:
    """Vectors without counts are vectors, and estimated; an error is an error, whatever its status."""
    house.providers["b"].clear()
    house.providers["b"].plan(Damaged(kind))
    with house.openai(max_retries=0) as sdk:
        if kind == "error_in_200":
            with pytest.raises(openai.InternalServerError):
                sdk.embeddings.create(model="responses", input="hi")
            return
        answer = sdk.embeddings.create(model="responses", input="hi")
    assert len(answer.data[0].embedding) > 1
    facts = house.facts()
    assert (facts[-1].ok, facts[-1].estimated) == (True, kind == "no_usage")
