"""Counting tokens: a provider's own figure where a route can give one, else our estimate, which says that it is.

A count is no inference: it costs nothing, so there is nothing to reserve or settle, and nothing is learnt of a
route. What was asked of a provider is written down all the same; an estimate without any call leaves no trace.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from ledger.ids import new_inference_id
from ledger.items import ApiKey
from ledger.moments import now_ms
from ledger.outcomes import Ending, FaultKind
from route.answering.sink import Sink
from route.calling.attempt_loop import ChainOutcome, attempt_all
from route.calling.call import Exchange
from route.dialects.base import Document, dump
from route.errors import ApiError
from route.inference.handler import (
    JSON,
    RESERVE_S,
    Answer,
    Incoming,
    Router,
    open_capture,
    planned,
    refuse,
    send_whole,
    understood,
)
from route.inference.receipts import make_receipt
from route.wire import RECEIPT_FIELD

ESTIMATED = {"x-warmroute-estimated": "true"}

_OWN_FAULT = frozenset({FaultKind.INVALID_REQUEST, FaultKind.CONTENT_FILTER})
_FAULT_STATUSES = frozenset({200, 400, 413, 422})
"""With any other status a provider says something of itself: many that speak messages cannot count."""


async def count_tokens(router: Router, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    """Answers one request to count. Raises ApiError for what has not been answered yet."""
    arrived, clock = now_ms(), asyncio.get_running_loop().time
    asked = await understood(router, incoming, key, sink)
    if asked is None:
        return
    # Who counts wants to know whether it fits: no route's context is too small for that.
    request = replace(asked, input_tokens=0)
    try:
        plan = await planned(router, request, arrived)
    except ApiError as fault:
        await refuse(router, incoming.dialect, request.origin, b"", fault, sink)
        return
    if plan.refusal:
        await _send_estimate(sink, asked.input_tokens, {"attempts": []}, {})
        return
    capture = open_capture(router, request, plan, arrived, new_inference_id(arrived))
    answer = Answer(request, plan, capture, sink, arrived)
    deadline_s = clock() + incoming.time_left_s - RESERVE_S
    exchanged = Exchange(router.http, router.providers, request, capture, sink, deadline_s)
    served = await attempt_all(plan, exchanged, answer.headers)
    is_estimated = _has_no_count(served)
    status = 200 if is_estimated else answer.status(served)
    await capture.close(at=now_ms(), ending=served.ending, status=status)
    if is_estimated:
        receipt = make_receipt(capture.inference, capture.facts, plan, None, arrived)
        await _send_estimate(sink, asked.input_tokens, receipt, answer.headers(served.last))
    else:
        await answer.finish(served, None)


def _has_no_count(served: ChainOutcome) -> bool:
    """Whether no route could count, and that is not the request's own fault."""
    failure = served.last.failure
    if served.ending is Ending.CANCELLED or failure is None:
        return False
    return failure.kind not in _OWN_FAULT or served.last.http_status not in _FAULT_STATUSES


async def _send_estimate(sink: Sink, tokens: int, receipt: Document, headers: Mapping[str, str]) -> None:
    body = {"input_tokens": tokens, RECEIPT_FIELD: receipt | {"estimated": True}}
    await send_whole(sink, 200, {**headers, **ESTIMATED, "content-type": JSON}, dump(body))
