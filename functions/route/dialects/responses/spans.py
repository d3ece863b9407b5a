"""Finds a value inside the text of a JSON object, so that it can be changed while the rest stays as it is."""

import re
from json import JSONDecoder

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = JSONDecoder()


def span_of(text: str, name: str) -> tuple[int, int] | None:
    """Start and end of a field's value in an object; None where it has no such field or is nested too deep.

    Of a name that is repeated the last one counts, as it does for parsers.
    """
    try:
        return _walk(text, name)
    except (ValueError, IndexError, RecursionError):
        return None


def _walk(text: str, name: str) -> tuple[int, int] | None:
    found = None
    at = _after_blank(text, text.index("{") + 1)
    while text[at] == '"':
        key, at = _DECODER.raw_decode(text, at)
        start = _after_blank(text, text.index(":", at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        if key == name:
            found = (start, end)
        at = _after_blank(text, end)
        if text[at] == ",":
            at = _after_blank(text, at + 1)
    return found


def _after_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
