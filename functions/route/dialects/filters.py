"""Filters of a model's text, for servers that fail to remove template words or reasoning: see `output_filters`.

They work on events, so that it does not matter where the stream was cut. Each choice is filtered by itself.
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
"""The words by which chat templates end a turn, of the model families that people serve locally."""


class _TextFilter(ABC):
    """Holds back the end of a text block as long as it may be the beginning of something to remove."""

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
        """Divides text into what may pass now and what must wait for more text."""

    def rest(self, place: tuple[int, int], held: str) -> str:
        """What passes of the text that was held when its block ends."""
        return held


class StripStopMarkers(_TextFilter):
    """Removes the words by which a chat template ends its turns."""

    def split(self, place: tuple[int, int], text: str) -> tuple[str, str]:
        left = text
        for marker in STOP_MARKERS:
            left = left.replace(marker, "")
        if left != text:
            self.repaired.add("stop_markers")
        return _before_any(left, STOP_MARKERS)


class StripThinking(_TextFilter):
    """Removes reasoning between tags in the text. A tag that is never closed hides all text after it."""

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
        """Text that only looked like the beginning of a tag passes; text inside a tag does not."""
        return "" if place in self._inside else held


def _before_any(text: str, words: Iterable[str]) -> tuple[str, str]:
    """The text, divided before the longest ending with which one of the words may begin."""
    longest = max(
        (n for word in words for n in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:n])),
        default=0,
    )
    return (text[:-longest], text[-longest:]) if longest else (text, "")
