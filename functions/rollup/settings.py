"""What the rollup reads from its environment, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from rollup.reaper import LOST_AFTER_MS

LAG_MS = 2_000
"""How far DynamoDB's indexes may be behind. What was written since is left to the next pass."""

PASS_EVERY_S = 10.0
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class RollupSettings:
    """`pass_every_s`: seconds between two passes of a run (0: one pass). `dynamodb_url`: an emulator's."""

    facts_table: str
    views_table: str
    region: str = REGION
    dynamodb_url: str | None = None
    pass_every_s: float = PASS_EVERY_S
    lag_ms: int = LAG_MS
    lost_after_ms: int = LOST_AFTER_MS

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """ValueError when a table's name is missing or a number is none."""
        try:
            facts, views = env["WARMROUTE_FACTS_TABLE"], env["WARMROUTE_VIEWS_TABLE"]
        except KeyError as missing:
            raise ValueError(f"the environment has no {missing}") from missing
        return cls(
            facts_table=facts,
            views_table=views,
            region=env.get("AWS_REGION", REGION),
            dynamodb_url=env.get("WARMROUTE_DYNAMODB_URL") or None,
            pass_every_s=float(env.get("WARMROUTE_ROLLUP_PASS_EVERY_S", PASS_EVERY_S)),
            lag_ms=int(env.get("WARMROUTE_ROLLUP_LAG_MS", LAG_MS)),
            lost_after_ms=int(env.get("WARMROUTE_LOST_AFTER_MS", LOST_AFTER_MS)),
        )
