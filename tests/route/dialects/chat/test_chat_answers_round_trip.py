"""Any answer in chat completions, hostile or drawn: written and read back it says the same, or is a BadAnswer."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from ledger.usage import Usage
from route.dialects.base import BadAnswer
from route.dialects.chat.conversion import CONVERSION
from route.dialects.chat.native import CHAT, ChatStream
from route.dialects.fields import Report
from route.dialects.neutral import AnswerEvent, Began, BlockKind, Counted, Delta, Finished, Opened, Sealed, Stop
from route.dialects.pipe import TranslatedReader
from tests.route.build import DONE, USAGE, Json, choice, chunk, cuts, documents, finishes, read, says
from tests.route.build import event as wire_event
from tests.route.dialects.chat.chat_answers import (
    ASKED,
    TOKEN,
    block,
    call,
    events_of,
    events_of_whole,
    whole,
    written,
)
from tests.route.dialects.chat.chat_pieces import calls

_LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.just("\ud800") | st.floats(allow_nan=False)
_NAMES = st.sampled_from(
    [
        *(
            "content",
            "tool_calls",
            "function_call",
            "function",
            "custom",
            "name",
            "arguments",
            "index",
            "id",
            "type",
        ),
        *("reasoning", "reasoning_content", "reasoning_details", "refusal", "logprobs", "finish_reason", "text"),
        *("usage", "prompt_tokens", "prompt_tokens_details", "cached_tokens", "created", "model", "thinking"),
    ]
)
_HOSTILE = st.recursive(
    _LEAVES | st.sampled_from(["reasoning.text", "reasoning.encrypted", "thinking", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(st.tuples(st.dictionaries(_NAMES, _HOSTILE), st.dictionaries(_NAMES, _HOSTILE)), max_size=4))
def test_hostile_answers(said: list[tuple[Json, Json]]) -> None:
    """Whatever a provider says: events that can be written, or a BadAnswer."""
    chunks = [{**top, "choices": [{"delta": delta, "message": delta, **delta}]} for top, delta in said]
    with suppress(BadAnswer):
        written(*events_of(b"".join(map(wire_event, chunks)))[0])
    for document in chunks:
        with suppress(BadAnswer):
            CONVERSION.answer_writing(ASKED, Report()).whole(events_of_whole(document)[0])


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
_PIECES = st.lists(_TEXTS, min_size=1, max_size=3)
_OBJECTS = st.sampled_from([("{}",), ('{"a"', ":1}"), ('{"b":', '{"c":[]}', "}")])


@st.composite
def _blocks(draw: st.DrawFn, choice: int) -> list[AnswerEvent]:
    kinds = draw(st.lists(st.sampled_from([*BlockKind, "redacted", "encrypted"]), max_size=5))
    events: list[AnswerEvent] = []
    # Neighbouring texts of one kind have no border on this wire.
    merged = (BlockKind.TEXT, BlockKind.REFUSAL)
    runs = [kind for key, run in groupby(kinds) for kind in ([key] if key in merged else run)]
    for number, kind in enumerate(runs):
        match kind:
            case BlockKind.TOOL_CALL:
                call_id = f"call_{choice}_{number}"
                events += block(kind, *draw(_OBJECTS), number=number, choice=choice, id=call_id, name=draw(_TEXTS))
            case BlockKind.THINKING:
                seals = draw(st.sampled_from([[Sealed(choice, number, signature="s")], []]))
                # An encrypted block would seal the one before it: the next one has its own seal.
                is_followed = number + 1 < len(runs) and runs[number + 1] == "encrypted"
                seals = [Sealed(choice, number, signature="s")] if is_followed else seals
                events += block(kind, *draw(_PIECES), *seals, number=number, choice=choice)
            case "redacted":
                events += block(BlockKind.THINKING, Sealed(choice, 0, redacted="r"), number=number, choice=choice)
            case "encrypted":
                seal = Sealed(choice, 0, encrypted="e")
                events += block(
                    BlockKind.THINKING, *draw(st.just([]) | _PIECES), seal, number=number, choice=choice
                )
            case BlockKind():
                events += block(kind, *draw(_PIECES), number=number, choice=choice)
    has_called = BlockKind.TOOL_CALL in runs
    stops = [Stop.TOOL_CALLS] if has_called else [Stop.END, Stop.LENGTH, Stop.REFUSAL, "eos_token"]
    return [*events, Finished(choice, draw(st.sampled_from(stops)))]


_USAGES = st.builds(
    Counted,
    st.builds(Usage, *[st.integers(0, 1000)] * 3, st.just(0), st.integers(500, 999), st.integers(0, 500)),
    st.just(True),
)


@st.composite
def _answers(draw: st.DrawFn) -> list[AnswerEvent]:
    choices = [draw(_blocks(number)) for number in range(draw(st.integers(1, 2)))]
    began = draw(st.builds(Began, _TEXTS, _TEXTS, st.integers(0, 2**40)))
    return [began, *(event for events in choices for event in events), draw(_USAGES)]


@given(_answers(), st.booleans())
def test_round_trip_of_streams(events: list[AnswerEvent], usage_asked: bool) -> None:
    """A written stream is whole to the reader of its dialect, and says what was written."""
    stream, report = written(*events, asked=replace(ASKED, usage_asked=usage_asked))
    reader = ChatStream(usage_asked=usage_asked)
    passed, tail = read(reader, [stream])
    assert passed + tail == stream
    assert reader.repaired <= ({"usage"} if not usage_asked else set())
    found, _ = events_of(passed + tail)
    assert found == [event for event in events if usage_asked or not isinstance(event, Counted)]
    assert report.dropped == ()


@given(_answers())
def test_round_trip_of_wholes(events: list[AnswerEvent]) -> None:
    """A whole answer says the same, each choice in the order in which a message can say it."""
    document = json.loads(json.dumps(whole(*events)))
    found, report = events_of_whole(document)
    assert report.dropped == ()
    assert (found[0], found[-1]) == (events[0], events[-1])
    for kind in (BlockKind.TEXT, BlockKind.REFUSAL, BlockKind.TOOL_CALL):
        assert _texts(found, kind) == _texts(events, kind)
    assert [e for e in found if isinstance(e, Finished)] == [e for e in events if isinstance(e, Finished)]
    assert _seals(found) == _seals(events)


def _texts(events: Iterable[AnswerEvent], kind: BlockKind) -> dict[int, str]:
    """All that each choice says in blocks of a kind."""
    kinds: dict[tuple[int, int], BlockKind] = {}
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, Opened):
            kinds[event.choice, event.block] = event.kind
        elif isinstance(event, Delta) and kinds[event.choice, event.block] is kind:
            texts[event.choice] = texts.get(event.choice, "") + event.text
    return texts


def _seals(events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    return [replace(event, block=0) for event in events if isinstance(event, Sealed)]


@given(_answers())
def test_vendors_helper(events: list[AnswerEvent]) -> None:
    """What the vendor's own helper makes of the stream is the whole answer, reasoning and seals included."""
    known = [replace(e, stop=Stop.END) if isinstance(e, Finished) and e.stop == "eos_token" else e for e in events]
    known = [replace(e, stop=Stop.END) if isinstance(e, Finished) and e.stop in _RAISES else e for e in known]
    stream, _ = written(*known)
    state = ChatCompletionStreamState()
    for one in documents(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate(one, strict=True))
    found = state.get_final_completion().to_dict()
    expected = whole(*known)
    assert found["usage"] == expected["usage"]
    for got, said in zip(_plain(found), _plain(expected), strict=True):
        assert got == said


