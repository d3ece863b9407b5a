"""The streaming runtime against a Runtime API that records every byte."""

import asyncio
import base64
from typing import Any

import pytest
from starlette.types import Receive, Send

from route.hosting import runtime
from route.hosting.runtime_api import RuntimeApi
from tests.route.hosting.runtime_stand_in import (
    DEADLINE_MS,
    Echo,
    RuntimeStandIn,
    Scope,
    ending,
    listening,
    serving,
    url_event,
)


async def test_each_chunk_is_passed_on_before_the_app_makes_the_next() -> None:
    """A stream is native: the platform has the first token while the app still waits for its second."""
    arrived = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await asyncio.wait_for(arrived.wait(), 30)  # the app goes on only when the platform has its first chunk
        await send({"type": "http.response.body", "body": b"last"})

    async with serving(app) as api:
        invoking = asyncio.create_task(api.invoke(url_event()))
        await api.until(lambda: bool(api.sent) and b"first" in api.sent[0].body)
        assert b"last" not in api.sent[0].body
        arrived.set()
        sent = await invoking
    assert [chunk for _, chunk in sent.chunks][1:] == [b"first", b"last"]
    assert sent.trailers == {}


async def test_a_pause_in_the_app_is_the_same_pause_on_the_wire() -> None:
    """Nothing gathers chunks: 100 ms between two sends are about 100 ms between two arrivals."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b"b"})

    async with serving(app) as api:
        sent = await api.invoke(url_event())
    (_, _), (first_at, _), (last_at, _) = sent.chunks
    assert 0.08 < last_at - first_at < 3


async def test_an_answer_has_the_documented_headers_and_prelude() -> None:
    """Streaming mode, content type, JSON, eight NUL bytes, body: what makes a function URL stream."""
    headers = [(b"Content-Type", b"text/event-stream"), (b"x-request-id", b"inf_1")]
    async with serving(ending(b"data: hi\n\n", status=201, headers=headers)) as api:
        sent = await api.invoke(url_event())
    assert (sent.method, sent.path) == ("POST", "/2018-06-01/runtime/invocation/request-1/response")
    assert sent.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert sent.headers["transfer-encoding"] == "chunked"
    assert sent.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert sent.headers["connection"] == "close"
    assert sent.body.count(b"\0" * 8) == 1
    assert sent.head == {
        "statusCode": 201,
        "headers": {"content-type": "text/event-stream", "x-request-id": "inf_1"},
        "cookies": [],
    }
    assert sent.answer == b"data: hi\n\n"


async def test_an_answer_without_a_body_still_has_its_separator() -> None:
    """The platform looks for the NUL bytes in every answer, also in a 204."""
    async with serving(ending(status=204)) as api:
        sent = await api.invoke(url_event())
    assert sent.body.endswith(b"}" + b"\0" * 8)


async def test_an_empty_part_does_not_end_the_answer() -> None:
    """On the wire an empty chunk is the end, and an app may send an empty part at any time."""
    async with serving(ending(b"a", b"", b"b")) as api:
        sent = await api.invoke(url_event())
    assert sent.answer == b"ab"


async def test_repeated_and_framing_headers_of_an_answer() -> None:
    """Cookies go out one by one, other repeats joined, and no length: the platform sends chunks."""
    headers = [
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2"),
        (b"vary", b"accept"),
        (b"vary", b"origin"),
        (b"content-length", b"2"),
    ]
    async with serving(ending(b"ok", headers=headers)) as api:
        sent = await api.invoke(url_event())
    assert sent.head["cookies"] == ["a=1; Path=/", "b=2"]
    assert sent.head["headers"] == {"vary": "accept, origin"}


async def test_a_head_request_gets_headers_only() -> None:
    """An app may send a body to HEAD and rely on its server to drop it."""
    async with serving(ending(b"not for you")) as api:
        sent = await api.invoke(url_event("/", method="HEAD"))
    assert sent.answer == b""


async def test_the_request_as_the_app_sees_it() -> None:
    """Path, query, headers and cookies reach the app as a server on a socket would hand them over."""
    app = Echo()
    event = url_event("/v1/session/a%2Fb", method="GET", rawQueryString="beta=true&x=%20y", cookies=["a=1", "b=2"])
    event["headers"] |= {"X-Thing": "one,two", "anthropic-beta": "p1, p2", "x-name": "Zoë Ω"}
    async with serving(app) as api:
        await api.invoke(event)
    (scope,) = app.scopes
    assert scope["method"] == "GET"
    assert (scope["path"], scope["raw_path"]) == ("/v1/session/a/b", b"/v1/session/a%2Fb")
    assert scope["query_string"] == b"beta=true&x=%20y"
    assert (scope["scheme"], scope["http_version"]) == ("https", "1.1")
    assert scope["client"] == ("192.0.2.7", 0)
    assert dict(scope["headers"]) == {
        b"host": b"abc.lambda-url.eu-central-1.on.aws",
        b"x-forwarded-proto": b"https",
        b"x-thing": b"one,two",
        b"anthropic-beta": b"p1, p2",
        b"x-name": "Zoë Ω".encode(),
        b"cookie": b"a=1; b=2",
    }


async def test_the_app_is_told_its_deadline() -> None:
    """The deadline is the platform's own, in epoch milliseconds, with the platform's request id."""
    app = Echo()
    async with serving(app) as api:
        await api.invoke(url_event())
    extensions = app.scopes[0]["extensions"]
    assert extensions == {"warmroute.deadline_ms": DEADLINE_MS, "warmroute.aws_request_id": "request-1"}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("body", "more", "seen"),
    [
        ('{"héllo": "wörld"}', {}, '{"héllo": "wörld"}'.encode()),
        (base64.b64encode(b"\x00\xff").decode(), {"isBase64Encoded": True}, b"\x00\xff"),
        (None, {}, b""),
        ("x" * 2_000_000, {}, b"x" * 2_000_000),
    ],
)
async def test_request_bodies(body: str | None, more: dict[str, Any], seen: bytes, chunked: bool) -> None:
    """A body arrives byte for byte, whether it was sent as text, in base64, or not at all, in any framing."""
    async with serving(Echo(), chunked=chunked) as api:
        sent = await api.invoke(url_event(body=body, **more))
    assert sent.answer == seen


async def test_after_the_body_the_app_hears_of_the_end_only() -> None:
    """Lambda has no signal for a caller who left, so an app that listens must not hear of one early."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        listening = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.02)
        assert not listening.done()
        await send({"type": "http.response.body", "body": b"ok"})
        await heard.put((await listening)["type"])

    async with serving(app) as api:
        assert (await api.invoke(url_event())).answer == b"ok"
        assert await asyncio.wait_for(heard.get(), 30) == "http.disconnect"


