"""How a request becomes what a route is told, and a route's answer what the caller reads."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import Usage
from route.config.capabilities import ResolvedCapabilities
from route.config.routes import Route
from route.dialects.base import BadAnswer, Dialect, Reader
from route.dialects.chat import CHAT
from route.dialects.messages import MESSAGES
from route.dialects.neutral import (
    AnswerEvent,
    BlockKind,
    Closed,
    Counted,
    Delta,
    Finished,
    Image,
    Opened,
    Stop,
    Thinking,
)
from route.dialects.pipe import InOrder
from route.dialects.responses import RESPONSES
from route.request.translation import Translation, Translator
from tests.route import build

Json = dict[str, Any]
CHUNKS = (
    build.ROLE
    + build.chunk(build.choice({"reasoning_content": "hm"}))
    + build.says("Grüße, ")
    + build.says("世界 🌍")
    + build.chunk(
        build.choice(
            {
                "tool_calls": [
                    {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
                ]
            }
        )
    )
    + build.chunk(build.choice({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}))
    + build.finishes(reason="tool_calls")
    + build.chunk(usage=build.USAGE)
    + build.DONE
)
"""A chat stream with one of everything."""


def route(kind: str = "openai_compat", **more: Any) -> Route:
    """The only model of a provider of this kind. `more` is of the model."""
    provider = build.provider("acme", build.model(**more), kind=kind)
    config = build.config(providers=[provider], profiles={"p": {"routes": ["acme/small"]}}, default_profile="p")
    [only] = config.routes_of(["acme/small"])
    return only


def translator(asked: Json, dialect: Dialect = CHAT) -> Translator:
    return Translator(build.request(asked, dialect=dialect))


def to(asked: Translator, where: Route) -> Translation:
    translation = asked.to(where.provider, where.model, where.capabilities)
    assert translation is not None
    return translation


@pytest.mark.parametrize(
    ("dialect", "kind", "dialects", "ways"),
    [
        (CHAT, "openai_compat", None, ["chat", "responses", "embeddings"]),
        (RESPONSES, "openai_compat", None, ["responses", "chat", "embeddings"]),
        (MESSAGES, "openai_compat", None, ["chat", "responses", "embeddings"]),
        (RESPONSES, "openai_compat", ["chat"], ["chat"]),
        (CHAT, "anthropic", None, ["messages", "count_tokens"]),
    ],
)
def test_a_routes_dialects_the_requests_own_first(
    dialect: Dialect, kind: str, dialects: list[str] | None, ways: list[str]
) -> None:
    """Its own dialect where the route speaks it, then the others in the order of the provider's kind."""
    where = route(kind, **({"dialects": dialects} if dialects else {}))
    asked = translator({"messages": [], "input": "hi"}, dialect)
    assert asked.ways(where.provider, where.model) == ways


def test_within_one_dialect_nothing_is_read() -> None:
    """The body goes as it came, also when our own reading of it would fail."""
    asked = translator(build.body(messages=[{"role": "narrator"}], odd={"a": 1}))
    told = to(asked, route())
    assert told.body == {"model": "small-2026-01", "messages": [{"role": "narrator"}], "odd": {"a": 1}}
    assert (told.dropped, told.refused, told.steps) == ((), (), ())
    assert "neutral" not in vars(asked)


def test_a_request_is_written_once_for_each_route() -> None:
    """Gates, order and attempts all ask; the same translation is what they get."""
    asked, where = translator(build.body()), route("anthropic")
    assert to(asked, where) is to(asked, where)
    assert to(asked, where).body["max_tokens"] > 0


def test_the_first_dialect_that_can_say_it_is_taken() -> None:
    """Stop sequences cannot be said in responses: a provider of both is told in chat."""
    asked = translator(
        {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "stop_sequences": ["E"]}, MESSAGES
    )
    both = route(dialects=["responses", "chat"])
    assert (to(asked, both).dialect, to(asked, both).refused) == (CHAT, ())
    alone = route(dialects=["responses"])
    assert to(asked, alone).refused == ("stop_sequences",)


def test_no_way_at_all() -> None:
    """What has no neutral form cannot cross over; what cannot be read can go nowhere else, and says why."""
    where = route("anthropic")
    unread = to(translator(build.body(messages=[{"role": "narrator"}])), where)
    assert unread.refused
    assert unread.refused[0].startswith("messages")
    embedded = Translator(build.request({"input": "hi"}, dialect=_embeddings()))
    assert embedded.to(where.provider, where.model, ResolvedCapabilities()) is None


def _embeddings() -> Dialect:
    from route.dialects.embeddings import EMBEDDINGS

    return EMBEDDINGS


def test_another_dialect_instead() -> None:
    """After a path that the provider does not know: another one of its dialects, never the same."""
    asked, where = translator({"input": "hi"}, RESPONSES), route()
    first = to(asked, where)
    again = asked.instead(first, where.provider, where.model, where.capabilities)
    assert again is not None
    assert (first.dialect, again.dialect) == (RESPONSES, CHAT)
    only = route(dialects=["responses"])
    assert asked.instead(to(asked, only), only.provider, only.model, only.capabilities) is None


def test_what_a_conversation_holds() -> None:
    """Parts are found wherever they stand, results of tools included."""
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [signed, use]},
        {"role": "user", "content": [result]},
    ]
    asked = translator({"messages": turns, "max_tokens": 9}, MESSAGES)
    assert asked.holds(Image)
    assert asked.holds(Thinking)
    assert asked.has_sealed_thinking
    assert not asked.thinks
    assert not translator(build.body()).holds(Image)


