"""What a stand-in remembers of each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Record:
    """One request. Moments are seconds of ``time.monotonic()``; None: it has not happened.

    ``aborted``: the caller went away before the whole reply was written.
    """

    n: int
    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lower case
    body: Any  # parsed JSON, None when there is none
    raw: bytes
    received_at: float
    request_id: str
    step: str = ""  # name of the step that answered, "" when no step was used
    status: int | None = None
    first_content_at: float | None = None
    sent_last_at: float | None = None
    content_sent: int = 0  # deltas written so far
    aborted: bool = False
    notes: dict[str, Any] = field(default_factory=dict)  # for tests' own use

    @property
    def streamed(self) -> bool:
        """Whether the caller asked for a stream."""
        return isinstance(self.body, dict) and bool(self.body.get("stream"))

    def as_json(self) -> dict[str, Any]:
        """The same, without the raw bytes."""
        return {name: value for name, value in vars(self).items() if name not in ("raw", "notes")}
