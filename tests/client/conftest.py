"""Fixtures of the client's tests: a router stand-in, and no settings of anyone in the environment."""

import os
from collections.abc import Iterator

import pytest

from tests.client.stand_in import StandIn, serving


@pytest.fixture(scope="session")
def _served() -> Iterator[StandIn]:
    with serving() as stand_in:
        yield stand_in


@pytest.fixture
def router(_served: StandIn) -> StandIn:
    """A router on the wire, with nothing asked of it yet."""
    _served.seen.clear()
    _served.failing = 0
    return _served


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WARMROUTE_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(router: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The environment that sends every client to the router."""
    monkeypatch.setenv("WARMROUTE_URL", router.origin)
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    return router
