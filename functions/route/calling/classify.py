"""From what went wrong to what it means: one table for every provider and dialect.

`Verdict.next` says whether another route may do better. Whether the route is to blame is a property of the
kind, in `ledger.outcomes`, since the folds need it too.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ledger.outcomes import FaultKind
from route.dialects.base import BadAnswer, ErrorInAnswer, dump
from route.providers.base import Refused, TooSlow, Unreachable, UpstreamError


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed attempt means. `status` is what the caller gets when nothing else serves."""

    kind: FaultKind
    next: bool
    status: int
    http_status: int | None = None
    retry_after_s: float | None = None


BY_STATUS: dict[int, tuple[FaultKind, bool]] = {
    400: (FaultKind.INVALID_REQUEST, False),
    401: (FaultKind.AUTH, True),
    402: (FaultKind.PAYMENT_REQUIRED, True),
    403: (FaultKind.AUTH, True),
    404: (FaultKind.MODEL_NOT_FOUND, True),
    405: (FaultKind.MODEL_NOT_FOUND, True),
    408: (FaultKind.TIMEOUT, True),
    413: (FaultKind.INVALID_REQUEST, False),
    422: (FaultKind.INVALID_REQUEST, False),
    425: (FaultKind.SERVER_ERROR, True),
    429: (FaultKind.RATE_LIMITED, True),
    503: (FaultKind.OVERLOADED, True),
    504: (FaultKind.TIMEOUT, True),
    529: (FaultKind.OVERLOADED, True),
}

