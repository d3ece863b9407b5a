"""What tests of plans start from: requests, chains, and what the fleet knows."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ledger.items import Fact
from ledger.snapshot import Snapshot, add_facts
from route.config.file import Config
from route.planning.plan import Plan
from tests.ledger.make import NOW, ORIGIN, fact
from tests.route.build import Json, config, model, provider

ACME, OTHER = "acme|small|", "other|small|"


IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example"}}]}]


PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}


DOCUMENT = [{"role": "user", "content": [PDF]}]


AUDIO = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]


SEALED = {
    "role": "assistant",
    "content": "Hi",
    "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "sig=="}],
}


TOOLS = [{"type": "function", "function": {"name": "f"}}]


def keys(decided: Plan) -> list[str]:
    return [route.key for route in decided.routes]


def reasons(decided: Plan) -> dict[str, str | None]:
    return {row["route"]: row.get("rejection_reason") for row in decided.candidates}


def chain(*models: Json, kind: str = "openai_compat", **more: Any) -> Config:
    """The default chain, where `acme` has other models or properties."""
    first = provider("acme", *models, **({"kind": kind} | more))
    return config(providers=[first, provider("other")], profiles=CHAIN)


CHAIN = {"default": {"routes": ["acme/small", "other/small"]}}


def views(facts: Iterable[Fact]) -> Snapshot:
    """What the fleet knows when these are all the facts."""
    return add_facts(Snapshot(as_of=NOW - 1), facts)


def toolless(count: int, **more: Any) -> list[Fact]:
    """Answers to requests with tools that call none."""
    origin = replace(ORIGIN, tools_requested=True)
    return [fact(NOW - 1000 + n, origin=origin, **more) for n in range(count)]


def limited(**profile: Any) -> Config:
    """The default chain with limits of its profile; `acme` has quality 0.5, `other` 0.9 and a tenth of its
    price.
    """
    cheap = model(price={"input_per_mtok": "0.3", "output_per_mtok": "1.5"}, quality=0.9)
    providers = [provider("acme", model(quality=0.5)), provider("other", cheap)]
    return config(providers=providers, profiles={"default": CHAIN["default"] | profile})


def always(_route: str) -> bool:
    return True


MONTHLY = {"scope": "provider:acme", "period": "month", "limit_usd": 5}


BUDGETED = config(budgets=[MONTHLY])
