"""Real clients complete a task with a tool through the router, whatever the dialect of the provider behind it.

They are installed by `scripts/real_clients`; a client that is not installed is skipped.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from ledger.outcomes import Ending
from tests.fakes import Provider
from tests.real_clients.cases import CASES, SURFACES, Case
from tests.real_clients.policy import OPENING, tool_results
from tests.real_clients.running import Done, run
from tests.route.house import ALICE, House, build_house

pytestmark = pytest.mark.real_clients


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """Skips before anything is started."""
    chosen: Case = request.param
    if chosen.driven.client.missing:
        pytest.skip(chosen.driven.client.missing)
    return chosen


@pytest.fixture
def house(case: Case, request: pytest.FixtureRequest) -> Iterator[House]:
    """A router whose only route is the stand-in of the case's kind; a store is not even started for a skip."""
    url = request.getfixturevalue("dynamodb_url")
    with build_house(url, **case.house) as built:
        yield built


@pytest.mark.parametrize("case", CASES, ids=str, indirect=True)
def test_a_client_does_a_task_with_a_tool(case: Case, house: House, tmp_path: Path) -> None:
    """It ends well and says what its tool has read; the ledger has its calls, each of one attempt that was ok."""
    stand_in = house.providers[case.stand_in]
    stand_in.default = case.driven.policy
    secret = token_hex(8)
    settings = {"ROUTER": house.url, "KEY": ALICE, "SURFACE": case.surface, "MODEL": SURFACES[case.surface]}
    done = run(case.driven.client, case.driven.driver, tmp_path, secret, settings)
    assert done.status == 0, done
    sentences = done.stdout.split(OPENING)[1:]
    assert [secret in sentence for sentence in sentences] == [True] * case.driven.finals, done
    _check_what_the_provider_saw(stand_in, case, secret)
    _check_the_ledger(house, case, done)


def _check_what_the_provider_saw(stand_in: Provider, case: Case, secret: str) -> None:
    """The tool's result came as one, once for each time that the task was done, and never before the tool ran."""
    results = [result for record in stand_in.calls for result in tool_results(record.body)]
    assert [secret in result for result in results] == [True] * (case.driven.finals if case.driven.tools else 0)
    assert secret.encode() in stand_in.calls[-1].raw
    assert secret.encode() not in stand_in.calls[0].raw
    assert {record.status for record in stand_in.requests} == {200}


def _check_the_ledger(house: House, case: Case, done: Done) -> None:
    facts = house.facts()
    assert Counter(fact.origin.stream for fact in facts) == case.streams, done
    assert {(fact.n, fact.outcome, fact.closes) for fact in facts} == {(1, "ok", Ending.OK)}
    origins = {(fact.origin.dialect, fact.origin.profile, fact.origin.requested_model) for fact in facts}
    assert origins == {(case.surface, "task", SURFACES[case.surface])}
    [session] = {fact.origin.session for fact in facts}
    assert (session != "") == case.driven.session
    assert session in done.stdout + done.stderr
