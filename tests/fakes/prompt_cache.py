"""Fake tokens and a prompt cache that remembers prefixes the way the vendors do.

A token is four characters. Nothing ever expires, so a test needs no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

CHARS_PER_TOKEN = 4
AUTOMATIC_MIN_TOKENS = 64  # OpenAI's real least is 1024.
AUTOMATIC_STEP_TOKENS = 16  # OpenAI's real step is 128. What is left behind the last whole step is never cached.


@dataclass(frozen=True)
class Block:
    """One piece of a prompt in cache order (tools, system, messages) and the mark that it carries."""

    text: str
    mark: Literal["5m", "1h"] | None = None


@dataclass(frozen=True)
class Tokens:
    """Counts of one call; ``prompt`` includes what was read from and written to the cache."""

    prompt: int
    completion: int
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    reasoning: int = 0

    @property
    def written(self) -> int:
        """Tokens written to the cache under either lifetime."""
        return self.written_5m + self.written_1h

    @property
    def uncached(self) -> int:
        """What Anthropic calls input tokens: neither read from the cache nor written to it."""
        return self.prompt - self.cached - self.written


def count(text: str) -> int:
    """The tokens of a text: an empty one has none, any other at least one."""
    return max(1, len(text) // CHARS_PER_TOKEN) if text else 0


def prompt_tokens(blocks: Sequence[Block]) -> int:
    """The tokens of a whole prompt, which is also what ``count_tokens`` answers."""
    return count("".join(block.text for block in blocks))


class PrefixMemory:
    """Which prefixes each owner (API key and model) has sent before."""

    def __init__(self) -> None:
        self._known: dict[str, set[bytes]] = {}

    def clear(self) -> None:
        """Forget every prefix."""
        self._known.clear()

    def automatic(self, owner: str, blocks: Sequence[Block]) -> tuple[int, int]:
        """OpenAI: (cached, written) tokens, without any mark, from 64 tokens on in steps of 16."""
        text = "".join(block.text for block in blocks)
        if count(text) < AUTOMATIC_MIN_TOKENS:
            return 0, 0
        width = AUTOMATIC_STEP_TOKENS * CHARS_PER_TOKEN
        chain = _chain(text[at : at + width] for at in range(0, len(text) - width + 1, width))
        known = self._known.setdefault(owner, set())
        hits = next((n for n, link in enumerate(chain) if link not in known), len(chain))
        known.update(chain)
        return hits * AUTOMATIC_STEP_TOKENS, (len(chain) - hits) * AUTOMATIC_STEP_TOKENS

    def marked(self, owner: str, blocks: Sequence[Block]) -> tuple[int, int, int]:
        """Anthropic: (cached, written for 5 min, written for 1 h) tokens, only up to the last mark.

        A prefix is kept where a mark stands, and found again wherever that place lies before a later mark,
        so a conversation that moves its mark forward reads the earlier turns and writes the new ones.
        """
        marks = [n for n, block in enumerate(blocks) if block.mark]
        if not marks:
            return 0, 0, 0
        chain = _chain(block.text for block in blocks)
        known = self._known.setdefault(owner, set())
        hit = next((n for n in range(marks[-1], -1, -1) if chain[n] in known), -1)
        cached = at = prompt_tokens(blocks[: hit + 1])
        written = {"5m": 0, "1h": 0}
        for n in (n for n in marks if n > hit):
            upto = prompt_tokens(blocks[: n + 1])
            written[blocks[n].mark or "5m"] += upto - at
            at = upto
        known.update(chain[n] for n in marks)
        return cached, written["5m"], written["1h"]


def _chain(pieces: Iterable[str]) -> list[bytes]:
    """A digest for every prefix: each link covers its piece and everything before it."""
    links: list[bytes] = []
    link = b""
    for piece in pieces:
        link = hashlib.blake2b(link + piece.encode(), digest_size=12).digest()
        links.append(link)
    return links
