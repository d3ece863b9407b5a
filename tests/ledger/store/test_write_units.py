"""What one request with one attempt costs in write units, the indexes included: an opening write and a close."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ledger.items import Inference, Origin, Started
from ledger.prices import CostBasis
from ledger.store.records import attempt_item
from ledger.usage import Usage
from tests.ledger.make import NOW, closed_with, fact, inference
from tests.ledger.store.tables import fresh_store, metered_client

SESSION = "0d4c1bb5-8f8c-4b07-a9e6-d21dd4b5a1a7"
ORIGIN = Origin(
    caller="checkout-service",
    tenant="acme-inc",
    dialect="messages",
    profile="coding",
    requested_model="claude-sonnet-4-6",
    session=SESSION,
    agent="review-agent",
    stream=True,
    tools_requested=True,
    size="m",
)
USUAL: dict[str, Any] = {
    "started_at": NOW - 12_345,
    "provider": "openrouter",
    "model": "claude-sonnet-4-6",
    "served_by": "Anthropic",
    "wire_model": "anthropic/claude-sonnet-4.6",
    "http_status": 200,
    "latency_ms": 12_345,
    "ttft_ms": 678,
    "usage": Usage(1_234, 23_456, 345, 0, 567),
    "tool_calls": 1,
    "cost_usd": Decimal("0.0234567"),
    "saved_usd": Decimal("0.0633312"),
    "cost_basis": CostBasis.COMPUTED,
    "price_version": "0123456789ab",
}
LONG_ORIGIN = replace(
    ORIGIN,
    caller="c" * 20,
    tenant="t" * 20,
    profile="coding-balanced",
    requested_model="m" * 40,
    tool_loop="inject",
)
EVERYTHING: dict[str, Any] = USUAL | {
    "model": "m" * 40,
    "served_by": "s" * 12,
    "wire_model": "w" * 40,
    "served_model": "w" * 40,
    "retry_after_ms": 3_600_000,
    "usage": Usage(123_456, 234_567, 34_567, 4_567, 5_678, 789),
    "cost_usd": Decimal("1.234567890123"),
    "saved_usd": Decimal("0.234567890123"),
    "dropped": ("anthropic-beta", "context_management", "messages[].content[].cache_control", "tools[].eager"),
    "repaired": ("tool_index", "usage"),
}
SIX_CANDIDATES = 310
"""Bytes of a stored decision over six candidates; one over two has about 170."""


async def written(url: str, opened: Inference, **values: Any) -> float:
    """The units of the two writes of a request whose attempt has these values."""
    row = fact(inference_id=opened.inference_id, origin=opened.origin, **values)
    units: dict[str, float] = {}
    async with fresh_store(url, metered_client(units)) as store:
        started = Started(1, row.provider, row.model, NOW)
        assert await store.facts.open_inference(replace(opened, started=(started,)))
        assert await store.facts.close_inference(closed_with(opened, row))
    print(f"write units: {units}")
    return sum(units.values())


@pytest.mark.case("11.6")
@pytest.mark.parametrize(
    ("origin", "values", "plan_bytes", "units"),
    [
        (ORIGIN, USUAL, SIX_CANDIDATES, 6),
        (replace(ORIGIN, session=""), USUAL, SIX_CANDIDATES, 5),
        (LONG_ORIGIN, EVERYTHING, SIX_CANDIDATES + 40, 7),
    ],
    ids=["with a session", "without a session", "every field, long names"],
)
async def test_what_a_request_costs(
    any_store_url: str, origin: Origin, values: dict[str, Any], plan_bytes: int, units: int
) -> None:
    """6 with a session, 5 without; one more only where names and fields fill more than a kilobyte."""
    opened = inference(origin=origin, attempts=0, plan=bytes(plan_bytes))
    assert await written(any_store_url, opened, **values) == units


def test_a_fact_fits_into_one_unit_of_an_index() -> None:
    """Whatever its fields: two indexes copy it, and each kilobyte would be a unit more in both."""
    item = attempt_item(fact(origin=LONG_ORIGIN, **EVERYTHING))
    assert len(str(item["fact"])) < 1024
