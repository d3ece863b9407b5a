"""AWS's binary frames, written by hand from AWS's description, without botocore.

>>> frame({":message-type": "event", ":event-type": "chunk"}, b"{}")[:8]
b'\\x00\\x00\\x00<\\x00\\x00\\x00*'
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"


def frame(headers: Mapping[str, str | bytes], payload: bytes) -> bytes:
    """One message. A header that is given as bytes is its type and value as they stand on the wire."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    head = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    whole = head + struct.pack(">I", zlib.crc32(head)) + packed + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def _header(name: str, value: str | bytes) -> bytes:
    typed = (
        value if isinstance(value, bytes) else b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
    )
    return bytes([len(name.encode())]) + name.encode() + typed


def chunk(event: bytes, padding: str = "abcdefgh") -> bytes:
    """One of Anthropic's events, as InvokeModelWithResponseStream sends it."""
    payload = {"bytes": base64.b64encode(event).decode(), "p": padding}
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(payload, separators=(",", ":")).encode())


def exception(name: str, message: str, **more: Any) -> bytes:
    """An error inside a stream, such as ``throttlingException``."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message, **more}).encode())
