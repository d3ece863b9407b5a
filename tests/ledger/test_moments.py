"""Instants and the names of minutes, days and months."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import moments
from ledger.keys import spend_keys
from tests.ledger.make import fact

INSTANT = st.integers(0, 4 * 10**12)
APRIL_END = moments.minute_start_ms("2026-04-30T23:59")


@given(INSTANT)
def test_a_minute_holds_its_instants(at: int) -> None:
    """Its start is at most a minute before; names sort as time does."""
    minute = moments.minute_of(at)
    assert 0 <= at - moments.minute_start_ms(minute) < moments.MINUTE_MS
    assert minute < moments.next_minute(minute)
    assert minute.startswith(moments.day_of(at))
    assert moments.day_of(at).startswith(moments.month_of(at))


@given(INSTANT, st.sampled_from(["day", "month"]))
def test_a_period_ends_where_the_next_begins(at: int, period: str) -> None:
    """The last ms is in it, the next one is not."""
    end = moments.period_end_ms(period, at)
    assert at < end
    assert moments.period_of(period, end - 1) == moments.period_of(period, at) != moments.period_of(period, end)


@pytest.mark.case("C11")
def test_spend_at_midnight_falls_in_the_period_of_its_instant() -> None:
    """30 April 23:59:59.999 is April, the next ms is May: other items, so nothing is ever reset."""
    last, first = fact(APRIL_END + 59_999), fact(APRIL_END + 60_000)
    assert ("spend#provider#2026-04", "acme#2026-04-30") in spend_keys(last)
    assert ("spend#provider#2026-05", "acme#2026-05-01") in spend_keys(first)


def test_minutes_between_includes_both_and_may_be_empty() -> None:
    """Across midnight too."""
    assert moments.minutes_between("2026-04-30T23:59", "2026-05-01T00:01") == [
        "2026-04-30T23:59",
        "2026-05-01T00:00",
        "2026-05-01T00:01",
    ]
    assert moments.minutes_between("2026-05-01T00:01", "2026-05-01T00:00") == []


def test_iso_has_milliseconds_and_z() -> None:
    """RFC 3339, UTC."""
    assert moments.iso(APRIL_END + 5_007) == "2026-04-30T23:59:05.007Z"
