"""Budgets and prices of a config: exact, and refused where they are no amounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.config.file import parse_config
from tests.route.build import Json, document, model, provider
from tests.route.config.files import DESIGN, ONE, fault, loaded, with_model

BUDGET = {"scope": "provider:acme", "period": "month", "limit_usd": 5}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scope": "provider:nobody"}, "budgets.0.scope: no provider 'nobody'"),
        ({"scope": "caller:amy"}, "budgets.0.scope: "),
        ({"scope": "provider:"}, "budgets.0.scope: "),
        ({"period": "week"}, "budgets.0.period: "),
        ({"action": "panic"}, "budgets.0.action: "),
        ({"limit": 5}, "budgets.0.limit: "),
        ({"limit_usd": -1}, "budgets.0.limit_usd: "),
    ],
)
def test_a_faulty_budget_is_refused(more: Json, said: str) -> None:
    """A budget that would never hold must not look as if it did."""
    assert said in fault(document(budgets=[BUDGET | more]))


@pytest.mark.parametrize("action", ["skip", "warn"])
def test_a_budget_needs_to_know_what_is_spent(action: str) -> None:
    """A model without a price costs nobody knows what: such a budget could not be held."""
    acme = provider("acme", model(), model("large") | {"price": None})
    only = {"profiles": ONE, "budgets": [BUDGET | {"action": action}]}
    said = fault(document(providers=[acme], **only))
    assert "budgets.0.scope: the spend would not be known, since providers.0.models.1 has no price" in said
    assert "models.0" not in said
    for known in (acme | {"subscription": True}, provider("acme", model(), model("large"))):
        assert loaded(document(providers=[known, provider("other", {"model": "small"})], **only)).budgets


def test_a_hard_budget_may_stand_over_models_without_a_price() -> None:
    """They are not called under it, so that nothing is spent that nobody knows; a soft one could not stop them."""
    acme = provider("acme", model(), model("large") | {"price": None})
    for mode, loads in (("hard", True), ("soft", False)):
        asked = document(providers=[acme], profiles=ONE, budgets=[BUDGET | {"mode": mode}])
        if loads:
            assert loaded(asked).budgets[0].mode == mode
        else:
            assert "the spend would not be known" in fault(asked)
    nobody = document(budgets=[BUDGET | {"scope": "provider:nobody", "mode": "hard"}])
    assert "budgets.0.scope: no provider 'nobody'" in fault(nobody)


NOT_MONEY = [-0.01, -1, float("nan"), float("inf"), True, False, None, "three", "", [3], "NaN", "-1"]


@pytest.mark.parametrize("value", NOT_MONEY, ids=repr)
@pytest.mark.parametrize("field", ["input_per_mtok", "output_per_mtok"])
@pytest.mark.case("U18")
def test_what_is_no_amount_is_no_price(value: object, field: str) -> None:
    """Negatives, NaN, infinities and booleans are refused where the file is read."""
    price = {"input_per_mtok": 1, "output_per_mtok": 1, field: value}
    assert f"providers.0.models.0.price.{field}: " in fault(with_model(price=price))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.075", "0.075"),
        ("0.1", "0.1"),
        ("3", "3"),
        ("0", "0"),
        ("'0.30'", "0.30"),
        ("1e-7", "1e-7"),
        ("2.5", "2.5"),
    ],
)
@pytest.mark.case("U18")
def test_money_is_exact(written: str, meant: str) -> None:
    """What the file says is what is meant, to the last digit; a price of 0 is allowed."""
    text = DESIGN.replace("input_per_mtok: 3", f"input_per_mtok: {written}")
    price = parse_config(text).routes["acme/small"].price
    assert price is not None
    assert price.input_per_mtok == Decimal(meant)


@given(st.decimals(0, 10_000, allow_nan=False, places=6))
def test_every_written_amount_is_exact(amount: Decimal) -> None:
    """Six places survive YAML's floats."""
    text = DESIGN.replace("limit_usd: 5", f"limit_usd: {amount:f}")
    assert parse_config(text).budgets[0].limit_usd == amount
