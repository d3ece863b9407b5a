"""How an attempt ended and why, and which of the reasons say something about the route."""

from enum import StrEnum


class Outcome(StrEnum):
    """How one attempt ended. `refused` is an inference that ended before any call (its fact has n = 0)."""

    OK = "ok"
    ERROR = "error"
    STREAM_INTERRUPTED = "stream_interrupted"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class Ending(StrEnum):
    """How an inference ended. `fallback`: served, but not by the first route tried."""

    OK = "ok"
    FALLBACK = "fallback"
    ERROR = "error"
    CANCELLED = "cancelled"


class FaultKind(StrEnum):
    """Why an attempt failed. Each has one row in the table of `route/classify.py`."""

    INVALID_REQUEST = "invalid_request"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    CANCELLED = "cancelled"
    LOST = "lost"
    INTERNAL = "internal"
    OUT_OF_TIME = "out_of_time"
    AUTH = "auth"
    PAYMENT_REQUIRED = "payment_required"
    MODEL_NOT_FOUND = "model_not_found"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    OUT_OF_MEMORY = "out_of_memory"
    BAD_ANSWER = "bad_answer"


NO_FAULT_OF_THE_ROUTE = frozenset(
    {
        FaultKind.INVALID_REQUEST,
        FaultKind.CONTEXT_OVERFLOW,
        FaultKind.CONTENT_FILTER,
        FaultKind.CANCELLED,
        FaultKind.LOST,
        FaultKind.INTERNAL,
        FaultKind.OUT_OF_TIME,
    }
)
"""The request's, the caller's or our own doing, a request whose time was used up elsewhere, or nobody knows."""