def test_whats_dropped_is_told_once_and_in_order() -> None:
    """A name that both the reading and the writing report is one name."""
    asked = translator(build.body(seed=1, b_odd=1, a_odd=2, logit_bias={"1": 1}))
    assert to(asked, route("anthropic")).dropped == ("a_odd", "b_odd", "logit_bias", "seed")


def translated(own: Dialect, theirs: str, *, stream: bool = True, **more: Any) -> Reader:
    """A reader of an answer in the dialect `theirs` for a caller of `own`."""
    asked = {"messages": [{"role": "user", "content": "hi"}], "input": "hi", "max_tokens": 9, "stream": stream}
    tool = {"name": "f", "input_schema": {}, "type": "function", "parameters": {}, "function": {"name": "f"}}
    where = route("anthropic" if theirs == "messages" else "openai_compat", dialects=[theirs], **more)
    made = translator(asked | ({"tools": [tool]} if own is RESPONSES else {}), own)
    return made.reader(to(made, where), 1)


@pytest.mark.parametrize("own", [MESSAGES, RESPONSES], ids=lambda dialect: dialect.name)
@given(data=st.data())
def test_it_does_not_matter_where_a_stream_is_cut(own: Dialect, data: st.DataObject) -> None:
    """Any cuts of the provider's bytes give the caller the same bytes, and the same counts."""
    whole, cut = translated(own, "chat"), translated(own, "chat")
    expected = b"".join(build.read(whole, [CHUNKS]))
    assert b"".join(build.read(cut, data.draw(build.cuts(CHUNKS)))) == expected
    assert "世界 🌍" in expected.decode()
    assert (cut.usage, cut.tool_calls, cut.dropped) == (whole.usage, whole.tool_calls, whole.dropped)
    assert cut.usage == Usage(input=9, output=2)


@pytest.mark.parametrize("own", [MESSAGES, RESPONSES], ids=lambda dialect: dialect.name)
def test_what_came_before_a_fault_is_metered(own: Dialect) -> None:
    """Also when it came in the same bytes as the fault: it will be billed."""
    reader = translated(own, "chat")
    with pytest.raises(BadAnswer):
        reader.feed(build.ROLE + build.says("x" * 40) + b"data: {\n\n")
    assert reader.began
    assert reader.seen_usage == Usage(output=10)


@pytest.mark.parametrize(("stream", "counted"), [(True, False), (False, False), (True, True)])
def test_missing_counts_are_an_estimate_of_both_sides(stream: bool, counted: bool) -> None:
    """Where the provider did not count, or in no numbers, its caller gets our figures and the repair's name."""
    reader = translated(MESSAGES, "chat", stream=stream)
    usage = {"usage": {"prompt_tokens": -1, "completion_tokens": "many"}} if counted else {}
    if stream:
        wire = (
            build.ROLE
            + build.says("x" * 40)
            + build.finishes()
            + (build.chunk(**usage) if usage else b"")
            + build.DONE
        )
    else:
        message = {"message": {"role": "assistant", "content": "x" * 40}, "finish_reason": "stop", "index": 0}
        wire = build.event(
            {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [message]}
        )
        wire = wire.removeprefix(b"data: ")
    answer = b"".join(build.read(reader, [wire])).replace(b" ", b"")
    assert b'"output_tokens":10' in answer
    assert b'"input_tokens":0' not in answer.split(b"message_delta")[-1]
    assert "usage" in reader.repaired


def blocks(draws: Sequence[tuple[int, str]]) -> list[AnswerEvent]:
    """Blocks whose pieces come in any order, each opened before its first piece, closed at the end."""
    events: list[AnswerEvent] = []
    for number, text in draws:
        if not any(isinstance(e, Opened) and e.block == number for e in events):
            events.append(Opened(0, number, BlockKind.TEXT))
        events.append(Delta(0, number, text))
    return [*events, *(Closed(0, n) for n in {n for n, _ in draws}), Finished(0, Stop.END)]


@given(st.lists(st.tuples(st.integers(0, 4), st.text(min_size=1, max_size=3)), max_size=20))
def test_blocks_come_one_after_another(draws: list[tuple[int, str]]) -> None:
    """However pieces of several blocks were mixed: each is whole, in order, numbered without a gap, and closed."""
    order, said, open_block = InOrder(), defaultdict[int, str](str), None
    opened: list[int] = []
    mixed = [*blocks(draws), Counted(Usage())]
    for event in (passed for one in mixed for passed in order.feed(one)):
        match event:
            case Opened():
                assert open_block is None
                open_block = event.block
                opened.append(event.block)
            case Delta():
                assert event.block == open_block
                said[event.block] += event.text
            case Closed():
                assert event.block == open_block
                open_block = None
            case Finished():
                assert open_block is None
    assert opened == list(range(len({number for number, _ in draws})))
    first = list(dict.fromkeys(number for number, _ in draws))
    assert [said[n] for n in opened] == ["".join(t for number, t in draws if number == block) for block in first]


def test_more_of_a_part_that_has_ended_is_no_answer() -> None:
    """It could only be put in the wrong place; blanks after the end say nothing."""
    order = InOrder()
    for event in (Opened(0, 0, BlockKind.TEXT), Closed(0, 0), Delta(0, 0, " \n")):
        list(order.feed(event))
    with pytest.raises(BadAnswer):
        order.feed(Delta(0, 0, "x"))
