"""Filters of a model's text, for servers that let through what they should have kept: see `output_filters`.

They work on events, so that it does not matter where a stream was cut, and keep each choice apart.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace

from route.dialects.neutral import AnswerEvent, BlockKind, Closed, Delta, Opened

_TAGS = ("think", "thinking", "reasoning")
_OPENINGS = tuple(f"<{tag}>" for tag in _TAGS)
_OPENING = re.compile(f"<({'|'.join(_TAGS)})>")

STOP_MARKERS = (
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<end_of_turn>",
    "<start_of_turn>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "</s>",
    "[/INST]",
)
"""Words of chat templates that end a turn, of the model families that are served locally."""


class _TextFilter(ABC):
    """Holds back the end of a text block that may become something to take out, and no more."""

    def __init__(self) -> None:
        self.repaired: set[str] = set()
        self._texts: set[tuple[int, int]] = set()
        self._held: dict[tuple[int, int], str] = {}

    def feed(self, event: AnswerEvent) -> Iterable[AnswerEvent]:
        if isinstance(event, Opened) and event.kind is BlockKind.TEXT:
            self._texts.add((event.choice, event.block))
        if not isinstance(event, Delta | Closed) or (event.choice, event.block) not in self._texts:
            return [event]
        place = (event.choice, event.block)
        if isinstance(event, Delta):
            passed, self._held[place] = self.split(place, self._held.get(place, "") + event.text)
            return [replace(event, text=passed)] if passed else []
        left = self.rest(place, self._held.pop(place, ""))
        return [Delta(*place, left), event] if left else [event]

    @abstractmethod
    def split(self, place: tuple[int, int], text: str) -> tuple[str, str]:
        """What may go on, and what has to wait for more."""

    def rest(self, place: tuple[int, int], held: str) -> str:
        """What becomes of the held text when the block ends."""
        return held


class StripStopMarkers(_TextFilter):
    """Takes the words out that a chat template ends its turns with."""

    def split(self, place: tuple[int, int], text: str) -> tuple[str, str]:
        left = text
        for marker in STOP_MARKERS:
            left = left.replace(marker, "")
        if left != text:
            self.repaired.add("stop_markers")
        return _before_any(left, STOP_MARKERS)


class StripThinking(_TextFilter):
    """Takes reasoning out that stands in the text between tags. A tag that is never closed hides all after it."""

    def __init__(self) -> None:
        super().__init__()
        self._inside: dict[tuple[int, int], str] = {}

    def split(self, place: tuple[int, int], text: str) -> tuple[str, str]:
        passed: list[str] = []
        at = 0
        while True:
            if closing := self._inside.get(place):
                end = text.find(closing, at)
                if end < 0:
                    return "".join(passed), _before_any(text[at:], (closing,))[1]
                del self._inside[place]
                at = end + len(closing)
            opening = _OPENING.search(text, at)
            if opening is None:
                free, held = _before_any(text[at:], _OPENINGS)
                return "".join([*passed, free]), held
            passed.append(text[at : opening.start()])
            self._inside[place] = f"</{opening[1]}>"
            self.repaired.add("thinking")
            at = opening.end()

    def rest(self, place: tuple[int, int], held: str) -> str:
        """What looked like the beginning of a tag was none."""
        return "" if place in self._inside else held


def _before_any(text: str, words: Iterable[str]) -> tuple[str, str]:
    """The text, and its end in so far as one of the words may begin with it."""
    longest = max(
        (n for word in words for n in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:n])),
        default=0,
    )
    return (text[:-longest], text[-longest:]) if longest else (text, "")
