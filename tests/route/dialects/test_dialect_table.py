"""Every field of every dialect is carried, refused or dropped (and reported) on its way to every other one.

`docs/dialects.md` is what these tests find, and is written by them where `WARMROUTE_WRITE_DOCS` is set. A vendor's
release with a new field makes them fail until the table knows it.
"""

import os
from dataclasses import replace

import pytest

from tests.route.dialects.dialect_page import DOCS, Fates, answer_fates, document, event_fates, request_fates
from tests.route.dialects.dialect_table import LOST, TRANSLATED, Told, collapsed, fate


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


@pytest.mark.parametrize("dialect", TRANSLATED)
def test_no_event_of_a_stream_is_lost_in_silence(dialect: str) -> None:
    """Each kind of event that the API can send says something on, is reported, or repeats what was said."""
    assert lost(event_fates(dialect)) == []


def test_the_table_in_the_docs_is_what_was_found() -> None:
    """It is never written by hand, and never older than the code or the vendors' types."""
    written = document()
    if os.environ.get("WARMROUTE_WRITE_DOCS"):
        DOCS.write_text(written)
    assert DOCS.read_text() == written


def test_a_field_that_nobody_reads_would_show() -> None:
    """The judge is no rubber stamp: a field that changes nothing and is not reported is found to be lost."""
    same = Told({"a": 1}, frozenset(), frozenset())
    assert fate("top_k", same, same) == LOST
    assert fate("top_k", replace(same, dropped=frozenset({"top_k"})), same) == "dropped"
    assert fate("tools[].name", replace(same, refused=frozenset({"tools[]"})), same) == "refused"
    assert fate("top_k", replace(same, document={"a": 2}), same) == "carried"
