"""OpenAI's envelope for errors, which is the same in all of its dialects."""

from typing import Any

from route.errors import ApiError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_document(error: ApiError) -> dict[str, Any]:
    """The error in OpenAI's envelope; its type follows from the status."""
    kind = "server_error" if error.status >= 500 else _TYPES.get(error.status, "invalid_request_error")
    envelope = {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    return {"error": envelope | error.detail}
