"""The facts: an inference, and what is known of it once a call has ended."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from ledger.ids import instant_of
from ledger.outcomes import NO_FAULT_OF_THE_ROUTE, Ending, FaultKind, Outcome
from ledger.packing import packed, unpacked
from ledger.prices import CostBasis
from ledger.routes import route_key
from ledger.usage import Usage


class InferenceState(StrEnum):
    """`open` while its router may still work on it, `closed` by it, `lost` when the reaper took it over."""

    OPEN = "open"
    CLOSED = "closed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt that was sent to the store before its call: number from 1, route key, instant."""

    n: int
    provider: str
    model: str
    at: int


COUNT_TOKENS = "count_tokens"
PASSTHROUGH = "passthrough"
"""Dialects in which no model answers a prompt, as far as the router can see."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for an inference, and how. The same on the inference and on each of its facts.

    `tool_loop`: what the guard against repeated tool calls did about the request (`warn`, `inject`,
    `break`), if anything.
    """

    caller: str
    tenant: str
    dialect: str
    profile: str = ""
    requested_model: str = ""
    session: str = ""
    agent: str = ""
    stream: bool = False
    tools_requested: bool = False
    size: str = ""
    pinned: bool = False
    tool_loop: str = ""

    @property
    def is_inference(self) -> bool:
        """Whether a model was asked for an answer. Counting tokens and passing other calls through is not that.

        Those are written down like everything else that reaches a provider, but they say nothing about how a
        route answers, warm no prompt cache, and are no turn of a session. What they cost counts.
        """
        return self.dialect not in _NO_INFERENCES

    @property
    def is_free(self) -> bool:
        """Whether no provider bills it: to count tokens costs nothing, at Anthropic and at who speaks like it."""
        return self.dialect == COUNT_TOKENS


_NO_INFERENCES = frozenset({COUNT_TOKENS, PASSTHROUGH})


@dataclass(frozen=True, slots=True)
class Fact:
    """What the folds read: a finished attempt (n ≥ 1), or an inference refused before any call (n = 0).

    `at` is when it was written down, and decides the minute it is counted in. `closes` says how the inference
    ended, and stands on the one fact that its close has written. `completes` marks what became known of an attempt
    after the reaper had written a fact that calls it unknown: both facts are kept, and together count as one
    attempt. `cost_usd` is None when unknown, never 0 for it.
    `dropped`: paths of what the route was not told, or (`answer.`) the caller. `repaired`: names of faults of
    the provider's answer that were mended. `retry_after_ms`: for how long the provider asked us to stay away.
    """

    inference_id: str
    n: int
    at: int
    outcome: Outcome
    origin: Origin
    started_at: int = 0
    provider: str = ""
    model: str = ""
    served_by: str = ""
    wire_model: str = ""
    served_model: str = ""
    kind: FaultKind | None = None
    http_status: int | None = None
    latency_ms: int | None = None
    ttft_ms: int | None = None
    retry_after_ms: int | None = None
    usage: Usage | None = None
    estimated: bool = False
    tool_calls: int = 0
    cost_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    cost_basis: CostBasis | None = None
    price_version: str = ""
    dropped: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    closes: Ending | None = None
    completes: bool = False

    @property
    def route(self) -> str:
        return route_key(self.provider, self.model, self.served_by)

    @property
    def destination(self) -> str:
        """The route key of provider and model, whatever backend served it: what a config calls a route."""
        return route_key(self.provider, self.model)

    @property
    def order(self) -> tuple[int, str, int, bool]:
        """Where it stands among all facts: folds read them in this order."""
        return self.at, *self.key

    @property
    def key(self) -> tuple[str, int, bool]:
        """What it is about. No two facts that are stored have the same."""
        return self.inference_id, self.n, self.completes

    @property
    def attempts(self) -> int:
        """How many provider calls it adds to those that are counted: none where it completes one of them."""
        return int(self.n > 0 and not self.completes)

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def counts(self) -> bool:
        """Whether it says something about the route: a success, or a fault of the route."""
        if not (self.n and self.origin.is_inference):
            return False
        return self.ok or (self.kind is not None and self.kind not in NO_FAULT_OF_THE_ROUTE)

    @property
    def session(self) -> str:
        """The session that it is a turn of; empty for none."""
        return self.origin.session if self.origin.is_inference else ""

    @property
    def unpriced(self) -> int:
        """How many attempts of unknown cost it adds to those that are counted.

        That is one where something was used, or may have been (a lost attempt), and nobody can say what it cost.
        The attempt that a fact completes was counted so before, which it takes back: it adds -1 when it knows the
        cost.
        """
        if not self.n or self.origin.is_free:
            return 0
        is_used = self.ok or self.usage is not None or self.outcome is Outcome.UNKNOWN
        return int(self.cost_usd is None and is_used) - int(self.completes)


