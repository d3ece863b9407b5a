"""Whatever goes wrong, the platform is told, the environment lives on, and no request's text is logged."""

import asyncio
import base64
import json

import pytest
from starlette.types import ASGIApp, Receive, Send

from route.hosting import runtime
from route.hosting.runtime_api import RuntimeApi
from tests.route.hosting.runtime_stand_in import Echo, RuntimeStandIn, Scope, ending, listening, serving, url_event


async def test_a_fault_before_the_first_byte_is_reported_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The platform gets an error instead of an answer: its kind only; the text (a prompt?) goes nowhere."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("SECRET PROMPT")

    async with serving(app) as api:
        sent = await api.invoke(url_event())
        assert (await api.invoke(url_event())).path.endswith("/request-2/error")
    assert sent.path == "/2018-06-01/runtime/invocation/request-1/error"
    assert sent.headers["lambda-runtime-function-error-type"] == "KeyError"
    assert json.loads(sent.body)["errorType"] == "KeyError"
    logged = capsys.readouterr().err
    line = json.loads(logged.splitlines()[0])
    assert (line["message"], line["error_type"]) == ("request-failed", "KeyError")
    assert line["at"][-1].startswith("test_runtime_faults.py:")
    assert b"SECRET" not in sent.body
    assert "SECRET" not in logged


async def test_a_fault_in_mid_stream_goes_out_as_trailers(capsys: pytest.CaptureFixture[str]) -> None:
    """The caller has half an answer, so only trailers can still say that it is not whole."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("SECRET COMPLETION")

    async with serving(app) as api:
        sent = await api.invoke(url_event())
    assert sent.answer == b"half"
    assert sent.headers["trailer"] == "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    assert sent.trailers["Lambda-Runtime-Function-Error-Type"] == "ValueError"
    told = json.loads(base64.b64decode(sent.trailers["Lambda-Runtime-Function-Error-Body"]))
    assert told == {"errorMessage": "the request failed", "errorType": "ValueError", "stackTrace": []}
    assert "SECRET" not in capsys.readouterr().err


async def test_an_app_that_stops_in_mid_answer_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """An answer without its last part must not look whole, also when nobody raised."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async with serving(app) as api:
        sent = await api.invoke(url_event())
    assert sent.trailers["Lambda-Runtime-Function-Error-Type"] == "IncompleteAnswer"
    assert "request-failed" in capsys.readouterr().err


async def test_a_fault_after_the_answer_is_logged_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Starlette sends its 500 and then raises: the caller's answer is whole and stays so."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"sorry"})
        raise ValueError

    async with serving(app) as api:
        sent = await api.invoke(url_event())
        await api.invoke(url_event())
    assert (sent.answer, sent.trailers) == (b"sorry", {})
    assert [message.path.rsplit("/", 1)[1] for message in api.sent] == ["response", "response"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["message"], line["error_type"]) for line in lines] == [("request-failed", "ValueError")] * 2


async def test_a_cancellation_that_leaks_from_the_app_does_not_end_the_poller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A task group drops a cancelled task in silence, and then nobody would ask for the next event."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    async with serving(app) as api:
        for _ in range(2):
            assert (await api.invoke(url_event())).path.endswith("/error")
    assert "CancelledError" in capsys.readouterr().err


async def test_an_event_that_no_function_url_sends_is_an_error_not_an_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The console's test button sends `{"key1": …}`; the environment must survive it."""
    async with serving(Echo()) as api:
        assert (await api.invoke({"key1": "value1"})).path.endswith("/error")
        assert (await api.invoke(b"not json")).path.endswith("/error")
        assert (await api.invoke(url_event(body="fine"))).answer == b"fine"
    assert "KeyError" in capsys.readouterr().err


async def test_a_refused_answer_does_not_end_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """The platform refuses what comes after its deadline; the next event is served all the same."""
    async with serving(ending(b"late"), status=403) as api:
        await api.invoke(url_event())
        await api.invoke({"a fault": "whose report is refused too"})
        api.status = 202
        assert (await api.invoke(url_event())).answer == b"late"
    assert "RuntimeApiError" in capsys.readouterr().err


@pytest.mark.parametrize("in_lifespan", [False, True])
async def test_a_start_that_fails_is_reported_with_its_reason(
    in_lifespan: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong config ends the environment at once, told to the platform, with the reason in the log."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "providers.0.kind: unknown"})

    def load() -> ASGIApp:
        if not in_lifespan:
            raise ValueError("providers.0.kind: unknown")
        return app

    api = RuntimeStandIn()
    async with listening(api) as address:
        assert await runtime.serve(RuntimeApi(address), load, 1, asyncio.Event()) == 1
    (sent,) = api.sent
    assert sent.path == "/2018-06-01/runtime/init/error"
    assert sent.headers["lambda-runtime-function-error-type"] == ("StartFailed" if in_lifespan else "ValueError")
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["detail"]) == ("init-failed", "providers.0.kind: unknown")
