"""What it takes to translate a dialect: one reading and one writing, of requests and of answers.

        request:  caller's wire ──read_request──▶ NeutralRequest ──write_request──▶ provider's wire
        answer:   provider's wire ──AnswerReading──▶ events ──(filters)──▶ events ──AnswerWriting──▶ caller's wire

Whatever a reading does not take, and a writing cannot say, goes into a `Report`. There is no third way.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from route.dialects import neutral, sse
from route.dialects.fields import Report
from route.dialects.neutral import Document, NeutralRequest


@dataclass(frozen=True, slots=True)
class Target:
    """The model that a request is written for. Flags are what is known of it; None is unknown, taken as able.

    `thinking`: `budget` (a number of tokens), `adaptive` (the model decides, effort steers), `effort` (effort
    alone), or `none`. `cache_control`: takes Anthropic's marks. `sampling`: takes temperature and its kin.
    `max_tokens_field`: what chat completions call the limit here. `developer_role`: knows it beside `system`.
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
    """What an answer's writing must know of the request it answers: the caller's own body, and the time (s)."""

    body: Document = field(default_factory=dict)
    stream: bool = False
    usage_asked: bool = True
    created: int = 0


class AnswerReading(ABC):
    """From one answer on the wire to events. Stateful: one for each answer.

    Raises BadAnswer (`route.dialects.base`) for what cannot be what its dialect promises. It need not check
    that a stream is whole: the dialect's own reader has done that, and mended what it could, before this.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    @abstractmethod
    def whole(self, document: Document) -> Iterable[neutral.AnswerEvent]:
        """A unary answer: its events from Began to Counted."""

    @abstractmethod
    def feed(self, event: sse.Event) -> Iterable[neutral.AnswerEvent]:
        """One event of a stream, terminator included."""

    def end(self) -> Iterable[neutral.AnswerEvent]:
        """What was held back, once the stream has ended."""
        return ()


class AnswerWriting(ABC):
    """From events to one answer on the wire. Stateful: one for each answer."""

    def __init__(self, asked: AnswerContext, report: Report) -> None:
        self.asked = asked
        self.report = report

    @abstractmethod
    def whole(self, events: Sequence[neutral.AnswerEvent]) -> Document:
        """A unary answer."""

    @abstractmethod
    def feed(self, event: neutral.AnswerEvent) -> bytes:
        """What this event is on the wire, or nothing yet."""

    @abstractmethod
    def end(self) -> bytes:
        """The last of a stream: usage, and the terminator."""


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
