"""Paths to handlers, and the one place where the router is put together."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
from ledger.store.opened import open_store
from route.answering.sink import Sink
from route.api.reads import (
    model_document,
    model_ids,
    models_document,
    read_decision,
    read_explanation,
    read_session,
)
from route.calling.upstream import open_http
from route.config.capabilities import load_bundled
from route.dialects import BY_PATH, dialect_of, vendor_of
from route.dialects.base import Dialect, dump
from route.dialects.count_tokens import COUNT_TOKENS
from route.errors import ApiError, NotFound, TooLarge
from route.fleet.fleet import Fleet
from route.inference.count_tokens import count_tokens
from route.inference.handler import JSON, Incoming, Router, exchange, send_error
from route.passthrough.destination import Passing
from route.passthrough.handler import pass_through
from route.passthrough.paths import METHODS, VERSION
from route.providers import KINDS
from route.providers.base import Provider
from route.request.auth import OPERATOR, ApiKeys
from route.settings import RouterSettings, settings_from_environment

log = logging.getLogger("warmroute.route")

STORE_RETRY_S = 2.0
"""Less than what an exchange keeps for its closing writes: the caller waits for them."""

LAST_WORDS_S = 5.0

Read = Callable[[Router, Request, ApiKey], Awaitable[dict[str, Any]]]
Answer = Callable[[Router, Request, Incoming, ApiKey, Sink], Awaitable[None]]


@asynccontextmanager
async def open_router(settings: RouterSettings, providers: Mapping[str, Provider]) -> AsyncIterator[Router]:
    """The composition root: everything that holds a connection, opened and closed together."""
    config = settings.config
    async with (
        open_store(
            settings.facts_table,
            settings.views_table,
            region=settings.region,
            endpoint_url=settings.dynamodb_url,
            retry_s=STORE_RETRY_S,
        ) as store,
        open_http() as http,
    ):
        keys = ApiKeys(store, settings.key_cache_ms)
        fleet = Fleet(store, settings.views_refresh_ms)
        yield Router(config, store, keys, fleet, http, providers)


class Routed:
    """A path whose requests reach providers: plain ASGI, since a stream starts before its handler ends.

    `dialect_of`: whose envelope an error has, and how the body is read.
    """

    def __init__(self, answer: Answer, dialect_of: Callable[[Request], Dialect], settings: RouterSettings) -> None:
        self._answer = answer
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
            await send_error(sink, dialect, error, _request_id())
        except ClientDisconnect:
            log.info("caller-gone", extra={"path": scope["path"]})
        finally:
            sink.close()
            running.discard(task)

    async def _serve(self, request: Request, dialect: Dialect, sink: Sink) -> None:
        router: Router = request.app.state.router
        headers = dict(request.headers)
        key = await router.keys.caller_of(headers, now_ms())
        body = await _read_body(request, self._settings.max_body_bytes)
        sink.watch()
        time_left_s = self._time_left_s(request.scope)
        query = request.scope["query_string"].decode("latin-1")
        await self._answer(router, request, Incoming(dialect, headers, query, body, time_left_s), key, sink)

    def _time_left_s(self, scope: Scope) -> float:
        """What the platform leaves for this request; without a platform that says so, the configured time."""
        deadline_ms = scope.get("extensions", {}).get("warmroute.deadline_ms")
        return (deadline_ms - now_ms()) / 1000 if deadline_ms else self._settings.request_s


async def _exchange(router: Router, _request: Request, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    await exchange(router, incoming, key, sink)


async def _count_tokens(router: Router, _request: Request, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    await count_tokens(router, incoming, key, sink)


async def _pass_through(router: Router, request: Request, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    raw = request.scope.get("raw_path") or quote(request.url.path).encode()
    await pass_through(router, Passing(incoming, request.method, raw.decode("latin-1")), key, sink)


ANSWERS: dict[str, Answer] = {COUNT_TOKENS.name: _count_tokens}
"""By dialect, of those that are not exchanged like all the others."""


def _routed(settings: RouterSettings) -> list[Route]:
    """The dialects' own paths."""

    def routed(dialect: Dialect) -> Routed:
        return Routed(ANSWERS.get(dialect.name, _exchange), lambda _request: dialect, settings)

    return [Route(path, routed(dialect), methods=["POST"]) for path, dialect in BY_PATH.items()]


