"""A provider breaks, is left alone, and comes back: the one chapter of the demo in which time plays a part.

How long a rest takes is a number in the config, how long a call takes depends on the machine. So nothing here
counts calls or seconds: each half goes on until the router has done what it shows.
"""

import time

from local.demo_calls import HELLO, Call, Chapter, expect, kept
from local.demo_stage import PLAIN, DemoFault, Stage
from local.demo_waits import TIMEOUT_S, wait_until_rested
from tests.fakes import Fail
from warmroute import OpenAI

PROFILE = "steady"
ASK_AGAIN_S = 5
"""A router that could not get hold of a probe leaves it to the others for so long."""


def call_until_left_alone(client: OpenAI, stage: Stage) -> list[Call]:
    """`moody` fails until a call does not ask it any more, and is well from then on.

    That is the third call where it comes before the rest is over. On a machine so slow that it does not, the
    call is a probe that fails too, and the rests grow longer until they are longer than a call.
    """
    moody = stage.providers["moody"]
    moody.default = Fail(500)
    deadline = time.monotonic() + TIMEOUT_S
    calls: list[Call] = []
    while not calls or "moody" in calls[-1].providers:
        if time.monotonic() > deadline:
            raise DemoFault(f"moody has failed for {TIMEOUT_S} s, and is still asked first")
        calls.append(_call(client, len(calls) + 1))
    moody.default = PLAIN
    return calls


def call_until_probed(client: OpenAI, stage: Stage, before: list[Call]) -> list[Call]:
    """Once `moody` has rested, the next call probes it and is served by it.

    A router claims the probe in the store first, so that no other one probes too. Where the store is too slow to
    grant it, the call goes where it would have gone without, and a later one asks again.
    """
    faults = sum("moody" in call.providers for call in before)
    wait_until_rested(stage, "moody", PROFILE, faults)
    deadline = time.monotonic() + TIMEOUT_S
    calls = [_call(client, len(before) + 1)]
    while "moody" not in calls[-1].providers:
        if time.monotonic() > deadline:
            raise DemoFault(f"moody has been well for {TIMEOUT_S} s, and no call has probed it")
        time.sleep(ASK_AGAIN_S)
        calls.append(_call(client, len(before) + len(calls) + 1))
    return calls


def _call(client: OpenAI, number: int) -> Call:
    """One call, whose answer is that of the provider that was asked last."""
    answer = client.chat.completions.create(model=PROFILE, messages=HELLO)
    call = kept(f"OpenAI {number}", answer)
    expect(answer.choices[0].message.content, f"{call.providers[-1]}-mini-2026-01 answers: hello there")
    return call


def recovery_chapter(calls: list[Call]) -> Chapter:
    """Both halves, told as one."""
    return Chapter(
        "A broken provider is left alone, and comes back",
        "The profile lists moody, then bolt. moody fails; after two faults in a row it is asked no more. Once it "
        "has rested, one call of the whole fleet probes it, and as that is served, it has its place again. (The "
        "chapters below were played during the rest.)",
        tuple(calls),
    )
