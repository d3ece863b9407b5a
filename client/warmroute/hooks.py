"""The one mixin over the hooks that both vendors' clients have had, unchanged, for years.

`_prepare_request` adds headers, once per attempt, retries included. `_process_response_data` sees every
body and every event as a raw dict. `_process_response` sees every response with the object made from it.
`copy` (and its alias `with_options`) keeps what a client knows. Nothing else of the vendors is overridden.
"""

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

from warmroute import wire
from warmroute.config import Vendor, configure, is_router, router_url
from warmroute.final import carry_receipts
from warmroute.lookup import attach, note_body, note_of
from warmroute.sessions import Session, current_session

# The client that is copying itself: then the constructor's arguments are already decided.
_copying: ContextVar["Routed | None"] = ContextVar("warmroute_copying", default=None)

_ClientT = TypeVar("_ClientT", bound=type)


class Routed:
    """What the four clients share; `_vendor` says which vendor's class it is mixed into."""

    _vendor: Vendor
    # The configured router's URL; None when the environment names none.
    _router_url: str | None
    # Shared by a client and its copies, so that a session opened on one covers all.
    _session_owner: object

    def session(self, session_id: str) -> Session:
        """A session for this client and its copies: `with client.session("chat-17"): ...`, also `async with`.

        Inside, every call carries the id to the router. Scopes nest; concurrent asyncio tasks stay apart.
        Characters outside ASCII travel as percent-encoded UTF-8. Raises `ValueError` for an empty id,
        surrounding blanks and control characters.
        """
        return Session(session_id, self._session_owner)

    if not TYPE_CHECKING:  # For type checkers the vendors' own signatures stand.

        def __init__(self, **arguments: Any) -> None:
            original = _copying.get()
            self._router_url = original._router_url if original else router_url()
            self._session_owner = original._session_owner if original else object()
            super().__init__(**(arguments if original else configure(arguments, self._vendor)))

        def copy(self, **changes: Any) -> Any:
            token = _copying.set(self)
            try:
                return super().copy(**changes)
            finally:
                _copying.reset(token)

        with_options = copy

    def _add_headers(self, request: Any) -> None:
        """The router's request headers, unless the caller set them; never sent to anyone but a router."""
        if not is_router(str(request.url), self._router_url, self._vendor):
            return
        request.headers.setdefault(wire.RECEIPT_HEADER, "1")
        session = current_session(self._session_owner)
        if session is not None:
            request.headers.setdefault(wire.SESSION_HEADER, session.wire_id)

    def _process_response_data(self, *, data: object, cast_to: Any, response: Any) -> Any:
        note_body(data, response)
        # The vendor's class comes next in the order of resolution; this class alone has no such base.
        base = cast(Any, super())
        answer = base._process_response_data(data=data, cast_to=cast_to, response=response)
        attach(answer, response)
        return answer

    def _finish(self, answer: Any, response: Any, *, stream: bool) -> Any:
        if note_of(response) is None:
            return answer
        if stream:
            carry_receipts()
        attach(answer, response)
        return answer


class SyncRouted(Routed):
    """The hooks of a synchronous client."""

    def _prepare_request(self, request: Any) -> Any:
        # First, so that a signature made by the vendor's hook covers the headers.
        self._add_headers(request)
        return cast(Any, super())._prepare_request(request)

    def _process_response(self, *, response: Any, stream: bool, **rest: Any) -> Any:
        base = cast(Any, super())
        answer = base._process_response(response=response, stream=stream, **rest)
        return self._finish(answer, response, stream=stream)


class AsyncRouted(Routed):
    """The hooks of an asynchronous client."""

    async def _prepare_request(self, request: Any) -> Any:
        self._add_headers(request)
        return await cast(Any, super())._prepare_request(request)

    async def _process_response(self, *, response: Any, stream: bool, **rest: Any) -> Any:
        base = cast(Any, super())
        answer = await base._process_response(response=response, stream=stream, **rest)
        return self._finish(answer, response, stream=stream)


def signed_as(vendor_class: type) -> Callable[[_ClientT], _ClientT]:
    """Show the vendor's own parameters to whoever inspects the constructor or `copy`, as frameworks do."""

    def decorate(client_class: _ClientT) -> _ClientT:
        for name in ("__init__", "copy"):
            setattr(client_class, name, _forwarding(getattr(vendor_class, name), getattr(client_class, name)))
        client_class.with_options = client_class.copy  # type: ignore[attr-defined]
        return client_class

    return decorate


def _forwarding(vendor_method: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(vendor_method)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)

    return forward
