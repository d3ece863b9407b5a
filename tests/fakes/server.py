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
from tests.fakes.reply import compose
from tests.fakes.steps import PLAIN, Agent, Answer, Fail, Json, Step
from tests.fakes.wire import Reply, Wire

WAIT_LIMIT_S = 30.0
"""How long a stream waits at a gate, in case a test forgets to open it."""


class StandIn:
    """One provider, its main wire first; every method that serves runs on the server's loop."""

    def __init__(
        self,
        wires: Sequence[Wire],
        *,
        models: Sequence[str] = (),
        cache: bool = True,
        keys: Sequence[str] = (),
        strict: bool | None = None,
        served_by: str | None = None,
    ) -> None:
        self.wires = list(wires)
        self.models = list(models)
        self.keys = frozenset(keys)
        self.strict = strict
        self.served_by = served_by
        self.memory = PrefixMemory() if cache else None
        self.planned: deque[Step] = deque()
        self.default: Step | Callable[[Record], Step] = PLAIN
        self.requests: list[Record] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._served = 0

    def clear(self) -> None:
        """Forget plans, requests, releases, cached prefixes and stored answers; the default behaviour stays."""
        self.planned.clear()
        self.requests.clear()
        self._gates.clear()
        if self.memory:
            self.memory.clear()
        for wire in self.wires:
            wire.forget()

    def release(self, name: str) -> None:
        """Open a gate; a release before the wait counts. Call it on the server's loop."""
        self._gates.setdefault(name, asyncio.Event()).set()

    def routes(self) -> list[web.RouteDef]:
        """Every path goes to one handler, which answers those that the vendor does not have too."""
        return [web.route("*", "/{path:.*}", self.handle)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to any path of the vendor's API."""
        record = await self._record(request)
        self.requests.append(record)
        try:
            return await self._route(Exchange(request, record, self._wire(record.path)))
        except Dropped:
            raise
        except (asyncio.CancelledError, ConnectionResetError) as error:
            record.aborted = record.sent_last_at is None
            # Nobody is left to answer, and aiohttp would log anything but a cancellation as an error.
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

    def _wire(self, path: str) -> Wire:
        """The dialect of a path: the one whose path it is, or begins with; else the main one."""
        owners = [wire for wire in self.wires if path == wire.inference_path]
        owners += [wire for wire in self.wires if path.startswith(f"{wire.inference_path}/")]
        return owners[0] if owners else self.wires[0]

    async def _route(self, x: Exchange) -> web.StreamResponse:
        wire, record = x.wire, x.record
        key = wire.key_of(record.headers)
        if key is None or (self.keys and key not in self.keys):
            return await x.fail(Fail(401, "Incorrect API key provided."))
        call = (record.method, record.path)
        if call == ("POST", wire.inference_path):
            return await self._infer(x, key)
        if call == ("POST", wire.counting_path):
            return await self._count(x)
        if record.method == "GET" and record.path.startswith("/v1/models"):
            return await self._models(x, record.path.removeprefix("/v1/models").removeprefix("/"))
        answer = wire.beside(record)
        if answer is None or isinstance(answer, Fail):
            return await x.fail(answer or wire.unknown_path(*call))
        return await x.json(answer)

    async def _models(self, x: Exchange, name: str) -> web.StreamResponse:
        if not name:
            return await x.json(x.wire.models(self.models))
        if self.models and name not in self.models:
            return await x.fail(x.wire.unknown_model(name))
        return await x.json(x.wire.model(name))

    async def _count(self, x: Exchange) -> web.StreamResponse:
        body = x.record.body
        given = {**x.wire.counting_defaults, **body} if isinstance(body, dict) else None
        if fault := self._fault(x, given, counting=True):
            return await x.fail(fault)
        return await x.json(x.wire.counted(prompt_tokens(x.wire.blocks(x.wire.resolved(given or {})))))

    async def _infer(self, x: Exchange, key: str) -> web.StreamResponse:
        if fault := self._fault(x, x.record.body):
            return await x.fail(fault)
        body = x.wire.resolved(x.record.body)
        step = self._next(x.record)
        x.record.step = type(step).__name__

        def reply_to(answer: Answer) -> Reply:
            answer = replace(answer, served_by=answer.served_by or self.served_by)
            return compose(x.wire, body, answer, self.memory, f"{key} {body['model']}")

        return await Act(x, body, reply_to, self._wait).play(step)

    def _next(self, record: Record) -> Step:
        """The next planned step, which is used up unless it is an agent; else the default."""
        if self.planned:
            return self.planned[0] if isinstance(self.planned[0], Agent) else self.planned.popleft()
        return self.default(record) if callable(self.default) else self.default

    def _fault(self, x: Exchange, body: Json | None, *, counting: bool = False) -> Fail | None:
        """What the vendor would refuse; ``counting``: models need not be served for that."""
        wire = x.wire
        if not isinstance(body, dict):
            return Fail(400, "We could not parse the JSON body of your request.")
        if fault := wire.fault_of(x.record.headers, body):
            return fault
        if self.models and body["model"] not in self.models and not (counting and "model" not in x.record.body):
            return wire.unknown_model(body["model"])
        if self.strict is not False and (fault := wire.rule_broken(body)):
            return fault
        return wire.field_unknown(body) if self.strict else None

    async def _wait(self, name: str) -> None:
        gate = self._gates.setdefault(name, asyncio.Event())
        await asyncio.wait_for(gate.wait(), WAIT_LIMIT_S)
        gate.clear()
