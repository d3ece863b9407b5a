"""Names of documents of plain values: the same values, the same bytes, the same name."""

import hashlib
import json
from typing import Any


def canonical(document: Any) -> bytes:
    """JSON with sorted keys and without blanks."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def digest(document: Any, digits: int = 12) -> str:
    """Some hex digits that name a document."""
    return hashlib.sha256(canonical(document)).hexdigest()[:digits]
