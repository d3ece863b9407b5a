"""What a caller can be told has gone wrong. Each dialect writes it in its own envelope.

ApiError(status, code, message)      anything, with the status and code that the SDKs look at
├── BadRequest          400          the request itself
├── Unauthenticated     401          no key
├── Forbidden           403          a key that may not
├── NotFound            404
├── TooLarge            413
├── BudgetExceeded      402
├── StoreUnavailable    503          keys or hard limits cannot be read: fail closed
└── ChainExhausted      last route's status; every attempt in the detail
"""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RETRY_AFTER_CAP_S = 60
"""One vendor's SDK sleeps whatever it is told."""


class ApiError(Exception):
    """An answer with an HTTP status ≥ 400. `detail` is merged into the envelope's error object.

    `inference_id`: of the inference that it ended, which is written down already; empty where there was none.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        detail: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.detail = dict(detail or {})
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        self.inference_id = ""

    def headers(self) -> dict[str, str]:
        """`retry-after` in whole seconds, capped, and `x-should-retry` where we know better than the SDK."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(0, min(round(self.retry_after_s), RETRY_AFTER_CAP_S)))
        if self.should_retry is not None:
            headers["x-should-retry"] = "true" if self.should_retry else "false"
        return headers


class BadRequest(ApiError):
    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(400, code, message, **more)


class Unauthenticated(ApiError):
    def __init__(self) -> None:
        message = "No API key. Send one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'."
        super().__init__(401, "missing_api_key", message)


class InvalidKey(ApiError):
    def __init__(self) -> None:
        super().__init__(401, "invalid_api_key", "This API key is not known to this router.")


class Forbidden(ApiError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(403, code, message)


class NotFound(ApiError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(404, code, message)


class TooLarge(ApiError):
    def __init__(self, limit_bytes: int) -> None:
        message = (
            f"The request is larger than {limit_bytes:,} bytes, the platform's limit. "
            "Send images and documents by URL or file id instead of inline."
        )
        super().__init__(413, "request_too_large", message)


class BudgetExceeded(ApiError):
    def __init__(self, detail: Mapping[str, Any]) -> None:
        message = (
            "Budget exceeded: {scope} has spent ${spent_usd} of ${limit_usd} this {period}; "
            "it is whole again at {resets_at}.".format_map(detail)
        )
        super().__init__(402, "budget_exceeded", message, detail=detail, should_retry=False)


class StoreUnavailable(ApiError):
    def __init__(self, what: str) -> None:
        super().__init__(503, "store_unavailable", f"{what} cannot be reached just now. Please try again.")


class ChainExhausted(ApiError):
    """No route served the request. `attempts`: one `{n, route, outcome, kind, http_status}` per call."""

    def __init__(
        self, status: int, code: str, attempts: Sequence[Mapping[str, Any]], retry_after_s: float | None
    ) -> None:
        tried = "; ".join(
            f"{a['n']}. {a['route']}: {a['kind']}" + (f" ({a['http_status']})" if a["http_status"] else "")
            for a in attempts
        )
        many = f"All {len(attempts)} attempts" if len(attempts) > 1 else "The only attempt"
        super().__init__(
            status,
            code,
            f"{many} failed. {tried}",
            detail={"attempts": list(attempts)},
            retry_after_s=retry_after_s,
            should_retry=False,
        )


def place_of(error: BaseException) -> str:
    """File and line where a fault of ours was raised, for the log. Never its text, which may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
