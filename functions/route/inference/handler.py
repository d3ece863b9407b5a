"""One exchange with a caller, from its key to the last byte: the router's main function, for every dialect."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from string import punctuation
from typing import Any
from urllib.parse import quote

import aiohttp

from ledger.folds.session import Session, add_facts
from ledger.ids import new_inference_id
from ledger.items import ApiKey, Fact, Inference, Origin
from ledger.moments import now_ms
from ledger.outcomes import Ending, Outcome
from ledger.routes import route_key
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from route.answering.sink import Sink
from route.calling.attempt import Attempt
from route.calling.attempt_loop import ChainOutcome, attempt_all
from route.calling.call import Exchange
from route.config.file import Config
from route.dialects.base import Dialect, Document, dump, parse_object
from route.errors import ApiError
from route.fleet.fleet import Fleet
from route.inference.probes import end_probe, with_probe
from route.inference.receipts import answer_headers, make_receipt
from route.planning.plan import Plan, make_plan
from route.providers.base import Provider
from route.recording.observe import watching
from route.recording.recorder import Capture
from route.request.auth import ApiKeys
from route.request.parse import Request, origin_of_refused, parse, parse_body
from route.request.tool_loop import TOOL_LOOP, guard_tool_loop

log = logging.getLogger("warmroute.route")

RESERVE_S = 3.0
"""Kept of the platform's time for the closing writes and the last bytes."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
REQUEST_ID = "request_id"


@dataclass(frozen=True, slots=True)
class Router:
    """Everything that an exchange stands on; made once per process in `app.py`."""

    config: Config
    store: Store
    keys: ApiKeys
    fleet: Fleet
    http: aiohttp.ClientSession
    providers: Mapping[str, Provider]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came. `headers` are lower-case; `time_left_s` is what the platform gives the whole of it."""

    dialect: Dialect
    headers: Mapping[str, str]
    query: str
    body: bytes
    time_left_s: float


async def exchange(router: Router, incoming: Incoming, key: ApiKey, sink: Sink) -> None:
    """Answers one routed request. Raises ApiError for what has not been answered yet."""
    arrived, clock = now_ms(), asyncio.get_running_loop().time
    deadline_s = clock() + incoming.time_left_s - RESERVE_S
    inference_id = new_inference_id(arrived)
    request = await understood(router, incoming, key, sink)
    if request is None:
        return
    try:
        with leaving_a_row(key):
            request = guard_tool_loop(request)
        plan = await planned(router, request, arrived)
        with leaving_a_row(key):
            plan = await with_probe(router.fleet, plan, arrived, inference_id)
    except ApiError as fault:
        is_loop = fault.code == TOOL_LOOP
        origin = replace(request.origin, tool_loop="break") if is_loop else request.origin
        await refuse(router, incoming.dialect, origin, b"", fault, sink, inference_id)
        return
    _log_decision(plan, inference_id)
    if plan.refusal:
        await refuse(router, incoming.dialect, request.origin, plan.pack(), plan.refusal, sink, inference_id)
        return
    capture = open_capture(router, request, plan, arrived, inference_id)
    answer = Answer(request, plan, capture, sink, arrived)
    totals = asyncio.create_task(_session_before(router.fleet, capture.inference))
    exchanged = Exchange(router.http, router.providers, request, capture, sink, deadline_s)
    served = await attempt_all(plan, exchanged, answer.headers)
    closing = capture.close(at=now_ms(), ending=served.ending, status=answer.status(served))
    await asyncio.gather(closing, end_probe(router.fleet, plan))
    await answer.finish(served, await totals)


async def understood(router: Router, incoming: Incoming, key: ApiKey, sink: Sink) -> Request | None:
    """The request, parsed; None when it was refused. Raises ApiError for what is no JSON at all."""
    dialect, headers = incoming.dialect, incoming.headers
    body = parse_body(incoming.body)
    try:
        with leaving_a_row(key):
            return parse(dialect, body, headers, incoming.query, key, router.config)
    except ApiError as error:
        await refuse(router, dialect, origin_of_refused(dialect, body, headers, key), b"", error, sink)
        return None


@contextmanager
def leaving_a_row(key: ApiKey) -> Iterator[None]:
    """Where a stranger's body is read, a bug of ours is an ApiError too: it is answered, and leaves a row."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:  # noqa: BLE001 - see above; only the kind of fault is told, its text may quote a request
        log.error("planning-failed", extra={"error": type(error).__name__, "caller": key.caller})  # noqa: TRY400
        raise ApiError(
            500, "internal_error", "The router failed. It has been logged.", should_retry=False
        ) from None


async def planned(router: Router, request: Request, now: int) -> Plan:
    """The decision, by all that is known now."""
    origin, fleet = request.origin, router.fleet
    snapshot, warm = await asyncio.gather(fleet.snapshot(now), fleet.warm_routes(origin.caller, origin.session))
    with leaving_a_row(request.key):
        return make_plan(request, router.config, snapshot, warm.items(), now)


def open_capture(router: Router, request: Request, plan: Plan, now: int, inference_id: str) -> Capture:
    """The trail of an inference that is about to begin."""
    inference = Inference(inference_id, request.origin, now, plan.pack())
    profile = request.choice.profile
    seen = watching(router.fleet, profile)
    return Capture(router.store, inference, strict=profile.ledger == "strict", seen=seen)


