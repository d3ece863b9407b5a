"""Every field of every dialect is carried, refused or dropped (and reported) on its way to every other one.

`docs/dialects.md` is what these tests find: `WARMROUTE_WRITE_DOCS=1 scripts/test tests/route/test_dialect_table.py`
writes it. A vendor's release with a new field makes them fail until the table knows it.
"""

import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.beta import BetaRawMessageStreamEvent
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from tests.route import said_otherwise
from tests.route.dialect_table import (
    ANSWERS,
    LOST,
    TRANSLATED,
    collapsed,
    fate,
    request_samples,
    told_answer,
    told_request,
)
from tests.route.vendor_types import samples

DOCS = Path(__file__).parents[2] / "docs" / "dialects.md"
Fates = dict[str, tuple[str, ...]]


def targets(dialect: str) -> list[str]:
    return [name for name in TRANSLATED if name != dialect]


def request_fates(dialect: str) -> Fates:
    silent = said_otherwise.REQUESTS[dialect]
    return {
        sample.path: tuple(
            fate(
                sample.path,
                told_request(sample.present, dialect, target),
                told_request(sample.absent, dialect, target),
                silent,
            )
            for target in targets(dialect)
        )
        for sample in request_samples(dialect)
    }


def answer_fates(dialect: str) -> Fates:
    silent = said_otherwise.ANSWERS[dialect]
    return {
        sample.path: tuple(
            fate(
                sample.path,
                told_answer(sample.present, dialect, target),
                told_answer(sample.absent, dialect, target),
                silent,
            )
            for target in targets(dialect)
        )
        for sample in samples(ANSWERS[dialect])
    }


def lost(fates: Fates) -> list[str]:
    return [f"{path}: {each}" for path, each in collapsed(fates) if LOST in each]


@pytest.mark.parametrize("dialect", TRANSLATED)
def test_no_field_of_a_request_is_lost_in_silence(dialect: str) -> None:
    """Each field that the vendor's SDK can send changes what the provider gets, or is reported."""
    assert lost(request_fates(dialect)) == []


@pytest.mark.parametrize("dialect", TRANSLATED)
def test_no_field_of_an_answer_is_lost_in_silence(dialect: str) -> None:
    """Each field that the vendor's API can answer changes what the caller gets, or is reported."""
    assert lost(answer_fates(dialect)) == []
