"""How a request is said to a route: as it came where the provider speaks its dialect, else translated.

Pure. A request is read into the neutral form at most once, and written at most once for each route.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from route.config.capabilities import ResolvedCapabilities
from route.config.providers import ModelConfig, ProviderConfig
from route.dialects import BY_NAME
from route.dialects.base import Dialect, Document, Reader
from route.dialects.conversion import AnswerContext, Target
from route.dialects.fields import Report
from route.dialects.filters import StripStopMarkers, StripThinking
from route.dialects.marks import without_cache_marks
from route.dialects.neutral import NeutralRequest, Part, Thinking, ToolResult
from route.dialects.pipe import Step, TranslatedReader
from route.dialects.prompting import APPEND_SYSTEM
from route.dialects.repair import RepairToolCalls
from route.errors import BadRequest
from route.providers import KINDS
from route.request.parse import Request

MakeStep = Callable[[], Step]
"""A step holds what it has seen of one answer, so that each answer gets its own."""

FILTERS: Mapping[str, MakeStep] = {"strip_thinking": StripThinking, "strip_stop_markers": StripStopMarkers}
"""What `output_filters` of a model may name."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A request as one route gets it. `dropped`: what it does not get; `refused`: why it cannot have it at all.

    `steps`: what its answer goes through. A route with any is read and written even within one dialect.
    """

    dialect: Dialect
    body: Document
    dropped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    steps: tuple[MakeStep, ...] = ()


class Translator:
    """One request in every dialect that its routes need."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._made: dict[tuple[str, str, str], Translation | None] = {}
        self._written: dict[tuple[str, Target], Translation] = {}

    @property
    def neutral(self) -> NeutralRequest | BadRequest:
        """The request without its dialect; or why it has no such form, which only matters where it is needed."""
        return self.request.neutral

    @property
    def thinks(self) -> bool:
        """Whether reasoning is asked for."""
        asked = None if isinstance(self.neutral, BadRequest) else self.neutral.value("reasoning")
        return asked is not None and asked.enabled is not False

    @property
    def has_sealed_thinking(self) -> bool:
        """Whether the conversation holds reasoning that only who wrote it understands, and that matters."""
        if self.request.choice.profile.sealed_thinking == "drop":
            return False
        parts = [] if isinstance(self.neutral, BadRequest) else self.neutral.parts
        return any(isinstance(part, Thinking) and part.is_sealed for part in parts)

    def holds(self, kind: type[Part]) -> bool:
        """Whether such a part stands anywhere in the conversation, results of tools included."""
        parts = [] if isinstance(self.neutral, BadRequest) else self.neutral.parts
        inside = [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]
        return any(isinstance(part, kind) for part in (*parts, *inside))

    @property
    def is_structured(self) -> bool:
        return not isinstance(self.neutral, BadRequest) and self.neutral.value("format") is not None

    def to(
        self, provider: ProviderConfig, model: ModelConfig, capabilities: ResolvedCapabilities
    ) -> Translation | None:
        """In the best of the dialects that the route speaks. None: it speaks none that this could become."""
        refused = None
        for name in self.ways(provider, model):
            made = self._in(name, provider, model, capabilities)
            if made is not None and not made.refused:
                return made
            refused = refused or made
        return refused

    def instead(
        self, of: Translation, provider: ProviderConfig, model: ModelConfig, capabilities: ResolvedCapabilities
    ) -> Translation | None:
        """In another dialect than the one in which the provider, as it turned out, cannot be spoken to."""
        names = [name for name in self.ways(provider, model) if name != of.dialect.name]
        made = (self._in(name, provider, model, capabilities) for name in names)
        return next((t for t in made if t is not None and not t.refused), None)

    def ways(self, provider: ProviderConfig, model: ModelConfig) -> list[str]:
        """The names of the dialects that a route speaks, the request's own first."""
        spoken = KINDS[provider.kind].spoken(provider, model)
        own = self.request.dialect.name
        return sorted((name for name in spoken if name in BY_NAME), key=lambda name: name != own)

    def _in(
        self, name: str, provider: ProviderConfig, model: ModelConfig, capabilities: ResolvedCapabilities
    ) -> Translation | None:
        key = (name, provider.name, model.model)
        if key not in self._made:
            self._made[key] = self._make(BY_NAME[name], model, capabilities)
        return self._made[key]

    def _make(
        self, dialect: Dialect, model: ModelConfig, capabilities: ResolvedCapabilities
    ) -> Translation | None:
        is_own = dialect is self.request.dialect
        if not is_own and dialect.conversion is None:
            return None
        made = (
            self._as_it_came(dialect, model, capabilities)
            if is_own
            else self._crossing(dialect, model, capabilities)
        )
        if made is None or made.refused:
            return made
        body = made.body
        if model.append_system_prompt and dialect.name in APPEND_SYSTEM:
            body = APPEND_SYSTEM[dialect.name](body, model.append_system_prompt)
        # What is added for the model's sake means nothing to a count, and may be refused there.
        added = model.extra_body if self.request.origin.is_inference else {}
        return Translation(dialect, {**body, **added}, made.dropped, (), self._steps(model))

    def _as_it_came(self, dialect: Dialect, model: ModelConfig, capabilities: ResolvedCapabilities) -> Translation:
        body = dialect.upstream_body(self.request.body, model.on_wire)
        dropped: tuple[str, ...] = tuple(dialect.left_out(self.request.body))
        if capabilities.cache_control is False:
            body, marks = without_cache_marks(body)
            dropped += marks
        if capabilities.thinking == "none":
            body, asked = dialect.without_thinking(body)
            dropped += asked
        return Translation(dialect, body, dropped)

    def _crossing(
        self, dialect: Dialect, model: ModelConfig, capabilities: ResolvedCapabilities
    ) -> Translation | None:
        neutral = self.neutral
        if isinstance(neutral, BadRequest):
            known = self.request.dialect.conversion is not None
            return Translation(dialect, {}, refused=(neutral.param or "body",)) if known else None
        assert dialect.conversion is not None  # noqa: S101 - `_make` has seen to it
        # Models that can take the same get the same, but for the name: a long conversation is written once.
        target = target_of(model, capabilities)
        key = (dialect.name, replace(target, wire_model=""))
        if key not in self._written:
            report = Report()
            body = dialect.conversion.write_request(neutral, target, report)
            dropped = tuple(sorted({*neutral.dropped, *report.dropped}))
            refused = tuple(sorted({*neutral.refused, *report.refused}))
            if self.request.choice.profile.sealed_thinking == "drop":
                sealed = tuple(path for path in refused if path.endswith(".thinking"))
                dropped, refused = (*dropped, *sealed), tuple(path for path in refused if path not in sealed)
            self._written[key] = Translation(dialect, body, dropped, refused)
        written = self._written[key]
        return replace(written, body={**written.body, "model": model.on_wire})

    def _steps(self, model: ModelConfig) -> tuple[MakeStep, ...]:
        """What changes an answer needs no reading of its request, but for the names of the tools."""
        if self.request.dialect.conversion is None:
            return ()
        filters: list[MakeStep] = [FILTERS[name] for name in model.output_filters]
        if model.repair_tool_calls and not isinstance(self.neutral, BadRequest):
            filters.append(partial(RepairToolCalls, [tool.name for tool in self.neutral.tools]))
        return tuple(filters)

    def reader(self, translation: Translation, created: int) -> Reader:
        """A fresh reader for one answer to this translation. `created`: seconds, where the answer has none."""
        features = self.request.features
        own, theirs = self.request.dialect, translation.dialect
        outer = own.reader(features)
        if theirs is own and not translation.steps:
            return outer
        assert own.conversion is not None  # noqa: S101 - without one nothing is translated
        assert theirs.conversion is not None  # noqa: S101
        asked = AnswerContext(self.request.body, features.stream, features.usage_asked, created)
        return TranslatedReader(
            theirs.reader(replace(features, usage_asked=True)),
            outer,
            theirs.conversion.answer_reading(Report()),
            [make() for make in translation.steps],
            own.conversion.answer_writing(asked, Report()),
            stream=features.stream,
            input_tokens=self.request.input_tokens,
        )


def target_of(model: ModelConfig, capabilities: ResolvedCapabilities) -> Target:
    """What a writing must know of the model."""
    return Target(
        wire_model=model.on_wire,
        max_output_tokens=capabilities.max_output_tokens,
        images=capabilities.images,
        structured_output=capabilities.structured_output,
        thinking=capabilities.thinking,
        cache_control=capabilities.cache_control,
        sampling=capabilities.sampling,
        max_tokens_field=capabilities.max_tokens_field or "max_tokens",
        developer_role=capabilities.developer_role is True,
    )
