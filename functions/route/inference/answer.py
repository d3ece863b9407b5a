"""What goes to the caller around the provider's bytes: headers, receipt, errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from string import punctuation
from urllib.parse import quote

from ledger.folds.session import Session, add_facts
from ledger.outcomes import Ending
from ledger.routes import route_key
from ledger.store.connection import StoreError
from route.answering.send import EVENT_STREAM, JSON, answer_headers, send_whole
from route.answering.sink import Sink
from route.calling.attempt import Attempt
from route.calling.chain_error import ChainOutcome
from route.dialects.base import Document, dump, parse_object
from route.errors import ApiError
from route.fleet.sessions import Sessions
from route.inference.receipts import make_receipt
from route.planning.plan import Plan
from route.recording.lifecycle import RunningInference
from route.request.parse import Request

log = logging.getLogger("warmroute.route")

REQUEST_ID = "request_id"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. `arrived`: when it came; `clock`: ms since the epoch."""

    request: Request
    plan: Plan
    inference: RunningInference
    sink: Sink
    arrived: int
    clock: Callable[[], int]

    @property
    def has_receipt(self) -> bool:
        """A whole answer always has one, a stream only for those who ask."""
        return self.request.receipt_asked or not self.request.features.stream

    def read_session(self, sessions: Sessions) -> Awaitable[Session | None]:
        """The session's totals before this inference, for the receipt; they are read beside the call."""
        return asyncio.create_task(self._session_before(sessions))

    async def _session_before(self, sessions: Sessions) -> Session | None:
        """None where no receipt will show them, and when they are unknown."""
        origin = self.inference.inference.origin
        if not origin.session or not self.has_receipt:
            return None
        try:
            # The call may end before this read does: what it writes must not be counted twice.
            before = await sessions.totals(origin.caller, origin.session, without=self.inference.id)
            return before or Session()
        except StoreError as error:
            log.warning("session-unreadable", extra={"error": str(error)})
            return None

    def headers(self, attempt: Attempt) -> dict[str, str]:
        """Of an answer that comes from this attempt, whether it runs still or has ended."""
        now = self.clock()
        upstream = sum(f.latency_ms or 0 for f in self.inference.facts if f.n != attempt.n)
        upstream += (attempt.ended_at or now) - attempt.started_at
        route = route_key(attempt.route.provider.name, attempt.route.model.model, attempt.reader.served_by)
        visible = quote(route, safe=punctuation)
        overhead_ms = max(0, now - self.arrived - upstream)
        ours = answer_headers(self.inference.id, visible, attempt.n, overhead_ms)
        kind = EVENT_STREAM if self.request.features.stream else JSON
        caching = {"cache-control": "no-cache"} if self.request.features.stream else {}
        return {**attempt.headers, **ours, "content-type": kind, **caching}

    async def finish(self, outcome: ChainOutcome, session_before: Session | None) -> None:
        """The last bytes: what the reader held back with the receipt, or the error."""
        if outcome.ending is Ending.CANCELLED:
            self.sink.close()
        elif outcome.error is not None:
            await self._fail(outcome, outcome.error)
        else:
            await self._deliver(outcome, session_before)

    async def _deliver(self, outcome: ChainOutcome, session_before: Session | None) -> None:
        receipt: Document | None = None
        if self.has_receipt:
            facts = self.inference.facts
            session = add_facts(session_before, facts) if session_before is not None else None
            receipt = make_receipt(self.inference.inference, facts, self.plan, session, self.arrived)
        tail = outcome.last.reader.tail(receipt)
        if not self.sink.started:
            headers = self.headers(outcome.last)
            size = {} if self.request.features.stream else {"content-length": str(len(tail))}
            await self.sink.start(200, headers | size)
        await self.sink.write(tail)
        await self.sink.end()

    async def _fail(self, outcome: ChainOutcome, error: ApiError) -> None:
        inference_id, dialect = self.inference.id, self.request.dialect
        if self.sink.started:
            await self.sink.write(dialect.error_event(error, inference_id))
            await self.sink.end()
            return
        own_words = _with_our_id(outcome.own_words, inference_id) if outcome.own_words else b""
        body = own_words or dump(dialect.error_document(error, inference_id))
        headers = self.headers(outcome.last) | error.headers() | {"content-type": JSON}
        await send_whole(self.sink, error.status, headers, body)


def _with_our_id(own_words: bytes, inference_id: str) -> bytes:
    """A provider's error with our id in place of its own, which one vendor's SDK reads before any header."""
    document = parse_object(own_words)
    return dump(document | {REQUEST_ID: inference_id}) if REQUEST_ID in document else own_words
