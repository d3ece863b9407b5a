"""Sessions: which conversation the calls made here belong to.

The scope is a context variable, so concurrent asyncio tasks stay apart. Threads start with an empty
context (PEP 567): open the session inside the thread, or run the thread in `contextvars.copy_context()`.
"""

from contextvars import ContextVar
from urllib.parse import quote

# Innermost last. The owner is None for every client, else the mark that a client and its copies share.
_open: ContextVar[tuple["Session", ...]] = ContextVar("warmroute_sessions", default=())

# All of printable ASCII but `%`, so that each id has a form of its own on the wire.
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class Session:
    """A context manager, for `with` and `async with`, that ties the calls made inside it to one session.

    `id` is the id as given, and as the router knows it. `wire_id` is what the header carries: the same, but
    `%` and characters outside ASCII travel as percent-encoded UTF-8, which the router decodes.
    May be entered again, also while open. Raises `ValueError` for an id that a header cannot carry.
    """

    __slots__ = ("_owner", "id", "wire_id")

    def __init__(self, session_id: str, owner: object | None = None) -> None:
        self.id = session_id
        self.wire_id = _wire_id(session_id)
        self._owner = owner

    def __repr__(self) -> str:
        return f"Session({self.id!r})"

    def __enter__(self) -> "Session":
        _open.set((*_open.get(), self))
        return self

    def __exit__(self, *exc_info: object) -> None:
        # Not `ContextVar.reset`: frameworks may leave a scope in another context than they entered it in.
        scopes = list(_open.get())
        for index in range(len(scopes) - 1, -1, -1):
            if scopes[index] is self:
                del scopes[index]
                break
        _open.set(tuple(scopes))

    async def __aenter__(self) -> "Session":
        return self.__enter__()

    async def __aexit__(self, *exc_info: object) -> None:
        self.__exit__()

    @property
    def is_of_one_client(self) -> bool:
        """Whether it was opened on a client (and its copies) rather than for all of them."""
        return self._owner is not None

    def covers(self, owner: object) -> bool:
        """Whether calls of the client with this mark belong to the session."""
        return self._owner is None or self._owner is owner


def session(session_id: str) -> Session:
    """A session for the calls of every client made inside it: `with warmroute.session("chat-17"): ...`.

    The id goes to hosts that are known to be routers: to WARMROUTE_URL or, where that is not set, to loopback,
    to Lambda function URLs and to a host that has answered a call as a router does. For a router of another
    name without WARMROUTE_URL, open the session on the client instead.

    Raises `ValueError` for an empty id, surrounding blanks, control characters and lone surrogates.
    """
    return Session(session_id)


def current_session(owner: object) -> Session | None:
    """The innermost open session that covers the client with this mark."""
    return next((scope for scope in reversed(_open.get()) if scope.covers(owner)), None)


def _wire_id(session_id: str) -> str:
    if not isinstance(session_id, str):
        raise TypeError(f"a session id is a string, not {type(session_id).__name__}")
    if not session_id or session_id != session_id.strip():
        raise ValueError(f"a session id is not empty and has no blanks around it: {session_id!r}")
    if any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in session_id):
        raise ValueError(f"a session id has no control characters: {session_id!r}")
    try:
        return quote(session_id, safe=_PLAIN)
    except UnicodeEncodeError as error:
        raise ValueError(f"a session id is valid Unicode: {session_id!r}") from error
