"""OpenAI's embeddings: never streamed, and sent only to providers that offer them in this dialect.

They have no neutral form: vectors of one model mean nothing to another, so that no translation could help.
"""

from collections.abc import Mapping

from ledger.usage import from_openai, is_sound
from route.dialects.base import OUR_FIELDS, BadAnswer, Dialect, Document, Features, Reader, text
from route.dialects.openai_errors import error_document
from route.dialects.readers import UnaryReader
from route.errors import ApiError, BadRequest


def _inspect(reader: Reader, document: Document) -> None:
    """Reads usage and model. The vectors, whether numbers or base64, concern the caller alone."""
    if not isinstance(document.get("data"), list):
        raise BadAnswer("the answer has no embeddings")
    usage = document.get("usage")
    if isinstance(usage, Mapping):
        # Embeddings have input tokens only, and some servers give no more than the total.
        counts = {"prompt_tokens": usage.get("prompt_tokens", usage.get("total_tokens"))}
        reader.usage, reader.usage_is_sound = from_openai({**usage, **counts}), is_sound(counts)
        reader.reported_usd = usage.get("cost")
    reader.record_served(model=document.get("model"), backend=document.get("provider"))


class Embeddings(Dialect):
    name = "embeddings"
    path = "/v1/embeddings"
    stream_end = b""

    def features(self, body: Document) -> Features:
        if not isinstance(body.get("input"), str | list):
            message = "'input' must be a string, a list of strings, or a list of tokens."
            raise BadRequest("invalid_input", message, param="input")
        return Features(
            requested_model=text(body.get("model")),
            stream=False,
            tools_requested=False,
            images=False,
            session=text(body.get("session")),
        )

    def upstream_body(self, body: Document, wire_model: str) -> Document:
        return {k: v for k, v in body.items() if k not in OUR_FIELDS} | {"model": wire_model}

    def reader(self, features: Features) -> Reader:
        return UnaryReader(_inspect)

    def error_document(self, error: ApiError, inference_id: str) -> Document:
        return error_document(error)


EMBEDDINGS = Embeddings()
