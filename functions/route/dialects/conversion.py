"""What a dialect needs to be translated: a reader and a writer of requests, and a reader and a writer of answers.

        request:  caller's wire ──read_request──▶ NeutralRequest ──write_request──▶ provider's wire
        answer:   provider's wire ──AnswerReading──▶ events ──(filters)──▶ events ──AnswerWriting──▶ caller's wire

Every field is either translated, or recorded in a `Report` by the reader that does not know it or by the writer
that cannot express it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from route.dialects import neutral, sse
from route.dialects.fields import Report
from route.dialects.neutral import Document, NeutralRequest


@dataclass(frozen=True, slots=True)
class Target:
    """The model that a request is written for, and what it is known to accept. None: unknown, and tried.

    `thinking`: how its reasoning is controlled: `budget` (a number of tokens), `adaptive` (the model decides, an
    effort steers it), `effort` (an effort alone), or `none`. `cache_control`: it takes Anthropic's cache marks.
    `sampling`: it takes temperature and similar settings. `max_tokens_field`: the name of the output limit in its
    chat completions. `developer_role`: it knows the role `developer` beside `system`.
    """

    wire_model: str
    max_output_tokens: int | None = None
    images: bool | None = None
    structured_output: bool | None = None
    thinking: str | None = None
    cache_control: bool | None = None
    sampling: bool | None = None
    max_tokens_field: str = "max_tokens"
    developer_role: bool = False


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What the writer of an answer must know of its request: the caller's body, and the time in Unix seconds."""

    body: Document = field(default_factory=dict)
    stream: bool = False
    usage_asked: bool = True
    created: int = 0


class AnswerReading(ABC):
    """Turns one answer on the wire into events. It has state: each answer needs a new one.

    Raises BadAnswer (`route.dialects.base`) for an answer that breaks the rules of its dialect. It need not check
    that a stream is whole: the dialect's own reader has checked that before, and mended what it could.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    @abstractmethod
    def whole(self, document: Document) -> Iterable[neutral.AnswerEvent]:
        """The events of an answer that is one document, from Began to Counted."""

    @abstractmethod
    def feed(self, event: sse.Event) -> Iterable[neutral.AnswerEvent]:
        """The events that one event of the stream, its terminator included, stands for."""

    def end(self) -> Iterable[neutral.AnswerEvent]:
        """The events that were held back until the stream had ended."""
        return ()


class AnswerWriting(ABC):
    """Turns events into one answer on the wire. It has state: each answer needs a new one."""

    def __init__(self, asked: AnswerContext, report: Report) -> None:
        self.asked = asked
        self.report = report

    @abstractmethod
    def whole(self, events: Sequence[neutral.AnswerEvent]) -> Document:
        """The answer as one document."""

    @abstractmethod
    def feed(self, event: neutral.AnswerEvent) -> bytes:
        """The bytes of this event on the wire; empty where it has none, or none yet."""

    @abstractmethod
    def end(self) -> bytes:
        """The last bytes of a stream: the token counts, and the terminator."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The four functions that translate a dialect. None of them keeps state between two calls.

    `read_request`: reads a caller's body; what it does not take stands in the request's `dropped` and `refused`.
    Raises BadRequest. `write_request`: writes the body for a provider, model and `stream` included; what the
    dialect cannot say goes into the report. `answer_reading`, `answer_writing`: make the reader and the writer
    of one answer.
    """

    read_request: Callable[[Document], NeutralRequest]
    write_request: Callable[[NeutralRequest, Target, Report], Document]
    answer_reading: Callable[[Report], AnswerReading]
    answer_writing: Callable[[AnswerContext, Report], AnswerWriting]
