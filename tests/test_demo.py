"""`scripts/demo` on a machine that is set up: it ends with 0 only when all books agree, and says so."""

import os
import re
import subprocess

from local.stack import ROOT


def test_the_demo_ends_with_0_and_says_that_all_checks_hold() -> None:
    """Without a terminal, on 80 columns, the whole story is told, every attempt fits, and everything agrees."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "demo")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "Swap one import",
        "from warmroute import OpenAI",
        "down/mini",
        "budget_exhausted",
        "refused with HTTP status 402 before any call",
        "chat: dropped seed",
        "responses: dropped metadata",
        "messages: dropped cache_control",
        "3 translated: chat to coda, responses to coda, messages to acme",
        "All 11 checks hold.",
        "scripts/deploy",
    ):
        assert line in done.stdout
    assert "NOT" not in done.stdout
    # On a very slow machine the broken provider is asked once more before it is left alone.
    assert re.search(r"moody/mini is degraded, and last|decided without moody/mini, cooling_down", done.stdout)
    assert re.search(r"moody/mini is (degraded|unhealthy), and is probed", done.stdout)
    attempts = [line for line in done.stdout.splitlines() if "/mini" in line and "…" in line]
    assert f" {len(attempts)} attempts, {len(attempts)} requests received" in done.stdout
    assert len(attempts) >= 31
    assert max(map(len, attempts)) <= 80
