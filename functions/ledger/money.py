"""Exact dollars. Money is `Decimal`, never float; one place refuses what is not an amount."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction

MTOK = Decimal(1_000_000)
ZERO = Decimal(0)


def usd(value: object) -> Decimal:
    """A dollar amount from a config, a provider or a table: int, decimal text, Decimal, or float by its repr.

    ValueError for booleans, NaN, infinities, negatives and what is not a number.
    """
    is_number = isinstance(value, int | float | str | Decimal) and not isinstance(value, bool)
    try:
        amount = Decimal(str(value)) if is_number else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"not an amount of money: {value!r}")
    return amount


def tokens_cost(tokens: int, usd_per_mtok: Decimal) -> Decimal:
    """Exact dollars of some tokens at a price per million tokens."""
    return tokens * usd_per_mtok / MTOK


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum, or None when any part is unknown: an unknown price is never $0."""
    known = list(amounts)
    return None if None in known else sum((a for a in known if a is not None), ZERO)


def mean(sum_of: int, count: int) -> int | None:
    """The mean of whole numbers, rounded half to even; None without data."""
    return round(Fraction(sum_of, count)) if count else None


def text(amount: Decimal | None) -> str | None:
    """The shortest plain notation, for JSON: `0.010935`, never `1E-7`. None stays None."""
    if amount is None:
        return None
    return format(amount.normalize(), "f") if amount else "0"
