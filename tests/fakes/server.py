"""A provider's state and its paths: who may call, what exists, and which step answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from aiohttp import web

from tests.fakes.acts import Act
from tests.fakes.exchange import Dropped, Exchange
from tests.fakes.prompt_cache import PrefixMemory, prompt_tokens
from tests.fakes.records import Record
from tests.fakes.reply import Reply, Wire, compose
from tests.fakes.steps import PLAIN, Answer, Fail, Json, Step

WAIT_LIMIT_S = 30.0  # a gate that a test forgot to open


class StandIn:
    """One provider; every method that serves runs on the server's loop."""

    def __init__(
        self,
        wire: Wire,
        *,
        models: Sequence[str] = (),
        cache: bool = True,
        keys: Sequence[str] = (),
        strict_fields: bool = False,
        served_by: str | None = None,
    ) -> None:
        self.wire = wire
        self.models = list(models)
        self.keys = frozenset(keys)
        self.strict_fields = strict_fields
        self.served_by = served_by
        self.memory = PrefixMemory() if cache else None
        self.planned: deque[Step] = deque()
        self.default: Step | Callable[[Record], Step] = PLAIN
        self.requests: list[Record] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._served = 0

    def clear(self) -> None:
        """Forget plans, requests, releases and cached prefixes; the default behaviour stays."""
        self.planned.clear()
        self.requests.clear()
        self._gates.clear()
        if self.memory:
            self.memory.clear()

    def release(self, name: str) -> None:
        """Open a gate; a release before the wait counts. Call it on the server's loop."""
        self._gates.setdefault(name, asyncio.Event()).set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every path of the vendor's API."""
        record = await self._record(request)
        self.requests.append(record)
        try:
            return await self._route(Exchange(request, record, self.wire))
        except Dropped:
            raise
        except (asyncio.CancelledError, ConnectionResetError) as error:
            record.aborted = record.sent_last_at is None
            # nobody is left to answer, and anything but a cancellation would be logged as a fault of ours
            raise asyncio.CancelledError from error

    async def _record(self, request: web.Request) -> Record:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        self._served += 1
        return Record(
            n=self._served,
            method=request.method,
            path=request.path,
            query=request.query_string,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            raw=raw,
            received_at=time.monotonic(),
            request_id=f"req_standin{self._served:08d}",
        )

    async def _route(self, x: Exchange) -> web.StreamResponse:
        key = self.wire.key_of(x.record.headers)
        if key is None or (self.keys and key not in self.keys):
            return await x.fail(Fail(401, "Incorrect API key provided."))
        call = (x.record.method, x.record.path)
        if call == ("POST", self.wire.inference_path):
            return await self._infer(x, key)
        if call == ("POST", self.wire.counting_path):
            return await self._count(x)
        if x.record.method == "GET" and x.record.path.startswith("/v1/models"):
            return await self._models(x, x.record.path.removeprefix("/v1/models").removeprefix("/"))
        return await x.fail(self.wire.unknown_path(*call))

    async def _models(self, x: Exchange, name: str) -> web.StreamResponse:
        if not name:
            return await x.json(self.wire.models(self.models))
        if self.models and name not in self.models:
            return await x.fail(self.wire.unknown_model(name))
        return await x.json(self.wire.model(name))

    async def _count(self, x: Exchange) -> web.StreamResponse:
        body = x.record.body
        if fault := self._fault(x.record, {"max_tokens": 1, **body} if isinstance(body, dict) else None):
            return await x.fail(fault)
        return await x.json({"input_tokens": prompt_tokens(self.wire.blocks(body))})

    async def _infer(self, x: Exchange, key: str) -> web.StreamResponse:
        body = x.record.body
        if fault := self._fault(x.record, body):
            return await x.fail(fault)
        if self.planned:
            step = self.planned.popleft()
        else:
            step = self.default(x.record) if callable(self.default) else self.default
        x.record.step = type(step).__name__

        def reply_to(answer: Answer) -> Reply:
            answer = replace(answer, served_by=answer.served_by or self.served_by)
            return compose(self.wire, body, answer, self.memory, f"{key} {body['model']}")

        return await Act(x, reply_to, self._wait).play(step)

    def _fault(self, record: Record, body: Json | None) -> Fail | None:
        if not isinstance(body, dict):
            return Fail(400, "We could not parse the JSON body of your request.")
        if fault := self.wire.fault_of(record.headers, body):
            return fault
        if self.models and body["model"] not in self.models:
            return self.wire.unknown_model(body["model"])
        if self.strict_fields and (unknown := sorted(set(body) - self.wire.known_fields())):
            return Fail(400, f"Unrecognized request argument supplied: {', '.join(unknown)}")
        return None

    async def _wait(self, name: str) -> None:
        gate = self._gates.setdefault(name, asyncio.Event())
        await asyncio.wait_for(gate.wait(), WAIT_LIMIT_S)
        gate.clear()
