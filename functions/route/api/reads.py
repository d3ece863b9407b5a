"""What callers can read: their sessions, why their inferences went where they went, and the models they may use.

Reads never write.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ledger.items import ApiKey, Inference
from ledger.moments import iso, now_ms
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from route.config.auto_rules import AUTO
from route.config.file import Config
from route.config.routes import is_allowed, routes_of
from route.decision.stored import Document, decision_document, explain
from route.errors import ApiError, BadRequest, NotFound, StoreUnavailable
from route.fleet.fleet import Fleet
from route.inference.receipts import session_totals
from route.request.parse import storable

EPOCH = "1970-01-01T00:00:00Z"
"""A profile was not released on any day; the vendor's own convention for that is the epoch."""

PAGE, MAX_PAGE = 20, 1_000
"""The vendor's own numbers: without a limit, and with the highest."""

_INFERENCE_ID = re.compile("inf_[0-9a-f]{32}")
_NUMBER = re.compile("[0-9]{1,4}")


async def read_session(fleet: Fleet, key: ApiKey, sid: str) -> dict[str, Any]:
    """The caller's own session. One that is unknown and one of somebody else are the same NotFound."""
    try:
        # A longer id than a request may name was never stored, nor would the table take it as a key.
        session = await fleet.session(key.caller, sid) if sid and storable(sid) == sid else None
    except StoreError:
        raise StoreUnavailable("Sessions") from None
    if session is None:
        raise NotFound("session_not_found", "No such session.")
    return session_totals(sid, session) | {"as_of": iso(now_ms())}


async def read_decision(store: Store, key: ApiKey, inference_id: str) -> Document:
    """The decision behind an inference of the caller's tenant. Any other's is the NotFound of an unknown one."""
    inference = await _inference(store, inference_id)
    if inference is None or inference.origin.tenant != key.tenant:
        raise _no_inference()
    return _read(decision_document, inference)


async def read_explanation(store: Store, inference_id: str) -> Document:
    """For operators: any decision, made again from what is stored. NotFound without the inference."""
    inference = await _inference(store, inference_id)
    if inference is None:
        raise _no_inference()
    return _read(explain, inference)


def _read(made: Callable[[str, bytes], Document], inference: Inference) -> Document:
    try:
        return made(inference.inference_id, inference.plan)
    except ValueError as error:
        raise ApiError(501, "decision_unreadable", f"This router cannot read it: {error}.") from None


async def _inference(store: Store, inference_id: str) -> Inference | None:
    if not _INFERENCE_ID.fullmatch(inference_id):
        return None
    try:
        inference, _facts = await store.facts.get_inference(inference_id)
    except StoreError:
        raise StoreUnavailable("The ledger") from None
    return inference


def _no_inference() -> NotFound:
    return NotFound("inference_not_found", "No such inference.")


def model_ids(config: Config, key: ApiKey) -> list[str]:
    """What a caller may put into `model`: profiles, aliases, models, pinned routes; without repeats."""
    chosen = [AUTO] if config.auto_router.effective(config.profiles) else []
    profiles = [name for name in (*config.profiles, *chosen) if not key.profiles or name in key.profiles]
    routes = routes_of(config.routes, config)
    allowed = [route for route in routes if is_allowed(key, route) and not key.profiles]
    pinned = [route.name for route in allowed]
    aliases = [alias for alias, target in config.aliases.items() if target in {*profiles, *pinned}]
    return list(dict.fromkeys([*profiles, *aliases, *(route.model.model for route in allowed), *pinned]))


def models_document(ids: Sequence[str], headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    """The list in the dialect that the request's headers ask for. Anthropic's has pages. Raises BadRequest."""
    if "anthropic-version" in headers:
        page, has_more = _page(ids, query)
        ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
        return {"data": [_anthropic_model(name) for name in page], "has_more": has_more, **ends}
    return {"object": "list", "data": [_openai_model(name) for name in ids]}


def _page(ids: Sequence[str], query: Mapping[str, str]) -> tuple[Sequence[str], bool]:
    """A page of the list, right after or right before a name or between two, and whether there is more of it."""
    limit, after, before = _limit(query.get("limit", "")), query.get("after_id"), query.get("before_id")
    for param, name in (("after_id", after), ("before_id", before)):
        if name and name not in ids:
            raise BadRequest("invalid_page", f"{param}: there is no such model.", param=param)
    start = ids.index(after) + 1 if after else 0
    end = max(start, ids.index(before)) if before else len(ids)
    has_more = end - start > limit
    if before and not after:
        return ids[max(0, end - limit) : end], has_more
    return ids[start : min(end, start + limit)], has_more


def _limit(said: str) -> int:
    if not said:
        return PAGE
    if not (_NUMBER.fullmatch(said) and 1 <= int(said) <= MAX_PAGE):
        raise BadRequest("invalid_page", f"limit: must be a number from 1 to {MAX_PAGE}.", param="limit")
    return int(said)


def model_document(name: str, ids: Iterable[str], headers: Mapping[str, str]) -> dict[str, Any]:
    """One model. NotFound when the caller may not use it or there is none."""
    if name not in set(ids):
        raise NotFound("model_not_found", f"There is no model {name[:256]!r} for this API key.")
    return _anthropic_model(name) if "anthropic-version" in headers else _openai_model(name)


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "warmroute"}


def _anthropic_model(name: str) -> dict[str, Any]:
    """All fields of the vendor's, null where nothing is known: what is behind a name may be several models."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": EPOCH,
        "lifecycle": "active",
        "capabilities": None,
        "deprecated_at": None,
        "line": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "retires_at": None,
    }
