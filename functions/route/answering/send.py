"""Whole answers, errors among them, and the headers that every answer has."""

from collections.abc import Mapping

from route.answering.sink import Sink
from route.dialects.base import Dialect, dump
from route.errors import ApiError
from route.wire import ATTEMPTS_HEADER, INFERENCE_ID_HEADER, OVERHEAD_HEADER, ROUTE_HEADER

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"


def answer_headers(inference_id: str, route: str, attempts: int, overhead_ms: int) -> dict[str, str]:
    """On every routed answer. Both vendors' request-id headers carry our id, so that an SDK's error shows it."""
    return {
        "x-request-id": inference_id,
        "request-id": inference_id,
        INFERENCE_ID_HEADER: inference_id,
        ROUTE_HEADER: route,
        ATTEMPTS_HEADER: str(attempts),
        OVERHEAD_HEADER: str(overhead_ms),
    }


async def send_whole(sink: Sink, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """An answer that is known whole."""
    await sink.start(status, {**headers, "content-length": str(len(body))})
    await sink.write(body)
    await sink.end()


async def send_error(sink: Sink, dialect: Dialect, error: ApiError, request_id: str) -> None:
    """An error in the dialect, before anything else was sent. `request_id`: its inference's, if there is one."""
    ids = answer_headers(request_id, "", 0, 0)
    body = dump(dialect.error_document(error, request_id))
    await send_whole(sink, error.status, {**ids, **error.headers(), "content-type": JSON}, body)
