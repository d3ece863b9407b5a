"""Which paths may be passed through: of a request that goes out as it came, this is all that is checked.

The path is sent as it stands, so whatever two servers could read in two ways is refused: `..` and empty segments,
escaped slashes and dots, control characters, parameters behind a semicolon.
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from route.errors import BadRequest, NotFound
from route.request.paths import is_own

_PATH = re.compile(r"/v1(?:/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+)+")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_AMBIGUOUS = frozenset(b"/\\.%;?#")
_QUERY = re.compile(r"[!-~]*")
_WORD = re.compile("[a-z]+(?:_[a-z]+)*")
_LONGEST_WORD = 24


def check_path(method: str, path: str, query: str) -> None:
    """Raises NotFound for a path that is ours or nobody's, BadRequest for a query that no URL can have.

    `path`: as it came, escapes and all.
    """
    if not _is_plain(path) or is_own(method, unquote(path)):
        raise NotFound("not_found", f"There is no {method} {_printable(path)} here.")
    if not _QUERY.fullmatch(query):
        raise BadRequest("invalid_query", "The query has characters that no URL can have.")


def _is_plain(path: str) -> bool:
    """Whether every server reads the same path in it."""
    escaped = {byte for each in _ESCAPE.findall(path) for byte in unquote_to_bytes(each)}
    if not _PATH.fullmatch(path) or escaped & _AMBIGUOUS:
        return False
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return decoded.isprintable() and not {".", ".."} & set(decoded.split("/"))


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path[:256])


def shape_of(path: str) -> str:
    """A path as it is written down: `/v1/files/*/content`, without ids and names that somebody chose."""
    return "/".join(part if _is_word(part) else "*" for part in path.split("/"))


def _is_word(part: str) -> bool:
    """Whether it is a word of an API. Its version is one too, and so is nothing, before the first slash."""
    return part in ("", "v1") or (len(part) <= _LONGEST_WORD and bool(_WORD.fullmatch(part)))
