"""The wire to a provider: errors that come in parts, and connections that died while nobody used them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ledger.money import ZERO
from ledger.outcomes import Ending, FaultKind, Outcome
from local.stack import free_port
from route.calling import upstream
from route.providers.base import Outgoing, Refused, Unreachable
from tests.fakes import Answer, Fail, Hang, Raw
from tests.fakes.exchange import RESET_ON_CLOSE
from tests.route.house import House, build_house, model

CHAT = "/v1/chat/completions"
ASKED: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
CLOSED = Hang(0)
"""Reads the request, then closes the connection without a byte: as a stale connection looks from here."""


@pytest.mark.case("C2")
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_an_error_that_comes_in_parts_is_read_to_its_end(dynamodb_url: str, stream: bool) -> None:
    """What an error means may stand in its second packet: a full context is known, and goes to a larger one."""
    parts = [b'{"error": {"message": "Your request was ', b'refused: maximum context length is 1000 tokens"}}']
    models = {"a": model(context_tokens=1_000), "b": model(context_tokens=2_000)}
    with build_house(dynamodb_url, models=models) as house:
        house.providers["a"].default = Raw(parts, gap_ms=200, content_type="application/json", status=400)
        assert house.post(CHAT, ASKED | {"stream": stream}).status_code == 200
        first, second = house.facts()
    assert (first.kind, first.http_status, first.counts) == (FaultKind.CONTEXT_OVERFLOW, 400, False)
    assert second.ok


def test_an_error_whose_end_never_comes_is_still_that_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is known: a body that stalls is cut off, and the attempt is refused, free, and no timeout."""
    monkeypatch.setattr(upstream, "ERROR_BODY_S", 0.2)
    house.providers["a"].plan(Raw([b"slow ", b"down"], gap_ms=3_000, status=429))
    assert house.post(CHAT, ASKED).status_code == 200
    first, second = house.facts()
    assert (first.kind, first.http_status, first.cost_usd) == (FaultKind.RATE_LIMITED, 429, ZERO)
    assert first.latency_ms is not None
    assert first.latency_ms < 2_000
    assert second.ok


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_a_stale_connection_is_nobody_s_fault(house: House, stream: bool) -> None:
    """Kept from an earlier call and dead when it is used: the request goes out once more, and is one attempt."""
    provider = house.providers["a"]
    provider.plan(Answer(), CLOSED)
    for _ in range(2):
        assert house.post(CHAT, ASKED | {"stream": stream}).status_code == 200
    assert len(provider.calls) == 3
    assert not house.providers["b"].calls
    assert [(f.n, f.outcome, f.closes, f.estimated) for f in house.facts()] == [
        (1, Outcome.OK, Ending.OK, False)
    ] * 2


def test_a_new_connection_that_breaks_is_a_fault_and_is_paid_for(house: House) -> None:
    """It was read by somebody: the route is to blame, the provider may bill it, and the next one is asked."""
    house.providers["a"].plan(CLOSED)
    assert house.post(CHAT, ASKED).status_code == 200
    first, second = house.facts()
    assert (first.kind, first.counts, first.estimated) == (FaultKind.NETWORK, True, True)
    assert first.cost_usd is not None
    assert first.cost_usd > 0
    assert (second.provider, second.ok) == ("b", True)
    assert len(house.providers["a"].calls) == 1


def test_a_request_is_repeated_once(house: House) -> None:
    """The repeat has a connection of its own: when that breaks too, it is a fault like any other."""
    house.providers["a"].plan(Answer(), CLOSED, CLOSED)
    for _ in range(2):
        assert house.post(CHAT, ASKED).status_code == 200
    assert len(house.providers["a"].calls) == 3
    [failed] = [f for f in house.facts() if not f.ok]
    assert (failed.provider, failed.kind, failed.estimated) == ("a", FaultKind.NETWORK, True)
    assert len(house.providers["b"].calls) == 1


