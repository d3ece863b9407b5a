"""What OpenAI's dialects have in common: keys, errors, models, and how a prompt is cached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.fakes.prompt_cache import Block, PrefixMemory
from tests.fakes.steps import Fail, Json, StreamError
from tests.fakes.texts import sse
from tests.fakes.wire import CREATED, Event, PlainWire, Reply, Tool, message_of

_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
"""The type and the code of an error by its status, as the API answers them."""


class OpenAIVendor(PlainWire):
    """The base of each of the vendor's dialects, which adds its shapes and what it can do beyond this."""

    kind = "openai"
    request_id_header = "x-request-id"
    counting_path: str | None = None
    counting_defaults: Json = {}  # noqa: RUF012 - read only, and an attribute of instances in the protocol

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """The token of ``Authorization: Bearer``; the vendor takes no other header."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key else None

    def rule_broken(self, body: Json) -> Fail | None:
        """None: there are no rules beyond the fields that must be there."""
        return None

    def blocks(self, body: Json) -> list[Block]:
        """An empty prompt."""
        return []

    def turns(self, body: Json) -> list[Json]:
        """No conversation."""
        return []

    def tools(self, body: Json) -> list[Tool]:
        """No tools."""
        return []

    def forced_tool(self, body: Json) -> Tool | None:
        """None: no tool can be forced."""
        return None

    def results(self, body: Json) -> list[str]:
        """No tool results."""
        return []

    def wanted_schema(self, body: Json) -> Json | None:
        """None: no schema can be asked for."""
        return None

    def cached(self, memory: PrefixMemory, owner: str, body: Json) -> tuple[int, int, int]:
        """The cache needs no marks, and what is written to it has one lifetime."""
        read, written = memory.automatic(owner, self.blocks(body))
        return read, written, 0

    def stop(self, word: str) -> str:
        """The word as it was given."""
        return word

    def call_id(self, digest: str) -> str:
        """An id like ``call_…``."""
        return f"call_{digest}"

    def events(self, body: Json, reply: Reply) -> list[Event]:
        """No events: this path has no streams."""
        return []

    def error_body(self, fail: Fail, request_id: str) -> Json:
        """``{"error": {"message", "type", "param", "code"}}``"""
        kind, code = _ERRORS.get(fail.status, ("server_error" if fail.status >= 500 else "api_error", None))
        error = {
            "message": message_of(fail),
            "type": fail.type or kind,
            "param": fail.param,
            "code": fail.code or code,
        }
        return {"error": error}

    def error_event(self, step: StreamError, request_id: str, sent: Sequence[Event]) -> bytes:
        """A data line whose object has an ``error``; the stream ends after it without ``[DONE]``."""
        return sse({"error": server_error(step)})

    def stream_error_as_fail(self, step: StreamError) -> Fail:
        """A 500 with the same inner error."""
        return Fail(500, body={"error": server_error(step)})

    def counted(self, tokens: int) -> Json:
        """Empty, and never asked for: there is no path that counts."""
        return {}

    def unknown_model(self, name: str) -> Fail:
        """An error with the code ``model_not_found``."""
        return Fail(404, f"The model `{name}` does not exist or you do not have access to it.")

    def unknown_path(self, method: str, path: str) -> Fail:
        """An error with the code ``unknown_url``."""
        return Fail(404, f"Invalid URL ({method} {path})", code="unknown_url")

    def ping(self) -> bytes:
        """A comment, as DeepSeek and OpenRouter send it to keep a connection open."""
        return b": keep-alive\n\n"

    def models(self, ids: Sequence[str]) -> Json:
        """``{"object": "list", "data": […]}``"""
        return {"object": "list", "data": [self.model(model_id) for model_id in ids]}

    def model(self, model_id: str) -> Json:
        """``{"id", "object": "model", "created", "owned_by"}``"""
        return {"id": model_id, "object": "model", "created": CREATED, "owned_by": "stand-in"}


def server_error(step: StreamError) -> Json:
    """The inner error of a stream that breaks: the usual one, with what the step says over it."""
    message = "The server had an error while processing your request."
    return {"message": message, "type": "server_error", "param": None, "code": None, **(step.error or {})}


def token_logprobs(pieces: Sequence[str], alternatives: int, *, with_bytes: bool = True) -> list[Json]:
    """Log probabilities as if each piece were one token. The alternatives are made up."""

    def one(token: str, rank: int) -> Json:
        raw: Json = {"bytes": list(token.encode())} if with_bytes else {}
        return {"token": token, "logprob": -0.25 * (rank + 1), **raw}

    tops = [[one(f"{piece}~{n}" if n else piece, n) for n in range(alternatives)] for piece in pieces]
    return [{**one(piece, 0), "top_logprobs": top} for piece, top in zip(pieces, tops, strict=True)]
