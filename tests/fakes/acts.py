"""How each step answers an inference request, streamed or whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.agent import agent_answer
from tests.fakes.damage import ERROR_IN_200, damaged_stream, damaged_whole
from tests.fakes.exchange import EVENT_STREAM, JSON, Exchange
from tests.fakes.steps import (
    PLAIN,
    Agent,
    Answer,
    Cut,
    Damaged,
    Fail,
    Garbage,
    Hang,
    Json,
    Pings,
    Raw,
    Step,
    StreamError,
    Wait,
)
from tests.fakes.texts import dumps
from tests.fakes.wire import Event, Reply


@dataclass(frozen=True)
class Act:
    """One inference request: its body with all that it refers to, how to compose its reply, and how to wait."""

    exchange: Exchange
    body: Json
    compose: Callable[[Answer], Reply]
    gate: Callable[[str], Awaitable[None]]

    async def play(self, step: Step) -> web.StreamResponse:
        """Answer as the step says."""
        x = self.exchange
        step = agent_answer(step, x.wire, self.body) if isinstance(step, Agent) else step
        match step:
            case Fail():
                await asyncio.sleep(step.delay_ms / 1000)
                return await x.fail(step)
            case Hang():
                await asyncio.sleep(step.ms / 1000)
                await x.drop(reset=False)
            case Garbage():
                kind = {} if step.content_type is None else {"content-type": step.content_type}
                return await x.whole(step.status, step.body, {**kind, **step.headers})
            case Raw():
                response = await x.open(step.status, {"content-type": step.content_type})
                await x.send(response, [Event(piece, content=True) for piece in step.pieces], step.gap_ms)
                return await x.close(response)
        answer = step if isinstance(step, Answer) else step.answer or PLAIN
        await asyncio.sleep(answer.delay_ms / 1000)
        reply = self.compose(answer)
        if isinstance(step, Damaged):
            return await self._damaged(step, reply)
        if x.record.streamed:
            return await self._stream(step, answer, x.wire.events(self.body, reply))
        return await self._document(step, answer, x.wire.unary(self.body, reply))

    async def _damaged(self, step: Damaged, reply: Reply) -> web.StreamResponse:
        x, answer = self.exchange, reply.answer
        if step.kind == ERROR_IN_200:
            error = Fail(500, "The provider failed, and said so with a 200.")
            return await x.json(x.wire.error_body(error, x.record.request_id), headers=answer.headers)
        dialect = x.wire.dialect
        try:
            if x.record.streamed:
                events = x.wire.events(self.body, reply)
                broken = damaged_stream(step.kind, dialect, events, EVENT_STREAM)
            else:
                broken = damaged_whole(step.kind, dialect, x.wire.unary(self.body, reply), JSON)
        except KeyError:
            how = "streamed" if x.record.streamed else "whole"
            return await x.fail(Fail(500, f"The stand-in has no damage {step.kind!r} for {how} {dialect}."))
        kind = {} if broken.content_type is None else {"content-type": broken.content_type}
        response = await x.open(200, {**kind, **answer.headers})
        await x.send(response, broken.events, answer.gap_ms)
        return await x.close(response)

    async def _stream(self, step: Step, answer: Answer, events: list[Event]) -> web.StreamResponse:
        x = self.exchange
        headers = {"content-type": EVENT_STREAM, "cache-control": "no-cache", **answer.headers}
        response = await x.open(200, headers)
        before: list[Event] = []
        if isinstance(step, Cut | StreamError | Wait):
            before, after = split(events, step.after_chunks)
            await x.send(response, before, answer.gap_ms)
        match step:
            case Cut():
                if step.how == "torn":
                    await x.send(response, [torn(after[0])], answer.gap_ms)
                elif step.how != "eof":
                    await x.drop(reset=step.how == "reset")
            case StreamError():
                await response.write(x.wire.error_event(step, x.record.request_id, before))
            case Wait():
                await self.gate(step.event)
                await x.send(response, after, answer.gap_ms)
            case Pings():
                await self._keep_alive(response, step, x.wire.ping())
                await x.send(response, events if step.answer else [], answer.gap_ms)
            case _:
                await x.send(response, events, answer.gap_ms)
        return await x.close(response)

    async def _document(self, step: Step, answer: Answer, body: Json) -> web.StreamResponse:
        x = self.exchange
        document = dumps(body)
        half = document[: len(document) // 2]
        headers = {"content-type": JSON, **answer.headers}
        match step:
            case StreamError():
                if (failed := x.wire.failed(step, body)) is not None:
                    return await x.json(failed, headers=answer.headers)
                return await x.fail(x.wire.stream_error_as_fail(step))
            case Cut(how="torn"):
                return await x.whole(200, half, headers)
            case Cut():
                response = await x.open(200, {"content-length": str(len(document)), **headers})
                await response.write(half)
                await x.drop(reset=step.how == "reset")
            case Pings():
                response = await x.open(200, headers)
                await self._keep_alive(response, step, b"\n")
                if step.answer:
                    await response.write(document)
                return await x.close(response)
            case Wait():
                await self.gate(step.event)
        return await x.whole(200, document, headers)

    async def _keep_alive(self, response: web.StreamResponse, step: Pings, ping: bytes) -> None:
        for _ in range(step.n):
            await response.write(ping)
            await asyncio.sleep(step.gap_ms / 1000)


def split(events: Sequence[Event], after_chunks: int) -> tuple[list[Event], list[Event]]:
    """Events up to and after the n-th content delta. 0: before the first; -1: everything is after.

    With more deltas asked for than there are, the cut is behind the last: the closing events never go out.
    """
    if after_chunks < 0:
        return [], list(events)
    places = [n for n, event in enumerate(events) if event.content] or [1]
    at = places[min(after_chunks, len(places)) - 1] + 1 if after_chunks else places[0]
    return list(events[:at]), list(events[at:])


def torn(event: Event) -> Event:
    """The first part of an event, cut off inside its JSON."""
    keep = max(len(event.data) * 2 // 3, event.data.find(b"data: ") + len(b"data: {"))
    return Event(event.data[: min(keep, len(event.data) - 3)], event.content)
