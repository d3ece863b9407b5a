"""Closes what its router left open: no inference stays open, and none is counted twice.

Per inference: first a row for each attempt that has none, then the closing write. All of them are
conditional, so the reaper may be killed between any two, run twice at once, or meet a router that comes back
late: whoever writes a row first has written it, and who then finds the inference closed leaves it alone.

An inference that cannot be closed stops no other one; the watermark stays before it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.items import Fact, Inference, InferenceState, Started
from ledger.moments import minute_of, minutes_between, next_minute
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.connection import StoreError
from ledger.store.opened import Store
from rollup.marks import REAPED, move_watermark, read_watermark
from rollup.together import Done, Incomplete, apart, together

LOST_AFTER_MS = 960_000
"""16 minutes: no Lambda function runs for longer than 15, so nobody works on an older inference."""

LOOK_BACK_MS = 5 * 60_000
"""The watermark trails by this much, since an opening write may arrive late or the index lag behind."""

CHUNK_MINUTES = 60
_TRIES = 20


@dataclass(frozen=True, slots=True)
class ReapReport:
    """`lost` inferences whose outcome nobody knows; `completed` ones that only lacked their closing write."""

    minutes: int = 0
    lost: int = 0
    completed: int = 0


class ReapIncomplete(Incomplete):
    """Some inferences could not be closed: `errors` by their ids, `report` of the others."""

    def __init__(self, errors: dict[str, Exception], report: ReapReport) -> None:
        super().__init__(errors)
        self.report = report


async def reap(
    store: Store,
    clock: Callable[[], int],
    *,
    lost_after_ms: int = LOST_AFTER_MS,
    since: str | None = None,
) -> ReapReport:
    """Closes every inference that has been open for `lost_after_ms` or longer.

    `clock` gives ms; what the reaper writes is dated when it writes it, so that a long run is counted too.
    `since`: a minute to begin at instead of the reaper's own watermark. StoreError when the store fails,
    ReapIncomplete at the end when single inferences could not be closed.
    """
    now = clock()
    trail = minute_of(now - max(lost_after_ms, LOST_AFTER_MS) - LOOK_BACK_MS)
    mark = await read_watermark(store, REAPED, start=trail)
    todo = minutes_between(since or next_minute(mark), minute_of(now - lost_after_ms))
    closed: list[InferenceState] = []
    failed: dict[str, Exception] = {}
    for begin in range(0, len(todo), CHUNK_MINUTES):
        chunk = todo[begin : begin + CHUNK_MINUTES]
        done = await _reap_minutes(store, clock, chunk, now - lost_after_ms)
        closed += [state for state in done.results if state]
        failed |= done.errors
        if since is None and not failed:
            await move_watermark(store, REAPED, min(trail, chunk[-1]))
    lost = closed.count(InferenceState.LOST)
    report = ReapReport(len(todo), lost, len(closed) - lost)
    if failed:
        raise ReapIncomplete(failed, report)
    return report


async def _reap_minutes(
    store: Store, clock: Callable[[], int], minutes: list[str], opened_by: int
) -> Done[str, InferenceState | None]:
    found = await together(store.facts.open_in_minute, minutes)

    async def close(inference_id: str) -> InferenceState | None:
        return await close_lost(store, inference_id, clock, opened_by)

    return await apart(close, (each for ids in found for each in ids))


async def close_lost(
    store: Store, inference_id: str, clock: Callable[[], int], opened_by: int
) -> InferenceState | None:
    """Closes one inference, if it is open and was opened at `opened_by` (ms) or before.

    Returns the state it was given, None when there was nothing to do or somebody else did it.
    """
    for _ in range(_TRIES):
        inference, facts = await store.facts.get_inference(inference_id)
        if inference is None or inference.state is not InferenceState.OPEN or inference.opened_at > opened_by:
            return None
        missing = _missing_rows(inference, facts, clock())
        if not all([await store.facts.put_fact(fact) for fact in missing]):
            continue  # a row came in between, from the router or another reaper: look again
        state = await _close(store, inference, [*facts, *missing], clock())
        if state:
            return state
    raise StoreError(f"{inference_id}: written by others {_TRIES} times in a row")


def _missing_rows(inference: Inference, facts: list[Fact], at: int) -> list[Fact]:
    """A row for each attempt that was started and has none, in order; the last one closes, if none does."""
    written = {fact.n for fact in facts}
    missing = [started for started in inference.started if started.n not in written]
    closes = None if any(fact.closes for fact in facts) else Ending.ERROR
    return [_lost_fact(inference, at, started, closes if started is missing[-1] else None) for started in missing]


def _lost_fact(inference: Inference, at: int, started: Started | None, closes: Ending | None) -> Fact:
    """What is known of an attempt whose router is gone; without `started`, of the inference itself."""
    return Fact(
        inference_id=inference.inference_id,
        n=started.n if started else 0,
        at=at,
        outcome=Outcome.UNKNOWN,
        origin=inference.origin,
        started_at=started.at if started else inference.opened_at,
        provider=started.provider if started else "",
        model=started.model if started else "",
        kind=FaultKind.LOST,
        closes=closes,
    )


async def _close(store: Store, inference: Inference, rows: list[Fact], at: int) -> InferenceState | None:
    """The state that it was given; None when somebody else has closed it or begun another attempt."""
    inference_id, closing = inference.inference_id, next((fact for fact in rows if fact.closes), None)
    if closing is None or closing.closes is None:
        # The router died between a failed attempt and the next one: no row says how it ended, so this does.
        ending = _lost_fact(inference, at, None, Ending.ERROR)
        seen = len(inference.started)
        won = await store.facts.close_with_fact(ending, started=seen, status=None, state=InferenceState.LOST)
        return InferenceState.LOST if won else None
    lost = closing.kind is FaultKind.LOST
    state, status = (InferenceState.LOST, None) if lost else (InferenceState.CLOSED, closing.http_status)
    won = await store.facts.close_inference(inference_id, at=at, ending=closing.closes, status=status, state=state)
    return state if won else None
