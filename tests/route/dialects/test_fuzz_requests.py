"""Whatever a caller sends: a request, or an error of the caller's. Never one of ours."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from route.dialects.base import Dialect, dump
from route.dialects.conversion import Target
from route.dialects.fields import Report
from route.errors import ApiError, BadRequest
from route.request.parse import Request, parse, parse_body
from tests.route.build import KEY, Json, config
from tests.route.dialects import fuzzing
from tests.route.dialects.fuzzing import ANY_JSON, DIALECTS, REQUESTS, TRANSLATED, as_json

CONFIG = config()
TARGETS = (
    Target("w"),
    Target("w", max_output_tokens=500, thinking="budget", cache_control=True, developer_role=True),
    Target("w", images=False, structured_output=False, thinking="none", sampling=False),
    Target("w", thinking="adaptive", max_tokens_field="max_completion_tokens"),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-warmroute-session": st.text(max_size=5),
        "x-warmroute-profile": st.text(max_size=3) | st.just("large"),
        "x-warmroute-agent": st.text(max_size=5),
        "session-id": st.text(max_size=5),
    },
)


def named(dialect: Dialect) -> str:
    return dialect.name


def parsed(dialect: Dialect, body: Any, headers: dict[str, str]) -> Request | None:
    """The request as it came over the wire; None where it was refused as the caller's fault."""
    try:
        request = parse(dialect, parse_body(as_json(body)), headers, "", KEY, CONFIG)
    except ApiError as error:
        fault = error
    else:
        json.loads(dump(dialect.upstream_body(request.body, "w")))
        assert all(isinstance(name, str) for name in dialect.left_out(request.body))
        return request
    assert 400 <= fault.status < 500
    dump(dialect.error_document(fault, "inf_1"))
    return None


@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
@given(st.data())
@settings(max_examples=100)
def test_any_json_is_a_request_or_none(dialect: Dialect, data: st.DataObject) -> None:
    """Objects that hold anything, under the dialect's own names and others."""
    names = st.sampled_from([*REQUESTS[dialect.name], "session", "profile", "stream", "functions"])
    body = data.draw(ANY_JSON | st.dictionaries(names | st.text(max_size=3), ANY_JSON, max_size=6))
    parsed(dialect, body, data.draw(HEADERS))


@pytest.mark.parametrize("dialect", DIALECTS, ids=named)
@given(st.data())
@settings(max_examples=200)
def test_any_damaged_request_is_a_request_or_none(dialect: Dialect, data: st.DataObject) -> None:
    """Real ones, with values of other types, missing, doubled and moved."""
    parsed(dialect, data.draw(fuzzing.damaged(REQUESTS[dialect.name], 4)), data.draw(HEADERS))


PAIRS = [(own, theirs) for own in TRANSLATED for theirs in TRANSLATED]


@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=[f"{o.name}-{t.name}" for o, t in PAIRS])
@given(st.data())
@settings(max_examples=150)
def test_any_damaged_request_is_translated_or_refused(own: Dialect, theirs: Dialect, data: st.DataObject) -> None:
    """Into a body that can be sent, with what is lost named; a fault of the caller's is told as such."""
    body = data.draw(fuzzing.damaged(REQUESTS[own.name], 4))
    if parsed(own, body, {}) is None:
        return
    translated(own, theirs, parse_body(as_json(body)), data.draw(st.sampled_from(TARGETS)))


@pytest.mark.parametrize(("own", "theirs"), PAIRS, ids=[f"{o.name}-{t.name}" for o, t in PAIRS])
@pytest.mark.parametrize("target", TARGETS)
def test_sound_requests_are_translated(own: Dialect, theirs: Dialect, target: Target) -> None:
    """What is damaged above can be read and written as long as it is whole."""
    assert translated(own, theirs, REQUESTS[own.name], target) is not None


def translated(own: Dialect, theirs: Dialect, body: Json, target: Target) -> Json | None:
    assert own.conversion
    assert theirs.conversion
    report = Report()
    try:
        neutral = own.conversion.read_request(body)
        written = theirs.conversion.write_request(neutral, target, report)
    except BadRequest:
        return None
    names = (*neutral.dropped, *neutral.refused, *report.dropped, *report.refused)
    assert all(isinstance(name, str) for name in names)
    again: Json = json.loads(dump(written))
    assert again["model"] == "w"
    return again
