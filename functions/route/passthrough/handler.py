"""Whatever else a provider offers under `/v1`, passed through: bytes out as they came, bytes back as they come.

It goes to the profile's first provider of the vendor whose dialect the request speaks. The router reads nothing of
it but a model's name, so it cannot hold a caller to models, nor count tokens: it is written down as one attempt of
unknown cost. There is no second provider to try, since what is stored at one is nothing to another.
"""

import asyncio
from dataclasses import replace
from string import punctuation
from urllib.parse import quote

from ledger.items import PASSTHROUGH, ApiKey, Origin, Started
from ledger.routes import route_key
from route.answering.send import JSON, answer_headers, send_whole
from route.answering.sink import Sink
from route.dialects.base import dump
from route.errors import BadRequest, NotFound, StoreUnavailable
from route.passthrough.call_fact import CallResult, result_of
from route.passthrough.destination import Destination, check_key, check_provider, destination_of, json_of
from route.passthrough.outgoing import outgoing_call
from route.passthrough.paths import check_path, shape_of
from route.passthrough.relay import Relay
from route.recording.lifecycle import RunningInference, open_inference
from route.request.incoming import Incoming
from route.request.parse import MAX_LABEL, origin_of_refused, storable
from route.router import Router


async def pass_through(router: Router, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    """Answers one request that no dialect of ours reads. Raises ApiError for what has not been answered yet."""
    _check(router, incoming)
    document = json_of(incoming)
    origin = _origin(incoming, key, is_stream=document.get("stream") is True)
    async with open_inference(
        router.store.facts, router.fleet, origin, incoming.arrived, router.clock
    ) as inference:
        check_key(key)
        to = destination_of(incoming, document, router.config)
        inference.describe(replace(origin, profile=to.profile_name), to.profile)
        snapshot = await router.fleet.snapshot(incoming.arrived)
        check_provider(to.provider, router.config, snapshot, incoming.arrived)
        relay = _relay(router, incoming, to, inference, sink)
        await _run(relay, router, incoming, to)
        result = result_of(relay, incoming.method, to, inference.inference)
        inference.end(result.fact, answered=True)
        inference.ended(result.ending, result.status)
    await _finish(relay, result, incoming)


def _check(router: Router, incoming: Incoming) -> None:
    """Raises ApiError for what is no request to a provider at all, and so is not written down."""
    check_path(incoming.method, incoming.path, incoming.query)
    if not router.config.pass_through:
        asked = f"{incoming.method} {incoming.path[:MAX_LABEL]}"
        raise NotFound("not_found", f"There is no {asked} here: pass_through is off.")
    if not all(value.isprintable() for value in incoming.headers.values()):
        raise BadRequest("invalid_header", "A header has characters that none can have.")


def _origin(incoming: Incoming, key: ApiKey, *, is_stream: bool) -> Origin:
    return replace(
        origin_of_refused(incoming.dialect, {}, incoming.headers, key),
        dialect=PASSTHROUGH,
        requested_model=storable(shape_of(incoming.path)),
        stream=is_stream,
    )


def _relay(router: Router, incoming: Incoming, to: Destination, inference: RunningInference, sink: Sink) -> Relay:
    started_at = router.clock()
    route = quote(route_key(to.provider.name, to.model_name), safe=punctuation)
    ours = answer_headers(inference.id, route, 1, max(0, started_at - incoming.arrived))
    return Relay(router.http, inference, sink, router.clock, started_at, ours)


async def _run(relay: Relay, router: Router, incoming: Incoming, to: Destination) -> None:
    """The one call, from the moment it is written down to its end."""
    try:
        await relay.inference.start(Started(1, to.provider.name, to.model_name, relay.started_at))
    except StoreUnavailable as fault:
        relay.error, relay.ended_at = fault, router.clock()
        return
    provider = router.providers[to.provider.name]
    await relay.run(
        lambda: outgoing_call(provider, incoming, to.body),
        to.profile.deadlines,
        stream=relay.inference.inference.origin.stream,
        left_s=incoming.deadline_s - asyncio.get_running_loop().time(),
    )


async def _finish(relay: Relay, result: CallResult, incoming: Incoming) -> None:
    """The last bytes, or the error. What broke off is cut off: nothing else tells it from a whole answer."""
    error = result.error
    if error is None:
        await relay.finish()
    elif relay.sink.started or relay.sink.gone:
        relay.sink.close()
    else:
        body = dump(incoming.dialect.error_document(error, relay.inference.id))
        headers = {**relay.ours, **error.headers(), "content-type": JSON}
        await send_whole(relay.sink, error.status, headers, body)