def test_what_broke_after_a_while_is_not_repeated(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that held that long was alive: the work may have been done, so it is not asked for twice."""
    monkeypatch.setattr(upstream, "STALE_S", 0.2)
    house.providers["a"].plan(Answer(), Hang(400))
    for _ in range(2):
        assert house.post(CHAT, ASKED).status_code == 200
    assert len(house.providers["a"].calls) == 2
    assert [f.kind for f in house.facts() if not f.ok] == [FaultKind.NETWORK]


def test_a_refusal_on_a_repeat_is_the_answer(house: House) -> None:
    """What the fresh connection brings counts, whatever it is."""
    house.providers["a"].plan(Answer(), CLOSED, Fail(429))
    for _ in range(2):
        assert house.post(CHAT, ASKED).status_code == 200
    [failed] = [f for f in house.facts() if not f.ok]
    assert (failed.kind, failed.http_status, failed.cost_usd) == (FaultKind.RATE_LIMITED, 429, ZERO)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Act = Callable[[asyncio.StreamWriter], None]


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


def _half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    writer.close()


@asynccontextmanager
async def _provider(*acts: Act) -> AsyncIterator[tuple[Outgoing, list[int]]]:
    """On each connection the first request is answered; of those after it, in turn, each meets one of the acts.

    Also the number of the connection that each request came on.
    """
    came: list[int] = []
    waiting, writers = list(acts), set[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        number = len(writers)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(2)
                came.append(number)
                if came.count(number) > 1 and waiting:
                    waiting.pop(0)(writer)
                    return
                await asyncio.sleep(0.05)  # so that requests at the same time have each a connection
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Outgoing(f"http://127.0.0.1:{port}/", {}, b"{}"), came
    finally:
        server.close()


async def test_a_reset_is_a_stale_connection_too() -> None:
    """A peer that forgot the connection resets it: repeated on a new one, though others wait in the pool."""
    async with _provider(_reset) as (outgoing, came), upstream.open_http() as http:

        async def ask() -> bytes:
            async with upstream.call(http, outgoing) as answer:
                return await answer.read()

        assert list(await asyncio.gather(ask(), ask())) == [b"{}", b"{}"]
        assert sorted(came) == [1, 2]
        assert await ask() == b"{}"
    assert came[2] in {1, 2}
    assert came[3:] == [3]


async def test_an_answer_that_has_begun_is_never_repeated() -> None:
    """Part of a head is proof that the request was read: it may be billed, and goes out once."""
    async with _provider(_half_a_head) as (outgoing, came), upstream.open_http() as http:
        async with upstream.call(http, outgoing) as answer:
            await answer.read()
        with pytest.raises(Unreachable) as caught:
            async with upstream.call(http, outgoing):
                pass
    assert caught.value.accepted
    assert came == [1, 1]


async def test_an_idle_connection_is_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After KEEPALIVE_S a request gets a new one, without finding out whether the peer still knows the old."""
    monkeypatch.setattr(upstream, "KEEPALIVE_S", 0.1)
    async with _provider() as (outgoing, came), upstream.open_http() as http:
        for pause_s in (0, 0.3):
            await asyncio.sleep(pause_s)
            async with upstream.call(http, outgoing) as answer:
                await answer.read()
    assert came == [1, 2]


async def test_no_connection_at_all_is_free() -> None:
    """Nobody took the request: it is not accepted."""
    async with upstream.open_http() as http:
        with pytest.raises(Unreachable) as caught:
            async with upstream.call(http, Outgoing(f"http://127.0.0.1:{free_port()}/", {}, b"{}")):
                pass
    assert not caught.value.accepted


async def test_an_error_body_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an endless one no more than MAX_ERROR_BYTES is read."""
    monkeypatch.setattr(upstream, "MAX_ERROR_BYTES", 100_000)

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"x" * 9_999)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with upstream.open_http() as http:
        with pytest.raises(Refused) as caught:
            async with upstream.call(http, Outgoing(f"http://127.0.0.1:{port}/", {}, b"{}")):
                pass
    server.close()
    assert (caught.value.status, len(caught.value.body)) == (400, 100_000)
