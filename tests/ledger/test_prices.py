"""The cost of an attempt, exact, and where the figure comes from."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.folds import fold_facts
from ledger.folds.session import Session
from ledger.folds.spend import Spend
from ledger.money import text, usd
from ledger.money import total as total_of
from ledger.prices import UNKNOWN_COST, CostBasis, Price, cost_of
from ledger.usage import Usage
from tests.ledger.make import NOW, fact

PRICE = Price(Decimal(3), Decimal(15))
TOKENS = st.integers(0, 10**8)
RATE = st.decimals(0, 1000, places=6, allow_nan=False, allow_infinity=False)
PRICES = st.builds(Price, RATE, RATE, *[st.none() | RATE] * 3)
USAGES = st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)


@pytest.mark.case("C10")
def test_the_published_example() -> None:
    """1000 in, 500 out, 200 read, 100 written at 3/15."""
    cost = cost_of(Usage(1000, 200, 100, 0, 500), PRICE)
    assert (cost.usd, cost.saved_usd, cost.basis) == (
        Decimal("0.010935"),
        Decimal("0.00054"),
        CostBasis.COMPUTED,
    )


@pytest.mark.case("C10", "U14")
@pytest.mark.parametrize(
    ("usage", "usd_", "saved"),
    [
        (Usage(cache_read=1000), "0.0003", "0.0027"),
        (Usage(100, 90), "0.000327", "0.000243"),
        (Usage(cache_write=1000), "0.00375", "0"),
        (Usage(cache_write_1h=1000), "0.006", "0"),
        (Usage(output=1, reasoning=1), "0.000015", "0"),
        (Usage(), "0", "0"),
    ],
)
def test_each_rate(usage: Usage, usd_: str, saved: str) -> None:
    """Unset cache rates follow the input rate: read 0.10, written 1.25, one hour 2.0; reasoning is in output."""
    cost = cost_of(usage, PRICE)
    assert (cost.usd, cost.saved_usd) == (Decimal(usd_), Decimal(saved))


@given(USAGES, PRICES)
def test_costs_are_exact(usage: Usage, price: Price) -> None:
    """To the last digit, against rational arithmetic, for any tokens and any rates."""
    rates = [
        (usage.input, price.input_per_mtok),
        (usage.cache_read, price.read),
        (usage.cache_write, price.write),
        (usage.cache_write_1h, price.write_1h),
        (usage.output, price.output_per_mtok),
    ]
    exact = sum((tokens * Fraction(rate) / 10**6 for tokens, rate in rates), Fraction(0))
    saved = usage.cache_read * (Fraction(price.input_per_mtok) - Fraction(price.read)) / 10**6
    cost = cost_of(usage, price)
    assert cost.usd is not None
    assert cost.saved_usd is not None
    assert (Fraction(cost.usd), Fraction(cost.saved_usd)) == (exact, saved)


@pytest.mark.case("U16")
def test_which_figure_wins() -> None:
    """Subscription is 0, the provider's own figure beats ours, and without a price the cost is unknown."""
    usage, reported = Usage(1000), Decimal("0.00012")
    assert cost_of(usage, PRICE, reported_usd=reported).usd == reported
    assert cost_of(usage, PRICE, reported_usd=reported).basis is CostBasis.REPORTED
    assert cost_of(usage, None, reported_usd=reported).usd == reported
    free = cost_of(usage, PRICE, reported_usd=reported, subscription=True)
    assert (free.usd, free.basis) == (Decimal(0), CostBasis.SUBSCRIPTION)
    assert cost_of(usage, None) == cost_of(None, PRICE) == UNKNOWN_COST


@pytest.mark.case("U16")
@pytest.mark.parametrize("more", [{"reported_usd": Decimal("0.00012")}, {"subscription": True}, {}])
def test_a_saving_is_unknown_without_a_price_and_without_usage(more: dict[str, Any]) -> None:
    """It is the difference of two rates times tokens: whoever names the cost does not say it, and it is not 0."""
    usage = Usage(1000, cache_read=200)
    assert cost_of(usage, PRICE, **more).saved_usd == Decimal("0.00054")
    assert cost_of(usage, None, **more).saved_usd is None
    assert cost_of(None, PRICE, **more).saved_usd is None


@pytest.mark.case("U16")
def test_what_is_unknown_is_never_zero() -> None:
    """A used attempt without a price is counted as unpriced, and a sum with an unknown part is unknown."""
    unknown = fact(usage=Usage(10), cost_usd=None)
    free = fact(usage=Usage(10), cost_usd=Decimal(0))
    assert (fold_facts(Session, [unknown, free]).unpriced, Spend.of(unknown).unpriced) == (1, 1)
    assert Spend.of(free).unpriced == 0
    assert total_of([Decimal(1), None]) is None
    assert text(None) is None


@pytest.mark.case("U14")
def test_failed_attempts_are_paid_for() -> None:
    """An inference's cost is that of all its attempts, not of the last one."""
    facts = [
        fact(inference_id="inf_0" + "0" * 31, ok=False, usage=Usage(1), cost_usd=Decimal("0.003")),
        fact(inference_id="inf_0" + "0" * 31, n=2, usage=Usage(1), cost_usd=Decimal("0.004")),
    ]
    assert fold_facts(Session, facts).cost_usd == Decimal("0.007")
    assert fold_facts(Spend, facts).cost_usd == Decimal("0.007")


@pytest.mark.parametrize("value", [True, False, None, "NaN", float("inf"), -1, "-0.01", "x", Decimal("sNaN")])
def test_what_is_no_amount_is_refused(value: object) -> None:
    """Booleans, NaN, infinities, negatives and words, in one place."""
    with pytest.raises(ValueError, match="not an amount"):
        usd(value)


@pytest.mark.parametrize(
    ("value", "plain"), [("1E-7", "0.0000001"), ("5.00", "5"), ("0E-9", "0"), ("1E+3", "1000")]
)
def test_money_as_text_is_plain(value: str, plain: str) -> None:
    """Never in exponent notation, never with idle zeros."""
    assert text(usd(value)) == plain


def test_a_price_version_names_the_rates_that_applied() -> None:
    """The same rates, however they were written, are one version; another rate is another one."""
    assert PRICE.version == Price(Decimal("3.0"), Decimal("15.00"), Decimal("0.3")).version
    assert PRICE.version != Price(Decimal(3), Decimal(16)).version
    assert fact(NOW).price_version == ""