async def test_the_loop_and_the_lifespan_are_the_same_for_every_request() -> None:
    """Connection pools live as long as the environment: one start, one loop, one state, one end."""
    app = Echo()
    async with serving(app) as api:
        await api.invoke(url_event(body="one"))
        assert (await api.invoke(url_event(body="two"))).answer == b"two"
        assert (app.lifespans, app.ended) == (1, 0)
    assert (app.lifespans, app.ended, len(app.loops)) == (1, 1, 1)
    assert [scope["state"] for scope in app.scopes] == [{"pool": "warm"}] * 2


async def test_four_at_a_time_in_one_loop() -> None:
    """With four pollers four requests are in the app together, each with its own answer; a fifth waits."""
    inside = 0
    most = 0
    all_in = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside, most
        body = (await receive())["body"]
        inside += 1
        most = max(most, inside)
        if inside == 4:
            all_in.set()
        await asyncio.wait_for(all_in.wait(), 30)
        inside -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with serving(app, pollers=4) as api:
        sent = await asyncio.gather(*(api.invoke(url_event(body=f"body-{n}")) for n in range(5)))
    assert [message.answer for message in sent] == [f"body-{n}".encode() for n in range(5)]
    assert most == 4


async def test_a_stop_lets_the_request_under_way_finish() -> None:
    """Pollers that wait are stopped at once; one that serves sends its answer to the end first."""
    app = Echo()
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            entered.set()
            await go_on.wait()
        await app(scope, receive, send)

    stand_in, stopping = RuntimeStandIn(), asyncio.Event()
    async with listening(stand_in) as address:
        task = asyncio.create_task(runtime.serve(RuntimeApi(address), lambda: slow, 2, stopping))
        invoking = asyncio.create_task(stand_in.invoke(url_event(body="kept")))
        await entered.wait()
        stopping.set()
        await asyncio.sleep(0.05)
        assert not task.done()
        go_on.set()
        assert (await invoking).answer == b"kept"
        assert await asyncio.wait_for(task, 30) == 0
    assert app.ended == 1