@dataclass(frozen=True, slots=True)
class Inference:
    """One routed request. `plan` is the packed decision, `started` the attempts that began, by their numbers.

    `closing` is the fact that its close has written: of the attempt that answered; where none did, of the last
    that ended; with n = 0 where there was no call, or where the reaper closed it. None: nobody has closed it yet.
    How the inference ended, when, and which attempt answered follow from it. `status`: the HTTP status that the
    caller got, None where nobody was there to get one.
    """

    inference_id: str
    origin: Origin
    plan: bytes = b""
    started: tuple[Started, ...] = ()
    state: InferenceState = InferenceState.OPEN
    status: int | None = None
    closing: Fact | None = None

    @property
    def opened_at(self) -> int:
        """In ms since the epoch."""
        return instant_of(self.inference_id)

    @property
    def closed_at(self) -> int | None:
        """In ms since the epoch; None while it is open."""
        return self.closing.at if self.closing else None

    @property
    def ending(self) -> Ending | None:
        """How it ended; None while it is open."""
        return self.closing.closes if self.closing else None

    @property
    def served(self) -> int | None:
        """The number of the attempt that answered; None where none did, or none has yet."""
        return self.closing.n if self.closing and self.closing.ok else None


def unknown_attempt(inference: Inference, started: Started, at: int, kind: FaultKind) -> Fact:
    """An attempt that began and whose outcome, and so its cost, nobody knows. `at`: ms since the epoch."""
    return Fact(
        inference_id=inference.inference_id,
        n=started.n,
        at=at,
        outcome=Outcome.UNKNOWN,
        origin=inference.origin,
        started_at=started.at,
        provider=started.provider,
        model=started.model,
        kind=kind,
    )


def without_attempt(inference: Inference, at: int, outcome: Outcome, kind: FaultKind | None = None) -> Fact:
    """The fact that a close carries where no attempt can say how the inference ended. `at`: ms since the epoch."""
    return Fact(
        inference_id=inference.inference_id,
        n=0,
        at=at,
        outcome=outcome,
        origin=inference.origin,
        started_at=inference.opened_at,
        kind=kind,
    )


_FACT_SCALARS = tuple(
    f.name
    for f in fields(Fact)
    if f.name not in {"inference_id", "n", "at", "origin", "usage", "dropped", "repaired"}
)
_NOTES = ("dropped", "repaired")


def pack_origin(origin: Origin) -> dict[str, Any]:
    """As a map without what is empty, since every byte of a fact is stored three times."""
    return packed(origin)


def pack_fact(fact: Fact) -> dict[str, Any]:
    """The map under `fact`: everything but its keys (inference id, number, instant)."""
    packed = pack_origin(fact.origin)
    for name in _FACT_SCALARS:
        value = getattr(fact, name)
        if value is not None and value != "" and value is not False:
            packed[name] = str(value) if isinstance(value, StrEnum) else value
    if fact.latency_ms is not None and fact.started_at == fact.at - fact.latency_ms:
        # It was written down when it ended, as nearly all are: then its latency says when it began.
        del packed["started_at"]
    if fact.usage is not None:
        packed["usage"] = fact.usage.pack()
    return packed


def pack_notes(fact: Fact) -> dict[str, Any]:
    """What no fold reads, and so stands beside the fact, where no index copies it."""
    return {name: list(names) for name in _NOTES if (names := getattr(fact, name))}


def unpack_origin(packed: dict[str, Any]) -> Origin:
    return unpacked(Origin, packed)


def unpack_fact(
    inference_id: str, n: int, at: int, packed: dict[str, Any], notes: dict[str, Any] | None = None
) -> Fact:
    """The inverse of `pack_fact` and `pack_notes`. Unknown names, from a newer writer, are passed over."""
    scalars = {name: packed[name] for name in _FACT_SCALARS if name in packed}
    for name, kind in (
        ("outcome", Outcome), ("kind", FaultKind), ("closes", Ending), ("cost_basis", CostBasis),
        ("cost_usd", Decimal), ("saved_usd", Decimal),
    ):  # fmt: skip
        if name in scalars:
            scalars[name] = kind(scalars[name])
    if "started_at" not in scalars and "latency_ms" in scalars:
        scalars["started_at"] = at - scalars["latency_ms"]
    scalars |= {name: tuple((notes or {}).get(name, ())) for name in _NOTES}
    usage = Usage.unpack(packed["usage"]) if "usage" in packed else None
    origin = unpack_origin(packed)
    return Fact(inference_id=inference_id, n=n, at=at, origin=origin, usage=usage, **scalars)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a key stands for. The key itself is never stored, only its SHA-256 digest."""

    digest: str
    caller: str
    tenant: str
    role: str = "caller"
    profiles: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    active: bool = True
    expires_at_ms: int | None = None
    label: str = field(default="", compare=False)

    def pack(self) -> dict[str, Any]:
        return packed(self)

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        return unpacked(cls, packed)
