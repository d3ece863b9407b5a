"""The wire dialects that callers speak. A new one is one file and one line here."""

from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.messages import MESSAGES

BY_PATH: dict[str, Dialect] = {dialect.path: dialect for dialect in (CHAT, MESSAGES)}


def dialect_of(path: str, headers: dict[str, str]) -> Dialect:
    """The dialect that a path, or failing that the request's headers, asks for."""
    known = next((dialect for prefix, dialect in BY_PATH.items() if path.startswith(prefix)), None)
    return known or (MESSAGES if "anthropic-version" in headers else CHAT)
