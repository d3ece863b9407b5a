"""The life of one inference in the ledger: opened, its attempts, closed exactly once whatever happens inside.

Everything that reaches a provider, and everything that is refused before it does, runs inside `open_inference`:
chat, responses, messages, embeddings, token counts, what is passed through. So the rules of the ledger stand here
and nowhere else:

- The first attempt's start opens the inference, and is sent before the provider is called.
- Of several attempts the close carries the fact of the one that answered, else of the last that ended. Any other
  attempt has a row of its own.
- Leaving the context closes the inference before anything that follows it, such as the last byte of an answer.
- An exception closes it too. Without any attempt that is a refusal, one row, closed from the start.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from ledger.ids import new_inference_id
from ledger.items import Fact, Inference, InferenceState, Origin, Started, unknown_attempt, without_attempt
from ledger.moments import now_ms
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.facts import FactsTable
from route.config.profiles import ProfileConfig
from route.errors import ApiError, StoreUnavailable, place_of
from route.fleet.fleet import Fleet
from route.recording.attempt_rows import LOGGED, attempt_row
from route.recording.observe import observing
from route.recording.recorder import Recorder

log = logging.getLogger("warmroute.route")

Clock = Callable[[], int]
"""Milliseconds since the epoch."""


class RunningInference:
    """One inference while its request is served. `facts`: of its attempts that have ended, in that order."""

    def __init__(self, facts: FactsTable, fleet: Fleet, origin: Origin, arrived: int, clock: Clock) -> None:
        self._recorder = Recorder(facts)
        self._fleet = fleet
        self._clock = clock
        self._observe: Callable[[Fact], None] = fleet.add
        self._is_strict = False
        self._is_discarded = False
        self._closing: Fact | None = None
        """The fact that the close will carry, as far as is known by now."""
        self._has_answered = False
        """Whether that is the attempt whose answer the caller gets, which no other one can replace."""
        self._ending: Ending | None = None
        self.inference = Inference(new_inference_id(arrived), origin)
        self.facts: list[Fact] = []

    @property
    def id(self) -> str:
        return self.inference.inference_id

    def describe(self, origin: Origin, profile: ProfileConfig | None = None, plan: bytes = b"") -> None:
        """What has become known of the request. Before its first attempt."""
        self.inference = replace(self.inference, origin=origin, plan=plan or self.inference.plan)
        if profile is not None:
            self._observe = observing(self._fleet, profile)
            self._is_strict = profile.ledger == "strict"

    def discard(self) -> None:
        """It leaves no trace: no provider was asked, and nothing was refused."""
        self._is_discarded = not self.inference.started

    async def start(self, started: Started) -> None:
        """An attempt begins. With `ledger: strict`: raises StoreUnavailable when the store has not taken that."""
        if not self._has_answered:
            self._record_kept()
        is_first = not self.inference.started
        self.inference = replace(self.inference, started=(*self.inference.started, started))
        if is_first:
            self._recorder.open(self.inference)
        else:
            self._recorder.start(self.id, started)
        if self._is_strict:
            await self.acknowledged()

    async def acknowledged(self) -> None:
        """Waits until the store has answered for everything so far: no answer is passed on before.

        With `ledger: strict`: raises StoreUnavailable when it has not taken it.
        """
        await self._recorder.answered()
        if self._is_strict and not self._recorder.is_stored:
            raise StoreUnavailable("The ledger")

    def end(self, fact: Fact, *, answered: bool = False) -> None:
        """An attempt has ended. `answered`: what the caller gets comes from it.

        Its row is written as soon as it is clear that the close will not carry it: because another attempt has
        answered, is still running, or begins.
        """
        self.facts.append(fact)
        log.info("attempt-finished", extra={"inference_id": self.id, **attempt_row(fact, LOGGED)})
        is_any_running = len(self.inference.started) > len(self.facts)
        if not answered and (self._has_answered or is_any_running):
            self._record(fact)
        else:
            self._record_kept()
            self._closing, self._has_answered = fact, answered

    def _record_kept(self) -> None:
        """The close will carry another fact than the one that was kept for it, which gets a row of its own."""
        if self._closing is not None:
            self._record(self._closing)
            self._closing = None

    def _record(self, fact: Fact) -> None:
        self._observe(fact)
        self._recorder.put(fact)

    def ended(self, ending: Ending, status: int | None) -> None:
        """How it ended, once that is known. `status`: the caller's HTTP status; None when nobody is there."""
        self._ending = ending
        self.inference = replace(self.inference, status=status)

    def check_ended(self) -> None:
        """Raises RuntimeError where nobody has said how it ended, which is a bug."""
        if self._ending is None and not self._is_discarded:
            raise RuntimeError("nobody has said how the inference ended")

    async def close(self) -> None:
        """Writes the end, and waits until the store has answered."""
        if self._is_discarded:
            return
        for started in self._still_running():
            # It ended in a fault of ours.
            self.end(unknown_attempt(self.inference, started, self._clock(), FaultKind.INTERNAL))
        closing = replace(self._closing or self._refusal(), closes=self._ending)
        self.facts = [closing if fact.key == closing.key else fact for fact in self.facts]
        self.inference = replace(self.inference, state=InferenceState.CLOSED, closing=closing)
        self._observe(closing)
        self._recorder.close(self.inference)
        await self._recorder.answered()

    async def fail(self, fault: BaseException) -> None:
        """It ends in an exception, and is closed with what is known."""
        is_cancelled = not isinstance(fault, Exception)
        status = fault.status if isinstance(fault, ApiError) else None
        self.ended(Ending.CANCELLED if is_cancelled else Ending.ERROR, status)
        await self.close()

    def _still_running(self) -> list[Started]:
        """Attempts that began and whose end nobody has told."""
        ended = {fact.n for fact in self.facts}
        return [started for started in self.inference.started if started.n not in ended]

    def _refusal(self) -> Fact:
        """It ended before any call."""
        outcome = Outcome.CANCELLED if self._ending is Ending.CANCELLED else Outcome.REFUSED
        refusal = without_attempt(self.inference, self._clock(), outcome)
        self.facts.append(refusal)
        return refusal


@asynccontextmanager
async def open_inference(
    facts: FactsTable, fleet: Fleet, origin: Origin, arrived: int, clock: Clock = now_ms
) -> AsyncIterator[RunningInference]:
    """One inference, closed when the context is left. `origin`: what is known of the request so far.

    An ApiError goes on to the caller with the inference's id. Any other error inside is a bug of ours and becomes
    an ApiError; only its kind is logged, since its text may quote a request.
    """
    running = RunningInference(facts, fleet, origin, arrived, clock)
    try:
        yield running
        running.check_ended()
    except ApiError as error:
        error.inference_id = running.id
        await _refuse(running, error)
        raise
    except Exception as error:  # noqa: BLE001 - strangers' bytes are read inside: our own bug must leave a row too
        about = {"inference_id": running.id, "error": type(error).__name__, "where": place_of(error)}
        log.error("inference-failed-inside", extra=about)  # noqa: TRY400 - a traceback may quote a request
        fault = ApiError(500, "internal_error", "The router failed. It has been logged.", should_retry=False)
        fault.inference_id = running.id
        await _refuse(running, fault)
        raise fault from None
    except BaseException as cancelled:
        await running.fail(cancelled)
        raise
    await running.close()


async def _refuse(running: RunningInference, error: ApiError) -> None:
    await running.fail(error)
    about = {"inference_id": running.id, "caller": running.inference.origin.caller, "code": error.code}
    log.info("inference-refused", extra=about)
