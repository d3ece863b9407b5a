"""Closes what its router left open: no inference stays open, and no attempt is counted twice.

For each inference there are three steps. It is taken over, so that its router can no longer add to it or close it.
Each attempt that was started and has no row gets one that calls its outcome unknown. The last write closes it as
lost. All writes are conditional, so the reaper may be killed between any two of them, run twice at once, or meet a
router that comes back late: a row that this router writes then completes the one that says unknown.

An inference that cannot be closed stops no other one; the watermark stays before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ledger.items import InferenceState, unknown_attempt, without_attempt
from ledger.moments import minute_of, minutes_between, next_minute
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.opened import Store
from rollup.marks import REAPED, move_watermark, read_watermark
from rollup.together import Done, Incomplete, apart, together

LOST_AFTER_MS = 960_000
"""16 minutes: no Lambda function runs for longer than 15, so nobody works on an older inference."""

LOOK_BACK_MS = 5 * 60_000
"""The watermark trails by this much, since an opening write may arrive late or the index lag behind."""

CHUNK_MINUTES = 60


@dataclass(frozen=True, slots=True)
class ReapReport:
    """How many minutes were looked at, and how many inferences were closed as `lost`."""

    minutes: int = 0
    lost: int = 0


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
    lost = 0
    failed: dict[str, Exception] = {}
    for begin in range(0, len(todo), CHUNK_MINUTES):
        chunk = todo[begin : begin + CHUNK_MINUTES]
        done = await _reap_minutes(store, clock, chunk, now - lost_after_ms)
        lost += sum(done.results)
        failed |= done.errors
        if since is None and not failed:
            await move_watermark(store, REAPED, min(trail, chunk[-1]))
    report = ReapReport(len(todo), lost)
    if failed:
        raise ReapIncomplete(failed, report)
    return report


async def _reap_minutes(
    store: Store, clock: Callable[[], int], minutes: list[str], opened_by: int
) -> Done[str, bool]:
    found = await together(store.facts.open_in_minute, minutes)

    async def close(inference_id: str) -> bool:
        return await close_lost(store, inference_id, clock, opened_by)

    return await apart(close, (each for ids in found for each in ids))


async def close_lost(store: Store, inference_id: str, clock: Callable[[], int], opened_by: int) -> bool:
    """Closes one inference as lost, if nobody has closed it and it was opened at `opened_by` (ms) or before.

    False when there was nothing to do, or somebody else has done it.
    """
    inference, _ = await store.facts.get_inference(inference_id)
    if inference is None or inference.closing is not None or inference.opened_at > opened_by:
        return False
    if inference.state is InferenceState.OPEN:
        await store.facts.take_over(inference_id)
    # Read again: until it was taken over, by this reaper or another, its router could add attempts and close it.
    inference, known = await store.facts.get_inference(inference_id)
    if inference is None or inference.closing is not None:
        return False
    ended = {fact.n for fact in known}
    for started in inference.started:
        if started.n not in ended:
            await store.facts.put_attempt(unknown_attempt(inference, started, clock(), FaultKind.LOST))
    lost = replace(without_attempt(inference, clock(), Outcome.UNKNOWN, FaultKind.LOST), closes=Ending.ERROR)
    return await store.facts.close_lost(replace(inference, closing=lost))
