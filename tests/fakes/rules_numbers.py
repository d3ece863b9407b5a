"""What the vendors' rules about numbers have in common."""

from __future__ import annotations


def is_outside(value: object, low: float, high: float) -> bool:
    """Whether an option is given and is not a number from ``low`` to ``high``."""
    return value is not None and not (isinstance(value, int | float) and low <= value <= high)
