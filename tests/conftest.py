"""A store for every test: the embedded one by default, any other by `--dynamodb-url`."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from ledger.store.opened import Store
from local.stack import embedded_aws
from tests.ledger.referee import NoReferee, referee
from tests.ledger.store.tables import fresh_store

# A busy machine is no failure: how long an example takes says nothing about its rule.
settings.register_profile("warmroute", deadline=None)
settings.load_profile("warmroute")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--dynamodb-url", help="use this DynamoDB endpoint instead of starting the embedded one")
    parser.addoption("--real-clients", action="store_true", help="run real clients, those that are installed")


@pytest.fixture(scope="session")
def dynamodb_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a DynamoDB that is ours alone, for the whole session (one per xdist worker)."""
    given = request.config.getoption("--dynamodb-url")
    if given:
        yield str(given)
        return
    with embedded_aws() as url:
        yield url


@pytest.fixture(scope="session")
def referee_url() -> Iterator[str]:
    """The URL of DynamoDB Local, Amazon's own emulator; skips where it cannot be had."""
    try:
        with referee() as url:
            yield url
    except NoReferee as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["embedded", "referee"])
def any_store_url(request: pytest.FixtureRequest) -> str:
    """Each store in turn: for what the embedded one may get wrong."""
    name = "dynamodb_url" if request.param == "embedded" else "referee_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def store(dynamodb_url: str) -> AsyncIterator[Store]:
    """Both tables, new and empty, as the template declares them."""
    async with fresh_store(dynamodb_url) as fresh:
        yield fresh
