"""Requests in chat completions, read into the neutral form and written from it."""

from dataclasses import replace
from typing import Any

from route.dialects.chat.conversion import CONVERSION
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.dialects.neutral import NeutralRequest, Text, Turn
from tests.fakes.fields import chat_field_unknown
from tests.fakes.rules_chat import chat_rules
from tests.route.build import Json

TARGET = Target("small-2026-01")
GATEWAY = replace(TARGET, cache_control=True, developer_role=True)
MARK = {"type": "ephemeral"}
HELLO = Turn("user", (Text(text="Hello"),))


def write(
    *turns: Turn, target: Target = TARGET, stream: bool = False, **more: Any
) -> tuple[Json, tuple[str, ...], tuple[str, ...]]:
    """The body, what was dropped, what was refused. Raises AssertionError where the vendor would say no."""
    report = Report()
    request = NeutralRequest(turns=turns or (HELLO,), stream=stream, **more)
    body = CONVERSION.write_request(request, target, report)
    if not report.refused:
        assert [fault.message for fault in chat_rules(body)] == []
    if not report.refused and target.cache_control is not True:
        assert chat_field_unknown(body) is None
    return body, report.dropped, report.refused


def read(asked: Json) -> NeutralRequest:
    """The caller's body as a neutral request."""
    return CONVERSION.read_request(asked)
