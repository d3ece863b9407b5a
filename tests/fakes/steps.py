"""What a stand-in does with one request: small frozen values that can also be written as JSON.

In process: ``provider.plan(Fail(429, headers={"retry-after": "2"}), Answer(text="hi"))``.
As JSON (control endpoints, command line): ``{"fail": 500}``, ``{"answer": {"text": "hi"}}``,
``{"cut": {"after_chunks": 2, "how": "torn"}}``, ``{"hang": 60000}``; a bare value is the first field.

Two words that several steps share:

* ``after_chunks``: how many *content* deltas are sent before something happens. 0 is after the opening
  events (role chunk, ``message_start``), -1 is after the response headers alone.
* ``answer``: the reply that the step interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """One tool call. ``arguments`` as text is sent verbatim, so that broken JSON can be scripted.

    A tool that the request declares as a custom one is called with a text: ``arguments`` itself, or its only
    value.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None  # None: one that follows from the request
    namespace: str | None = None  # None: where the request declares the tool


@dataclass(frozen=True)
class Answer:
    """A good reply.

    ``text`` None: an echo of the last user message, JSON when the request asks for a format, nothing when
    there are tool calls. A request that forces a tool gets a call with sample arguments.
    ``usage``: dialect-neutral counts ``{"prompt": 1000, "cached": 800, "written": 0, "written_1h": 0,
    "completion": 500, "reasoning": 0}`` in tokens, where prompt *includes* cached and written; or the
    vendor's own keys (``prompt_tokens`` or ``input_tokens`` among them), sent verbatim; or False: the
    provider reports nothing.
    ``stop``: either vendor's word, mapped to the dialect when known, else sent as it is.
    ``citations``: verbatim, in the dialect's own shape, on the text (Anthropic's ``citations``, OpenAI's
    ``annotations``).
    """

    text: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    thinking: str | None = None  # becomes a thinking block, a reasoning item, or the field named next
    reasoning_field: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    """Where chat completions have ``thinking``. OpenRouter and vLLM use the latter name."""

    reasoning_details: Sequence[Mapping[str, Any]] | None = None  # OpenRouter's details beside it, sent verbatim
    redacted: str | None = None  # Anthropic: the text that a `redacted_thinking` block hides
    citations: Sequence[Mapping[str, Any]] = ()
    stop_sequence: str | None = None  # Anthropic: the one that was met, from which the stop reason follows
    refusal: str | None = None
    usage: Mapping[str, Any] | Literal[False] | None = None
    chunks: Sequence[str] | None = None  # exact text deltas of a stream; default: word by word
    delay_ms: float = 0  # before the response headers
    gap_ms: float = 0  # before every content delta but the first
    stop: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    served_model: str | None = None  # default: the model that was asked for
    served_by: str | None = None  # OpenRouter's top-level `provider`
    reported_cost: float | None = None  # USD, OpenRouter's `usage.cost`


PLAIN = Answer()


@dataclass(frozen=True)
class Fail:
    """An HTTP error. ``body`` None: the vendor's envelope for the status; text or bytes: sent verbatim."""

    status: int = 500
    message: str | None = None
    type: str | None = None
    code: str | None = None
    body: Mapping[str, Any] | str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_ms: float = 0
    param: str | None = None  # OpenAI: the name of the field at fault


@dataclass(frozen=True)
class Cut:
    """The reply dies.

    ======== =============================== ==============================================
    how      stream                          unary
    ======== =============================== ==============================================
    reset    TCP reset                       TCP reset in the middle of the body
    close    closed without the last chunk   closed in the middle of the body
    eof      well-formed HTTP end, but no    closed in the middle of the body
             terminator of the dialect
    torn     the same, and the last event    well-formed HTTP whose JSON stops half-way
             stops half-way
    ======== =============================== ==============================================
    """

    after_chunks: int = 1
    how: Literal["reset", "close", "eof", "torn"] = "reset"
    answer: Answer = PLAIN


@dataclass(frozen=True)
class Hang:
    """Takes the request, says nothing, and closes the connection after ``ms``."""

    ms: float = 600_000


