"""The one lifecycle: whatever is raised inside, and wherever, one inference is closed or left to the reaper."""

import asyncio
import contextlib
import types
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from typing import Any

import pytest

from ledger.ids import new_inference_id
from ledger.items import Fact, Inference, InferenceState, Started
from ledger.outcomes import Ending, FaultKind, Outcome
from ledger.store.opened import Store
from rollup.reaper import LOST_AFTER_MS, close_lost
from route.config.profiles import ProfileConfig
from route.errors import ApiError, BadRequest
from route.fleet.fleet import Fleet
from route.recording.lifecycle import RunningInference, open_inference
from tests.ledger.make import NOW, ORIGIN, fact
from tests.ledger.store.tables import Writes, beside, dying_client

LATER = NOW + LOST_AFTER_MS
STRICT = ProfileConfig.model_validate({"routes": ["acme/small"], "ledger": "strict"})
PLAN = b"plan"

FAULTS = (ZeroDivisionError("ours"), asyncio.CancelledError(), ApiError(503, "unavailable", "Try again."))

Scenario = Callable[[RunningInference], Awaitable[None]]


def started(n: int) -> Started:
    return Started(n, "acme", "small", NOW + n)


async def two_attempts(inference: RunningInference) -> None:
    """The first fails, the second answers; each is acknowledged before anything is passed on."""
    inference.describe(ORIGIN, STRICT, PLAN)
    for n in (1, 2):
        await inference.start(started(n))
        await asyncio.sleep(0)  # the call
        await inference.acknowledged()
        inference.end(fact(NOW + n, inference_id=inference.id, n=n, ok=n == 2), answered=n == 2)
    inference.ended(Ending.FALLBACK, 200)


async def side_by_side(inference: RunningInference) -> None:
    """Three at once; the second answers first, the others end after it, one of them without saying so."""
    inference.describe(ORIGIN, STRICT, PLAN)
    for n in (1, 2, 3):
        await inference.start(started(n))
    await inference.acknowledged()
    inference.end(fact(NOW + 2, inference_id=inference.id, n=2), answered=True)
    inference.end(fact(NOW + 3, inference_id=inference.id, n=1, ok=False))
    inference.ended(Ending.OK, 200)


async def no_attempt(inference: RunningInference) -> None:
    """Refused before any call."""
    inference.describe(ORIGIN)
    await asyncio.sleep(0)
    raise BadRequest("unknown_profile", "There is no such profile.")


AWAITS = {"two attempts": 7, "side by side": 5, "no attempt": 2}
"""How many times each waits, so that a new await is not left out unseen."""

SCENARIOS = {"two attempts": two_attempts, "side by side": side_by_side, "no attempt": no_attempt}


@types.coroutine
def failing_at(
    place: int, work: Awaitable[None], fault: BaseException, thrown: list[int]
) -> Generator[Any, Any, None]:
    """Runs `work`, in which the await of this number (from 0) raises `fault`. `thrown` gets the number then."""
    steps, number = work.__await__(), 0
    try:
        waits_for = steps.send(None)
        while True:
            number += 1
            if number - 1 == place:
                thrown.append(place)
                if waits_for is not None:
                    waits_for._asyncio_future_blocking = False  # nobody waits for it any more
                waits_for = steps.throw(fault)
            else:
                yield waits_for
                waits_for = steps.send(None)
    except StopIteration:
        return


async def lived(store: Store, scenario: Scenario, ids: list[str]) -> None:
    async with open_inference(store.facts, Fleet(store.views, 0), ORIGIN, NOW, lambda: NOW + 9) as inference:
        ids.append(inference.id)
        await scenario(inference)


