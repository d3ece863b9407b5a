"""A caller's own sessions."""

from typing import Any

from starlette.requests import Request

from ledger.items import ApiKey
from ledger.moments import iso
from ledger.store.connection import StoreError
from route.errors import NotFound, StoreUnavailable
from route.fleet.sessions import session_document
from route.request.parse import storable
from route.router import Router


async def read_session(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    """The caller's own session. One that is unknown and one of somebody else are the same NotFound."""
    sid: str = request.path_params["sid"]
    try:
        # A longer id than a request may name was never stored, nor would the table take it as a key.
        session = await router.sessions.totals(key.caller, sid) if sid and storable(sid) == sid else None
    except StoreError:
        raise StoreUnavailable("Sessions") from None
    if session is None:
        raise NotFound("session_not_found", "No such session.")
    return session_document(sid, session) | {"as_of": iso(router.clock())}
