"""Server-sent events, read incrementally: takes bytes that are cut anywhere, gives whole events."""

import re
from dataclasses import dataclass

_EVENT_END = re.compile(rb"\n\r?\n|\r\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")
MAX_EVENT_BYTES = 16 * 1024 * 1024
_FIELDS = (b"", b"event", b"data", b"id", b"retry")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `raw`: its bytes with the blank line. `data`: its data lines joined; None where it has none."""

    raw: bytes
    name: str
    data: bytes | None

    @property
    def is_text(self) -> bool:
        """Whether the event is valid UTF-8; several clients fail without that."""
        try:
            self.raw.decode()
        except UnicodeDecodeError:
            return False
        return True

    @property
    def is_standard(self) -> bool:
        """Whether every line is a comment or a field of the standard."""
        return all(not line or line.partition(b":")[0] in _FIELDS for line in _LINE_END.split(self.raw))


class EventTooLarge(Exception):
    """An event is longer than `MAX_EVENT_BYTES`."""


class Splitter:
    """Divides chunks of any size into events; a chunk may end inside a line, a CRLF or a character.

    `had_bom`: the stream began with a byte order mark. The events come without it, as the standard demands, since
    several clients take it for a part of the first field's name.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()  # grows in place: an event may come in ten thousand chunks
        self._searched = 0
        self._at_start = True
        self.had_bom = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes."""
        self._buffer += chunk
        if self._at_start:
            if len(self._buffer) < len(BOM) and BOM.startswith(bytes(self._buffer)):
                return []
            self._at_start, self.had_bom = False, self._buffer.startswith(BOM)
            del self._buffer[: len(BOM) if self.had_bom else 0]
        events = []
        start = 0
        while match := _EVENT_END.search(self._buffer, max(start, self._searched)):
            events.append(_parse(bytes(self._buffer[start : match.end()])))
            start = self._searched = match.end()
        del self._buffer[:start]
        # The buffer may end inside the end of an event: with three bytes of CRLFCRLF at most.
        self._searched = max(0, len(self._buffer) - 3)
        if len(self._buffer) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return events

    @property
    def rest(self) -> bytes:
        """The bytes after the last whole event."""
        return bytes(self._buffer)


def _parse(raw: bytes) -> Event:
    name, data = "", []
    for line in _LINE_END.split(raw):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(raw, name, b"\n".join(data) if data else None)


def encode(data: bytes, name: str = "") -> bytes:
    """The bytes of an event. `data` must be one line."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + data + b"\n\n"


def rewritten(event: Event, *, data: bytes | None = None, name: str | None = None) -> Event:
    """The event with other data (one line), another name, or both. All other lines stay, also comments."""
    replaced = {b"event"} if name is not None else set()
    replaced |= {b"data"} if data is not None else set()
    lines = [line for line in _LINE_END.split(event.raw) if line and line.partition(b":")[0] not in replaced]
    if name is not None:
        lines.insert(0, b"event: " + name.encode())
    if data is not None:
        lines.append(b"data: " + data)
    name = event.name if name is None else name
    return Event(b"\n".join((*lines, b"", b"")), name, event.data if data is None else data)


KEEPALIVE = b": keepalive\n\n"
