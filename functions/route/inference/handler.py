"""The router's main function, for every dialect: one inference, from the request as it came to the receipt."""

import asyncio

from ledger.items import ApiKey
from route.answering.sink import Sink
from route.calling.attempt_loop import attempt_all
from route.calling.call import AttemptContext
from route.inference.answer import Answer
from route.inference.prepare import guarded, log_decision, planned, understood
from route.inference.probes import end_probe, with_probe
from route.recording.lifecycle import open_inference
from route.request.incoming import Incoming
from route.request.parse import origin_of_refused, parse_body
from route.router import Router


async def handle_inference(router: Router, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    """Answers one routed request. Raises ApiError for what has not been answered yet; that is written down."""
    body, arrived = parse_body(incoming.body), incoming.arrived
    origin = origin_of_refused(incoming.dialect, body, incoming.headers, key)
    async with open_inference(router.store.facts, router.fleet, origin, arrived, router.clock) as inference:
        request = guarded(understood(router, incoming, body, key, inference), inference)
        plan = await planned(router, request, arrived)
        plan = await with_probe(router.claims, plan, arrived, inference.id)
        log_decision(plan, inference.id)
        inference.describe(request.origin, plan.profile, plan.pack())
        if plan.refusal:
            raise plan.refusal
        answer = Answer(request, plan, inference, sink, arrived, router.clock)
        session_before = answer.read_session(router.sessions)
        context = AttemptContext(
            router.http, router.providers, request, inference, sink, incoming.deadline_s, router.clock
        )
        outcome = await attempt_all(plan, context, answer.headers)
        inference.ended(outcome.ending, outcome.status)
        # Beside the closing write, which the caller waits for.
        probe_ended = asyncio.create_task(end_probe(router.claims, plan, router.clock()))
    await probe_ended
    await answer.finish(outcome, await session_before)
