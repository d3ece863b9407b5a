"""The one form between dialects: a request as turns and options, an answer as a series of events.

Only what crosses from one dialect to another comes here, or what a route's filters must change. Each dialect
has one reading (its wire to this) and one writing (this to its wire), so that a new one needs no pairs.

A request's parts know where they stood (`at`, a path without indexes), so that a writing which cannot carry
one can say so in the caller's own words (`fields.Report`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, Literal

from ledger.usage import Usage

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a turn. `cache`: a mark for the prompt cache as Anthropic writes it, `{"type": "ephemeral"}`."""

    at: str = ""
    cache: Document | None = None

    @property
    def path(self) -> str:
        """Where it stood and what it is, for a report: `messages[].content[].thinking`."""
        word = _WORDS[type(self).__name__]
        return self.at if not self.at or self.at.endswith(f".{word}") else f"{self.at}.{word}"


_WORDS = {
    "Text": "text",
    "Image": "image",
    "File": "document",
    "Audio": "audio",
    "Thinking": "thinking",
    "Refusal": "refusal",
    "ToolCall": "tool_call",
    "ToolResult": "tool_result",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Part):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Part):
    """By `url`, or as base64 `data` of a `media_type`. `detail`: OpenAI's word for how closely to look."""

    url: str = ""
    media_type: str = ""
    data: str = ""
    file_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Part):
    """A document: by `url`, as base64 `data` of a `media_type`, as plain `text`, or by a provider's `file_id`."""

    url: str = ""
    media_type: str = ""
    data: str = ""
    text: str = ""
    file_id: str = ""
    name: str = ""

    @property
    def titled_text(self) -> str:
        """The plain text under its name, for a dialect that has no documents of text."""
        return f"{self.name}\n\n{self.text}" if self.name else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio(Part):
    """Base64 `data` in a `format` (`wav`, `mp3`)."""

    data: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking(Part):
    """Reasoning that an assistant showed. The provider that wrote it recognises it by one of its seals.

    `signature` and `redacted` are Anthropic's, `encrypted` is OpenAI's.
    """

    text: str = ""
    signature: str = ""
    redacted: str = ""
    encrypted: str = ""

    @property
    def is_sealed(self) -> bool:
        """Whether it means something to the provider that wrote it, and to no other."""
        return bool(self.signature or self.redacted or self.encrypted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Part):
    """What an assistant said instead of an answer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(Part):
    """`arguments`: JSON as text, or free text where the tool takes that (`free`)."""

    id: str
    name: str
    arguments: str
    namespace: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(Part):
    """What came of the call with this id. `parts`: text, images and files."""

    call_id: str
    parts: tuple[Part, ...]
    is_error: bool = False
    free: bool = False


Role = Literal["system", "developer", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Parts by one side. Results of tools stand in turns of the user."""

    role: Role
    parts: tuple[Part, ...]
    at: str = ""


def join_assistant_turns(turns: Iterable[Turn]) -> list[Turn]:
    """The turns, neighbouring ones of the assistant as one: its calls then stand together before their results."""
    joined: list[Turn] = []
    for is_assistant, group in groupby(turns, key=lambda turn: turn.role == "assistant"):
        run = list(group)
        if is_assistant:
            run = [Turn("assistant", tuple(part for turn in run for part in turn.parts), run[0].at)]
        joined += run
    return joined


FREE_INPUT = "input"
"""The one parameter under which a tool that takes free text is declared where every tool takes JSON."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the caller runs. `parameters`: a JSON schema; `free`: it takes text instead."""

    name: str
    description: str = ""
    parameters: Document | None = None
    strict: bool | None = None
    namespace: str = ""
    free: bool = False
    cache: Document | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class HostedTool:
    """A tool that the provider itself runs, of a `kind` that only its own dialect knows."""

    kind: str
    at: str


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`named`: the tool with this name must be called."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """Structured output. `json_object` is any object; `json_schema` one that fits the schema."""

    kind: Literal["json_object", "json_schema"]
    schema: Document | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ReasoningSettings:
    """How much to think. `effort`: `minimal`, `low`, `medium`, `high` or `max`; "" leaves it to the model.

    `enabled`: True and False are the caller's word; None leaves it to the model. `budget_tokens`: a ceiling.
    `shown`: whether the caller wants to read the reasoning (None: it did not say).
    """

    enabled: bool | None = None
    effort: str = ""
    budget_tokens: int | None = None
    shown: bool | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of the whole request, and where it stood."""

    value: Any
    at: str


OPTIONS = (
    "max_output_tokens",  # int
    "temperature",  # float, 0 to 2 as OpenAI has it; Anthropic's ends at 1
    "top_p",
    "top_k",
    "stop",  # tuple of texts
    "seed",
    "n",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",  # int: how many alternatives; 0 is the chosen token's alone
    "format",  # Format
    "reasoning",  # Reasoning
    "tool_choice",  # ToolChoice
    "parallel_tool_calls",  # bool
    "user",  # the end user's id
    "metadata",  # a mapping of texts
    "service_tier",
    "verbosity",
    "cache_key",  # OpenAI's prompt_cache_key
)
"""The settings that more than one dialect knows. A setting that only one knows is not read, and so is reported."""


@dataclass(frozen=True, slots=True)
class NeutralRequest:
    """A request without its dialect. `dropped` and `refused` are what reading it could not take."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    hosted_tools: tuple[HostedTool, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    stream: bool = False
    dropped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def parts(self) -> list[Part]:
        """All parts of all turns, without those inside tool results."""
        return [part for turn in self.turns for part in turn.parts]

    def value(self, name: str) -> Any:
        """An option's value, or None."""
        option = self.options.get(name)
        return None if option is None else option.value


# The answer: what a model says, in the order in which it says it. `choice` counts from 0 (OpenAI's `n`), and
# `block` counts the pieces of one choice from 0. Within a choice one block is open at a time.


class Stop(StrEnum):
    """Why a model stopped. A word that no dialect of ours knows is passed on as it came (a plain text)."""

    END = "end"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    PAUSE = "pause"
    CONTEXT_FULL = "context_full"


class BlockKind(StrEnum):
    """What a block holds."""

    TEXT = "text"
    THINKING = "thinking"
    REFUSAL = "refusal"
    TOOL_CALL = "tool_call"


@dataclass(frozen=True, slots=True)
class Began:
    """The answer's own id and model, as the provider says them. `created`: seconds since the epoch."""

    id: str = ""
    model: str = ""
    created: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A block begins. `id`, `name`, `namespace`, `free`: of a tool call."""

    choice: int
    block: int
    kind: BlockKind
    id: str = ""
    name: str = ""
    namespace: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the open block: text, reasoning, a refusal, or a call's arguments as JSON text."""

    choice: int
    block: int
    text: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """The seal of the open block's reasoning; see `Thinking`."""

    choice: int
    block: int
    signature: str = ""
    redacted: str = ""
    encrypted: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    choice: int
    block: int


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Of the text that came last, as chat completions have them: `{"token", "logprob", "bytes", "top_logprobs"}`
    each.
    """

    choice: int
    tokens: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A choice has ended. `sequence`: the stop sequence that ended it; `explanation`: why it was refused."""

    choice: int
    stop: Stop | str
    sequence: str | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """The provider's count. `cache_said`: it spoke of its cache, so that a 0 is one."""

    usage: Usage
    cache_said: bool = False


AnswerEvent = Began | Opened | Delta | Sealed | Closed | Logprobs | Finished | Counted
