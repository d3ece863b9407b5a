"""Prices, and the cost of an attempt by its usage, exact to the last digit."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from ledger.money import ZERO, text, tokens_cost
from ledger.usage import Usage

CACHE_READ_FACTOR = Decimal("0.10")
CACHE_WRITE_FACTOR = Decimal("1.25")
CACHE_WRITE_1H_FACTOR = Decimal("2.0")


class CostBasis(StrEnum):
    """Where a cost figure comes from, the best source first. A cost without a basis is unknown, which is
    never $0.
    """

    SUBSCRIPTION = "subscription"
    REPORTED = "reported"
    COMPUTED = "computed"


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens. A cache rate that is not set is a fixed multiple of the input rate."""

    input_per_mtok: Decimal
    output_per_mtok: Decimal
    cache_read_per_mtok: Decimal | None = None
    cache_write_per_mtok: Decimal | None = None
    cache_write_1h_per_mtok: Decimal | None = None

    @property
    def read(self) -> Decimal:
        return self._rate(self.cache_read_per_mtok, CACHE_READ_FACTOR)

    @property
    def write(self) -> Decimal:
        return self._rate(self.cache_write_per_mtok, CACHE_WRITE_FACTOR)

    @property
    def write_1h(self) -> Decimal:
        return self._rate(self.cache_write_1h_per_mtok, CACHE_WRITE_1H_FACTOR)

    def _rate(self, own: Decimal | None, factor: Decimal) -> Decimal:
        """A cache rate: the price's own, else so many times the input rate."""
        return self.input_per_mtok * factor if own is None else own

    @cached_property
    def as_text(self) -> dict[str, str | None]:
        """The rates that a decision about routes depends on, as text, which is how they are stored with it."""
        rates = {
            "input_per_mtok": self.input_per_mtok,
            "output_per_mtok": self.output_per_mtok,
            "cache_read_per_mtok": self.read,
        }
        return {name: text(rate) for name, rate in rates.items()}

    @cached_property
    def version(self) -> str:
        """A digest of all five rates. It is stored with a cost, so that the cost can be checked later."""
        rates = (self.input_per_mtok, self.output_per_mtok, self.read, self.write, self.write_1h)
        return hashlib.sha256("/".join(str(text(r)) for r in rates).encode()).hexdigest()[:12]


FREE = Price(ZERO, ZERO)
"""What a call costs where a subscription pays for it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attempt cost, and what its cache hits saved, in dollars. None is unknown."""

    usd: Decimal | None
    saved_usd: Decimal | None
    basis: CostBasis | None


UNKNOWN_COST = Cost(None, None, None)


def cost_of(
    usage: Usage | None,
    price: Price | None,
    *,
    reported_usd: Decimal | None = None,
    subscription: bool = False,
) -> Cost:
    """The cost of an attempt. A subscription makes it $0; else the provider's own figure counts, else the cost is
    computed from usage and price, and without these it is unknown.
    """
    # What the cache saved is a difference of two rates, so it needs a price even where the provider reports the
    # cost.
    saved = None
    if usage is not None and price is not None:
        saved = tokens_cost(usage.cache_read, price.input_per_mtok - price.read)
    if subscription:
        return Cost(ZERO, saved, CostBasis.SUBSCRIPTION)
    if reported_usd is not None:
        return Cost(reported_usd, saved, CostBasis.REPORTED)
    if usage is None or price is None:
        return UNKNOWN_COST
    parts = (
        tokens_cost(usage.input, price.input_per_mtok),
        tokens_cost(usage.cache_read, price.read),
        tokens_cost(usage.cache_write, price.write),
        tokens_cost(usage.cache_write_1h, price.write_1h),
        tokens_cost(usage.output, price.output_per_mtok),
    )
    return Cost(sum(parts, ZERO), saved, CostBasis.COMPUTED)
