"""What callers can read: their sessions and the models they may use. Reads never write."""

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.items import ApiKey
from ledger.moments import iso, now_ms
from ledger.table import StoreError
from route.config import Config
from route.errors import NotFound, StoreUnavailable
from route.fleet import Fleet
from route.plan import Route, is_allowed
from route.receipts import session_totals
from route.request import storable

EPOCH = "1970-01-01T00:00:00Z"
"""A profile was not released on any day; the vendor's own convention for that is the epoch."""


async def read_session(fleet: Fleet, key: ApiKey, sid: str) -> dict[str, Any]:
    """The caller's own session. One that is unknown and one of somebody else are the same NotFound."""
    try:
        # A longer id than a request may name was never stored, nor would the table take it as a key.
        session = await fleet.session(key.caller, sid) if storable(sid) == sid else None
    except StoreError:
        raise StoreUnavailable("Sessions") from None
    if session is None:
        raise NotFound("session_not_found", "No such session.")
    return session_totals(sid, session) | {"as_of": iso(now_ms())}


def model_ids(config: Config, key: ApiKey) -> list[str]:
    """What a caller may put into `model`: profiles, aliases, models, pinned routes; without repeats."""
    profiles = [name for name in config.profiles if not key.profiles or name in key.profiles]
    routes = [Route(*pair) for pair in config.routes.values()]
    allowed = [route for route in routes if is_allowed(key, route) and not key.profiles]
    pinned = [route.name for route in allowed]
    aliases = [alias for alias, target in config.aliases.items() if target in {*profiles, *pinned}]
    return list(dict.fromkeys([*profiles, *aliases, *(route.model.model for route in allowed), *pinned]))


def models_document(ids: Iterable[str], headers: Mapping[str, str]) -> dict[str, Any]:
    """The list in the dialect that the request's headers ask for."""
    if "anthropic-version" in headers:
        data = [_anthropic_model(name) for name in ids]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return {"data": data, "has_more": False, **ends}
    return {"object": "list", "data": [_openai_model(name) for name in ids]}


def model_document(name: str, ids: Iterable[str], headers: Mapping[str, str]) -> dict[str, Any]:
    """One model. NotFound when the caller may not use it or there is none."""
    if name not in set(ids):
        raise NotFound("model_not_found", f"There is no model {name[:256]!r} for this API key.")
    return _anthropic_model(name) if "anthropic-version" in headers else _openai_model(name)


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "warmroute"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": EPOCH, "lifecycle": "active"}
