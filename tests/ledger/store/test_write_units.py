"""What one request costs in write units."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ledger.items import Origin, Started
from ledger.outcomes import Ending
from ledger.prices import CostBasis
from ledger.usage import Usage
from tests.ledger.make import NOW, fact, inference
from tests.ledger.store.tables import fresh_store, metered_client

MOST = 8
PLAN_BYTES = 350


@pytest.mark.case("11.6")
async def test_a_session_request_costs_at_most_8_write_units(any_store_url: str) -> None:
    """Opening, one attempt and closing with long names, every field set, and the indexes included."""
    origin = Origin(
        caller="c" * 20,
        tenant="t" * 20,
        dialect="messages",
        profile="coding-balanced",
        requested_model="m" * 40,
        session="0d4c1bb5-8f8c-4b07-a9e6-d21dd4b5a1a7",
        agent="review-agent",
        stream=True,
        tools_requested=True,
        size="32k-128k",
        tool_loop="inject",
    )
    opened = inference(origin=origin, attempts=0, plan=bytes(PLAN_BYTES))
    started = Started(1, "openrouter", "m" * 40, NOW)
    row = fact(
        inference_id=opened.inference_id,
        origin=origin,
        started_at=NOW,
        provider="openrouter",
        model="m" * 40,
        served_by="s" * 12,
        wire_model="w" * 40,
        served_model="w" * 40,
        http_status=200,
        latency_ms=12_345,
        ttft_ms=678,
        retry_after_ms=3_600_000,
        usage=Usage(123_456, 234_567, 34_567, 4_567, 5_678, 789),
        tool_calls=3,
        cost_usd=Decimal("1.234567890123"),
        saved_usd=Decimal("0.234567890123"),
        cost_basis=CostBasis.COMPUTED,
        price_version="0123456789ab",
        dropped=(
            "anthropic-beta",
            "context_management",
            "messages[].content[].cache_control",
            "system[]",
            "tools[].eager",
        ),
        repaired=("tool_index", "usage"),
        closes=Ending.OK,
    )
    units: dict[str, float] = {}
    async with fresh_store(any_store_url, metered_client(units)) as store:
        assert await store.facts.open_inference(replace(opened, started=(started,)))
        assert await store.facts.put_fact(row)
        assert await store.facts.close_inference(opened.inference_id, at=NOW, ending=Ending.OK, status=200)
    print(f"write units: {units}")
    assert 0 < sum(units.values()) <= MOST
