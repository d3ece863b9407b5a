"""A stand-in that runs inside a test: its own thread, its own loop, a real socket on 127.0.0.1."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from tests.fakes.anthropic_wire import AnthropicWire
from tests.fakes.background import HOST, Background, listen
from tests.fakes.embeddings import EmbeddingsWire
from tests.fakes.openai_wire import OpenAIWire
from tests.fakes.records import Record
from tests.fakes.responses_wire import ResponsesWire
from tests.fakes.server import StandIn
from tests.fakes.steps import Step
from tests.fakes.wire import Wire

Kind = Literal["openai", "anthropic"]


def wires_of(kind: Kind, signer: str | None = None) -> list[Wire]:
    """The dialects of a vendor, the main one first. ``signer``: whose seals its reasoning carries."""
    if kind == "anthropic":
        return [AnthropicWire(signer)]
    return [OpenAIWire(signer), ResponsesWire(signer), EmbeddingsWire(signer)]


def unused_port() -> int:
    """A port on which nobody listens, so that connecting to it is refused."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


class Provider:
    """A vendor on a local port.

    >>> with Provider("openai", models=["small-2026-01"]) as p:
    ...     p.plan(Fail(429), Answer(text="hi"))
    ...     client = openai.OpenAI(base_url=p.base_url, api_key="sk-any", max_retries=1)

    ``keys``: the only API keys that are accepted; none given: any. ``models``: unknown ones get a 404; none
    given: any. ``cache`` False: no prompt cache, for comparing two answers field by field.
    ``strict`` None: the vendor's rules hold (roles, pairs of tool calls, ids, signatures); True: and a field that
    its SDK does not know is a 400; False: anything goes that has a model and messages.
    ``signer``: reasoning is sealed in this name, and only what carries this seal is taken back; default: ``kind``.
    ``served_by``: OpenRouter's top-level ``provider``, unless the ``Answer`` has its own.
    ``default`` may be set to a step or to a function from the record of a request to a step.
    """

    def __init__(
        self,
        kind: Kind = "openai",
        *,
        models: Sequence[str] = (),
        name: str | None = None,
        cache: bool = True,
        keys: Sequence[str] = (),
        strict: bool | None = None,
        served_by: str | None = None,
        signer: str | None = None,
        port: int = 0,
    ) -> None:
        self.kind: Kind = kind
        self.name = name or kind
        self.port = port
        self._stand_in = StandIn(
            wires_of(kind, signer),
            models=models,
            cache=cache,
            keys=keys,
            strict=strict,
            served_by=served_by,
        )
        self._background = Background(self._listen, self.name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; a second start, after a stop, takes the same port again."""
        self._background.start()

    def stop(self) -> None:
        """Close the port; whatever hangs is cut off."""
        self._background.stop()

    async def _listen(self) -> web.AppRunner:
        runner, self.port = await listen(self._stand_in.routes(), self.port)
        return runner

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        """What the vendor's SDK takes: with ``/v1`` for OpenAI, the origin for Anthropic."""
        return f"{self.origin}/v1" if self.kind == "openai" else self.origin

    @property
    def requests(self) -> list[Record]:
        """Every request so far, in order of arrival."""
        return list(self._stand_in.requests)

    @property
    def calls(self) -> list[Record]:
        """Only the inference requests that got as far as a step."""
        return [record for record in self.requests if record.step]

    @property
    def sent_last_at(self) -> float | None:
        """When the last byte of the latest request was written, in ``time.monotonic()`` seconds."""
        return self._stand_in.requests[-1].sent_last_at if self._stand_in.requests else None

    @property
    def default(self) -> Step | Callable[[Record], Step]:
        """What happens when nothing is planned."""
        return self._stand_in.default

    @default.setter
    def default(self, step: Step | Callable[[Record], Step]) -> None:
        self._stand_in.default = step

    def plan(self, *steps: Step) -> None:
        """Queue one step for each of the next inference requests, first in first out; an ``Agent`` stays."""
        self._stand_in.planned.extend(steps)

    def clear(self) -> None:
        """Forget plans, requests, releases and cached prefixes."""
        self._stand_in.clear()

    def release(self, event: str = "go") -> None:
        """Let a stream go on that waits at ``Wait(event)``."""
        self._background.call(self._stand_in.release, event)

    def wait_for(self, condition: Callable[[Provider], bool], timeout_s: float = 60.0) -> None:
        """Block until the condition holds, e.g. ``p.wait_for(lambda p: p.requests[0].aborted)``."""
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_s} s; requests: {len(self.requests)}")
            time.sleep(0.005)