@dataclass(frozen=True)
class StreamError:
    """The vendor's error event inside a 200 stream; a unary request gets the same as an HTTP error.

    ``how`` "failed", in responses alone: the stream ends with ``response.failed``, a unary answer is a 200
    whose ``status`` is ``failed``. In other dialects it is the same as "error".
    """

    after_chunks: int = 1
    error: Mapping[str, Any] | None = None  # the inner object, ``{"type": ..., "message": ...}``
    answer: Answer = PLAIN
    how: Literal["error", "failed"] = "error"


@dataclass(frozen=True)
class Garbage:
    """Any bytes under any status and content type (None means no such header)."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """An exact stream: every piece is one write. For the corner cases that no vendor should send."""

    pieces: Sequence[bytes] = ()
    gap_ms: float = 0
    content_type: str = "text/event-stream; charset=utf-8"
    status: int = 200


@dataclass(frozen=True)
class Wait:
    """Sends ``after_chunks`` deltas, then nothing until ``provider.release(event)``."""

    event: str = "go"
    after_chunks: int = 1
    answer: Answer = PLAIN


@dataclass(frozen=True)
class Pings:
    """``n`` keep-alives ``gap_ms`` apart (unary: blank lines before the JSON), then ``answer`` or the end."""

    n: int = 3
    gap_ms: float = 10
    answer: Answer | None = None


@dataclass(frozen=True)
class Damaged:
    """``answer`` with one thing wrong, or odd but legal: ``tests.fakes.damage.KINDS`` has the words by dialect.

    A kind that the dialect does not have is a 500 that says so.
    """

    kind: str
    answer: Answer = PLAIN


@dataclass(frozen=True)
class Agent:
    """A model at work for a real agent; it stays in force for all requests that follow.

    A request that declares a fitting tool and holds fewer than ``rounds`` tool results is answered with a call
    of that tool; one that holds as many with ``final``, where ``{result}`` is the text of the last result; any
    other (titles, summaries) with ``plain``. A wanted JSON schema is followed with sample values.

    ``tool``: a name, or a regular expression that is searched in ``name`` and ``namespace.name``; None: the
    first tool. ``arguments`` None: sample values for the tool's schema.
    """

    tool: str | None = None
    arguments: Mapping[str, Any] | str | None = None
    final: str = "The tool said: {result}"
    plain: str = "Nothing to do."
    thinking: str | None = None
    rounds: int = 1
    usage: Mapping[str, Any] | Literal[False] | None = None


Step = Answer | Fail | Cut | Hang | StreamError | Garbage | Raw | Wait | Pings | Damaged | Agent

_BY_NAME: dict[str, type[Any]] = {
    "answer": Answer,
    "fail": Fail,
    "cut": Cut,
    "hang": Hang,
    "stream_error": StreamError,
    "garbage": Garbage,
    "raw": Raw,
    "wait": Wait,
    "pings": Pings,
    "damaged": Damaged,
    "agent": Agent,
}


def step_from_json(data: Mapping[str, Any]) -> Step:
    """``{"fail": 500}`` → ``Fail(500)``. Raises ValueError or TypeError on an unknown step or field."""
    if len(data) != 1:
        raise ValueError(f"a step is one name with its fields, got {sorted(data)}")
    [(name, value)] = data.items()
    if name not in _BY_NAME:
        raise ValueError(f"unknown step {name!r}: one of {', '.join(_BY_NAME)}")
    step: Step = _build(_BY_NAME[name], value)
    return step


def _build(cls: type[Any], value: Any) -> Any:
    if value is None or value is True:
        return cls()
    if not isinstance(value, Mapping):
        value = {fields(cls)[0].name: value}
    given = dict(value)
    if "answer" in given and given["answer"] is not None:
        given["answer"] = _build(Answer, given["answer"])
    if cls is Answer:
        given["tool_calls"] = tuple(_build(ToolCall, call) for call in given.get("tool_calls", ()))
    if cls is Garbage and isinstance(given.get("body"), str):
        given["body"] = given["body"].encode()
    if cls is Raw:
        given["pieces"] = tuple(piece.encode() for piece in given.get("pieces", ()))
    return cls(**given)
