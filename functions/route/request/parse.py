"""One request as the router sees it: who, which dialect, what it asks for, and for which chain of routes."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ledger.items import ApiKey, Origin
from route.config.auto_rules import AUTO
from route.config.file import Config
from route.dialects.base import Dialect, Document, Features, maps, text
from route.dialects.count_tokens import COUNT_TOKENS
from route.dialects.messages import MESSAGES
from route.dialects.neutral import NeutralRequest
from route.errors import BadRequest, Forbidden
from route.request import auto_router
from route.request.auto_router import Subject, UserMessage
from route.request.lazy_neutral import LazyNeutral
from route.request.preference import Preference, preference_of
from route.request.profile_choice import ProfileChoice, choose
from route.wire import AGENT_HEADER, RECEIPT_HEADER, SESSION_HEADER

AGENT_SESSION_HEADERS = ("x-claude-code-session-id", "session-id", "x-session-id")
"""Of agents that say it on their own."""

MAX_LABEL = 256
MAX_LEVELS = 200
_INLINE_TOKENS = 1_000
_SIZES = ((1_000, "xs"), (8_000, "s"), (32_000, "m"), (128_000, "l"))
_WIDE = 0x2E80  # CJK and its neighbours start here: about one token a character, not a quarter


@dataclass(frozen=True, slots=True)
class Request:
    """Parsed and attributed, nothing decided. `headers` are lower-case; `input_tokens` is an estimate."""

    dialect: Dialect
    body: Document
    headers: Mapping[str, str]
    query: str
    features: Features
    choice: ProfileChoice
    origin: Origin
    key: ApiKey
    input_tokens: int
    receipt_asked: bool
    preference: Preference = field(default_factory=Preference)
    lazy_neutral: LazyNeutral | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A copy with another body is read anew; one with the same body shares what has been read."""
        if self.lazy_neutral is None or self.lazy_neutral.body is not self.body:
            object.__setattr__(self, "lazy_neutral", LazyNeutral(self.dialect, self.body))

    @property
    def neutral(self) -> NeutralRequest | BadRequest:
        """The request without its dialect, read at most once; or why it has no such form."""
        assert self.lazy_neutral is not None  # noqa: S101 - `__post_init__` has seen to it
        return self.lazy_neutral.neutral


