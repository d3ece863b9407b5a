"""What a request would cost at a candidate, exactly. None where no price is known: that is never $0."""

from decimal import Decimal
from fractions import Fraction

from ledger.money import tokens_cost
from route.decision.inputs import Asked, Known

RESERVED_OUTPUT_TOKENS = 1024
"""What is reserved for an answer whose caller set no limit."""

ENOUGH_ATTEMPTS = 5
"""Of fewer nobody knows whether their failures were accidents."""

UNKNOWN_IS_LAST = Fraction(10**12)
"""Instead of an unknown or endless figure in a sort: more dollars than any request can cost."""


def price_sum(known: Known) -> Fraction | None:
    """Input and output price together, in dollars per million tokens."""
    if known.input_per_mtok is None or known.output_per_mtok is None:
        return None
    return Fraction(known.input_per_mtok) + Fraction(known.output_per_mtok)


def cost_usd(known: Known, asked: Asked, cached_tokens: int = 0) -> Decimal | None:
    """Estimated input and reserved output; of the input `cached_tokens` are read from the prompt cache."""
    if known.input_per_mtok is None or known.output_per_mtok is None:
        return None
    cached = min(cached_tokens, asked.input_tokens)
    read = known.cache_read_per_mtok or known.input_per_mtok
    return (
        tokens_cost(asked.input_tokens - cached, Decimal(known.input_per_mtok))
        + tokens_cost(cached, Decimal(read))
        + tokens_cost(asked.output_tokens, Decimal(known.output_per_mtok))
    )


def expected_usd(known: Known, asked: Asked, cached_tokens: int = 0) -> Fraction | None:
    """The cost of one answer when failures are paid for too: cost over success rate.

    None where the price is unknown, or where nothing has succeeded. Without evidence a route is taken at its word,
    and so is one that is tried anew.
    """
    cost = cost_usd(known, asked, cached_tokens)
    if cost is None:
        return None
    if known.count < ENOUGH_ATTEMPTS or known.probe:
        return Fraction(cost)
    return Fraction(cost) * known.count / known.successes if known.successes else None
