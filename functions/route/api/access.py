"""Who may read what: handlers for callers and for operators, made of functions that read one thing."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ledger.items import ApiKey
from route.answering.send import JSON
from route.dialects.base import dump
from route.errors import ApiError, NotFound
from route.request.auth import OPERATOR
from route.router import Router

Read = Callable[[Router, Request, ApiKey], Awaitable[dict[str, Any]]]
"""Reads one thing for the holder of a key, who has been authenticated."""

Handler = Callable[[Request], Awaitable[Response]]


def for_callers(read: Read) -> Handler:
    """A handler for everybody with a key."""

    async def handle(request: Request) -> Response:
        router: Router = request.app.state.router
        key = await router.keys.caller_of(request.headers, router.clock())
        return Response(dump(await read(router, request, key)), media_type=JSON)

    return handle


def for_operators(read: Read) -> Handler:
    """A handler for operators. To anybody else with a key its path is not there, by whatever method."""

    async def read_if_operator(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
        if key.role != OPERATOR:
            raise nothing_at(request)
        if request.method not in ("GET", "HEAD"):
            raise ApiError(405, "method_not_allowed", f"{request.method}: Method Not Allowed.")
        return await read(router, request, key)

    return for_callers(read_if_operator)


async def read_nothing(_router: Router, request: Request, _key: ApiKey) -> dict[str, Any]:
    """There is nothing at this path."""
    raise nothing_at(request)


def nothing_at(request: Request) -> NotFound:
    return NotFound("not_found", f"There is no {request.url.path[:256]} here.")
