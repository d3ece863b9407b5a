"""Adds text to the system prompt of a request, in the form of its dialect. The body passed in is not changed."""

from collections.abc import Callable, Mapping

from route.dialects.base import Document

_SYSTEM_ROLES = ("system", "developer")


def _chat(body: Document, text: str) -> Document:
    """Adds to the last of the system messages that stand first; without any, adds a first message."""
    messages = list(body.get("messages") or [])
    leading = 0
    while leading < len(messages) and _role(messages[leading]) in _SYSTEM_ROLES:
        leading += 1
    if not leading:
        return {**body, "messages": [{"role": "system", "content": text}, *messages]}
    last = messages[leading - 1]
    messages[leading - 1] = {**last, "content": _joined(last.get("content"), text)}
    return {**body, "messages": messages}


def _messages(body: Document, text: str) -> Document:
    return {**body, "system": _joined(body.get("system"), text)}


def _responses(body: Document, text: str) -> Document:
    return {**body, "instructions": _joined(body.get("instructions"), text)}


def _joined(content: object, text: str) -> object:
    """The content with the text after it; blocks that are in it already keep their cache marks."""
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n\n{text}" if isinstance(content, str) and content else text


def _role(message: object) -> object:
    return message.get("role") if isinstance(message, Mapping) else None


APPEND_SYSTEM: dict[str, Callable[[Document, str], Document]] = {
    "chat": _chat,
    "messages": _messages,
    "responses": _responses,
}
"""By dialect: the function that adds a text at the end of a body's system prompt."""
