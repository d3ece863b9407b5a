"""Output filters and the repair of tool calls: on events, whatever the cuts, each choice for itself."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.filters import STOP_MARKERS, StripStopMarkers, StripThinking
from route.dialects.neutral import AnswerEvent, BlockKind, Closed, Delta, Finished, Opened, Stop
from route.dialects.pipe import InOrder, Step
from route.dialects.repair import RepairToolCalls, calls_in

NAMES = frozenset({"read", "write"})


def text_events(pieces: Iterable[str], choice: int = 0, block: int = 0) -> list[AnswerEvent]:
    return [
        Opened(choice, block, BlockKind.TEXT),
        *(Delta(choice, block, piece) for piece in pieces),
        Closed(choice, block),
    ]


def through(step: Step, events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    return [passed for event in events for passed in step.feed(event)]


def said(events: Iterable[AnswerEvent], choice: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, Delta) and e.choice == choice)


def cut(text: str, places: list[int]) -> list[str]:
    ends = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(ends)]


CUTS = st.lists(st.integers(0, 80), max_size=10)


@pytest.mark.case("C16")
@given(CUTS)
def test_thinking_between_tags_is_taken_out(places: list[int]) -> None:
    """Wherever the stream was cut, also inside a tag."""
    pieces = cut("hello <think>hidden</think> world", places)
    assert said(through(StripThinking(), text_events(pieces))) == "hello  world"


@pytest.mark.case("C16")
@pytest.mark.parametrize("text", ["abc<def", "a < b and <thin", "x<", "1 <think 2", "</think>"])
def test_what_only_looks_like_a_tag_stays(text: str) -> None:
    """And nothing of it is held back past the end of its block."""
    assert said(through(StripThinking(), text_events(list(text)))) == text


def test_a_tag_that_is_never_closed_hides_the_rest() -> None:
    """A model that was cut short while it thought has said nothing yet."""
    assert said(through(StripThinking(), text_events(["a<think>secret </thi"]))) == "a"


def test_held_text_comes_before_its_block_ends() -> None:
    """So that a finish never overtakes the text it finishes."""
    events = through(StripThinking(), [*text_events(["abc<thi"]), Finished(0, Stop.END)])
    assert [type(event) for event in events] == [Opened, Delta, Delta, Closed, Finished]


@pytest.mark.case("C16")
def test_each_choice_is_filtered_for_itself() -> None:
    """A tag that one choice opened says nothing about another."""
    first, second = text_events(["a<think>", "b</think>c"]), text_events(["x", "y"], choice=1)
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]
    events = through(StripThinking(), mixed)
    assert (said(events), said(events, 1)) == ("ac", "xy")


@given(st.sampled_from(STOP_MARKERS), CUTS)
def test_stop_markers_are_taken_out(marker: str, places: list[int]) -> None:
    """Every marker, wherever it was cut."""
    pieces = cut(f"one{marker}two", places)
    assert said(through(StripStopMarkers(), text_events(pieces))) == "onetwo"


def test_many_tags_take_no_longer_than_their_length() -> None:
    """A whole answer may come in one piece; a search that grew with the square would not end here."""
    assert said(through(StripThinking(), text_events(["<think>a</think>" * 300_000]))) == ""


def test_arguments_of_calls_are_never_filtered() -> None:
    """A file that a tool writes may hold such words."""
    events: list[AnswerEvent] = [
        Opened(0, 0, BlockKind.TOOL_CALL, "1", "write"),
        Delta(0, 0, "</s><think>"),
        Closed(0, 0),
    ]
    assert through(StripStopMarkers(), through(StripThinking(), events)) == events


CALL = '{"name": "read", "arguments": {"path": "a"}}'
WRITTEN = ("read", '{"path":"a"}')


@pytest.mark.case("C17")
@pytest.mark.parametrize(
    ("text", "left", "calls"),
    [
        (CALL, "", [WRITTEN]),
        (f"```json\n{CALL}\n```", "", [WRITTEN]),
        (f"<tool_call>\n{CALL}\n</tool_call>", "", [WRITTEN]),
        ('<function=read>{"path": "a"}</function>', "", [WRITTEN]),
        (f"[{CALL}, {CALL}]", "", [WRITTEN, WRITTEN]),
        (f"I will read it.\n{CALL}", "I will read it.", [WRITTEN]),
        (f"Code:\n```python\nprint()\n```\n{CALL}", "Code:\n```python\nprint()\n```", [WRITTEN]),
        ('{"name": "read", "parameters": {"path": "a"}}', "", [WRITTEN]),
        ('{"function": {"name": "read", "arguments": "{\\"path\\": \\"a\\"}"}}', "", [WRITTEN]),
    ],
)
def test_calls_written_as_text_are_found(text: str, left: str, calls: list[tuple[str, str]]) -> None:
    """Bare, fenced, in XML, several, in prose; what stands around them stays."""
    assert calls_in(text, NAMES) == (left, calls)


@pytest.mark.case("C17")
@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "read"}\n```',
        '{"name": "delete", "arguments": {}}',
        '{"name": "read", "arguments": 3}',
        "```\nread\n```",
        '{"name": "read", "parameters": {"type": "object", "properties": {"path": {}}}}',
        '{"name": "read", "arguments": {',
        "plain",
        "{" * 500,
    ],
)
def test_what_is_no_call_of_a_declared_tool_stays(text: str) -> None:
    """Byte for byte: another tool, no arguments, half a call, prose."""
    assert calls_in(text, NAMES) == (text, [])


def test_a_repaired_answer_stops_for_its_calls() -> None:
    """The text block is gone, the call is a block of its own, and the stop says so; nothing else does."""
    events = through(RepairToolCalls(NAMES), [*text_events([CALL[:9], CALL[9:]]), Finished(0, Stop.END)])
    opened, arguments, closed, finished = events
    assert isinstance(opened, Opened)
    assert (opened.kind, opened.name) == (BlockKind.TOOL_CALL, "read")
    assert isinstance(arguments, Delta)
    assert (arguments.text, finished) == ('{"path":"a"}', Finished(0, Stop.TOOL_CALLS))
    assert isinstance(closed, Closed)
    plain = [*text_events(["Hi"]), Finished(0, Stop.END)]
    assert through(RepairToolCalls(NAMES), plain) == plain


@pytest.mark.parametrize(
    "text",
    ["<tool_call>" * 50_000, "<function=read>" + "\n" * 300_000, "```\n" * 60_000, '{ "' * 90_000, "[ " * 150_000],
)
def test_hostile_text_takes_no_longer_than_its_length(text: str) -> None:
    """Openings without an end are looked at once; a search that grew with the square would not end here."""
    assert calls_in(text, NAMES) == (text, [])


def test_without_tools_nothing_is_held_back() -> None:
    """A request that declared no tools streams as ever."""
    step = RepairToolCalls([])
    assert list(step.feed(Opened(0, 0, BlockKind.TEXT))) == [Opened(0, 0, BlockKind.TEXT)]


def test_blocks_come_one_after_another() -> None:
    """What comes for a block while another is open waits; numbers have no gaps; the end closes what is open."""
    events: list[AnswerEvent] = [
        Opened(0, 3, BlockKind.TEXT),
        Opened(0, 7, BlockKind.TEXT),
        Delta(0, 3, "a"),
        Delta(0, 7, "x"),
        Delta(0, 3, "b"),
        Finished(0, Stop.END),
    ]
    assert through(InOrder(), events) == [
        Opened(0, 0, BlockKind.TEXT),
        Delta(0, 0, "a"),
        Delta(0, 0, "b"),
        Closed(0, 0),
        Opened(0, 1, BlockKind.TEXT),
        Delta(0, 1, "x"),
        Closed(0, 1),
        Finished(0, Stop.END),
    ]


def test_any_number_of_blocks_may_wait() -> None:
    """As many as an answer can have, each ended before its turn comes."""
    order = InOrder()
    order.feed(Opened(0, 0, BlockKind.TEXT))
    for block in range(1, 4000):
        assert through(order, text_events(["x"], block=block)) == []
    assert len(list(order.feed(Closed(0, 0)))) == 1 + 3 * 3999
