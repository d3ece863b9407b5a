"""The one place where a call leaves the router: over HTTP, to a provider."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
from yarl import URL

from route.providers.base import Outgoing, Refused, Unreachable

CONNECT_S = 10

KEEPALIVE_S = 4.0
"""Shorter than any server's usual patience with an idle connection (5 s: uvicorn, Node), so that we, not it,
end one that is idle. A process that was frozen meanwhile learns of its peer's goodbye too late."""

STALE_S = 2.0
"""A connection that died while it was idle says so within a round trip. One that breaks later was alive."""

MAX_ERROR_BYTES = 256 * 1024

ERROR_BODY_S = 5.0
"""For the rest of an error's body: its status is known, and must not become a timeout for want of more words."""


def open_http(*, pooled: bool = True) -> aiohttp.ClientSession:
    """Connections to providers, to be closed by the caller. Deadlines are each call's own."""
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    keepalive_s = KEEPALIVE_S if pooled else None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=not pooled, keepalive_timeout=keepalive_s),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        # A provider's cookies are nobody's business but its own.
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[tracing],
    )


@asynccontextmanager
async def call(http: aiohttp.ClientSession, outgoing: Outgoing) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a provider that said 200. Raises Refused or Unreachable; deadlines are the caller's."""
    async with answer_of(http, outgoing) as response:
        if response.status != 200:
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise Refused(response.status, headers, await _error_body(response.content))
        yield response


@asynccontextmanager
async def answer_of(http: aiohttp.ClientSession, outgoing: Outgoing) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a provider, whatever its status. Raises Unreachable; deadlines are the caller's."""
    accepted = False
    try:
        async with AsyncExitStack() as stack:
            response = await _send(http, outgoing, stack)
            accepted = True
            yield response
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(type(error).__name__, accepted=False) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        # Sent, but the connection broke: the provider may have done, and may bill, the work.
        raise Unreachable(type(error).__name__, accepted=accepted or isinstance(error, _BROKEN)) from error


_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)


@dataclass(slots=True)
class _Connection:
    """What is known of the connection of one request."""

    reused_at: float | None = None


async def _note_reuse(_http: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    connection = context.trace_request_ctx
    if isinstance(connection, _Connection):
        connection.reused_at = asyncio.get_running_loop().time()


async def _send(http: aiohttp.ClientSession, outgoing: Outgoing, stack: AsyncExitStack) -> aiohttp.ClientResponse:
    """The head of the answer. A pooled connection that turns out to be dead costs nobody anything.

    It is repeated once, on a connection of its own, since the next one in the pool may have died with it.
    This weighs two faults. A POST on a connection that was closed while it was idle was never read, yet it would
    be billed by estimate and held against a route that is well. But a provider that takes a request on a reused
    connection and crashes at once looks the same: then the work may be done, and paid for, twice. So only a
    break before the first byte of an answer and soon after sending counts as stale; and on a new connection,
    where a request can only have been read, a break is always `accepted`.
    """
    connection = _Connection()
    try:
        return await stack.enter_async_context(_request(http, outgoing, connection))
    except _BROKEN as error:
        if not _is_stale(connection, error):
            raise
    fresh = await stack.enter_async_context(open_http(pooled=False))
    return await stack.enter_async_context(_request(fresh, outgoing, _Connection()))


@asynccontextmanager
async def _request(
    http: aiohttp.ClientSession, outgoing: Outgoing, connection: _Connection
) -> AsyncIterator[aiohttp.ClientResponse]:
    async with http.request(
        outgoing.method,
        URL(outgoing.url, encoded=outgoing.is_encoded),
        data=outgoing.body or None,
        headers=outgoing.headers,
        # What a body is, its headers say, and those that have none stay without.
        skip_auto_headers=("content-type",),
        allow_redirects=False,
        trace_request_ctx=connection,
    ) as response:
        yield response


def _is_stale(connection: _Connection, error: Exception) -> bool:
    if connection.reused_at is None:
        return False
    # The first part of an answer's head, where there was one, is the error's message.
    began = isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
    return not began and asyncio.get_running_loop().time() - connection.reused_at < STALE_S


async def _error_body(content: aiohttp.StreamReader) -> bytes:
    """Up to its end, since what the error means may stand in its last words; or what came of it."""
    body = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
        async with asyncio.timeout(ERROR_BODY_S):
            while len(body) < MAX_ERROR_BYTES and (part := await content.read(MAX_ERROR_BYTES - len(body))):
                body += part
    return bytes(body)
