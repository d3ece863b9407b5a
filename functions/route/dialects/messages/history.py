"""What a conversation keeps from an earlier provider: threads on its servers, and reasoning without a seal."""

from collections.abc import Mapping
from typing import Any

from route.dialects.base import Document
from route.errors import ApiError, BadRequest

UNSEALED = "messages[].content[].thinking"


def kept_by_a_provider(body: Document) -> ApiError | None:
    """The error for a request with a thread, whose history only the provider that began it has.

    The vendor's SDK reads the error's code, and sends the same turn again with its whole history.
    """
    if body.get("thread") is None:
        return None
    message = "thread: this request may go to several routes, and only one of them would know the thread's history"
    details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    return BadRequest("thread_unsupported_request", message, detail={"details": details}, should_retry=False)


def without_unsealed(body: Document) -> Document:
    """The body without thinking that has an empty signature: another model wrote it, and Anthropic refuses it."""
    messages = body.get("messages")
    if not has_unsealed(body) or not isinstance(messages, list):
        return body
    kept = [_sealed_only(message) for message in messages]
    # A message without content would be refused too, and the API accepts two messages of one role in a row.
    pairs = zip(kept, messages, strict=True)
    return {**body, "messages": [message for message, was in pairs if _blocks(message) or not _blocks(was)]}


def has_unsealed(body: Document) -> bool:
    """Whether some thinking in the history has an empty signature."""
    messages = body.get("messages")
    return isinstance(messages, list) and any(_is_unsealed(block) for m in messages for block in _blocks(m))


def _sealed_only(message: Any) -> Any:
    if not any(_is_unsealed(block) for block in _blocks(message)):
        return message
    return {**message, "content": [block for block in _blocks(message) if not _is_unsealed(block)]}


def _blocks(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, list) else []


def _is_unsealed(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "thinking" and block.get("signature") == ""
