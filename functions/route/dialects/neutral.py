"""The neutral form between dialects: a request as turns and options, an answer as a series of events.

Requests and answers take this form only when they go from one dialect to another, or when a route's filters must
change them. Each dialect has one reader (from its wire to this form) and one writer (from this form to its wire),
so that a new dialect works with all others at once.

The parts of a request keep the path where they stood (`at`, without indexes), so that a writer which cannot carry
a part can name it to the caller (`fields.Report`).
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
    """A part of a turn. `cache`: its mark for the prompt cache in Anthropic's form, `{"type": "ephemeral"}`."""

    at: str = ""
    cache: Document | None = None

    @property
    def path(self) -> str:
        """The path where the part stood and the kind of part, for a report: `messages[].content[].thinking`."""
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
    """An image by `url`, or as base64 `data` of a `media_type`. `detail`: OpenAI's setting for its resolution."""

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
    """Sound as base64 `data` in a `format` (`wav`, `mp3`)."""

    data: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking(Part):
    """Reasoning that an assistant showed. Its provider accepts it back only with the seal that it put on it.

    `signature` and `redacted` are Anthropic's seals, `encrypted` is OpenAI's.
    """

    text: str = ""
    signature: str = ""
    redacted: str = ""
    encrypted: str = ""

    @property
    def is_sealed(self) -> bool:
        """Whether it has a seal, so that only the provider which wrote it can use it."""
        return bool(self.signature or self.redacted or self.encrypted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Part):
    """The text with which an assistant declined to answer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(Part):
    """A call that an assistant made. `arguments`: JSON as text; free text where the tool takes that (`free`)."""

    id: str
    name: str
    arguments: str
    namespace: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(Part):
    """The result of the call with this id. `parts`: text, images and files."""

    call_id: str
    parts: tuple[Part, ...]
    is_error: bool = False
    free: bool = False


Role = Literal["system", "developer", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Consecutive parts by one role. Results of tools stand in turns of the user."""

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
    """A function that the caller runs. `parameters`: their JSON schema; `free`: it takes free text instead."""

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
    """A tool that the provider runs. Only the provider's own dialect knows its `kind`."""

    kind: str
    at: str


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model may or must call a tool. `named`: it must call the tool with this name."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """Structured output. `json_object`: any JSON object; `json_schema`: an object that fits the schema."""

    kind: Literal["json_object", "json_schema"]
    schema: Document | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ReasoningSettings:
    """How much the model shall reason. `effort`: one of `efforts.EFFORTS`; "" leaves it to the model.

    `enabled`: the caller turned reasoning on or off; None leaves it to the model. `budget_tokens`: the most tokens
    for it. `shown`: whether the caller wants to read the reasoning; None where the request does not tell.
    """

    enabled: bool | None = None
    effort: str = ""
    budget_tokens: int | None = None
    shown: bool | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of the whole request, and the path where it stood."""

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
"""The settings that more than one dialect knows. A setting of only one dialect is not read but reported."""


@dataclass(frozen=True, slots=True)
class NeutralRequest:
    """A request without its dialect. `dropped`, `refused`: what its reader could not take, see `fields.Report`."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    hosted_tools: tuple[HostedTool, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    stream: bool = False
    dropped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def parts(self) -> list[Part]:
        """The parts of all turns. The parts inside tool results are not among them."""
        return [part for turn in self.turns for part in turn.parts]

    def value(self, name: str) -> Any:
        """The value of an option, or None."""
        option = self.options.get(name)
        return None if option is None else option.value


# The answer: events in the order in which the model produces them. `choice` counts alternative answers from 0
# (OpenAI's `n`), and `block` counts the blocks of one choice from 0. Within a choice one block is open at a time.


class Stop(StrEnum):
    """Why a model stopped. A reason that is not listed here passes as a plain string, as the provider wrote it."""

    END = "end"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    PAUSE = "pause"
    CONTEXT_FULL = "context_full"


class BlockKind(StrEnum):
    """The kind of content that a block holds."""

    TEXT = "text"
    THINKING = "thinking"
    REFUSAL = "refusal"
    TOOL_CALL = "tool_call"


@dataclass(frozen=True, slots=True)
class Began:
    """The answer begins. `id`, `model`: as the provider gives them. `created`: seconds since the epoch."""

    id: str = ""
    model: str = ""
    created: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A block begins. `id`, `name`, `namespace`, `free`: set where it is a tool call."""

    choice: int
    block: int
    kind: BlockKind
    id: str = ""
    name: str = ""
    namespace: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """The open block goes on: with text, reasoning, a refusal, or a call's arguments as JSON text."""

    choice: int
    block: int
    text: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """The seal of the reasoning in the open block; see `Thinking`."""

    choice: int
    block: int
    signature: str = ""
    redacted: str = ""
    encrypted: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """A block has ended."""

    choice: int
    block: int


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The log probabilities of the latest text, each in the form of chat completions:
    `{"token", "logprob", "bytes", "top_logprobs"}`.
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
    """The provider's token counts. `cache_said`: it counted its cache, so that a count of 0 is known."""

    usage: Usage
    cache_said: bool = False


AnswerEvent = Began | Opened | Delta | Sealed | Closed | Logprobs | Finished | Counted
