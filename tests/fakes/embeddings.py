"""OpenAI's embeddings, byte for byte: ``POST /v1/embeddings``, with vectors that are a function of the input."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from typing import Any

from tests.fakes.fields import embeddings_field_unknown
from tests.fakes.openai_vendor import OpenAIVendor
from tests.fakes.prompt_cache import Block, PrefixMemory, Tokens, count
from tests.fakes.steps import Fail, Json
from tests.fakes.wire import Reply

DIMENSIONS = 16  # Real models have 1536 and more.
MAX_INPUTS = 2048


class EmbeddingsWire(OpenAIVendor):
    """See ``Wire``. Of an ``Answer`` only usage, delay, headers and what it says of the model count."""

    dialect = "embeddings"
    inference_path = "/v1/embeddings"

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """What is refused: no model, an input of the wrong shape, an unknown encoding."""
        if not isinstance(body.get("model"), str):
            return Fail(400, "you must provide a model parameter")
        inputs = _inputs(body.get("input"))
        if inputs is None or not inputs or len(inputs) > MAX_INPUTS or not all(inputs):
            return Fail(400, "'$.input' is invalid. Please check the API reference.", param="input")
        if body.get("encoding_format", "float") not in ("float", "base64"):
            return Fail(400, "'encoding_format' must be 'float' or 'base64'.", param="encoding_format")
        dimensions = body.get("dimensions", DIMENSIONS)
        if not isinstance(dimensions, int) or dimensions < 1:
            return Fail(400, "'dimensions' must be at least 1.", param="dimensions")
        return None

    def field_unknown(self, body: Json) -> Fail | None:
        """The first field that is not in the SDK, by ``fields``."""
        return embeddings_field_unknown(body)

    def blocks(self, body: Json) -> list[Block]:
        """The inputs, each a block."""
        return [Block(one if isinstance(one, str) else repr(one)) for one in _inputs(body["input"]) or []]

    def cached(self, memory: PrefixMemory, owner: str, body: Json) -> tuple[int, int, int]:
        """Embeddings have no prompt cache."""
        return 0, 0, 0

    def usage(self, tokens: Tokens) -> Json:
        """Counts of the input alone, since there is no output."""
        return {"prompt_tokens": tokens.prompt, "total_tokens": tokens.prompt}

    def unary(self, body: Json, reply: Reply) -> Json:
        """``{"object": "list", "data": [{"object": "embedding", "index", "embedding"}], "model", "usage"}``"""
        data: list[Json] = []
        for index, one in enumerate(_inputs(body["input"]) or []):
            vector = vector_of(one, int(body.get("dimensions", DIMENSIONS)))
            packed: Any = vector
            if body.get("encoding_format") == "base64":
                packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": packed})
        whole: Json = {"object": "list", "data": data, "model": reply.model}
        if reply.answer.served_by:
            whole["provider"] = reply.answer.served_by
        usage = reply.usage
        if usage is not None and reply.answer.usage is None:
            tokens = sum(count(one) if isinstance(one, str) else len(one) for one in _inputs(body["input"]) or [])
            usage = {**usage, "prompt_tokens": tokens, "total_tokens": tokens}
        return whole if usage is None else {**whole, "usage": usage}


def vector_of(one: str | list[int], dimensions: int = DIMENSIONS) -> list[float]:
    """The vector of one input, of length 1, with numbers that a 32-bit float holds exactly."""
    raw: list[float] = []
    for n in range(dimensions):
        first = hashlib.sha256(f"{one!r}\x1f{n}".encode()).digest()[0]
        raw.append(first / 127.5 - 1)
    size = math.sqrt(sum(number * number for number in raw)) or 1.0
    numbers: tuple[float, ...] = struct.unpack(
        f"<{dimensions}f", struct.pack(f"<{dimensions}f", *[n / size for n in raw])
    )
    return list(numbers)


def _inputs(given: Any) -> list[str | list[int]] | None:
    """The inputs one by one, as texts or lists of tokens; None for anything else."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        return None
    if given and all(isinstance(one, int) for one in given):
        return [given]
    whole = all(isinstance(one, str) for one in given) or all(
        isinstance(one, list) and all(isinstance(token, int) for token in one) for one in given
    )
    return list(given) if whole else None
