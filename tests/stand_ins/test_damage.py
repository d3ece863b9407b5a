"""Damaged answers: each kind does what its name says, and the safe ones change nothing for the vendors' SDKs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import Answer, Damaged, Provider, ToolCall
from tests.fakes.damage import KINDS, SAFE
from tests.fakes.frames import Frame, frames_of
from tests.fakes.sdk import anthropic_of, openai_of, post
from tests.fakes.wire import Event

CALLS = [ToolCall("weather", {"city": "Oslo", "days": 3}), ToolCall("clock", {})]
ANSWER = Answer(text="one two", tool_calls=CALLS)
TURNS: Any = [{"role": "user", "content": "Hi"}]
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
}
BODIES: dict[str, Any] = {
    "chat": {"model": "m", "messages": TURNS, "stream_options": {"include_usage": True}},
    "messages": {"model": "m", "max_tokens": 64, "messages": TURNS},
    "responses": {"model": "m", "input": "Hi"},
    "embeddings": {"model": "m", "input": "Hi"},
}


@pytest.fixture
def provider_of() -> Iterator[Any]:
    """From a dialect to the stand-in that speaks it; without prompt caches, so that equal requests stay equal."""
    with Provider("openai", cache=False) as oai, Provider("anthropic", cache=False) as ant:
        yield lambda dialect: ant if dialect == "messages" else oai


def ask(provider: Provider, dialect: str, *, stream: bool) -> Any:
    """The bare answer to the dialect's body."""
    body = {**BODIES[dialect], "stream": True} if stream else dict(BODIES[dialect])
    if not stream:
        body.pop("stream_options", None)
    return post(provider, PATHS[dialect], body)


def streamed(provider: Provider, dialect: str, kind: str, answer: Answer = ANSWER) -> list[Frame]:
    """The frames of a damaged stream."""
    provider.plan(Damaged(kind, answer))
    raw = ask(provider, dialect, stream=True).content
    return frames_of([Event(block + b"\n\n") for block in raw.removesuffix(b"\n\n").split(b"\n\n")])


def whole(provider: Provider, dialect: str, kind: str) -> Any:
    """The JSON of a damaged whole answer."""
    provider.plan(Damaged(kind, ANSWER))
    return ask(provider, dialect, stream=False).json()


@pytest.mark.parametrize(("dialect", "kind"), [(d, kind) for d, kinds in KINDS.items() for kind in kinds])
def test_every_kind_changes_something(provider_of: Any, dialect: str, kind: str) -> None:
    """Streamed, whole or both: a 200 that differs from the sound one in bytes or type; else a 500 that says so."""
    provider, changed = provider_of(dialect), []
    for stream in (True, False) if dialect != "embeddings" else (False,):
        provider.plan(ANSWER, Damaged(kind, ANSWER))
        sound, damaged = (ask(provider, dialect, stream=stream) for _ in range(2))
        if damaged.status_code == 500:
            assert "no damage" in damaged.text
        elif kind in ("tiny_writes", "one_write"):
            changed.append(damaged.content == sound.content)
        else:
            differs = damaged.content != sound.content
            changed.append(differs or damaged.headers.get("content-type") != sound.headers["content-type"])
    assert changed
    assert all(changed)


@pytest.mark.parametrize("kind", SAFE)
def test_safe_variations_are_invisible(provider_of: Any, kind: str) -> None:
    """Line ends, comments, marks and writes as the standard allows them: the SDKs read the same answer."""
    oai, ant = provider_of("chat"), provider_of("messages")
    answer = Answer(text="größer ✓", tool_calls=CALLS)
    for provider in (oai, ant):
        provider.plan(answer, Damaged(kind, answer))
    with openai_of(oai) as client, anthropic_of(ant) as other:
        finals = []
        for _ in range(2):
            with client.chat.completions.stream(**BODIES["chat"]) as stream:
                finals.append(stream.get_final_completion().to_dict())
        assert finals[0] == finals[1]
        said = []
        for _ in range(2):
            with other.messages.stream(**BODIES["messages"]) as events:
                said.append(events.get_final_message().to_dict())
        assert said[0] == said[1]
        oai.plan(answer, Damaged(kind, answer))
        responses = []
        for _ in range(2):
            with client.responses.stream(**BODIES["responses"]) as items:
                responses.append(items.get_final_response().to_dict())
        assert responses[0] == responses[1]


