"""The health guard: what a run of faults means by a profile's own numbers."""

from ledger.folds.health import Faults, Standing
from route.profiles import HealthGuard, ProfileConfig


def standing(faults: Faults, guard: HealthGuard) -> Standing:
    """A route's state, since when, and until when it rests (ms)."""
    return faults.standing(guard.threshold, guard.cooldown_s * 1000, guard.max_cooldown_s * 1000)


def lease_ms(profile: ProfileConfig) -> int:
    """How long a probe is one router's alone: as long as its call may last, should that router die meanwhile."""
    return round(profile.deadlines.attempt_s * 1000) + AFTER_MS


def pause_ms(guard: HealthGuard) -> int:
    """How long nobody else probes once it has ended: until the whole fleet knows, and never longer than a rest."""
    return min(60, guard.cooldown_s) * 1000


AFTER_MS = 5_000
"""For what is done around the call."""
