"""A router of its own for every test that asks for one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.route.house import House, build_house
from tests.route.vendors import Vendors, serve_vendors


@pytest.fixture
def house(dynamodb_url: str) -> Iterator[House]:
    """The usual one."""
    with build_house(dynamodb_url) as built:
        yield built


@pytest.fixture
def build(dynamodb_url: str) -> Iterator[Callable[..., House]]:
    """One with another config: `build(profiles={...}, budgets=[...])`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(build_house(dynamodb_url, **options))


@pytest.fixture
def vendors(dynamodb_url: str) -> Iterator[Vendors]:
    """One whose providers say what a test wants, and remember every byte."""
    with serve_vendors(dynamodb_url) as built:
        yield built
