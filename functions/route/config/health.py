"""The health guard: what a run of faults means by a profile's own numbers."""

from ledger.folds.health import Faults, Standing
from route.config.profiles import HealthGuard


def standing(faults: Faults, guard: HealthGuard) -> Standing:
    """A route's state, since when, and until when it rests (ms)."""
    return faults.standing(guard.threshold, guard.cooldown_s * 1000, guard.max_cooldown_s * 1000)
