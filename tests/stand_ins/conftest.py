"""One running stand-in per vendor, for each test anew."""

from collections.abc import Iterator

import pytest

from tests.fakes import Provider


@pytest.fixture
def oai() -> Iterator[Provider]:
    """OpenAI's: chat completions, responses and embeddings."""
    with Provider("openai") as provider:
        yield provider


@pytest.fixture
def ant() -> Iterator[Provider]:
    """Anthropic's: messages."""
    with Provider("anthropic") as provider:
        yield provider
