"""A pytest plugin for the vendors' own suites: writes each test's outcome down and, if asked, swaps classes.

Environment: `OUTCOMES_FILE` is where the outcomes go, as JSON `{test id: outcome}`. `SWAP_VENDOR` is
"openai" or "anthropic": then `from openai import OpenAI` and its like give this project's classes. The key
`clients made by warmroute` counts the clients that were really ours, so that a swap without effect shows.
"""

import importlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

MADE = "clients made by warmroute"
_NAMES = {
    "openai": {
        "OpenAI": "OpenAI",
        "AsyncOpenAI": "AsyncOpenAI",
        "Client": "OpenAI",
        "AsyncClient": "AsyncOpenAI",
    },
    "anthropic": {
        "Anthropic": "Anthropic",
        "AsyncAnthropic": "AsyncAnthropic",
        "Client": "Anthropic",
        "AsyncClient": "AsyncAnthropic",
    },
}
_outcomes: dict[str, str] = {}
_made: Counter[str] = Counter()


def _swap(vendor_name: str) -> None:
    warmroute = importlib.import_module("warmroute")
    hooks = importlib.import_module("warmroute.hooks")
    construct = hooks.Routed.__init__

    def counted(self: Any, **arguments: Any) -> None:
        _made[MADE] += 1
        construct(self, **arguments)

    # Before the classes exist, because they take their constructor when they are made.
    hooks.Routed.__init__ = counted
    vendor = importlib.import_module(vendor_name)
    for theirs, ours in _NAMES[vendor_name].items():
        setattr(vendor, theirs, getattr(warmroute, ours))


if os.environ.get("SWAP_VENDOR"):
    # At import, because the suites' conftest modules take the classes when they are imported.
    _swap(os.environ["SWAP_VENDOR"])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst of a test's phases; a failure outside the call is an error, as pytest counts it."""
    if report.failed:
        _outcomes[report.nodeid] = "failed" if report.when == "call" else "error"
    elif report.skipped or report.when == "call":
        xfailed = hasattr(report, "wasxfail")
        _outcomes.setdefault(report.nodeid, "xfailed" if xfailed else report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Workers hand their count to the controller, which writes everything down."""
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output[MADE] = _made[MADE]
        return
    document = {"outcomes": _outcomes, MADE: _made[MADE]}
    Path(os.environ["OUTCOMES_FILE"]).write_text(json.dumps(document))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add a worker's count of our clients to the controller's."""
    _made[MADE] += getattr(node, "workeroutput", {}).get(MADE, 0)
