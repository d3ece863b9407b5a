"""Names and ids as a wire allows them. A name always becomes the same one, and two names never become one."""

import hashlib
import re

MAX_NAME = 64
MAX_USER = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_HASH = 8


def wire_name(namespace: str, name: str, limit: int = MAX_NAME) -> str:
    """A tool's name for a dialect without namespaces: letters, digits, `_` and `-`, at most `limit` of them.

    A name that had to be changed ends in a hash of the original.
    """
    full = f"{namespace}__{name}" if namespace else name
    clean = _NOT_IN_NAMES.sub("_", full)
    if clean == full and 0 < len(full) <= limit:
        return full
    digest = hashlib.sha256(full.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{clean[: limit - _HASH - 1]}_{digest}"


def end_user(said: str) -> str:
    """The end user's id, or its hash where it is longer than OpenAI takes: some agents send documents."""
    if len(said) <= MAX_USER:
        return said
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
