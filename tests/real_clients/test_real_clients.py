"""Real clients complete a task with a tool through the router, whatever the dialect of the provider behind it.

`scripts/real_clients` installs and runs them. Other runs of pytest leave them out: they take minutes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from secrets import token_hex

import pytest

from ledger.items import Fact
from ledger.outcomes import Ending
from tests.fakes import Provider
from tests.fakes.fields import chat_field_unknown, messages_field_unknown, responses_field_unknown
from tests.fakes.steps import Fail, Json
from tests.real_clients.cases import CASES, SURFACES, Case
from tests.real_clients.losses import lost_by
from tests.real_clients.policy import OPENING, tool_results, without_threads
from tests.real_clients.running import Done, run
from tests.route.house import ALICE, House, build_house

pytestmark = pytest.mark.real_clients

UNKNOWN: Mapping[str, Callable[[Json], Fail | None]] = {
    "/v1/chat/completions": chat_field_unknown,
    "/v1/messages": messages_field_unknown,
    "/v1/responses": responses_field_unknown,
}
"""By path: the first field of a request that the vendor's SDK does not know."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test that is skipped stands for all where nobody has asked for them."""
    if metafunc.config.getoption("--real-clients"):
        metafunc.parametrize("case", CASES, ids=str, indirect=True)
    else:
        unasked = pytest.mark.skip(reason="scripts/real_clients runs them")
        metafunc.parametrize("case", [pytest.param(None, marks=unasked)], ids=["all"], indirect=True)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """Skips before anything is started."""
    chosen: Case = request.param
    if chosen.driven.client.missing:
        pytest.skip(chosen.driven.client.missing)
    return chosen


@pytest.fixture
def house(case: Case, request: pytest.FixtureRequest) -> Iterator[House]:
    """A router with the routes of the case's kind and no other; a store is not even started for a skip."""
    url = request.getfixturevalue("dynamodb_url")
    with build_house(url, **case.house) as built:
        yield built


def test_a_client_does_a_task_with_a_tool(case: Case, house: House, tmp_path: Path) -> None:
    """It ends well and says what its tool has read; the ledger has its calls, each of one attempt that was ok."""
    stand_in = house.providers[case.stand_in]
    stand_in.default = without_threads(case.driven.policy)
    secret = token_hex(8)
    settings = {"ROUTER": house.url, "KEY": ALICE, "SURFACE": case.surface, "MODEL": SURFACES[case.surface]}
    done = run(case.driven.client, case.driven.driver, tmp_path, secret, settings)
    assert done.status == 0, done
    sentences = done.stdout.split(OPENING)[1:]
    assert [secret in sentence for sentence in sentences] == [True] * case.driven.finals, done
    _check_what_the_provider_saw(stand_in, case, secret)
    _check_the_ledger(house.facts(), case, done)


def _check_what_the_provider_saw(stand_in: Provider, case: Case, secret: str) -> None:
    """The tool's result came as one, once for each time that the task was done, and never before the tool ran."""
    refused = 0 if case.refuses_threads_itself else case.asks_for_a_thread.total()
    assert Counter(record.status for record in stand_in.requests) == Counter(
        {200: case.streams.total()} | ({400: refused} if refused else {})
    )
    answered = [record for record in stand_in.calls if record.status == 200]
    results = [result for record in answered for result in tool_results(record.body)]
    assert [secret in result for result in results] == [True] * (case.driven.finals if case.driven.tools else 0)
    assert secret.encode() in answered[-1].raw
    assert secret.encode() not in answered[0].raw
    if case.is_translated:
        assert [fault for record in answered if (fault := UNKNOWN[record.path](record.body))] == []


def _check_the_ledger(facts: list[Fact], case: Case, done: Done) -> None:
    """The client's own calls, under its own session, with what the provider could not be told."""
    answered, refused = ([fact for fact in facts if fact.ok is ok] for ok in (True, False))
    assert Counter(fact.origin.stream for fact in answered) == case.streams, done
    assert Counter(fact.origin.stream for fact in refused) == case.asks_for_a_thread
    assert {(fact.n, fact.outcome, fact.closes) for fact in answered} == {(1, "ok", Ending.OK)}
    origins = {(fact.origin.dialect, fact.origin.profile, fact.origin.requested_model) for fact in facts}
    assert origins == {(case.surface, "task", SURFACES[case.surface])}
    [session] = {fact.origin.session for fact in facts}
    assert (session != "") == case.driven.session
    assert session in done.stdout + done.stderr
    assert {path for fact in answered for path in fact.dropped} == lost_by(case)
