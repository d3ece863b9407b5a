"""Stand-ins for providers: real HTTP servers that speak the vendors' exact wire formats, and fail on request.

>>> from tests.fakes import Answer, Cut, Fail, Provider
>>> with Provider("anthropic") as p:
...     p.plan(Fail(529), Cut(after_chunks=2, how="torn"), Answer(text="hi", usage={"prompt": 9}))
"""

from tests.fakes.provider import Provider, unused_port, wires_of
from tests.fakes.records import Record
from tests.fakes.steps import (
    Agent,
    Answer,
    Cut,
    Damaged,
    Fail,
    Garbage,
    Hang,
    Pings,
    Raw,
    Step,
    StreamError,
    ToolCall,
    Wait,
    step_from_json,
)

__all__ = [
    "Agent",
    "Answer",
    "Cut",
    "Damaged",
    "Fail",
    "Garbage",
    "Hang",
    "Pings",
    "Provider",
    "Raw",
    "Record",
    "Step",
    "StreamError",
    "ToolCall",
    "Wait",
    "step_from_json",
    "unused_port",
    "wires_of",
]
