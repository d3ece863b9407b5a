"""Small things to test with: a config, a request, a plan, streams of both dialects, and every way to cut them."""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from ledger.folds.session import Warm
from ledger.folds.spend import Spend
from ledger.items import ApiKey
from ledger.moments import day_of, month_of
from ledger.money import usd
from ledger.snapshot import Snapshot
from route.config.file import Config
from route.dialects.base import Dialect, Reader
from route.dialects.chat import CHAT
from route.planning.plan import Plan, make_plan
from route.request.parse import Request, parse
from tests.ledger.make import NOW

Json = dict[str, Any]
PRICE: Json = {"input_per_mtok": 3, "output_per_mtok": 15}
KEY = ApiKey("d" * 64, "amy", "acme-inc")
RECEIPT: Json = {"inference_id": "inf_1", "cost_usd": "0.010935", "note": 'é"\\'}
USAGE: Json = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def model(name: str = "small", **more: Any) -> Json:
    return {"model": name, "wire_model": f"{name}-2026-01", "price": PRICE, **more}


def provider(name: str = "acme", *models: Json, **more: Any) -> Json:
    base = {"name": name, "kind": "openai_compat", "base_url": f"https://{name}.example/v1"}
    return base | {"api_key": f"env:{name.upper()}_KEY", "models": list(models) or [model()]} | more


def document(**more: Any) -> Json:
    """`acme` and `other` speak OpenAI's dialect, `anna` Anthropic's. `more` replaces whole top-level keys."""
    anna = provider("anna", kind="anthropic", base_url="https://anna.example")
    return {
        "providers": [provider("acme", model("small"), model("large")), provider("other"), anna],
        "profiles": {
            "default": {"routes": ["acme/small", "other/small"]},
            "large": {"routes": ["acme/large"]},
            "messages": {"routes": ["anna/small"]},
        },
        "default_profile": "default",
        **more,
    }


def config(**more: Any) -> Config:
    return Config.model_validate(document(**more))


def body(text: str = "Hello", **more: Any) -> Json:
    return {"model": "", "messages": [{"role": "user", "content": text}], **more}


def request(
    asked: Json | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    dialect: Dialect = CHAT,
    key: ApiKey = KEY,
    config: Config | None = None,
) -> Request:
    """A parsed request, without a query."""
    return parse(dialect, body() if asked is None else asked, headers or {}, "", key, config or _CONFIG)


def plan(
    asked: Request,
    config: Config | None = None,
    *,
    snapshot: Snapshot | None = None,
    warm: Iterable[tuple[str, Warm]] = (),
    now: int = NOW,
) -> Plan:
    """The decision when nothing is known yet, unless told otherwise."""
    return make_plan(asked, config or _CONFIG, snapshot or Snapshot(), warm, now)


def spent(amount: str, *, by: str = "acme", at: int = NOW) -> Snapshot:
    """What the views say after a provider has cost this much in the day and month of `at`."""
    spend = Spend(cost_usd=usd(amount))
    return Snapshot(as_of=at, spend={by: {day_of(at): spend, month_of(at): spend}})


def warm_on(name: str, model: str = "small", *, until: int, last_at: int = NOW - 1000) -> tuple[str, Warm]:
    """What a session says of the provider that served it last with a model."""
    return model, Warm(last_at, "inf_0", 1, name, "", until, 1024)


_CONFIG = config()


def event(data: Any, name: str = "") -> bytes:
    """As providers write it: JSON with blanks, unless given as bytes."""
    line = data if isinstance(data, bytes) else json.dumps(data).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + line + b"\n\n"


def choice(delta: Json | None = None, finish: str | None = None, index: int = 0) -> Json:
    return {"index": index, "delta": delta or {}, "finish_reason": finish}


def chunk(*choices: Json, **more: Any) -> bytes:
    """One event of a chat stream."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "small-2026-01"}
    return event(head | {"choices": list(choices)} | more)


def says(text: str, index: int = 0, **more: Any) -> bytes:
    return chunk(choice({"content": text}, index=index), **more)


def finishes(index: int = 0, reason: str = "stop", **more: Any) -> bytes:
    return chunk(choice(finish=reason, index=index), **more)


ROLE = chunk(choice({"role": "assistant", "content": ""}))
DONE = b"data: [DONE]\n\n"


def message_event(kind: str, **more: Any) -> bytes:
    """One event of a messages stream."""
    return event({"type": kind, **more}, kind)


def message_start(**usage: int) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "small-2026-01", "content": []}
    return message_event("message_start", message=message | {"usage": usage})


def block_start(index: int = 0, **block: Any) -> bytes:
    return message_event("content_block_start", index=index, content_block=block)


def delta(index: int = 0, **delta: Any) -> bytes:
    return message_event("content_block_delta", index=index, delta=delta)


def message_delta(stop_reason: str = "end_turn", **usage: int) -> bytes:
    return message_event("message_delta", delta={"stop_reason": stop_reason}, usage=usage)


PING = message_event("ping")
TEXT_START = block_start(type="text", text="")
BLOCK_STOP = message_event("content_block_stop", index=0)
MESSAGE_STOP = message_event("message_stop")


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes in any number of pieces, empty ones included."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    ends = [0, *places, len(data)]
    return [data[a:b] for a, b in pairwise(ends)]


def read(reader: Reader, pieces: Iterable[bytes], receipt: Json | None = None) -> tuple[bytes, bytes]:
    """What went on while the answer came, and what was held back until its end."""
    passed = b"".join([reader.feed(piece) for piece in pieces])
    reader.end()
    return passed, reader.tail(receipt)


def documents(stream: bytes) -> list[Json]:
    """The JSON documents of a stream's events."""
    lines = [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]