def _passed(settings: RouterSettings) -> Route:
    """What a provider has besides: the last of the routes, behind those that the router answers itself."""
    routed = Routed(_pass_through, lambda request: vendor_of(request.url.path, request.headers), settings)
    return Route(f"{VERSION}/{{rest:path}}", routed, methods=METHODS)


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


def _reading(read: Read) -> Callable[[Request], Awaitable[Response]]:
    """A handler of a path that only reads, for a caller with a key."""

    async def handle(request: Request) -> Response:
        router: Router = request.app.state.router
        key = await router.keys.caller_of(request.headers, now_ms())
        return Response(dump(await read(router, request, key)), media_type=JSON)

    return handle


async def _session(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    return await read_session(router.fleet, key, request.path_params["sid"])


async def _decision(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    return await read_decision(router.store, key, request.path_params["inference_id"])


async def _explain(router: Router, request: Request, _key: ApiKey) -> dict[str, Any]:
    return await read_explanation(router.store, request.path_params["inference_id"])


async def _nothing(_router: Router, request: Request, _key: ApiKey) -> dict[str, Any]:
    raise _nothing_at(request)


def _operating(read: Read) -> Callable[[Request], Awaitable[Response]]:
    """A handler for operators. To anybody else with a key its path is not there, by whatever method."""

    async def checked(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
        if key.role != OPERATOR:
            raise _nothing_at(request)
        if request.method not in ("GET", "HEAD"):
            raise ApiError(405, "method_not_allowed", f"{request.method}: Method Not Allowed.")
        return await read(router, request, key)

    return _reading(checked)


async def _models(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    return models_document(model_ids(router.config, key), request.headers, request.query_params)


async def _model(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    return model_document(request.path_params["name"], model_ids(router.config, key), request.headers)


async def _health(_request: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type=JSON)


def _request_id() -> str:
    """For answers to requests that never became an inference."""
    return f"req_{uuid.uuid4().hex}"


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
        return _error_response(request, _nothing_at(request))
    code = "method_not_allowed" if error.status_code == 405 else "http_error"
    return _error_response(request, ApiError(error.status_code, code, f"{request.method}: {error.detail}."))


def _nothing_at(request: Request) -> NotFound:
    return NotFound("not_found", f"There is no {request.url.path[:256]} here.")


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


def create_app(settings: RouterSettings | None = None) -> Starlette:
    """The router as an ASGI app with a lifespan. Without settings they come from the environment (ConfigError)."""
    chosen = settings or settings_from_environment()
    providers = providers_of(chosen)
    load_bundled()  # read once, here: the plan of the first request is to do no I/O

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_router(chosen, providers) as router:
            app.state.router, app.state.running = router, set()
            yield
            if app.state.running:
                # A server that stops cancels what still runs: that says so to its callers and writes it down,
                # for which it needs the connections that are closed after this.
                await asyncio.wait(app.state.running, timeout=LAST_WORDS_S)

    reads = [
        Route("/v1/session/{sid:path}", _reading(_session), methods=["GET"]),
        Route("/v1/inferences/{inference_id}/decision", _reading(_decision), methods=["GET"]),
        Route("/x/inferences/{inference_id}/explain", _operating(_explain), methods=METHODS),
        Route("/x/{rest:path}", _operating(_nothing), methods=METHODS),
        Route("/v1/models", _reading(_models), methods=["GET"]),
        Route("/v1/models/{name:path}", _reading(_model), methods=["GET"]),
        Route("/healthz", _health, methods=["GET"]),
        Route("/", _health, methods=["GET"]),
    ]
    routes = [*_routed(chosen), *reads, _passed(chosen)]
    handlers = {ApiError: _on_api_error, HTTPException: _on_http_error, Exception: _on_bug}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False  # a redirect would lose the body, and say nothing in the dialect
    return app
