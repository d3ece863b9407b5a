"""One call of one route: what is known of it while it runs, and once it has ended."""

from dataclasses import dataclass, field

from route.classify import Verdict
from route.dialects.base import Reader
from route.plan import Route


@dataclass(slots=True)
class Attempt:
    """One call while it runs and after. `error` None: it succeeded."""

    n: int
    route: Route
    reader: Reader
    started_at: int
    ended_at: int = 0
    ttft_ms: int | None = None
    http_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    verdict: Verdict | None = None

    @property
    def latency_ms(self) -> int:
        return self.ended_at - self.started_at
