"""Reading receipts of older, newer and odd routers."""

from decimal import Decimal
from typing import Any

import pytest

from warmroute.receipts import Attempt, read_receipt


@pytest.mark.parametrize(
    ("given", "dollars"),
    [
        ("0.010935", Decimal("0.010935")),
        (0.00054, Decimal("0.00054")),
        (0, Decimal(0)),
        ("1E-7", Decimal("0.0000001")),
        (None, None),
        (True, None),
        ("NaN", None),
        ("Infinity", None),
        (-1, None),
        ("-0.01", None),
        ("free", None),
        ({}, None),
    ],
)
def test_money_is_exact_or_unknown(given: Any, dollars: Decimal | None) -> None:
    """Strings and numbers give exact dollars; what is no amount is unknown, and unknown is never 0."""
    assert read_receipt({"cost_usd": given}, {}).cost_usd == dollars


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"attempts": None, "usage": None, "plan": None, "session": None, "dropped": None},
        {"attempts": "x", "usage": 3, "plan": [], "session": "s", "dropped": {}, "inference_id": 7},
        {"attempts": [None, 1, {}], "usage": {"input": "many"}, "plan": {}, "session": {}},
    ],
)
def test_odd_receipts_never_raise(odd: dict[str, Any]) -> None:
    """A receipt that cannot be read in part is read in part; nobody's answer is lost over it."""
    found = read_receipt(odd, {"x-warmroute-attempts": "many", "x-warmroute-overhead-ms": "fast"})
    assert not found.partial
    assert (found.cost_usd, found.overhead_ms, found.inference_id) == (None, None, None)
    assert all(each == Attempt() for each in found.attempts)


def test_unknown_keys_are_kept_in_raw() -> None:
    """A newer router's fields can be read before this package knows them."""
    assert read_receipt({"news": 1}, {}).raw == {"news": 1}


def test_headers_fill_what_the_body_leaves_open() -> None:
    """The body wins over the headers, and the escaped route names provider and model when the body does not."""
    headers = {
        "x-warmroute-inference-id": "inf_h",
        "x-warmroute-route": "a%7Cb|m%25|",
        "x-warmroute-attempts": "3",
    }
    found = read_receipt(None, headers)
    assert (found.partial, found.inference_id, found.attempt_count) == (True, "inf_h", 3)
    assert (found.provider, found.model) == ("a|b", "m%")
    whole = read_receipt({"inference_id": "inf_b", "provider": "p", "attempts": [{"n": 1}]}, headers)
    assert (whole.inference_id, whole.provider, whole.attempt_count) == ("inf_b", "p", 1)


def test_receipts_are_values() -> None:
    """Frozen and equal by content, whatever else was in the raw form."""
    assert read_receipt({"model": "m", "x": 1}, {}) == read_receipt({"model": "m", "x": 2}, {})
    with pytest.raises(AttributeError):
        read_receipt({}, {}).model = "other"  # type: ignore[misc]
