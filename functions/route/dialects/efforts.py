"""Words for how much a model shall reason, and the share of its output that each word stands for.

Every dialect takes its share from the one table here. They differ in which words they may write, and in the
length of output that they assume where neither the request nor the catalog limits it.
"""

from collections.abc import Mapping, Sequence

SHARE_OF_OUTPUT: Mapping[str, float] = {
    "minimal": 0.1,
    "low": 0.2,
    "medium": 0.5,
    "high": 0.8,
    "xhigh": 0.9,
    "max": 0.95,
}
"""The part of all output tokens that a reasoning budget takes, by effort, from the least to the most."""
EFFORTS = tuple(SHARE_OF_OUTPUT)

CHAT_EFFORTS = ("low", "medium", "high")
"""Written for a budget in chat completions: every model that takes an effort takes these three."""
RESPONSES_EFFORTS = ("minimal", "low", "medium", "high", "max")
MESSAGES_EFFORTS = EFFORTS

CHAT_ASSUMED_OUTPUT_TOKENS = 8192
RESPONSES_ASSUMED_OUTPUT_TOKENS = 32_768
MESSAGES_ASSUMED_OUTPUT_TOKENS = 8192
"""Anthropic must be told a limit, so this one is also written as the request's `max_tokens`."""


def nearest_effort(budget_tokens: int, output_tokens: int, efforts: Sequence[str]) -> str:
    """The effort, among those allowed, whose share of the output is nearest to a budget of reasoning tokens."""
    share = budget_tokens / output_tokens
    return min(efforts, key=lambda effort: abs(SHARE_OF_OUTPUT[effort] - share))
