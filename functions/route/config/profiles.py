"""Profiles, as the config file has them: a chain of routes, limits, and guards."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from ledger.folds.health import Faults, Standing
from route.config.values import Money, Number, Seconds, Share, Strict, Whole


class Deadlines(Strict):
    """How long an attempt may take, in seconds. `gap_s` is the longest silence inside a stream."""

    first_token_s: Seconds = 30
    gap_s: Seconds = 60
    attempt_s: Seconds = 300


def _off(value: object) -> object:
    """The word `off`, which YAML reads as false when it has no quotes."""
    return "off" if value is False else value


Off = BeforeValidator(_off)


class _Guard(Strict):
    """A guard may be written as its action alone, such as `memory_pressure: skip`; all else has its
    default then.
    """

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        word = _off(value)
        return {"action": word} if isinstance(word, str) else value


class ToolLoopGuard(_Guard):
    """Against a model that makes the same tool call again and again.

    `window`: how many of the last calls are looked at. `threshold`: how many equal calls at the end are a loop.
    """

    action: Annotated[Literal["off", "warn", "inject", "break"], Off] = "warn"
    window: Annotated[Whole, Field(ge=2, le=50)] = 5
    threshold: Annotated[Whole, Field(ge=2, validate_default=True)] = 3

    @field_validator("threshold")
    @classmethod
    def _within(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("window", value):
            raise ValueError(f"must not be greater than window, which is {info.data['window']}")
        return value


class MemoryGuard(_Guard):
    """Against calling a local backend that has run out of memory. `cooldown_s`: how long it is left alone."""

    action: Annotated[Literal["off", "warn", "skip"], Off] = "skip"
    cooldown_s: Annotated[Whole, Field(ge=10, le=3600)] = 120


class HealthGuard(_Guard):
    """Against calling a route that keeps failing. After `threshold` faults in a row a route is degraded, and after
    twice as many it is unhealthy.

    An unhealthy route is left alone for `cooldown_s`. Each probe that fails doubles that time, up to
    `max_cooldown_s`.
    """

    action: Annotated[Literal["off", "skip"], Off] = "skip"
    threshold: Annotated[Whole, Field(ge=2, le=20)] = 3
    cooldown_s: Annotated[Whole, Field(ge=1, le=3600)] = 900
    max_cooldown_s: Annotated[Whole, Field(le=86_400)] = 3600

    @field_validator("max_cooldown_s")
    @classmethod
    def _longest(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("cooldown_s", value):
            raise ValueError(f"must not be less than cooldown_s, which is {info.data['cooldown_s']}")
        return value

    def standing(self, faults: Faults) -> Standing:
        """What a route's faults in a row mean by these numbers: its state, since when, and until when it rests."""
        return faults.standing(self.threshold, self.cooldown_s * 1000, self.max_cooldown_s * 1000)


class ProfileConfig(Strict):
    """A chain of routes, each written `provider/model`, with its limits and guards.

    `sealed_thinking`: what is done with reasoning in the conversation that only another vendor can read. `refuse`
    passes over the routes that cannot read it; `drop` leaves it out for them, and the receipt says so.
    `quality_floor`: the least quality of a route, from 0 to 1, or None for no floor. A caller's preference moves
    it inside `floor_bounds`. `request_cap_usd`: the most that one request may cost. `latency_slo_ms`: how long an
    answer may take. `allow_paid`: whether providers marked `paid` may be used; None takes the file's `allow_paid`.
    """

    routes: Annotated[tuple[str, ...], Field(min_length=1)]
    order: Literal["static", "cheapest", "expected_cost", "fastest"] = "static"
    floor_bounds: tuple[Share, Share] = (0.50, 0.85)
    quality_floor: Number | None = None
    request_cap_usd: Annotated[Money, Field(gt=0)] | None = None
    latency_slo_ms: Annotated[Whole, Field(gt=0)] | None = None
    allow_paid: Annotated[bool, Field(strict=True)] | None = None
    max_attempts: Annotated[Whole, Field(ge=1, le=10)] = 4
    deadlines: Deadlines = Deadlines()
    content_filter: Literal["stop", "next"] = "stop"
    sealed_thinking: Literal["refuse", "drop"] = "refuse"
    ledger: Literal["beside", "strict"] = "beside"
    tool_loop: ToolLoopGuard = ToolLoopGuard()
    memory_pressure: MemoryGuard = MemoryGuard()
    health: HealthGuard = HealthGuard()
    adaptive: Annotated[bool, Field(strict=True)] = False

    @field_validator("floor_bounds")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("the lower bound comes first")
        return value

    @field_validator("quality_floor")
    @classmethod
    def _bounded(cls, value: float | None, info: ValidationInfo) -> float | None:
        lowest, highest = info.data.get("floor_bounds", (0.0, 1.0))
        if value is not None and not lowest <= value <= highest:
            raise ValueError(f"must be inside floor_bounds, from {lowest} to {highest}")
        return value
