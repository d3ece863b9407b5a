"""The events of a stream as documents, to be changed and written again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.fakes.steps import Json
from tests.fakes.texts import sse
from tests.fakes.wire import Event

DONE = b"data: [DONE]\n\n"


@dataclass
class Frame:
    """One event: its document (None stands for ``[DONE]``), and the ``name`` in its ``event:`` line, if any."""

    data: Json | None
    name: str | None = None
    content: bool = False

    def kind(self) -> str:
        """The ``type`` in the document."""
        return str((self.data or {}).get("type"))


def frames_of(events: Iterable[Event]) -> list[Frame]:
    """Reads the events that a wire has written."""
    frames = []
    for event in events:
        head, _, text = event.data.partition(b"data: ")
        name = head.removeprefix(b"event: ").strip().decode() or None
        data = None if event.data == DONE else json.loads(text)
        frames.append(Frame(data, name, event.content))
    return frames


def unframed(frames: Sequence[Frame]) -> list[Event]:
    """Writes frames as events again."""
    events = []
    for frame in frames:
        data = DONE if frame.data is None else sse(frame.data, frame.name)
        events.append(Event(data, frame.content))
    return events


def named(data: Json) -> Frame:
    """A frame whose ``event:`` line says the type of its document."""
    return Frame(data, str(data["type"]))


def nameless(frames: list[Frame]) -> list[Frame]:
    """Takes all ``event:`` lines out."""
    return [Frame(frame.data, None, frame.content) for frame in frames]


def without(*kinds: str) -> Callable[[list[Frame]], list[Frame]]:
    """Takes the events of some types out."""
    return lambda frames: [frame for frame in frames if frame.kind() not in kinds]


def each(change: Callable[[Json], object], *kinds: str) -> Callable[[list[Frame]], list[Frame]]:
    """Changes the document of each event, or of each event of some types."""

    def damage(frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            if frame.data is not None and (not kinds or frame.kind() in kinds):
                change(frame.data)
        return frames

    return damage


def lacking(name: str) -> Callable[[Json], Json]:
    """Takes a field out of a whole answer."""
    return lambda whole: {key: value for key, value in whole.items() if key != name}
