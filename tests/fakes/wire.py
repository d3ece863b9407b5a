"""What a dialect is: the values that it is given, and what it must be able to do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.fakes.prompt_cache import Block, PrefixMemory, Tokens
from tests.fakes.records import Record
from tests.fakes.steps import Answer, Fail, Json, StreamError

CREATED = 1_767_225_600  # 2026-01-01T00:00:00Z, in seconds: a constant, so objects compare equal


@dataclass(frozen=True)
class Event:
    """One write of a stream; ``content`` when it carries something that the model produced."""

    data: bytes
    content: bool = False


@dataclass(frozen=True)
class Tool:
    """A tool that a request declares and that its caller runs; ``custom`` ones take a text, not JSON."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None


@dataclass(frozen=True)
class Call:
    """A tool call with its id settled and its arguments as text."""

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None


@dataclass(frozen=True)
class Reply:
    """What the model said, before a dialect writes it down."""

    seed: str
    model: str
    answer: Answer
    text: str | None
    pieces: Sequence[str]
    calls: Sequence[Call]
    stop: str
    tokens: Tokens
    usage: Json | None  # in the dialect's own shape; None: not reported


class Wire(Protocol):
    """One dialect of a vendor. Shapes follow the vendor's SDK, whose strict mode checks them.

    ``counting_path``: where tokens are counted, with ``counting_defaults`` for the fields that it does not need.
    """

    kind: str
    dialect: str
    inference_path: str
    counting_path: str | None
    counting_defaults: Json
    request_id_header: str

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """The API key of a request, or None."""

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """What the vendor refuses before any model runs: the fields that must be there."""

    def rule_broken(self, body: Json) -> Fail | None:
        """The first rule of the vendor's that the request breaks: roles, pairs of tool calls, ids, signatures."""

    def field_unknown(self, body: Json) -> Fail | None:
        """The refusal of the first field, at any depth that is looked at, that the vendor's SDK does not know."""

    def resolved(self, body: Json) -> Json:
        """The request, with what the vendor keeps for the caller put in its place."""

    def forget(self) -> None:
        """Drop whatever was kept for callers."""

    def blocks(self, body: Json) -> list[Block]:
        """The prompt in the order in which it is cached."""

    def wanted_schema(self, body: Json) -> Json | None:
        """The JSON schema that the answer must follow; ``{}`` for any JSON object, None for text."""

    def turns(self, body: Json) -> list[Json]:
        """The conversation as ``{"role", "content"}``."""

    def tools(self, body: Json) -> list[Tool]:
        """The tools that the caller runs, in order."""

    def forced_tool(self, body: Json) -> Tool | None:
        """The tool that the request forces, if any."""

    def results(self, body: Json) -> list[str]:
        """The texts of all tool results in the conversation, in order."""

    def cached(self, memory: PrefixMemory, owner: str, body: Json) -> tuple[int, int, int]:
        """Tokens read from the cache, written to it for 5 minutes, and written for an hour."""

    def usage(self, tokens: Tokens) -> Json:
        """The usage object in the dialect's shape."""

    def stop(self, word: str) -> str:
        """The dialect's word for why the model stopped."""

    def call_id(self, digest: str) -> str:
        """A tool call id in the vendor's style."""

    def unary(self, body: Json, reply: Reply) -> Json:
        """The whole answer as one object."""

    def events(self, body: Json, reply: Reply) -> list[Event]:
        """The same answer as the events of a stream, terminator included."""

    def error_body(self, fail: Fail, request_id: str) -> Json:
        """The vendor's error envelope."""

    def error_event(self, step: StreamError, request_id: str, sent: Sequence[Event]) -> bytes:
        """The vendor's error inside a stream, after the events that were sent."""

    def failed(self, step: StreamError, whole: Json) -> Json | None:
        """The same error in a whole answer, where the dialect has a word for it; else None."""

    def stream_error_as_fail(self, step: StreamError) -> Fail:
        """The same error where nothing is streamed."""

    def counted(self, tokens: int) -> Json:
        """What the counting path answers."""

    def beside(self, record: Record) -> Json | Fail | None:
        """The answer of any other path of the dialect; None where it has no such path."""

    def unknown_model(self, name: str) -> Fail:
        """The vendor's 404 for a model."""

    def unknown_path(self, method: str, path: str) -> Fail:
        """The vendor's 404 for a path."""

    def ping(self) -> bytes:
        """What keeps an idle stream open."""

    def models(self, ids: Sequence[str]) -> Json:
        """The list of models."""

    def model(self, model_id: str) -> Json:
        """One entry of that list."""


class PlainWire:
    """What a dialect does that keeps nothing for its callers and has no paths but the usual ones.

    ``signer``: in whose name reasoning is sealed (see ``seals``); by default the vendor's own.
    """

    kind = ""

    def __init__(self, signer: str | None = None) -> None:
        self.signer = signer or self.kind

    def resolved(self, body: Json) -> Json:
        """The request as it came, since nothing is kept that it could refer to."""
        return body

    def forget(self) -> None:
        """Nothing to do."""

    def failed(self, step: StreamError, whole: Json) -> Json | None:
        """None: a whole answer that fails is an HTTP error."""
        return None

    def beside(self, record: Record) -> Json | Fail | None:
        """None: there are no other paths."""
        return None


def message_of(fail: Fail) -> str:
    """The message of an error."""
    return fail.message or f"The stand-in was told to answer {fail.status}."
