"""Paths to handlers, and the one place where the router is put together."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ledger.items import ApiKey
from ledger.moments import now_ms
from route.answering.send import JSON, send_error
from route.answering.sink import Sink
from route.api.access import for_callers, for_operators, nothing_at, read_nothing
from route.api.decisions import read_decision, read_explanation
from route.api.models import read_model, read_models
from route.api.sessions import read_session
from route.config.capabilities import load_bundled
from route.dialects import BY_PATH, dialect_of, vendor_of
from route.dialects.base import Dialect, dump
from route.dialects.count_tokens import COUNT_TOKENS
from route.errors import ApiError, TooLarge
from route.inference.count_tokens import count_tokens
from route.inference.handler import handle_inference
from route.passthrough.handler import pass_through
from route.providers import KINDS
from route.providers.base import Provider
from route.request import paths
from route.request.incoming import RESERVE_S, Incoming
from route.router import Router, open_router
from route.settings import RouterSettings, settings_from_environment

log = logging.getLogger("warmroute.route")

LAST_WORDS_S = 5.0
"""How long a server that stops waits for the requests that it has cancelled to say so and to be written down."""

Handle = Callable[[Router, Incoming, ApiKey, Sink], Awaitable[None]]


class Routed:
    """A path whose requests reach providers: plain ASGI, since a stream starts before its handler ends.

    `dialect_of`: whose envelope an error has, and how the body is read.
    """

    def __init__(self, handle: Handle, dialect_of: Callable[[Request], Dialect], settings: RouterSettings) -> None:
        self._handle = handle
        self._dialect_of = dialect_of
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        dialect, sink = self._dialect_of(request), Sink(receive, send)
        running: set[asyncio.Task[Any]] = request.app.state.running
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an ASGI call always runs in one
        running.add(task)
        try:
            await self._serve(request, dialect, sink)
        except ApiError as error:
            # A stream that has begun can only be cut off: its status has been sent.
            if not sink.started:
                await send_error(sink, dialect, error, error.inference_id or _request_id())
        except ClientDisconnect:
            log.info("caller-gone", extra={"path": scope["path"]})
        finally:
            sink.close()
            running.discard(task)

    async def _serve(self, request: Request, dialect: Dialect, sink: Sink) -> None:
        router: Router = request.app.state.router
        headers = dict(request.headers)
        key = await router.keys.caller_of(headers, router.clock())
        body = await _read_body(request, self._settings.max_body_bytes)
        sink.watch()
        incoming = Incoming(
            dialect=dialect,
            method=request.method,
            path=_path_as_it_came(request),
            headers=headers,
            query=request.scope["query_string"].decode("latin-1"),
            body=body,
            arrived=router.clock(),
            deadline_s=asyncio.get_running_loop().time() + self._time_left_s(router, request.scope) - RESERVE_S,
        )
        await self._handle(router, incoming, key, sink)

    def _time_left_s(self, router: Router, scope: Scope) -> float:
        """What the platform leaves for this request; without a platform that says so, the configured time."""
        deadline_ms = scope.get("extensions", {}).get("warmroute.deadline_ms")
        return (deadline_ms - router.clock()) / 1000 if deadline_ms else self._settings.request_s


def _path_as_it_came(request: Request) -> str:
    """With its escapes."""
    raw: bytes = request.scope.get("raw_path") or quote(request.url.path).encode()
    return raw.decode("latin-1")


async def _read_body(request: Request, limit: int) -> bytes:
    """The whole body. TooLarge as soon as it is known to be."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(limit)
        parts.append(part)
    return b"".join(parts)


def _request_id() -> str:
    """For answers to requests that never became an inference."""
    return f"req_{uuid.uuid4().hex}"


async def _health(_request: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type=JSON)


def _error_response(request: Request, error: ApiError) -> Response:
    document = dialect_of(request.url.path, dict(request.headers)).error_document(error, "")
    return Response(dump(document), error.status, error.headers(), JSON)


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class only
    return _error_response(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own: a path or a method that is not there."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.status_code == 404:
        return _error_response(request, nothing_at(request))
    code = "method_not_allowed" if error.status_code == 405 else "http_error"
    return _error_response(request, ApiError(error.status_code, code, f"{request.method}: {error.detail}."))


async def _on_bug(request: Request, error: Exception) -> Response:
    """An entry point's last resort. Only the kind of fault is told: its text may quote a request."""
    log.error("internal-error", extra={"error": type(error).__name__, "path": request.url.path})
    return _error_response(request, ApiError(500, "internal_error", "The router failed. It has been logged."))


def providers_of(settings: RouterSettings) -> dict[str, Provider]:
    """By name. ConfigError for one that could never be called."""
    return {
        p.name: KINDS[p.kind](p, settings.secrets[p.api_key] if p.api_key else None)
        for p in settings.config.providers
    }


HANDLERS: dict[str, Handle] = {COUNT_TOKENS.name: count_tokens}
"""By dialect, of those whose requests are no inferences."""


def _routes(settings: RouterSettings) -> list[Route]:
    """In this order: what the router answers itself comes before what it passes on."""

    def routed(dialect: Dialect) -> Routed:
        return Routed(HANDLERS.get(dialect.name, handle_inference), lambda _request: dialect, settings)

    def vendor(request: Request) -> Dialect:
        return vendor_of(request.url.path, request.headers)

    return [
        *(Route(path, routed(dialect), methods=["POST"]) for path, dialect in BY_PATH.items()),
        Route(paths.SESSION, for_callers(read_session), methods=["GET"]),
        Route(paths.DECISION, for_callers(read_decision), methods=["GET"]),
        Route(paths.MODELS, for_callers(read_models), methods=["GET"]),
        Route(paths.MODEL, for_callers(read_model), methods=["GET"]),
        Route(paths.EXPLANATION, for_operators(read_explanation), methods=paths.METHODS),
        Route(paths.OPERATORS, for_operators(read_nothing), methods=paths.METHODS),
        *(Route(path, _health, methods=["GET"]) for path in paths.HEALTH),
        Route(f"{paths.VERSION}/{{rest:path}}", Routed(pass_through, vendor, settings), methods=paths.METHODS),
    ]


def create_app(settings: RouterSettings | None = None, clock: Callable[[], int] = now_ms) -> Starlette:
    """The router as an ASGI app with a lifespan. Without settings they come from the environment (ConfigError).

    `clock`: ms since the epoch, for whatever is decided or written down.
    """
    chosen = settings or settings_from_environment()
    providers = providers_of(chosen)
    load_bundled()  # read once, here: the plan of the first request is to do no I/O

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_router(chosen, providers, clock) as router:
            app.state.router, app.state.running = router, set()
            yield
            if app.state.running:
                # A server that stops cancels what still runs: that says so to its callers and writes it down,
                # for which it needs the connections that are closed after this.
                await asyncio.wait(app.state.running, timeout=LAST_WORDS_S)

    handlers = {ApiError: _on_api_error, HTTPException: _on_http_error, Exception: _on_bug}
    app = Starlette(routes=_routes(chosen), lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False  # a redirect would lose the body, and say nothing in the dialect
    return app
