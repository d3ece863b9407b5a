"""What is logged of a fact the moment it is known, and that the instance's own view has it by then."""

from typing import Any

import pytest

from ledger.outcomes import FaultKind
from ledger.usage import Usage
from route.config.profiles import ProfileConfig
from route.fleet.fleet import Fleet
from route.recording.observe import observing
from tests.ledger.make import NOW, fact

NOTHING: Any = None
"""The store, which is not asked."""


def profile(**more: Any) -> ProfileConfig:
    return ProfileConfig.model_validate({"routes": ["acme/small"], **more})


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def told(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any]:
    return next(vars(record) for record in caplog.records if record.message == event)


def test_health_changes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """At the third fault, the sixth, and the success after it, with both states; not at those between."""
    caplog.set_level("INFO", "warmroute.route")
    fleet = Fleet(NOTHING, 0)
    see = observing(fleet, profile())
    changes = []
    for n in range(8):
        caplog.clear()
        see(fact(NOW + n, ok=n == 7))
        if "health-changed" in events(caplog):
            record = told(caplog, "health-changed")
            changes.append((n, record["before"], record["after"]))
    assert changes == [
        (2, "healthy", "degraded"),
        (5, "degraded", "unhealthy"),
        (7, "unhealthy", "healthy"),
    ]
    assert fleet.known.health.get("acme|small|").ok


@pytest.mark.parametrize(
    ("usage", "outcome"),
    [
        (Usage(120, 2048, output=30), "cache_hit"),
        (Usage(1, cache_write=9), "cache_write"),
        (Usage(1), "no_cache"),
        (None, "unknown"),
    ],
)
def test_what_became_of_the_cache_is_told(
    caplog: pytest.LogCaptureFixture, usage: Usage | None, outcome: str
) -> None:
    """Of each success; of a failure there is nothing to tell."""
    caplog.set_level("INFO", "warmroute.route")
    see = observing(Fleet(NOTHING, 0), profile())
    see(fact(usage=usage))
    assert told(caplog, "cache-observed")["outcome"] == outcome
    caplog.clear()
    see(fact(ok=False))
    assert "cache-observed" not in events(caplog)


@pytest.mark.parametrize(("action", "is_told"), [("skip", True), ("warn", True), ("off", False)])
def test_memory_pressure_is_told(caplog: pytest.LogCaptureFixture, action: str, is_told: bool) -> None:
    """Where the guard is on, whatever it does about it."""
    see = observing(Fleet(NOTHING, 0), profile(memory_pressure=action))
    see(fact(ok=False, kind=FaultKind.OUT_OF_MEMORY))
    assert ("memory-pressure-detected" in events(caplog)) is is_told


def test_what_a_route_was_not_told_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """By the paths of the fields, which are no content."""
    caplog.set_level("INFO", "warmroute.route")
    see = observing(Fleet(NOTHING, 0), profile())
    see(fact(dropped=("thinking", "seed")))
    assert told(caplog, "capability-degraded")["dropped"] == ["thinking", "seed"]
    caplog.clear()
    see(fact())
    assert "capability-degraded" not in events(caplog)
