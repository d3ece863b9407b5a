"""Answers with one thing wrong, or odd but legal: what providers and gateways really send.

``KINDS`` lists the words by dialect; ``SAFE`` are those that the vendors' SDKs do not notice. A byte order mark is
legal as well, but their SDKs lose the first event to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fakes import damage_chat, damage_messages, damage_responses
from tests.fakes.frames import Frame, frames_of, lacking, unframed
from tests.fakes.steps import Json
from tests.fakes.texts import dumps
from tests.fakes.wire import Event

_NO_TYPE = "no_content_type"
_WRONG_TYPE = "wrong_content_type"
ERROR_IN_200 = "error_in_200"


def _crlf(pieces: list[bytes]) -> list[bytes]:
    return [piece.replace(b"\n", b"\r\n") for piece in pieces]


def _no_space(pieces: list[bytes]) -> list[bytes]:
    return [piece.replace(b"event: ", b"event:", 1).replace(b"data: ", b"data:", 1) for piece in pieces]


def _comments(pieces: list[bytes]) -> list[bytes]:
    return [b": waiting\n\n" + piece.replace(b"data: ", b": in between\ndata: ", 1) for piece in pieces]


def _bom(pieces: list[bytes]) -> list[bytes]:
    return [b"\xef\xbb\xbf" + pieces[0], *pieces[1:]]


def _many_lines(pieces: list[bytes]) -> list[bytes]:
    return [piece.replace(b"data: {", b"data: {\ndata: ", 1) for piece in pieces]


def _extra_fields(pieces: list[bytes]) -> list[bytes]:
    return [b"id: 7\nretry: 1000\n" + piece for piece in pieces]


def _tiny_writes(pieces: list[bytes]) -> list[bytes]:
    whole = b"".join(pieces)
    return [whole[at : at + 7] for at in range(0, len(whole), 7)]


def _one_write(pieces: list[bytes]) -> list[bytes]:
    return [b"".join(pieces)]


_BYTES: Mapping[str, Callable[[list[bytes]], list[bytes]]] = {
    "crlf": _crlf,
    "no_space": _no_space,
    "comments": _comments,
    "bom": _bom,
    "many_lines": _many_lines,
    "extra_fields": _extra_fields,
    "tiny_writes": _tiny_writes,
    "one_write": _one_write,
}
_STREAMED: Mapping[str, Mapping[str, Callable[[list[Frame]], list[Frame]]]] = {
    "chat": damage_chat.STREAMED,
    "messages": damage_messages.STREAMED,
    "responses": damage_responses.STREAMED,
    "embeddings": {},
}
_WHOLE: Mapping[str, Mapping[str, Callable[[Json], Json]]] = {
    "chat": damage_chat.WHOLE,
    "messages": damage_messages.WHOLE,
    "responses": damage_responses.WHOLE,
    "embeddings": {"no_usage": lacking("usage")},
}
_ANY = (ERROR_IN_200, _WRONG_TYPE, _NO_TYPE)

SAFE = tuple(kind for kind in _BYTES if kind != "bom")
KINDS: Mapping[str, tuple[str, ...]] = {
    dialect: tuple(dict.fromkeys([*_STREAMED[dialect], *_WHOLE[dialect], *_ANY, *(_BYTES if streams else ())]))
    for dialect, streams in (("chat", True), ("messages", True), ("responses", True), ("embeddings", False))
}


@dataclass(frozen=True)
class Broken:
    """What is sent: the writes, and the content type (None means no such header)."""

    events: Sequence[Event]
    content_type: str | None


def damaged_stream(kind: str, dialect: str, events: Sequence[Event], content_type: str) -> Broken:
    """A damaged stream. Raises KeyError where the dialect's streams have no such damage."""
    if kind in _BYTES:
        pieces = _BYTES[kind]([event.data for event in events])
        return Broken([Event(piece, content=True) for piece in pieces], content_type)
    if kind in (_WRONG_TYPE, _NO_TYPE):
        return Broken(events, "application/json" if kind == _WRONG_TYPE else None)
    frames = _STREAMED[dialect][kind](frames_of(events))
    return Broken(unframed(frames), content_type)


def damaged_whole(kind: str, dialect: str, whole: Json, content_type: str) -> Broken:
    """A damaged whole answer. Raises KeyError where the dialect's whole answers have no such damage."""
    if kind in (_WRONG_TYPE, _NO_TYPE):
        return Broken([Event(dumps(whole), True)], "text/plain" if kind == _WRONG_TYPE else None)
    copy: Json = json.loads(dumps(whole))
    return Broken([Event(dumps(_WHOLE[dialect][kind](copy)), True)], content_type)
