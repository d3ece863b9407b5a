"""What a decision looks at, as plain values: stored with the inference, so that it can be made again.

`survey.Survey` is all that `decision.decide` gets. Nothing in it is a prompt, a key or an object of the config, so
it can be written down beside the decision and read a month later, when config and views are others.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Self

from ledger.packing import packed, unpacked
from ledger.prices import Price


@dataclass(frozen=True, slots=True)
class Rules:
    """What the profile and the caller's dial say.

    `profile`: a digest of every number of the profile, and of the auto-router's rules where those chose it.
    `fired`: the rule that chose the chain. `quality_floor` is the profile's, `floor_bounds` hold what the dial
    makes of it; `min_quality` is the caller's own word, which nothing moves. `memory_pressure` and `health` are
    the guards' actions; what their numbers come to stands with each candidate.
    """

    fired: str = ""
    profile: str = ""
    budgets: str = ""
    order: str = "static"
    dial: str = "balanced"
    min_quality: float | None = None
    quality_floor: float | None = None
    floor_bounds: tuple[float, float] = (0.50, 0.85)
    request_cap_usd: str | None = None
    latency_slo_ms: int | None = None
    paid_allowed: bool = False
    memory_pressure: str = "skip"
    health: str = "skip"
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class RequestNeeds:
    """What the request needs. `output_tokens`: what is reserved for its answer. `one_route`: no other would do."""

    input_tokens: int = 0
    output_tokens: int = 0
    thinks: bool = False
    one_route: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """The tightest skipping budget of a candidate's provider, in dollars as text."""

    scope: str
    period: str
    limit_usd: str
    spent_usd: str
    is_spent: bool = False


@dataclass(frozen=True)
class Candidate:
    """One candidate: what is configured of it, what this request needs that it lacks, and what the views say.

    `setup`: a digest of all that is configured of it. Prices are dollars per million tokens as text. Instants are
    ms since the epoch. `lacks`: names of capabilities; `refused`: what of the request another dialect cannot say.
    `demotion`: the adaptive guard's level. `probe`: this request may try a route that has rested long enough.
    """

    route: str
    setup: str = ""
    enabled: bool = True
    paid: bool = False
    allowed: bool = True
    hard_budget: bool = False
    lacks: tuple[str, ...] = ()
    context_tokens: int | None = None
    refused: tuple[str, ...] = ()
    thinks: bool = True
    input_per_mtok: str | None = None
    output_per_mtok: str | None = None
    cache_read_per_mtok: str | None = None
    quality: float | None = None
    count: int = 0
    successes: int = 0
    latency_ms: int | None = None
    tool_incapable: bool = False
    budget: Budget | None = None
    out_of_memory_until: int = 0
    wait_until: int = 0
    health: str = "healthy"
    rest_until: int = 0
    probe: bool = False
    demotion: int = 0
    warm_at: int = 0
    warm_until: int = 0
    cached_tokens: int = 0

    @cached_property
    def price(self) -> Price | None:
        """The price as exact numbers, read from the text once. None where nobody knows it.

        Where the price of a cache read is not stored, it is that of the input.
        """
        if self.input_per_mtok is None or self.output_per_mtok is None:
            return None
        read = self.cache_read_per_mtok or self.input_per_mtok
        return Price(Decimal(self.input_per_mtok), Decimal(self.output_per_mtok), Decimal(read))


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """All that a decision depends on. `candidates` are as the profile lists them where its order is `static`, else
    by route key, so that it does not matter how a config lists them.
    """

    now: int
    rules: Rules = field(default_factory=Rules)
    needs: RequestNeeds = field(default_factory=RequestNeeds)
    candidates: tuple[Candidate, ...] = ()
    views_as_of: int = 0

    def pack(self) -> dict[str, Any]:
        """Plain values for JSON, without what is as usual."""
        return {
            "now": self.now,
            "views_as_of": self.views_as_of,
            "rules": packed(self.rules),
            "asked": packed(self.needs),
            "candidates": [_packed_candidate(candidate) for candidate in self.candidates],
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The inverse of `pack`, of JSON's lists too. Names of a newer writer are passed over."""
        return cls(
            packed["now"],
            unpacked(Rules, packed["rules"]),
            unpacked(RequestNeeds, packed["asked"]),
            tuple(map(_candidate, packed["candidates"])),
            packed["views_as_of"],
        )


def _packed_candidate(candidate: Candidate) -> dict[str, Any]:
    budget = {"budget": asdict(candidate.budget)} if candidate.budget else {}
    return packed(candidate) | budget


def _candidate(packed: Mapping[str, Any]) -> Candidate:
    budget = unpacked(Budget, packed["budget"]) if "budget" in packed else None
    return unpacked(Candidate, packed, budget=budget)
