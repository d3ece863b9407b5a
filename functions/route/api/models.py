"""The models that a caller may ask for, in the dialect of either vendor."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request

from ledger.items import ApiKey
from route.config.auto_rules import AUTO
from route.config.file import Config
from route.config.routes import is_allowed
from route.errors import BadRequest, NotFound
from route.router import Router

EPOCH = "1970-01-01T00:00:00Z"
"""A profile was not released on any day; the vendor's own convention for that is the epoch."""

PAGE, MAX_PAGE = 20, 1_000
"""The vendor's own numbers: without a limit, and with the highest."""

_NUMBER = re.compile("[0-9]{1,4}")


async def read_models(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    """The names that a caller may put into `model`, in the dialect that the headers ask for."""
    return models_document(model_ids(router.config, key), request.headers, request.query_params)


async def read_model(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    """One of these names. Raises NotFound for any other."""
    return model_document(request.path_params["name"], model_ids(router.config, key), request.headers)


def model_ids(config: Config, key: ApiKey) -> list[str]:
    """What a caller may put into `model`: profiles, aliases, models, pinned routes; without repeats."""
    chosen = [AUTO] if config.auto_router.effective(config.profiles) else []
    profiles = [name for name in (*config.profiles, *chosen) if not key.profiles or name in key.profiles]
    routes = config.routes.values()
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