def parse_body(data: bytes) -> Document:
    """A JSON object with every number and string as it came. Raises BadRequest."""
    try:
        body = json.loads(data, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadRequest("invalid_json", f"The request body is not valid JSON: {_reason(error)}.") from None
    if not isinstance(body, dict):
        raise BadRequest("invalid_json", "The request body must be a JSON object.")
    return body


def _reason(error: Exception) -> str:
    """Where it is wrong, without repeating what stands there."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else "it has a number that JSON does not"


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _finite(digits: str) -> float:
    """A number beyond every double would go on as null."""
    value = float(digits)
    return value if math.isfinite(value) else _refuse_constant(digits)


def parse(
    dialect: Dialect, body: Document, headers: Mapping[str, str], query: str, key: ApiKey, config: Config
) -> Request:
    """Everything about a request that needs no table. Raises BadRequest, Forbidden or NotFound."""
    _check_fields(body)
    features = dialect.features(body)
    tokens = estimate_tokens(body)
    lazy_neutral = LazyNeutral(dialect, body)
    choice = choose(body, headers, features.requested_model, config, _subject(lazy_neutral, features, tokens))
    if key.profiles and not _may_use(key, choice):
        # A pinned route has no profile: what was asked for is all that the caller would recognise.
        asked = choice.name or features.requested_model[:MAX_LABEL]
        known = ", ".join(sorted(key.profiles))
        raise Forbidden("profile_not_allowed", f"This API key may not use {asked!r}, only the profiles {known}.")
    origin = Origin(
        caller=key.caller,
        tenant=key.tenant,
        dialect=dialect.name,
        profile=choice.name,
        requested_model=storable(features.requested_model),
        session=_session(features, headers),
        agent=_label("agent", headers.get(AGENT_HEADER, "")),
        stream=features.stream,
        tools_requested=features.tools_requested,
        size=next((name for limit, name in _SIZES if tokens < limit), "xl"),
        pinned=choice.pinned,
    )
    receipt_asked = headers.get(RECEIPT_HEADER) == "1"
    preference = preference_of(body, headers)
    return Request(
        dialect,
        body,
        headers,
        query,
        features,
        choice,
        origin,
        key,
        tokens,
        receipt_asked,
        preference,
        lazy_neutral,
    )


def _subject(lazy_neutral: LazyNeutral, features: Features, tokens: int) -> Subject:
    """What the rules of the auto-router look at."""
    # The route which would get a message is the one to count it.
    read = LazyNeutral(MESSAGES, lazy_neutral.body) if lazy_neutral.dialect is COUNT_TOKENS else lazy_neutral

    def message() -> UserMessage | None:
        neutral = read.neutral
        return None if isinstance(neutral, BadRequest) else auto_router.latest_message(neutral)

    has_tools = any(maps(lazy_neutral.body.get(name)) for name in ("tools", "functions"))
    return Subject(features.requested_model, tokens, has_tools, message)


def _may_use(key: ApiKey, choice: ProfileChoice) -> bool:
    """Whether a key that is bound to profiles may use this one; `auto` among them is what its rules choose."""
    return choice.name in key.profiles or (AUTO in key.profiles and choice.rule.startswith(f"{AUTO}:"))


def _check_fields(body: Document) -> None:
    """What we act upon in every dialect must be what it seems: a `stream` of 1 would be streamed to who waits."""
    for name, kind, said in (("stream", bool, "true or false"), ("session", str, "a string")):
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise BadRequest(f"invalid_{name}", f"{name!r} must be {said}.", param=name)


def origin_of_refused(dialect: Dialect, body: Document, headers: Mapping[str, str], key: ApiKey) -> Origin:
    """What is known of a request that was not understood, so that it counts where it belongs all the same."""
    session = text(body.get("session")) or _session_header(headers)
    agent = headers.get(AGENT_HEADER, "")
    return Origin(
        caller=key.caller,
        tenant=key.tenant,
        dialect=dialect.name,
        requested_model=storable(text(body.get("model"))),
        session="" if _fault_of_label(session) else session,
        agent="" if _fault_of_label(agent) else agent,
        stream=body.get("stream") is True,
    )


def _session(features: Features, headers: Mapping[str, str]) -> str:
    """Body > our header > what agents say on their own: that was not meant for us, so it can be no error."""
    ours = features.session or _session_header(headers)
    if ours:
        return _label("session", ours)
    said = (*(headers.get(name, "") for name in AGENT_SESSION_HEADERS), features.agent_session)
    return next((value for value in said if value and not _fault_of_label(value)), "")


def _session_header(headers: Mapping[str, str]) -> str:
    """Our own header's id. Percent-encoded UTF-8 is decoded, which is how a header carries any character.

    So `a%20b` in the header is the session `a b`, also where another client than ours wrote it; in a body an id
    is taken as it stands. What is no escape, or no UTF-8 once decoded, stays as it came.
    """
    value = headers.get(SESSION_HEADER, "")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def _label(what: str, value: str) -> str:
    if fault := _fault_of_label(value):
        raise BadRequest(f"invalid_{what}", f"The {what} {fault}.")
    return value


def _fault_of_label(value: str) -> str:
    if len(value) > MAX_LABEL:
        return f"is longer than {MAX_LABEL} characters"
    return "" if value == _encodable(value) else "is not valid Unicode"


def _encodable(value: str) -> str:
    """Without lone surrogates, which JSON can carry and no table takes."""
    return value.encode("utf-8", "replace").decode()


def storable(said: str) -> str:
    """A name as it is written down, whatever a caller or a provider put there."""
    return _encodable(said[:MAX_LABEL])


def estimate_tokens(value: object) -> int:
    """About how many input tokens a provider will bill for a body: all its text, schemas and tool results.

    A quarter of the characters, each wide character (CJK) counted whole; inline data counts as one image, and a
    list of whole numbers as so many tokens.
    Raises BadRequest for more levels of nesting than any request needs.
    """
    return -(-_quarters(value, MAX_LEVELS) // 4)


def _quarters(value: object, levels: int) -> int:
    if isinstance(value, str):
        return 4 * _INLINE_TOKENS if _is_data_url(value) else _quarters_of_text(value)
    if not isinstance(value, Mapping | list):
        return 1
    if not levels:
        raise BadRequest("invalid_json", "The request body is nested too deeply.")
    if isinstance(value, list):
        # Whole numbers in a list are tokens already.
        return sum(4 if type(item) is int else _quarters(item, levels - 1) for item in value)
    is_encoded = value.get("type") == "base64" or value.keys() == {"data", "format"}
    encoded = "data" if is_encoded else None
    return sum(
        len(name) + (4 * _INLINE_TOKENS if name == encoded and isinstance(v, str) else _quarters(v, levels - 1))
        for name, v in value.items()
    )


def _quarters_of_text(value: str) -> int:
    wide = 0 if value.isascii() else sum(ord(c) >= _WIDE for c in value)
    return len(value) + 3 * wide


def _is_data_url(value: str) -> bool:
    return value.startswith("data:") and ";base64," in value[:MAX_LABEL]
