"""The one mixin over the hooks that both vendors' clients have had, unchanged, for years.

`_prepare_request` adds headers, once per attempt, retries included. `_process_response_data` sees every
body and every event as a raw dict. `_process_response` sees every response with the object made from it.
`copy` (and its alias `with_options`) keeps what a client knows. Nothing else of the vendors is overridden.
"""

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from warmroute import wire
from warmroute.config import (
    KEY_VARIABLE,
    URL_VARIABLE,
    ConfigurationError,
    Origin,
    Vendor,
    configure,
    given,
    has_any_credential,
    is_router,
    is_vendors,
    origin_of,
    router_url,
)
from warmroute.final import carry_receipts
from warmroute.lookup import attach, note_body, note_of
from warmroute.sessions import Session, current_session

# The client that is copying itself: then the constructor's arguments are already decided.
_copying: ContextVar["Routed | None"] = ContextVar("warmroute_copying", default=None)

_ClientT = TypeVar("_ClientT", bound=type)


@dataclass(slots=True, eq=False)
class Family:
    """What a client and its copies share: the sessions opened on one of them, and whom they may be told.

    `chosen` are the origins of `base_url=` arguments, `answered` those that have answered as a router does. Only
    without WARMROUTE_URL do these two count.
    """

    chosen: set[Origin] = field(default_factory=set)
    answered: set[Origin] = field(default_factory=set)


class Routed:
    """What the four clients share; `_vendor` says which vendor's class it is mixed into."""

    _vendor: Vendor
    # The configured router's URL; None when the environment names none.
    _router_url: str | None
    # WARMROUTE_API_KEY where it was filled in for the caller, which makes it ours to guard; else None.
    _router_key: str | None
    _session_owner: Family

    def session(self, session_id: str) -> Session:
        """A session for this client and its copies: `with client.session("chat-17"): ...`, also `async with`.

        Inside, every call carries the id to the router: to WARMROUTE_URL or, where that is not set, also to the
        `base_url=` that this client was given, whoever that is, unless it is a vendor. Scopes nest; concurrent
        asyncio tasks stay apart. Any printable characters will do. Raises `ValueError` for an empty id,
        surrounding blanks and control characters.
        """
        return Session(session_id, self._session_owner)

    if not TYPE_CHECKING:  # For type checkers the vendors' own signatures stand.

        def __init__(self, **arguments: Any) -> None:
            original = _copying.get()
            self._router_url = original._router_url if original else router_url()
            self._session_owner = original._session_owner if original else Family()
            configured = arguments if original else configure(arguments, self._vendor)
            if original:
                self._router_key = original._router_key
            else:
                # The caller's own key, even the same one, goes where the caller sends it.
                filled_in = None if given(arguments.get("api_key")) else configured.get("api_key")
                self._router_key = filled_in or None
                self._choose(arguments)
            super().__init__(**configured)

        def copy(self, **changes: Any) -> Any:
            token = _copying.set(self)
            try:
                copied = super().copy(**changes)
            finally:
                _copying.reset(token)
            if has_any_credential(changes, self._vendor):
                copied._router_key = None
            self._choose(changes)
            return copied

        with_options = copy

    def _choose(self, arguments: Mapping[str, Any]) -> None:
        base_url = arguments.get("base_url")
        if given(base_url) and not is_vendors(str(base_url)):
            self._session_owner.chosen.add(origin_of(str(base_url)))

    def _prepare(self, request: Any) -> None:
        """Before every attempt: the router's request headers, and no further with its key on the way elsewhere."""
        url = str(request.url)
        self._guard_key(request.headers, url)
        session = current_session(self._session_owner)
        if not self._may_tell(url, session):
            return
        # What the caller has set stays.
        request.headers.setdefault(wire.RECEIPT_HEADER, "1")
        if session is not None:
            request.headers.setdefault(wire.SESSION_HEADER, session.wire_id)

    def _guard_key(self, headers: Mapping[str, str], url: str) -> None:
        # A copy with another base_url, or an absolute URL, takes the client's key along: the vendors mean it so.
        sent = (headers.get("authorization", "").removeprefix("Bearer "), headers.get("x-api-key", ""))
        if self._router_key and self._router_key in sent and not is_router(url, self._router_url):
            raise ConfigurationError(
                f"{KEY_VARIABLE} is only sent to {URL_VARIABLE}: pass an api_key= for {origin_of(url)[1]}"
            )

    def _may_tell(self, url: str, session: Session | None) -> bool:
        """Whether our headers may be sent there; `warmroute.config` has the rule in words."""
        if is_router(url, self._router_url):
            return True
        if self._router_url is not None:
            return False
        origin, family = origin_of(url), self._session_owner
        is_meant = session is not None and session.is_of_one_client and origin in family.chosen
        return is_meant or origin in family.answered

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
        if response.headers.get(wire.INFERENCE_ID_HEADER) and not is_vendors(str(response.request.url)):
            self._session_owner.answered.add(origin_of(str(response.request.url)))
        if stream:
            carry_receipts()
        attach(answer, response)
        return answer


class SyncRouted(Routed):
    """The hooks of a synchronous client."""

    def _prepare_request(self, request: Any) -> Any:
        # First, so that a signature made by the vendor's hook covers the headers.
        self._prepare(request)
        return cast(Any, super())._prepare_request(request)

    def _process_response(self, *, response: Any, stream: bool, **rest: Any) -> Any:
        base = cast(Any, super())
        answer = base._process_response(response=response, stream=stream, **rest)
        return self._finish(answer, response, stream=stream)


class AsyncRouted(Routed):
    """The hooks of an asynchronous client."""

    async def _prepare_request(self, request: Any) -> Any:
        self._prepare(request)
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
