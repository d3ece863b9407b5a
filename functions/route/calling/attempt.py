"""One call of one route: what is known of it while it runs, and once it has ended."""

from dataclasses import dataclass, field

from route.calling.classify import Failure
from route.config.routes import Route
from route.dialects.base import Reader
from route.request.translation import Translation


@dataclass(slots=True)
class Attempt:
    """One call while it runs and after. `error` None: it succeeded. `translation`: what the route is told."""

    n: int
    route: Route
    translation: Translation
    reader: Reader
    started_at: int
    ended_at: int = 0
    ttft_ms: int | None = None
    http_status: int | None = None
    instead_of: str = ""
    unsent: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    failure: Failure | None = None

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the route was not told, and (`answer.`) what the caller is not told."""
        return (*self.translation.dropped, *self.unsent, *(f"answer.{path}" for path in self.reader.dropped))

    @property
    def latency_ms(self) -> int:
        return self.ended_at - self.started_at