async def _session_before(fleet: Fleet, inference: Inference) -> Session | None:
    """The session's totals before this inference, for the receipt; read beside the call. None when unknown."""
    origin = inference.origin
    if not origin.session:
        return None
    try:
        # The call may end before this read does: what it writes must not be counted twice.
        before = await fleet.session(origin.caller, origin.session, without=inference.inference_id)
        return before or Session()
    except StoreError as error:
        log.warning("session-unreadable", extra={"error": str(error)})
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the caller around the provider's bytes: headers, receipt, errors."""

    request: Request
    plan: Plan
    capture: Capture
    sink: Sink
    arrived: int

    def headers(self, attempt: Attempt) -> dict[str, str]:
        """Of an answer that comes from this attempt, whether it runs still or has ended."""
        now = now_ms()
        upstream = sum(f.latency_ms or 0 for f in self.capture.facts if f.n != attempt.n)
        upstream += (attempt.ended_at or now) - attempt.started_at
        route = route_key(attempt.route.provider.name, attempt.route.model.model, attempt.reader.served_by)
        visible = quote(route, safe=punctuation)
        inference_id = self.capture.inference.inference_id
        ours = answer_headers(inference_id, visible, attempt.n, max(0, now - self.arrived - upstream))
        kind = EVENT_STREAM if self.request.features.stream else JSON
        caching = {"cache-control": "no-cache"} if self.request.features.stream else {}
        return {**attempt.headers, **ours, "content-type": kind, **caching}

    @staticmethod
    def status(served: ChainOutcome) -> int | None:
        """The HTTP status that the caller sees; None when nobody is there to see it."""
        if served.ending is Ending.CANCELLED:
            return None
        return served.error.status if served.error else 200

    async def finish(self, served: ChainOutcome, before: Session | None) -> None:
        """The last bytes: what the reader held back with the receipt, or the error."""
        if served.ending is Ending.CANCELLED:
            self.sink.close()
        elif served.error is not None:
            await self._fail(served, served.error)
        else:
            await self._deliver(served, before)

    async def _deliver(self, served: ChainOutcome, before: Session | None) -> None:
        receipt: Document | None = None
        if self.request.receipt_asked or not self.request.features.stream:
            facts = self.capture.facts
            session = add_facts(before, facts) if before is not None else None
            receipt = make_receipt(self.capture.inference, facts, self.plan, session, self.arrived)
        tail = served.last.reader.tail(receipt)
        if not self.sink.started:
            headers = self.headers(served.last)
            size = {} if self.request.features.stream else {"content-length": str(len(tail))}
            await self.sink.start(200, headers | size)
        await self.sink.write(tail)
        await self.sink.end()

    async def _fail(self, served: ChainOutcome, error: ApiError) -> None:
        inference_id = self.capture.inference.inference_id
        dialect = self.request.dialect
        if self.sink.started:
            await self.sink.write(dialect.error_event(error, inference_id))
            await self.sink.end()
            return
        own_words = _in_our_name(served.own_words, inference_id) if served.own_words else b""
        body = own_words or dump(dialect.error_document(error, inference_id))
        headers = self.headers(served.last) | error.headers() | {"content-type": JSON}
        await send_whole(self.sink, error.status, headers, body)


def _in_our_name(own_words: bytes, inference_id: str) -> bytes:
    """A provider's error with our id in place of its own, which one vendor's SDK reads before any header."""
    document = parse_object(own_words)
    return dump(document | {REQUEST_ID: inference_id}) if REQUEST_ID in document else own_words


async def send_whole(sink: Sink, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """An answer that is known whole."""
    await sink.start(status, {**headers, "content-length": str(len(body))})
    await sink.write(body)
    await sink.end()


async def send_error(sink: Sink, dialect: Dialect, error: ApiError, inference_id: str = "") -> None:
    """An error in the dialect, before anything else was sent."""
    ids = answer_headers(inference_id, "", 0, 0) if inference_id else {}
    body = dump(dialect.error_document(error, inference_id))
    await send_whole(sink, error.status, {**ids, **error.headers(), "content-type": JSON}, body)


async def refuse(
    router: Router,
    dialect: Dialect,
    origin: Origin,
    plan: bytes,
    error: ApiError,
    sink: Sink,
    inference_id: str = "",
) -> None:
    """An inference that ended before any call: written down like every other, then answered."""
    now = now_ms()
    inference = Inference(inference_id or new_inference_id(now), origin, now, plan)
    fact = Fact(inference.inference_id, 0, now, Outcome.REFUSED, origin, started_at=now, closes=Ending.ERROR)
    capture = Capture(router.store, inference, strict=False, seen=router.fleet.add)
    await capture.refuse(fact, status=error.status)
    log.info(
        "inference-refused",
        extra={"inference_id": inference.inference_id, "caller": origin.caller, "code": error.code},
    )
    await send_error(sink, dialect, error, inference.inference_id)


def _log_decision(plan: Plan, inference_id: str) -> None:
    which: dict[str, Any] = {"inference_id": inference_id}
    for warning in plan.warnings:
        log.warning("budget-warning", extra=which | warning)
    if "+adaptive" in plan.rule_fired:
        levels = {known.route: known.demotion for known, _ in plan.judged if known.demotion}
        log.info("adaptive-routing-applied", extra={**which, "levels": levels, "rule_fired": plan.rule_fired})
    for known, failure in plan.judged:
        if reason := failure.reason:
            event = _SKIP_EVENTS.get(reason, f"skip-{reason.replace('_', '-')}")
            log.info(event, extra={**which, "route": known.route, "rule_fired": plan.rule_fired})


_SKIP_EVENTS: dict[str, Any] = {"budget_exhausted": "skip-budget-exceeded"}