_RAISES = (Stop.LENGTH, Stop.REFUSAL)


def _plain(document: Any) -> list[Json]:
    """Messages without what a helper adds: empty texts, parsed forms, indexes of calls."""
    plain = []
    for one in document["choices"]:
        found = {name: value for name, value in one["message"].items() if value and name != "parsed"}
        for tool_call in found.get("tool_calls", []):
            tool_call.pop("index", None)
            tool_call["function"].pop("parsed_arguments", None)
        plain.append(found)
    return plain


RECORDED = b"".join(
    [
        b": OPENROUTER PROCESSING\n\n",
        chunk(choice({"role": "assistant", "content": ""}), usage=None),
        chunk(choice({"reasoning_content": "Hm é"}), usage=None),
        says("Hel", usage=None),
        chunk(choice({"content": "lo"}) | {"logprobs": {"content": [TOKEN], "refusal": None}}, usage=None),
        calls(call(0, "f", id="a", type="function")),
        calls(call(0, arguments='{"x": "\\u00e9')),
        calls(call(0, arguments='"}')),
        calls(call(1, "g", "{}", id="b", type="function")),
        finishes(reason="tool_calls", usage=None),
        chunk(usage=USAGE),
        DONE,
    ]
)


def _translated() -> TranslatedReader:
    conversion = CONVERSION
    return TranslatedReader(
        ChatStream(usage_asked=True),
        ChatStream(usage_asked=True),
        conversion.answer_reading(Report()),
        [],
        conversion.answer_writing(ASKED, Report()),
        stream=True,
    )


@given(cuts(RECORDED))
def test_any_split(pieces: list[bytes]) -> None:
    """However a stream is cut on its way, it is translated to the same bytes."""
    passed, tail = read(_translated(), pieces)
    whole_passed, whole_tail = read(_translated(), [RECORDED])
    assert passed + tail == whole_passed + whole_tail
    assert events_of(passed + tail)[0] == events_of(RECORDED)[0]


def test_it_is_the_dialects_own() -> None:
    """The dialect can be translated."""
    assert CHAT.conversion is CONVERSION
