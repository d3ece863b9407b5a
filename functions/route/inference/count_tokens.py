"""Counting tokens: a provider's own figure where a route can give one, else our estimate, which says that it is.

A count is no inference: it costs nothing, so there is nothing to reserve or settle, and nothing is learnt of a
route. What was asked of a provider is written down all the same; an estimate without any call leaves no trace.
"""

from collections.abc import Mapping
from dataclasses import replace

from ledger.items import ApiKey
from ledger.outcomes import Ending, FaultKind
from route.answering.send import JSON, send_whole
from route.answering.sink import Sink
from route.calling.attempt_loop import attempt_all
from route.calling.call import AttemptContext
from route.calling.chain_error import ChainOutcome
from route.dialects.base import Document, dump
from route.inference.answer import Answer
from route.inference.prepare import planned, understood
from route.inference.receipts import make_receipt
from route.recording.lifecycle import open_inference
from route.request.incoming import Incoming
from route.request.parse import origin_of_refused, parse_body
from route.router import Router
from route.wire import RECEIPT_FIELD

ESTIMATED = {"x-warmroute-estimated": "true"}

_OWN_FAULT = frozenset({FaultKind.INVALID_REQUEST, FaultKind.CONTENT_FILTER})
_FAULT_STATUSES = frozenset({200, 400, 413, 422})
"""With any other status a provider says something of itself: many that speak messages cannot count."""


async def count_tokens(router: Router, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    """Answers one request to count. Raises ApiError for what has not been answered yet; that is written down."""
    body, arrived = parse_body(incoming.body), incoming.arrived
    origin = origin_of_refused(incoming.dialect, body, incoming.headers, key)
    answer: Answer | None = None
    async with open_inference(router.store.facts, router.fleet, origin, arrived, router.clock) as inference:
        asked = understood(router, incoming, body, key, inference)
        # Who counts wants to know whether it fits: no route's context is too small for that.
        request = replace(asked, input_tokens=0)
        plan = await planned(router, request, arrived)
        inference.describe(request.origin, plan.profile, plan.pack())
        if plan.refusal:
            inference.discard()
        else:
            answer = Answer(request, plan, inference, sink, arrived, router.clock)
            context = AttemptContext(
                router.http, router.providers, request, inference, sink, incoming.deadline_s, router.clock
            )
            outcome = await attempt_all(plan, context, answer.headers)
            is_estimated = _has_no_count(outcome)
            inference.ended(outcome.ending, 200 if is_estimated else outcome.status)
    if answer is None:
        await _send_estimate(sink, asked.input_tokens, {"attempts": []}, {})
    elif is_estimated:
        receipt = make_receipt(inference.inference, inference.facts, plan, None, arrived)
        await _send_estimate(sink, asked.input_tokens, receipt, answer.headers(outcome.last))
    else:
        await answer.finish(outcome, None)


def _has_no_count(outcome: ChainOutcome) -> bool:
    """Whether no route could count, and that is not the request's own fault."""
    failure = outcome.last.failure
    if outcome.ending is Ending.CANCELLED or failure is None:
        return False
    return failure.kind not in _OWN_FAULT or outcome.last.http_status not in _FAULT_STATUSES


async def _send_estimate(sink: Sink, tokens: int, receipt: Document, headers: Mapping[str, str]) -> None:
    body = {"input_tokens": tokens, RECEIPT_FIELD: receipt | {"estimated": True}}
    await send_whole(sink, 200, {**headers, **ESTIMATED, "content-type": JSON}, dump(body))
