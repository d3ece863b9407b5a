"""Why a request cannot be tried anywhere, as its caller is told."""

from collections.abc import Sequence

from route.config.routes import Route
from route.decision.stored import Document
from route.errors import ApiError, BadRequest
from route.planning.gather import PlanContext


def refusal_of(routes: Sequence[Route], rows: Sequence[Document], context: PlanContext) -> ApiError:
    """Why nothing can be tried. A spent budget is 402; a request that no route can take is 400, or 422 where the
    caller has named the one route that cannot.
    """
    told = list(zip(routes, rows, strict=True))
    reasons = [row.get("rejection_reason") for row in rows]
    for route, reason in zip(routes, reasons, strict=True):
        if reason == "budget_exhausted" and (refusal := context.budget_status.refusal_of(route.provider.name)):
            return refusal
    if all(reason == "context_too_small" for reason in reasons):
        # Agents go by these words, and by this code, when they decide to compact their conversation.
        about = f"prompt is too long: about {context.request.input_tokens} tokens, for which no route has room"
        return ApiError(400, "context_length_exceeded", about, param="messages", should_retry=False)
    listed = ", ".join(f"{route.name}: {_reason(row)}" for route, row in told)
    fault = context.translator.neutral
    if isinstance(fault, BadRequest) and "lossy_translation" in reasons:
        listed += f". {fault.message}"
    message = f"No route can take this request. {listed}."
    if context.request.choice.pinned and str(reasons[0]).startswith("lacks_"):
        hint = "Name a profile or another model instead of this one, or leave out what it cannot do."
        return ApiError(422, "no_eligible_route", f"{message} {hint}", should_retry=False)
    return ApiError(400, "no_eligible_route", message, should_retry=False)


def _reason(row: Document) -> str:
    reason = str(row.get("rejection_reason"))
    return f"{reason} ({', '.join(row['refused'])})" if row.get("refused") else reason
