"""What a stand-in remembers of each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any
from urllib.parse import parse_qsl


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

    @property
    def params(self) -> dict[str, str]:
        """The query by name; of a name that is repeated, the last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def target(self) -> str:
        """Path and query as they stood in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """A header, whatever the case of its name."""
        return self.headers.get(name.lower())

    def at(self, path: str) -> Any:
        """A value inside the body by its path, e.g. ``messages.-1.content.0.text``; None when it is not there."""

        def inner(value: Any, name: str) -> Any:
            try:
                return value[int(name)] if isinstance(value, list) else value.get(name)
            except (AttributeError, IndexError, ValueError):
                return None

        return reduce(inner, path.split("."), self.body)

    def as_json(self) -> dict[str, Any]:
        """All of the record but the raw bytes and the notes."""
        return {name: value for name, value in vars(self).items() if name not in ("raw", "notes")}
