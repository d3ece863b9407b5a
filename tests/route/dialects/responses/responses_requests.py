"""Neutral requests, and what is written of them for a provider of Responses."""

from typing import Any

from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.neutral import NeutralRequest, Option, Text, Turn
from route.dialects.responses.conversion import CONVERSION

Json = dict[str, Any]
TARGET = Target("small-2026-01")
HELLO = Turn("user", (Text(text="Hello"),))


def write(*turns: Turn, target: Target = TARGET, **more: Any) -> tuple[Json, Report]:
    report = Report()
    return CONVERSION.write_request(NeutralRequest(turns or (HELLO,), **more), target, report), report


def option(name: str, value: Any, **more: Any) -> tuple[Json, Report]:
    """A request with one option, written."""
    return write(options={name: Option(value, name)}, **more)
