"""AWS's binary event streams (`application/vnd.amazon.eventstream`): bytes in at any split, whole frames out.

A frame, numbers big-endian: length of the whole (4 bytes), length of the headers (4), CRC-32 of these 8 (4),
headers, payload, CRC-32 of all before it (4). A header: length of its name (1), name, type (1), value.
Source: AWS, "Event stream encoding" of Amazon Transcribe, and `botocore.eventstream`.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from route.dialects.base import BadAnswer

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MAX_FRAME_BYTES = 24 * 1024 * 1024

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_OVERHEAD = _PRELUDE.size + _CRC.size
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a value by its type: booleans, numbers, a time, a UUID. Types 6 (bytes) and 7 (text) say their own."""
_BYTES, _TEXT = 6, 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `headers`: those that are text, such as `:event-type`."""

    headers: Mapping[str, str]
    payload: bytes


class Frames:
    """Feeds on chunks of any size. Raises BadAnswer for what is no frame, or was damaged on the way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that this chunk completes."""
        self._buffer += chunk
        frames = []
        start = 0
        while size := self._size_at(start):
            frames.append(_parse(bytes(self._buffer[start : start + size])))
            start += size
        del self._buffer[:start]
        return frames

    def _size_at(self, start: int) -> int:
        """The length of the frame that begins there; 0 while it is not whole."""
        if len(self._buffer) - start < _PRELUDE.size:
            return 0
        total, headers, crc = _PRELUDE.unpack_from(self._buffer, start)
        if crc != zlib.crc32(self._buffer[start : start + 8]):
            raise BadAnswer("the event stream is damaged: a frame's head has another checksum")
        if not _OVERHEAD + headers <= total <= MAX_FRAME_BYTES:
            raise BadAnswer("the event stream has a frame of an impossible length")
        return total if len(self._buffer) - start >= total else 0


def _parse(raw: bytes) -> Frame:
    (crc,) = _CRC.unpack_from(raw, len(raw) - _CRC.size)
    if crc != zlib.crc32(raw[: -_CRC.size]):
        raise BadAnswer("the event stream is damaged: a frame has another checksum")
    _, size, _ = _PRELUDE.unpack_from(raw)
    payload_at = _PRELUDE.size + size
    try:
        headers = _headers(raw[_PRELUDE.size : payload_at])
    except (IndexError, struct.error, UnicodeDecodeError, KeyError):
        raise BadAnswer("the event stream has a frame with headers that cannot be read") from None
    return Frame(headers, raw[payload_at : -_CRC.size])


def _headers(data: bytes) -> dict[str, str]:
    """IndexError, struct.error, UnicodeDecodeError or KeyError for what is none."""
    headers = {}
    at = 0
    while at < len(data):
        name_at, type_at = at + 1, at + 1 + data[at]
        kind = data[type_at]
        at = type_at + 1
        if kind in (_BYTES, _TEXT):
            (size,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
        else:
            size = _SIZES[kind]
        if at + size > len(data):
            raise IndexError
        if kind == _TEXT:
            headers[data[name_at:type_at].decode()] = data[at : at + size].decode()
        at += size
    return headers
