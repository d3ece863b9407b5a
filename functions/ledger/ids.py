"""Inference ids: RFC 9562 UUIDv7 with a prefix, so that ids sort by time and spread by randomness."""

import secrets
import uuid

PREFIX = "inf_"
SHARDS = 16
"""Partitions of one minute in the `by_minute` index. Fixed: changing it would hide old facts."""

_RANDOM_BITS = 74  # 12 bits rand_a and 62 bits rand_b


def new_inference_id(at_ms: int, random_bits: int | None = None) -> str:
    """`inf_` and 32 hex digits. `random_bits`: 74 bits, drawn here when not given."""
    bits = secrets.randbits(_RANDOM_BITS) if random_bits is None else random_bits
    version, variant = 0x7, 0b10
    value = (at_ms & (1 << 48) - 1) << 80 | version << 76 | (bits >> 62 & 0xFFF) << 64
    value |= variant << 62 | bits & (1 << 62) - 1
    return PREFIX + uuid.UUID(int=value).hex


def instant_of(inference_id: str) -> int:
    """When an id was made, in ms since the epoch: its first 48 bits say it."""
    return int(inference_id.removeprefix(PREFIX)[:12], 16)


def shard_of(inference_id: str) -> int:
    """The shard that an id falls in, 0 to 15, from its last (random) hex digit."""
    return int(inference_id[-1], 16) % SHARDS
