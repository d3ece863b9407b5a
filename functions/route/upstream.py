"""The one place where a call leaves the router: over HTTP, to a provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from route.providers.base import Outgoing, Refused, Unreachable

CONNECT_S = 10
MAX_ERROR_BYTES = 256 * 1024


@asynccontextmanager
async def call(http: aiohttp.ClientSession, outgoing: Outgoing) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a provider that said 200. Raises Refused or Unreachable; deadlines are the caller's."""
    accepted = False
    try:
        async with http.post(
            outgoing.url, data=outgoing.body, headers=outgoing.headers, allow_redirects=False
        ) as response:
            accepted = True
            if response.status != 200:
                body = await response.content.read(MAX_ERROR_BYTES)
                headers = {name.lower(): value for name, value in response.headers.items()}
                raise Refused(response.status, headers, body)
            yield response
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(type(error).__name__, accepted=False) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        # Sent, but the connection broke: the provider may have done, and may bill, the work.
        raise Unreachable(type(error).__name__, accepted=accepted or _may_be_sent(error)) from error


def _may_be_sent(error: Exception) -> bool:
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError)
