"""What a config's routes are made of, and what a call of one costs."""

import copy
from typing import Any

import pytest

from ledger.prices import FREE
from tests.route.build import config, model, provider
from tests.route.config.files import ONE


def test_routes_are_made_once_for_a_config() -> None:
    """Every request gets the same objects, so that what they have worked out is not worked out again."""
    limits = config()
    assert limits.routes["acme/small"] is limits.routes_of(["acme/small"])[0]


@pytest.mark.parametrize("deep", [False, True])
def test_a_changed_copy_of_a_config_has_its_own_routes(deep: bool) -> None:
    """A copy with other providers never shows the routes that the original has made, nor an older price."""
    first = config(providers=[provider("acme", model())], profiles=ONE)
    assert {name: route.price is None for name, route in first.routes.items()} == {"acme/small": False}
    acme = first.providers[0]
    unpriced = acme.models[0].model_copy(update={"price": None}, deep=deep)
    renamed = acme.model_copy(update={"name": "anna", "models": (unpriced,)}, deep=deep)
    second = first.model_copy(update={"providers": (renamed,)}, deep=deep)
    assert {name: route.price is None for name, route in second.routes.items()} == {"anna/small": True}
    assert list(first.routes) == ["acme/small"]


def test_an_unchanged_copy_of_a_config_is_equal() -> None:
    """What a config has worked out of itself is no part of what it says."""
    first = config()
    assert first.routes
    assert first.model_copy() == copy.copy(first) == first == config()


PRICED: dict[str, Any] = {"input_per_mtok": 1, "output_per_mtok": 2}


@pytest.mark.parametrize(("price", "has_list_price"), [(PRICED, True), (None, False)])
def test_a_subscription_makes_every_call_free(price: Any, has_list_price: bool) -> None:
    """Whether its models have a list price or none; without a subscription a call costs what the list says."""
    for subscription in (True, False):
        acme = provider("acme", model(price=price), subscription=subscription)
        (route,) = config(providers=[acme], profiles=ONE).routes.values()
        assert (route.list_price is not None) == has_list_price
        assert route.price == (FREE if subscription else route.list_price)
