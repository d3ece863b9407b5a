"""Amazon Bedrock on a local port: signatures, paths and frames are AWS's, what answers are the other stand-ins.

>>> with Bedrock() as b:
...     b.claude.plan(StreamError(after_chunks=2), Answer(text="hi"))
...     ...  # InvokeModel against b.origin, signed with b.secrets, or with one of b.api_keys as Bearer
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from tests.fakes.background import HOST, Background, listen
from tests.fakes.bedrock_frames import CONTENT_TYPE, chunk, exception
from tests.fakes.bedrock_signature import fault_in_signature
from tests.fakes.provider import Provider

VERSION = "bedrock-2023-05-31"
BETAS = ("context-1m-2025-08-07", "interleaved-thinking-2025-05-14", "tool-search-tool-2025-10-19")

_INVOKE = re.compile(r"/model/(?P<model>[^/]+)/invoke(?P<stream>-with-response-stream)?")
_NAMES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_EXCEPTIONS = {
    "invalid_request_error": "validationException",
    "rate_limit_error": "throttlingException",
    "overloaded_error": "serviceUnavailableException",
    "timeout_error": "modelTimeoutException",
}


@dataclass(frozen=True)
class Seen:
    """A request as it came in. ``target``: path and query as they stood in the request line."""

    target: str
    headers: Mapping[str, str]
    body: Any


class Bedrock:
    """``claude`` answers InvokeModel and ``/anthropic/…``, ``others`` the OpenAI-compatible path: steps go there.

    ``secrets``: secret keys by access key id. ``service``: the name that signatures must have.
    """

    def __init__(self, *, region: str = "us-east-1", service: str = "bedrock") -> None:
        self.region, self.service = region, service
        self.secrets = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
        self.api_keys = ("bedrock-api-key-1",)
        self.requests: list[Seen] = []
        self.claude = Provider("anthropic", name="claude", cache=False)
        self.others = Provider("openai", name="others", cache=False)
        self.port = 0
        self._stack = ExitStack()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._stack.enter_context(self.claude)
        self._stack.enter_context(self.others)
        background = Background(self._listen, "bedrock")
        background.start()
        self._stack.callback(background.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def _listen(self) -> web.AppRunner:
        runner, self.port = await listen([web.post("/{path:.*}", self._handle)], 0)
        return runner

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Seen(request.raw_path, headers, json.loads(raw)))
        if fault := self._stranger(request.raw_path, headers, raw):
            return _fail(403, "InvalidSignatureException", fault)
        if request.path == "/openai/v1/chat/completions":
            return await _passed(request, f"{self.others.origin}/v1/chat/completions", raw, {})
        if request.path == "/anthropic/v1/messages":
            version = {"anthropic-version": headers.get("anthropic-version", "")}
            return await _passed(request, f"{self.claude.origin}/v1/messages", raw, version)
        if match := _INVOKE.fullmatch(request.raw_path):
            return await self._invoke(request, unquote(match["model"]), match["stream"] is not None, raw)
        body = {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}
        return web.json_response(body, status=404)

    def _stranger(self, target: str, headers: Mapping[str, str], body: bytes) -> str | None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            return None if key in self.api_keys else "Authentication failed: the API key is not valid."
        given = {"secrets": self.secrets, "region": self.region, "service": self.service}
        return fault_in_signature(target, headers, body, **given, now=datetime.now(UTC))  # type: ignore[arg-type]

    async def _invoke(self, request: web.Request, model: str, stream: bool, raw: bytes) -> web.StreamResponse:
        body = json.loads(raw)
        if extra := [name for name in ("model", "stream") if name in body]:
            return _fail(400, "ValidationException", f"{extra[0]}: Extra inputs are not permitted")
        if body.pop("anthropic_version", None) != VERSION:
            return _fail(400, "ValidationException", "anthropic_version: Field required")
        if any(beta not in BETAS for beta in body.pop("anthropic_beta", ())):
            return _fail(400, "ValidationException", "invalid beta flag")
        asked = {**body, "model": model, **({"stream": True} if stream else {})}
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{self.claude.origin}/v1/messages",
                json=asked,
                headers={"x-api-key": "k", "anthropic-version": "2023-06-01"},
            ) as answer,
        ):
            if answer.status != 200:
                return await _refused(answer)
            head = {"x-amzn-requestid": "aws-1", "content-type": CONTENT_TYPE if stream else "application/json"}
            response = web.StreamResponse(headers=head)
            await response.prepare(request)
            try:
                await (_framed if stream else _copied)(answer.content, response)
            except aiohttp.ClientError:
                assert request.transport is not None
                request.transport.abort()
            return response


async def _framed(content: aiohttp.StreamReader, response: web.StreamResponse) -> None:
    """Send each event as one frame, and of an event that stops half-way half a frame."""
    rest = b""
    async for part in content.iter_any():
        *events, rest = (rest + part).split(b"\n\n")
        for event in events:
            await response.write(_frame_of(event))
    if rest:
        await response.write(chunk(rest)[:-9])


def _frame_of(event: bytes) -> bytes:
    data = event.partition(b"data: ")[2]
    document = json.loads(data)
    if document["type"] != "error":
        return chunk(data)
    error = document["error"]
    return exception(_EXCEPTIONS.get(error["type"], "internalServerException"), error["message"])


async def _copied(content: aiohttp.StreamReader, response: web.StreamResponse) -> None:
    async for part in content.iter_any():
        await response.write(part)


async def _passed(request: web.Request, url: str, raw: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Pass a request to a stand-in that speaks the vendor's dialect, and its answer back, byte for byte."""
    named = {"authorization": "Bearer k", "content-type": "application/json", **headers}
    async with aiohttp.ClientSession() as http, http.post(url, data=raw, headers=named) as answer:
        response = web.StreamResponse(status=answer.status, headers={"content-type": answer.content_type})
        await response.prepare(request)
        await _copied(answer.content, response)
        return response


async def _refused(answer: aiohttp.ClientResponse) -> web.Response:
    """Say a stand-in's error in AWS's words."""
    raw = await answer.read()
    status = 503 if answer.status == 529 else answer.status
    try:
        message = str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return web.Response(body=raw, status=status, content_type=answer.content_type)
    return _fail(status, _NAMES.get(status, "InternalServerException"), message)


def _fail(status: int, name: str, message: str) -> web.Response:
    headers = {
        "x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/",
        "x-amzn-requestid": "aws-1",
    }
    return web.json_response({"message": message}, status=status, headers=headers)