BY_ERROR_TYPE: dict[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Status of an error that came inside a 200."""

_OVERFLOW = re.compile(
    r"context[ _](length|window|size|limit)|maximum (context|prompt|model) length"
    r"|prompt is too long|input is too long|too many (input )?tokens"
    r"|exceeds? the (model'?s )?(maximum|max) .{0,20}tokens"
    r"|reduce the length of the (messages|prompt)"
    r"|must have less than \d+ tokens|max_new_tokens. must be",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content_filter|content_policy_violation|ResponsibleAIPolicy|content management policy|safety system"
    r"|content filtering policy",
    re.IGNORECASE,
)
_OUT_OF_MEMORY = re.compile(
    r"out of memory|\boom\b|model requires more system memory|insufficient memory|signal: killed"
    r"|failed to allocate (memory|kv cache|.{0,20}buffer)|unable to allocate|insufficient system resources"
    r"|OutOfMemoryError",
    re.IGNORECASE,
)
_THREE_DIGITS = re.compile("[0-9]{3}")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")
_DURATION = re.compile(f"(?:{_PART.pattern})+")
_SECONDS_IN = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_QUESTIONABLE = frozenset({400, 413, 422})


def classify(error: Exception, now_ms: int) -> Failure:
    """The verdict on anything that `upstream.call` or a reader raises."""
    match error:
        case Refused():
            return _refused(error.status, error.headers, error.body, now_ms)
        case ErrorInAnswer():
            return _in_answer(error.document, now_ms)
        case TooSlow():
            # A route that had the last second of a request is not slow for that.
            is_last = error.deadline == "request"
            return Failure(FaultKind.OUT_OF_TIME if is_last else FaultKind.TIMEOUT, not is_last, 504)
        case Unreachable():
            return Failure(FaultKind.NETWORK, True, 502)
        case BadAnswer():
            return Failure(FaultKind.BAD_ANSWER, True, 502)
    raise error


FAULTS = (UpstreamError, BadAnswer, ErrorInAnswer)
"""What an attempt may end in without being our own bug."""


def _refused(status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> Failure:
    wording = body.decode("utf-8", "replace")
    kind, onwards = BY_STATUS.get(status) or _by_class(status)
    if status in _QUESTIONABLE and _FILTERED.search(wording):
        kind, onwards = FaultKind.CONTENT_FILTER, False
    elif status in _QUESTIONABLE and _OVERFLOW.search(wording):
        kind, onwards = FaultKind.CONTEXT_OVERFLOW, True
    elif status >= 500 and _OUT_OF_MEMORY.search(wording):
        kind = FaultKind.OUT_OF_MEMORY
    answer_status = status if status >= 400 else 502
    # Quotas are told in every answer, whatever it is about: only one that refuses for a quota means them.
    wait_s = retry_after_s if kind is FaultKind.RATE_LIMITED else asked_wait_s
    return Failure(kind, onwards, answer_status, status, wait_s(headers, now_ms))


def _by_class(status: int) -> tuple[FaultKind, bool]:
    """Of a status that has no row of its own."""
    if status < 400:
        # A redirect is no answer that we would follow with a key in hand.
        return FaultKind.BAD_ANSWER, True
    return (FaultKind.SERVER_ERROR, True) if status >= 500 else (FaultKind.INVALID_REQUEST, False)


def _in_answer(document: Mapping[str, Any], now_ms: int) -> Failure:
    said = document.get("error")
    error: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    code = error.get("code")
    named = BY_ERROR_TYPE.get(str(error.get("type"))) or BY_ERROR_TYPE.get(str(code))
    number = int(code) if isinstance(code, str) and _THREE_DIGITS.fullmatch(code) else code
    status = number if isinstance(number, int) and 400 <= number < 600 else named or 500
    failure = _refused(status, {}, dump(document), now_ms)
    return Failure(failure.kind, failure.next, failure.status, 200)


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Seconds until the provider wants to be asked again: what it asks for, or else when a quota is whole
    again.
    """
    if (asked := asked_wait_s(headers, now_ms)) is not None:
        return asked
    dates = (headers.get("anthropic-ratelimit-requests-reset"), headers.get("anthropic-ratelimit-tokens-reset"))
    if (wait := _until(dates, now_ms)) is not None:
        return wait
    quota = _quota_reset_s(headers)
    return _reset_s(headers.get("x-ratelimit-reset"), now_ms) if quota is None else quota


def asked_wait_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Seconds, by `retry-after-ms` or `retry-after`, which may be a date."""
    if (ms := _float(headers.get("retry-after-ms"))) is not None:
        return ms / 1000
    after = headers.get("retry-after")
    seconds = _float(after)
    return _until((after,), now_ms) if seconds is None else seconds


def _until(dates: Iterable[str | None], now_ms: int) -> float | None:
    """Seconds until the first of them that is a date; 0 for one that has passed."""
    instants = (_date(date) for date in dates if date)
    at = next((at for at in instants if at is not None), None)
    return None if at is None else max(0.0, at - now_ms / 1000)


def _quota_reset_s(headers: Mapping[str, str]) -> float | None:
    """OpenAI's: how long until each quota is whole again, the longest of those that are used up."""
    quotas = ("requests", "tokens")
    used_up = [q for q in quotas if headers.get(f"x-ratelimit-remaining-{q}", "").strip() == "0"]
    # Where none is said to be used up, any may be what refused us.
    waits = [_duration(headers.get(f"x-ratelimit-reset-{q}")) for q in used_up or quotas]
    return max((wait for wait in waits if wait is not None), default=None)


def _reset_s(text: str | None, now_ms: int) -> float | None:
    """OpenRouter's `x-ratelimit-reset`: an instant in ms since the epoch. Others say one in seconds, or a wait."""
    if (value := _float(text)) is None:
        return None
    if value < 1e9:
        return value
    # No wait is 30 years, and in ms that is still January 1970: the size tells the unit.
    at_ms = value if value >= 1e11 else value * 1000
    return max(0.0, (at_ms - now_ms) / 1000)


def _duration(text: str | None) -> float | None:
    """Go's notation, `6m0s` or `250ms`, or plain seconds."""
    said = (text or "").strip()
    if not _DURATION.fullmatch(said):
        return _float(said)
    seconds: float = sum(float(number) * _SECONDS_IN[unit] for number, unit in _PART.findall(said))
    return seconds if seconds < float("inf") else None


def _float(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _date(text: str) -> float | None:
    """An HTTP date or RFC 3339, as seconds since the epoch."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = parse(text)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):  # no date; or one, or an offset, beyond what a date can be
            continue
    return None
