"""What came of a plan, and what the caller is told where none of its routes has served."""

import logging
from dataclasses import dataclass

from ledger.outcomes import Ending, FaultKind
from route.calling.attempt import Attempt
from route.calling.call import AttemptContext
from route.calling.classify import Failure
from route.dialects.base import BadAnswer, ErrorInAnswer, dump
from route.errors import ApiError, ChainExhausted
from route.providers.base import Refused, Unreachable
from route.providers.error_body import ErrorBody, read_error_body
from route.recording.attempt_rows import IN_ERRORS, attempt_row

log = logging.getLogger("warmroute.route")

MAX_MESSAGE = 500
"""Characters of a provider's message that the error of a chain repeats."""


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """What came of a plan: the last attempt, how the inference ended, and the error for the caller, if any.

    `own_words`: the provider's own error body, which goes to the caller as it came.
    """

    last: Attempt
    ending: Ending
    error: ApiError | None = None
    own_words: bytes | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status that the caller sees; None when nobody is there to see it."""
        if self.ending is Ending.CANCELLED:
            return None
        return self.error.status if self.error else 200


def chain_outcome(attempt: Attempt, ending: Ending, context: AttemptContext) -> ChainOutcome:
    """With the error that the caller gets: the provider's own words, a broken stream's end, or the whole story."""
    failure = attempt.failure
    if failure is None or ending is Ending.CANCELLED:
        return ChainOutcome(attempt, ending)
    if isinstance(attempt.error, ApiError):
        return ChainOutcome(attempt, ending, attempt.error)
    if context.sink.started:
        return ChainOutcome(attempt, ending, _interrupted(attempt.error, failure))
    _log_uniform_auth_failure(context)
    words = read_error_body(own_words(attempt.error))
    error = _exhausted(failure, context)
    # A request that is too long for every route is the request's fault in the end.
    if failure.next and failure.kind is not FaultKind.CONTEXT_OVERFLOW:
        about = {"inference_id": context.inference.id, "attempts": list(error.detail["attempts"])}
        log.warning("chain-exhausted", extra=about)
        # To the caller only: a provider may quote the request, and no log may.
        fault = str(attempt.error) if isinstance(attempt.error, BadAnswer) else None
        error.detail["provider_message"] = words.message[:MAX_MESSAGE] or fault
        return ChainOutcome(attempt, ending, error)
    if words.in_envelope and attempt.translation.dialect is context.request.dialect:
        return ChainOutcome(attempt, ending, error, own_words(attempt.error))
    return ChainOutcome(attempt, ending, _retold(words, error, failure.kind))


def _interrupted(fault: Exception | None, failure: Failure) -> ApiError:
    why = "the connection to the provider broke" if isinstance(fault, Unreachable) else fault
    message = f"The stream was interrupted: {why}. What came before is incomplete."
    return ApiError(failure.status, "stream_interrupted", message)


def _log_uniform_auth_failure(context: AttemptContext) -> None:
    facts = context.inference.facts
    if len(facts) > 1 and all(fact.kind is FaultKind.AUTH for fact in facts):
        log.warning("chain-uniform-auth-failure", extra={"inference_id": context.inference.id})


def _exhausted(failure: Failure, context: AttemptContext) -> ChainExhausted:
    rows = [attempt_row(fact, IN_ERRORS) for fact in context.inference.facts]
    return ChainExhausted(failure.status, str(failure.kind), rows, failure.retry_after_s)


_CODES = {FaultKind.CONTEXT_OVERFLOW: "context_length_exceeded", FaultKind.CONTENT_FILTER: "content_filter"}
"""By which agents of one vendor tell what to do next, where the provider is of another that has no codes."""


def _retold(words: ErrorBody, error: ApiError, kind: FaultKind) -> ApiError:
    """The provider's own error in an envelope that the caller's SDK can read."""
    if not words.message:
        return error
    code = words.code or _CODES.get(kind) or words.type or error.code
    return ApiError(error.status, code, words.message, param=words.param, should_retry=False)


def own_words(error: Exception | None) -> bytes:
    """The provider's error body; empty where it said nothing."""
    if isinstance(error, ErrorInAnswer):
        return dump(error.document)
    return error.body if isinstance(error, Refused) else b""
