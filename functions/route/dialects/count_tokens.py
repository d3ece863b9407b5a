"""Anthropic's counting of a message's tokens: the messages' request, and one number for an answer."""

from collections.abc import Iterable
from dataclasses import replace

from ledger.items import COUNT_TOKENS as NAME
from route.dialects.base import BadAnswer, Dialect, Document, Features, Reader, UnaryReader
from route.dialects.messages import MESSAGES
from route.errors import ApiError

PATH = f"{MESSAGES.path}/count_tokens"


def _inspect(reader: Reader, document: Document) -> None:
    """A count is no usage: nothing was generated, and nothing will be billed."""
    counted = document.get("input_tokens")
    if isinstance(counted, bool) or not isinstance(counted, int):
        raise BadAnswer("the answer has no count")


class CountTokens(Dialect):
    """Not translated: a count by another vendor's tokenizer is no better than our own estimate."""

    name = NAME
    path = PATH
    stream_end = MESSAGES.stream_end

    def features(self, body: Document) -> Features:
        """Those of the message that is counted, so that the route which would get it is the one to count."""
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
