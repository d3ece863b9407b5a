"""Small functions over texts and JSON that every dialect needs: writing, taking apart, and naming them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.fakes.prompt_cache import Block


def text_of(value: Any) -> str:
    """What a tool result says, whatever shape its client has put it into."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, (text_of(part) for part in value)))
    if isinstance(value, Mapping):
        named = [value[name] for name in ("text", "content", "output", "stdout", "stderr") if value.get(name)]
        return text_of(named) if named else json.dumps(value)
    return str(value)


def block_of(role: str, part: Any) -> Block:
    """A piece of a prompt as text. The mark is not part of it: moving a mark keeps the prefix."""
    if isinstance(part, str):
        return Block(f"{role}:{part}")
    mark = part.get("cache_control") if isinstance(part, dict) else None
    bare = {k: v for k, v in part.items() if k != "cache_control"} if isinstance(part, dict) else part
    plain = isinstance(bare, dict) and bare.get("type") == "text" and set(bare) == {"type", "text"}
    text = bare["text"] if plain else json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return Block(f"{role}:{text}", ("1h" if mark.get("ttl") == "1h" else "5m") if mark else None)


def words(text: str) -> list[str]:
    """The deltas of a text, word by word; joined they are the text again."""
    return re.findall(r"\s*\S+(?:\s+$)?|\s+$", text)


def slices(text: str, parts: int = 3) -> list[str]:
    """A text in about as many pieces as asked for, like tool arguments that arrive bit by bit."""
    width = max(1, -(-len(text) // parts))
    return [text[at : at + width] for at in range(0, len(text), width)]


def dumps(data: Any) -> bytes:
    """Compact JSON as the vendors write it: UTF-8, not escaped."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def sse(data: Any, name: str | None = None) -> bytes:
    """One event of a stream; ``name`` is what its ``event:`` line says, where it has one."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + dumps(data) + b"\n\n"


def parts_of(content: Any) -> list[Any]:
    """The content of a message as a list: its parts, or its text as the only one."""
    if isinstance(content, list):
        return content
    return [content] if content else []


def digest(*parts: str) -> str:
    """A short name for some texts, which is always the same."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