async def settled() -> None:
    """Writes that were sent go on without whoever sent them."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


async def everything_of(store: Store, inference_id: str) -> tuple[Inference | None, list[Fact]]:
    """The inference once the reaper has looked at it, and all facts of it as the folds read them."""
    await close_lost(store, inference_id, lambda: LATER, NOW)
    inference, attempts = await store.facts.get_inference(inference_id)
    closing = inference.closing if inference else None
    return inference, attempts if closing is None or closing.n else [closing, *attempts]


def check(inference: Inference | None, facts: list[Fact]) -> None:
    """Closed once, whether by its router or as lost, with one fact for each attempt that began."""
    if inference is None:
        assert not facts, "rows of an inference that is not there"
        return
    assert inference.state is not InferenceState.OPEN
    assert inference.closing is not None
    assert [f.closes for f in facts if f.closes] == [inference.ending]
    numbers = [f.n for f in facts if f.n]
    assert numbers == sorted(set(numbers))
    assert inference.closing.n or inference.state is InferenceState.LOST or not numbers


@pytest.mark.case("11.2", "A5")
@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("ours"), asyncio.CancelledError(), ApiError(503, "x", "y")], ids=repr
)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_fault_at_any_await_leaves_one_inference_that_is_closed(
    store: Store, name: str, fault: BaseException
) -> None:
    """Every await inside the context, and of its closing, raises once: enumerated until there are no more."""
    thrown: list[int] = []
    for place in range(100):
        ids: list[str] = []
        with contextlib.suppress(ApiError, asyncio.CancelledError, ZeroDivisionError):
            await failing_at(place, lived(store, SCENARIOS[name], ids), fault, thrown)
        await settled()
        inference, facts = await everything_of(store, ids[0])
        assert inference is not None
        check(inference, facts)
        if place not in thrown:
            break
    assert len(thrown) == AWAITS[name]


@pytest.mark.case("11.2", "S4")
@pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_store_that_dies_at_any_write_leaves_nothing_counted_twice(
    dynamodb_url: str, store: Store, name: str, lands: bool
) -> None:
    """From one write on the store is silent: what it has by then is closed by the reaper, once."""
    dies_at, writes = 0, Writes()
    ids: list[str]
    while writes.count >= dies_at:
        writes, ids = Writes(dies_at, lands), []
        async with beside(dynamodb_url, store, dying_client(writes)) as dying:
            with contextlib.suppress(ApiError):
                await lived(dying, SCENARIOS[name], ids)
            await settled()
        check(*await everything_of(store, ids[0]))
        dies_at += 1


async def test_attempts_side_by_side_are_each_written_once(store: Store) -> None:
    """The close carries the one that answered; the others have rows, and who has not ended is unknown."""
    ids: list[str] = []
    await lived(store, side_by_side, ids)
    inference, facts = await store.facts.get_inference(ids[0])
    assert inference is not None
    assert (inference.state, inference.ending, inference.served) == (InferenceState.CLOSED, Ending.OK, 2)
    assert [(f.n, f.outcome, f.kind, f.closes) for f in facts] == [
        (1, Outcome.ERROR, FaultKind.SERVER_ERROR, None),
        (2, Outcome.OK, None, Ending.OK),
        (3, Outcome.UNKNOWN, FaultKind.INTERNAL, None),
    ]


async def test_where_none_answers_the_close_carries_the_last_to_end(store: Store) -> None:
    """Whatever order they began in."""

    async def none_answers(inference: RunningInference) -> None:
        for n in (1, 2, 3):
            await inference.start(started(n))
        for n in (3, 1, 2):
            inference.end(fact(NOW + n, inference_id=inference.id, n=n, ok=False))
        inference.ended(Ending.ERROR, 502)

    ids: list[str] = []
    await lived(store, none_answers, ids)
    inference, facts = await store.facts.get_inference(ids[0])
    assert inference is not None
    assert inference.closing is not None
    assert (inference.closing.n, inference.served, inference.status) == (2, None, 502)
    assert [f.n for f in facts] == [1, 2, 3]


async def test_what_leaves_no_trace_writes_nothing(dynamodb_url: str, store: Store) -> None:
    """And nothing can be discarded once a provider has been asked."""

    async def discarded(inference: RunningInference) -> None:
        inference.discard()

    async def asked_first(inference: RunningInference) -> None:
        await inference.start(started(1))
        inference.discard()
        inference.ended(Ending.ERROR, 500)

    writes, ids = Writes(dies_at=9), list[str]()
    async with beside(dynamodb_url, store, dying_client(writes)) as counted:
        await lived(counted, discarded, ids)
        assert writes.count == 0
        await lived(counted, asked_first, ids)
        assert writes.count == 2


async def test_who_forgets_to_say_how_it_ended_has_failed(store: Store) -> None:
    """A handler that ends without a word is a bug: the caller gets a 500, the ledger an error."""

    async def silent(inference: RunningInference) -> None:
        await inference.start(started(1))

    ids: list[str] = []
    with pytest.raises(ApiError) as raised:
        await lived(store, silent, ids)
    assert (raised.value.status, raised.value.inference_id) == (500, ids[0])
    inference, [unknown] = await store.facts.get_inference(ids[0])
    assert inference is not None
    assert (inference.ending, inference.status, unknown.kind) == (Ending.ERROR, 500, FaultKind.INTERNAL)


def test_an_id_says_when_its_inference_was_opened() -> None:
    """It is stored nowhere else."""
    opened = Inference(new_inference_id(NOW), ORIGIN)
    assert opened.opened_at == NOW
    assert replace(opened, inference_id=new_inference_id(NOW + 1)).opened_at == NOW + 1
