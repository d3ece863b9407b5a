"""Instants. Inside, time is one integer: milliseconds since the Unix epoch, UTC.

Only the names of minutes, hours and days, which are parts of keys, are text.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


def now_ms() -> int:
    """The wall clock. Pure code takes the instant as an argument; only the rims call this."""
    return time.time_ns() // 1_000_000


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def minute_of(at_ms: int) -> str:
    """The UTC minute of an instant, `2026-11-20T13:18`. Sorts as time does."""
    return _minute(at_ms // MINUTE_MS)


@lru_cache(maxsize=4096)
def _minute(number: int) -> str:
    """Of the minute's number since the epoch. Kept, since each fact is put under a few such names."""
    return _utc(number * MINUTE_MS).strftime("%Y-%m-%dT%H:%M")


def hour_of(at_ms: int) -> str:
    """The UTC hour of an instant, `2026-11-20T13`."""
    return minute_of(at_ms)[:13]


def day_of(at_ms: int) -> str:
    """The UTC day of an instant, `2026-11-20`."""
    return minute_of(at_ms)[:10]


def month_of(at_ms: int) -> str:
    """The UTC month of an instant, `2026-11`."""
    return minute_of(at_ms)[:7]


def minute_start_ms(minute: str) -> int:
    """The first instant of a minute name. ValueError when it is not one."""
    return round(datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC).timestamp() * 1000)


def day_start_ms(day: str) -> int:
    """The first instant of a day name. ValueError when it is not one."""
    return minute_start_ms(f"{day}T00:00")


def minutes_between(first: str, last: str) -> list[str]:
    """Every minute from `first` to `last`, both included; empty when `last` is before `first`."""
    begin, end = minute_start_ms(first), minute_start_ms(last)
    return [minute_of(at) for at in range(begin, end + 1, MINUTE_MS)]


def next_minute(minute: str) -> str:
    return minute_of(minute_start_ms(minute) + MINUTE_MS)


def period_of(period: str, at_ms: int) -> str:
    """The name of the UTC calendar period (`day` or `month`) that holds an instant."""
    return day_of(at_ms) if period == "day" else month_of(at_ms)


def period_end_ms(period: str, at_ms: int) -> int:
    """The first instant after that period: when its budget is whole again."""
    start = _utc(at_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        end = start + timedelta(days=1)
    else:
        end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return round(end.timestamp() * 1000)


def iso(at_ms: int) -> str:
    """RFC 3339 with milliseconds, for people and JSON: `2026-11-20T13:18:05.123Z`."""
    return _utc(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
