"""The buffered handler: the ordinary entry point, for where the wrapper is unknown."""

import asyncio
import base64
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Send

from route.hosting import runtime
from tests.route.hosting.runtime_stand_in import Echo, Scope, Sent, ending, serving, url_event

CONTEXT = SimpleNamespace(aws_request_id="request-7", get_remaining_time_in_millis=lambda: 60_000)


@pytest.fixture
def buffered_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ASGIApp]]:
    """Put an app into the list and the buffered handler serves it."""
    apps: list[ASGIApp] = []
    monkeypatch.setattr(runtime, "load_app", lambda: apps[0])
    runtime._standing.cache_clear()
    yield apps
    if runtime._standing.cache_info().currsize:
        loop, host = runtime._standing()
        loop.run_until_complete(host.stop())
        loop.close()
    runtime._standing.cache_clear()


def test_the_buffered_handler_gives_whole_answers_from_one_loop(buffered_app: list[ASGIApp]) -> None:
    """Where the wrapper is unknown the same app answers, with one lifespan and a deadline of its own."""
    buffered_app.append(app := Echo())
    before_ms = time.time() * 1000
    answers = [runtime.handler(url_event(body=body), CONTEXT) for body in ("one", "two")]
    assert answers[0] == {
        "statusCode": 200,
        "headers": {},
        "cookies": [],
        "body": "one",
        "isBase64Encoded": False,
    }
    assert answers[1]["body"] == "two"
    assert (app.lifespans, len(app.loops)) == (1, 1)
    deadline_ms = app.scopes[0]["extensions"]["warmroute.deadline_ms"]
    assert abs(deadline_ms - before_ms - 60_000) < 5_000


def test_the_buffered_handler_encodes_what_is_not_text(buffered_app: list[ASGIApp]) -> None:
    """A payload is JSON, so bytes that are no UTF-8 travel in base64."""
    buffered_app.append(ending(b"\xff", b"\x00", headers=[(b"set-cookie", b"a=1")]))
    answer = runtime.handler(url_event(), CONTEXT)
    assert (answer["isBase64Encoded"], base64.b64decode(answer["body"])) == (True, b"\xff\x00")
    assert answer["cookies"] == ["a=1"]


def test_the_buffered_handler_answers_a_fault_with_a_500(
    buffered_app: list[ASGIApp], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of a half answer goes out, and nothing of the fault's text."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("SECRET")

    buffered_app.append(app)
    answer = runtime.handler(url_event(), CONTEXT)
    assert (answer["statusCode"], "half" in answer["body"]) == (500, False)
    assert "SECRET" not in answer["body"] + capsys.readouterr().err


def test_the_buffered_handler_gives_the_app_s_own_error(
    buffered_app: list[ASGIApp], capsys: pytest.CaptureFixture[str]
) -> None:
    """A framework answers in its own words and raises again for the log: the answer is whole, so it goes out."""

    async def fail(_request: Request) -> Response:
        raise ValueError("SECRET")

    async def say(_request: Request, _error: Exception) -> Response:
        return Response(b'{"error": "in the dialect"}', 500, media_type="application/json")

    buffered_app.append(
        Starlette(
            routes=[Route("/{path:path}", fail, methods=["GET", "POST"])], exception_handlers={Exception: say}
        )
    )
    answer = runtime.handler(url_event(), CONTEXT)
    assert (answer["statusCode"], answer["body"]) == (500, '{"error": "in the dialect"}')
    logged = capsys.readouterr().err
    assert ("request-failed" in logged, "SECRET" in logged) == (True, False)


async def test_streamed_and_buffered_answers_share_their_head(
    sent_both_ways: tuple[Sent, dict[str, Any]],
) -> None:
    """One scope and one head builder: neither an app nor its caller can tell which way it was served."""
    streamed, whole = sent_both_ways
    assert streamed.head == {name: whole[name] for name in ("statusCode", "headers", "cookies")}
    assert streamed.answer.decode() == whole["body"]


@pytest.fixture
async def sent_both_ways(buffered_app: list[ASGIApp]) -> tuple[Sent, dict[str, Any]]:
    app = ending(b"same", status=418, headers=[(b"x-a", b"1"), (b"x-a", b"2"), (b"set-cookie", b"c")])
    buffered_app.append(app)
    whole = await asyncio.to_thread(runtime.handler, url_event(), CONTEXT)
    async with serving(app) as api:
        return await api.invoke(url_event()), whole
