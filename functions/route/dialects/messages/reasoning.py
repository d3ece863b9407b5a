"""Writes how much to reason in Anthropic's fields: `thinking`, and the effort in `output_config`."""

from collections.abc import Callable
from dataclasses import dataclass

from route.dialects.base import Document
from route.dialects.efforts import MESSAGES_EFFORTS, SHARE_OF_OUTPUT, nearest_effort
from route.dialects.neutral import ReasoningSettings

MIN_BUDGET_TOKENS = 1024
_WIRE_EFFORTS = {effort: "low" if effort == "minimal" else effort for effort in MESSAGES_EFFORTS}
_DISPLAYS = {True: "summarized", False: "omitted"}


@dataclass(frozen=True, slots=True)
class ThinkingLimits:
    """What limits reasoning. `output_tokens`: the most tokens of the answer, reasoning included.

    `has_begun`: whether the history allows a reasoning budget at all (`MessageWriting.allows_budget`).
    """

    output_tokens: int
    has_begun: bool = True


def write(reasoning: ReasoningSettings, kind: str | None, room: ThinkingLimits) -> Document | None:
    """The fields `thinking` and `output_config`. None where the settings cannot be expressed.

    `kind`: how the model's reasoning is controlled (`conversion.Target.thinking`).
    """
    is_off = reasoning.enabled is False or reasoning.effort == "none"
    return _WRITINGS.get(kind or "budget", _budget)(reasoning, room, is_off)


def is_thinking(written: Document) -> bool:
    """Whether these fields turn reasoning on."""
    return (written.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _budget(reasoning: ReasoningSettings, room: ThinkingLimits, is_off: bool) -> Document | None:
    if is_off:
        return {"thinking": {"type": "disabled"}}
    wanted = _wanted_tokens(reasoning, room)
    if wanted is None or room.output_tokens <= MIN_BUDGET_TOKENS or not room.has_begun:
        return None
    budget = min(max(wanted, MIN_BUDGET_TOKENS), room.output_tokens - 1)
    thinking = {"type": "enabled", "budget_tokens": budget}
    return {"thinking": thinking | ({"display": "omitted"} if reasoning.shown is False else {})}


def _wanted_tokens(reasoning: ReasoningSettings, room: ThinkingLimits) -> int | None:
    """The caller's budget, or the share of its effort; that of `medium` where it only turned reasoning on."""
    if reasoning.budget_tokens is not None:
        return reasoning.budget_tokens
    effort = reasoning.effort or ("medium" if reasoning.enabled else "")
    share = SHARE_OF_OUTPUT.get(effort)
    return None if share is None else int(share * room.output_tokens)


def _adaptive(reasoning: ReasoningSettings, room: ThinkingLimits, is_off: bool) -> Document | None:
    if is_off:
        return {"thinking": {"type": "disabled"}}
    thinking: Document = {"type": "adaptive"}
    if reasoning.shown is not None:
        thinking["display"] = _DISPLAYS[reasoning.shown]
    return {"thinking": thinking, **(_effort(reasoning, room, is_off) or {})}


def _effort(reasoning: ReasoningSettings, room: ThinkingLimits, is_off: bool) -> Document | None:
    """The effort that was asked for, or the one whose share is nearest to the budget."""
    effort = _WIRE_EFFORTS.get(reasoning.effort, "")
    if not reasoning.effort and reasoning.budget_tokens is not None:
        nearest = nearest_effort(reasoning.budget_tokens, max(room.output_tokens, 1), MESSAGES_EFFORTS)
        effort = _WIRE_EFFORTS[nearest]
    return {"output_config": {"effort": effort}} if effort and not is_off else None


def _none(reasoning: ReasoningSettings, room: ThinkingLimits, is_off: bool) -> Document | None:
    return {} if is_off else None


_WRITINGS: dict[str, Callable[[ReasoningSettings, ThinkingLimits, bool], Document | None]] = {
    "budget": _budget,
    "adaptive": _adaptive,
    "effort": _effort,
    "none": _none,
}
