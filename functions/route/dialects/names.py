"""Names and ids as they may be on a wire. The same name always gives the same, and two names give two."""

import hashlib
import re

MAX_NAME = 64
MAX_USER = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_HASH = 8


def wire_name(namespace: str, name: str, limit: int = MAX_NAME) -> str:
    """A tool's name where there are no namespaces: letters, digits, `_` and `-`, at most `limit` of them.

    A name that had to be changed ends in a hash of what it was.
    """
    full = f"{namespace}__{name}" if namespace else name
    clean = _NOT_IN_NAMES.sub("_", full)
    if clean == full and 0 < len(full) <= limit:
        return full
    digest = hashlib.sha256(full.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{clean[: limit - _HASH - 1]}_{digest}"


def end_user(said: str) -> str:
    """One id, whole or as a hash: agents put documents into it that are longer than OpenAI takes."""
    if len(said) <= MAX_USER:
        return said
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
