"""What each client loses on the way to a provider of another dialect, as the receipts name it."""

from tests.real_clients.cases import Case


def lost_by(case: Case) -> set[str]:
    """The paths in `dropped` of all receipts of a run."""
    return set()
