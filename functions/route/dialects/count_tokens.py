"""Anthropic's endpoint that counts tokens: its request is that of messages, its answer is one number."""

from collections.abc import Iterable
from dataclasses import replace

from ledger.items import COUNT_TOKENS as NAME
from route.dialects.base import BadAnswer, Dialect, Document, Features, Reader
from route.dialects.messages import MESSAGES
from route.dialects.readers import UnaryReader
from route.errors import ApiError

PATH = f"{MESSAGES.path}/count_tokens"


def _inspect(reader: Reader, document: Document) -> None:
    """Checks that there is a count. It is not recorded as usage: nothing was generated, and nothing is billed."""
    counted = document.get("input_tokens")
    if isinstance(counted, bool) or not isinstance(counted, int):
        raise BadAnswer("the answer has no count")


class CountTokens(Dialect):
    """Is not translated: a count by another vendor's tokenizer is no better than the router's estimate."""

    name = NAME
    path = PATH
    stream_end = MESSAGES.stream_end

    def features(self, body: Document) -> Features:
        """The features of the message itself, so that the route which would answer it counts it."""
        return replace(MESSAGES.features(body), stream=False)

    def upstream_body(self, body: Document, wire_model: str) -> Document:
        return MESSAGES.upstream_body(body, wire_model)

    def left_out(self, body: Document) -> Iterable[str]:
        return MESSAGES.left_out(body)

    def without_thinking(self, body: Document) -> tuple[Document, tuple[str, ...]]:
        return MESSAGES.without_thinking(body)

    def reader(self, features: Features) -> Reader:
        return UnaryReader(_inspect)

    def error_document(self, error: ApiError, inference_id: str) -> Document:
        return MESSAGES.error_document(error, inference_id)


COUNT_TOKENS = CountTokens()
