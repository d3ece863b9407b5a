"""The README's table of losses is the one that the real clients are held to."""

from pathlib import Path

from tests.real_clients.cases import CASES
from tests.real_clients.losses import LOST, table_row

README = Path(__file__).with_name("README.md").read_text()


def test_the_readme_has_what_each_client_loses() -> None:
    """One row for each client and dialect that loses anything."""
    losing = dict.fromkeys((case.driven.name, case.surface) for case in CASES if str(case) in LOST)
    beginnings = tuple(f"| {client} | {surface} |" for client, surface in losing)
    rows = [line for line in README.splitlines() if line.startswith(beginnings)]
    assert rows == [table_row(*one) for one in losing]


def test_every_loss_is_of_a_case() -> None:
    """A case that was renamed or has gone leaves no row behind."""
    assert {*LOST} <= {str(case) for case in CASES}
