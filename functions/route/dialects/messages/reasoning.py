"""How much to think, in Anthropic's words: `thinking`, and the effort in `output_config`."""

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
    """What there is to think in. `output_tokens`: all that may be written, thoughts included.

    `has_begun`: whether the history lets a model with a budget think at all.
    """

    output_tokens: int
    has_begun: bool = True


def write(reasoning: ReasoningSettings, kind: str | None, room: ThinkingLimits) -> Document | None:
    """`thinking` and `output_config` as far as there is something to say. None: it cannot be said.

    `kind`: how the model thinks (`conversion.Target.thinking`).
    """
    is_off = reasoning.enabled is False or reasoning.effort == "none"
    return _WRITINGS.get(kind or "budget", _budget)(reasoning, room, is_off)


def is_thinking(written: Document) -> bool:
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
    """The caller's number, or its effort's share; the middle where it only wants some."""
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
    """The effort by its name, or the one whose share is nearest to the budget."""
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
