"""The vendors' own tests cannot tell our classes from theirs."""

from typing import Any

import pytest

from local.vendor_suites import SUITES, CannotFetch, Comparison, Run, compare, differences

SUITE = SUITES["openai"]
PASSED = {f"test_{n}": "passed" for n in range(SUITE.least_passed)}


@pytest.mark.vendor_suites
@pytest.mark.parametrize("vendor", SUITES)
def test_the_core_of_the_vendors_suite_gives_the_same_results(vendor: str) -> None:
    """Client, streaming, chat and messages tests end with our classes as they do with the vendor's.

    `scripts/vendor_suites --full` does the same with everything that runs offline.
    """
    try:
        comparison = compare(SUITES[vendor], full=False)
    except CannotFetch as error:
        pytest.skip(f"the suite cannot be fetched here: {error}")
    assert comparison.faults() == []


def _faults(theirs: dict[str, str], ours: dict[str, str], made: Any = (0, 1)) -> list[str]:
    runs = Run(theirs, made[0]), Run(ours, made[1])
    return Comparison(SUITE, *runs, differences(*runs)).faults()


def test_two_equal_runs_have_no_fault() -> None:
    """Failures that both runs share, such as files missing from a distribution, do not count."""
    both = {**PASSED, "test_x": "failed"}
    assert _faults(both, both) == []


@pytest.mark.parametrize("ours", [{**PASSED, "test_0": "failed"}, {k: PASSED[k] for k in list(PASSED)[1:]}])
def test_a_test_that_ends_otherwise_or_not_at_all_is_a_fault(ours: dict[str, str]) -> None:
    """Each differing test is named, also one that did not run."""
    (fault,) = _faults(PASSED, ours)
    assert fault.startswith("test_0: passed, with our classes ")


def test_an_empty_run_or_a_swap_without_effect_is_a_fault() -> None:
    """Equality alone proves nothing: enough tests must have passed, and ours must have been used."""
    assert len(_faults({}, {})) == 1
    assert len(_faults(PASSED, PASSED, made=(0, 0))) == 1
    assert len(_faults(PASSED, PASSED, made=(5, 5))) == 1