class TestChat:
    def test_indexes_of_calls(self, provider_of: Any) -> None:
        """All 0, with a gap, or missing."""
        oai = provider_of("chat")
        for kind, wanted in (("same_index", {0}), ("index_gap", {0, 2}), ("no_index", {None})):
            assert {call.get("index") for call in self._calls(streamed(oai, "chat", kind))} == wanted

    def test_heads_and_arguments_of_calls(self, provider_of: Any) -> None:
        """Id and name on every delta; arguments as objects, one delta each, streamed and whole."""
        oai = provider_of("chat")
        repeated = self._calls(streamed(oai, "chat", "id_repeated"))
        assert len(repeated) > 4
        assert all(call["id"] and call["function"]["name"] for call in repeated)
        objects = self._calls(streamed(oai, "chat", "arguments_object"))
        assert [call["function"]["arguments"] for call in objects] == [call.arguments for call in CALLS]
        calls = whole(oai, "chat", "arguments_object")["choices"][0]["message"]["tool_calls"]
        assert [call["function"]["arguments"] for call in calls] == [call.arguments for call in CALLS]

    def test_chunks(self, provider_of: Any) -> None:
        """Missing fields, odd choices, no usage, no reason, no terminator; an error under a 200."""
        oai = provider_of("chat")
        for kind, name in (("no_id", "id"), ("no_created", "created"), ("no_usage", "usage")):
            assert not [frame for frame in streamed(oai, "chat", kind) if frame.data and frame.data.get(name)]
        assert [frame.data["choices"] for frame in streamed(oai, "chat", "choices_null") if frame.data][1] is None
        frames = streamed(oai, "chat", "no_finish")
        assert not [c for f in frames if f.data for c in f.data["choices"] if c["finish_reason"]]
        assert frames[-1].data is None
        assert streamed(oai, "chat", "no_done")[-1].data
        assert streamed(oai, "chat", "usage_in_finish")[-2].data["choices"][0]["finish_reason"] == "tool_calls"  # type: ignore[index]
        assert set(whole(oai, "chat", "error_in_200")) == {"error"}

    @staticmethod
    def _calls(frames: list[Frame]) -> list[Any]:
        choices = [choice for frame in frames if frame.data for choice in frame.data["choices"]]
        return [call for choice in choices for call in choice["delta"].get("tool_calls") or []]


class TestMessages:
    def test_ends_errors_and_lines(self, provider_of: Any) -> None:
        """An unnamed error, missing ends, events without their lines, usage missing at either place."""
        ant = provider_of("messages")
        error = streamed(ant, "messages", "error_unnamed")[-1]
        assert (error.name, error.kind()) == (None, "error")
        assert {frame.name for frame in streamed(ant, "messages", "no_event_lines")} == {None}
        kinds = [frame.kind() for frame in streamed(ant, "messages", "no_end")]
        assert not {"message_delta", "message_stop"} & {*kinds}
        start = streamed(ant, "messages", "no_start_usage")[0].data
        assert start
        assert "usage" not in start["message"]
        assert "usage" not in (streamed(ant, "messages", "no_delta_usage")[-2].data or {})

    def test_blocks(self, provider_of: Any) -> None:
        """Deltas of several blocks in turns; a gap in the indexes; a tool's input in its opening alone."""
        ant = provider_of("messages")
        deltas = self._of(streamed(ant, "messages", "interleaved"), "content_block_delta")
        assert [delta["index"] for delta in deltas][:4] == [0, 1, 2, 0]
        starts = self._of(streamed(ant, "messages", "index_gap"), "content_block_start")
        assert [start["index"] for start in starts] == [0, 2, 4]
        frames = streamed(ant, "messages", "input_in_start")
        inputs = [start["content_block"].get("input") for start in self._of(frames, "content_block_start")]
        assert inputs == [None, *(call.arguments for call in CALLS)]
        assert {d["delta"]["type"] for d in self._of(frames, "content_block_delta")} == {"text_delta"}

    def test_an_empty_input_has_deltas_unless_damaged(self, provider_of: Any) -> None:
        """A call without arguments still sends its ``{}`` in deltas."""
        ant = provider_of("messages")
        for kind, wanted in (("ping_first", ["", "{}"]), ("no_empty_delta", [])):
            frames = streamed(ant, "messages", kind, Answer(tool_calls=CALLS[1:]))
            pieces = [d["delta"]["partial_json"] for d in self._of(frames, "content_block_delta")]
            assert [piece for piece in pieces if piece == ""] + ["".join(pieces)] * bool(pieces) == wanted

    @staticmethod
    def _of(frames: list[Frame], kind: str) -> list[Any]:
        return [frame.data for frame in frames if frame.kind() == kind]


class TestResponses:
    def test_missing_events_and_fields(self, provider_of: Any) -> None:
        """Openings, ends, numbers and lines may be missing; each kind takes out just its own."""
        oai = provider_of("responses")
        for kind, gone in (
            ("no_created", "response.created"),
            ("no_item_added", "response.output_item.added"),
            ("no_completed", "response.completed"),
            ("no_deltas", "response.output_text.delta"),
        ):
            kinds = [frame.kind() for frame in streamed(oai, "responses", kind)]
            assert gone not in kinds
            assert len(kinds) > 10
        assert not any("sequence_number" in (f.data or {}) for f in streamed(oai, "responses", "no_sequence"))
        assert {frame.name for frame in streamed(oai, "responses", "no_event_lines")} == {None}


def test_content_types(provider_of: Any) -> None:
    """JSON as text, a stream as JSON, or no type at all, with the bytes as they should be."""
    oai = provider_of("chat")
    oai.plan(*[Damaged("wrong_content_type", ANSWER)] * 2, Damaged("no_content_type", ANSWER))
    text, stream, none = (ask(oai, "chat", stream=stream) for stream in (False, True, False))
    assert text.headers["content-type"] == "text/plain"
    assert json.loads(text.content)["choices"]
    assert stream.headers["content-type"] == "application/json"
    assert stream.content.startswith(b"data: ")
    assert "content-type" not in none.headers
