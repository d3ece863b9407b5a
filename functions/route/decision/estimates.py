"""What a request would cost at a candidate, exactly. None where no price is known: that is never $0."""

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from ledger.money import tokens_cost
from route.decision.inputs import Candidate, RequestNeeds

RESERVED_OUTPUT_TOKENS = 1024
"""What is reserved for an answer whose caller set no limit."""

ENOUGH_ATTEMPTS = 5
"""Of fewer nobody knows whether their failures were accidents."""

UNKNOWN_IS_LAST = Fraction(10**12)
"""Instead of an unknown or endless figure in a sort: more dollars than any request can cost."""


@lru_cache(maxsize=1024)
def _exact(price: str) -> Decimal:
    """A price, which is stored as text to come back exact. A config has few, and each is asked for often."""
    return Decimal(price)


def price_sum(candidate: Candidate) -> Fraction | None:
    """Input and output price together, in dollars per million tokens."""
    if candidate.input_per_mtok is None or candidate.output_per_mtok is None:
        return None
    return Fraction(_exact(candidate.input_per_mtok)) + Fraction(_exact(candidate.output_per_mtok))


def cost_usd(candidate: Candidate, needs: RequestNeeds, cached_tokens: int = 0) -> Decimal | None:
    """Estimated input and reserved output; of the input `cached_tokens` are read from the prompt cache."""
    if candidate.input_per_mtok is None or candidate.output_per_mtok is None:
        return None
    cached = min(cached_tokens, needs.input_tokens)
    read = candidate.cache_read_per_mtok or candidate.input_per_mtok
    return (
        tokens_cost(needs.input_tokens - cached, _exact(candidate.input_per_mtok))
        + tokens_cost(cached, _exact(read))
        + tokens_cost(needs.output_tokens, _exact(candidate.output_per_mtok))
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
