"""The wire dialects that callers speak. A new dialect is one file and one line here."""

from collections.abc import Mapping

from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.count_tokens import COUNT_TOKENS
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.responses import RESPONSES

ALL: tuple[Dialect, ...] = (CHAT, MESSAGES, RESPONSES, EMBEDDINGS, COUNT_TOKENS)
BY_PATH: dict[str, Dialect] = {dialect.path: dialect for dialect in ALL}
BY_NAME: dict[str, Dialect] = {dialect.name: dialect for dialect in ALL}


def dialect_of(path: str, headers: Mapping[str, str]) -> Dialect:
    """The dialect whose path this is or begins with; for any other path the vendor's, by the request's headers."""
    known = [prefix for prefix in BY_PATH if f"{path}/".startswith(f"{prefix}/")]
    return BY_PATH[max(known, key=len)] if known else vendor_of(path, headers)


def vendor_of(path: str, headers: Mapping[str, str]) -> Dialect:
    """Anthropic's main dialect or OpenAI's, for a path that belongs to no dialect."""
    is_anthropic = "anthropic-version" in headers or f"{path}/".startswith(f"{MESSAGES.path}/")
    return MESSAGES if is_anthropic else CHAT
