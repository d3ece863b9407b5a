"""What a request would cost at a candidate, exactly. None where no price is known: that is never $0."""

from decimal import Decimal
from fractions import Fraction

from ledger.money import tokens_cost
from route.decision.inputs import Candidate, RequestNeeds

RESERVED_OUTPUT_TOKENS = 1024
"""What is reserved for an answer whose caller set no limit."""

ENOUGH_ATTEMPTS = 5
"""Of fewer nobody knows whether their failures were accidents."""

UNKNOWN_IS_LAST = Fraction(10**12)
"""Instead of an unknown or endless figure in a sort: more dollars than any request can cost."""


def price_sum(candidate: Candidate) -> Fraction | None:
    """Input and output price together, in dollars per million tokens."""
    price = candidate.price
    return None if price is None else Fraction(price.input_per_mtok) + Fraction(price.output_per_mtok)


def cost_usd(candidate: Candidate, needs: RequestNeeds, cached_tokens: int = 0) -> Decimal | None:
    """Estimated input and reserved output; of the input `cached_tokens` are read from the prompt cache."""
    price = candidate.price
    if price is None:
        return None
    cached = min(cached_tokens, needs.input_tokens)
    return (
        tokens_cost(needs.input_tokens - cached, price.input_per_mtok)
        + tokens_cost(cached, price.read)
        + tokens_cost(needs.output_tokens, price.output_per_mtok)
    )


def expected_usd(candidate: Candidate, needs: RequestNeeds, cached_tokens: int = 0) -> Fraction | None:
    """The cost of one answer when failures are paid for too: cost over success rate.

    None where the price is unknown, or where nothing has succeeded. Without evidence a route is taken at its word,
    and so is one that is tried anew.
    """
    cost = cost_usd(candidate, needs, cached_tokens)
    if cost is None:
        return None
    if candidate.count < ENOUGH_ATTEMPTS or candidate.probe:
        return Fraction(cost)
    return Fraction(cost) * candidate.count / candidate.successes if candidate.successes else None
