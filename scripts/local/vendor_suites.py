"""The vendors' own test suites, run with their classes and with ours: every test must end the same way.

The suites come from the source distributions of the installed versions, fetched when needed into
`.cache/vendor` and never kept in this repository. They run in an environment of their own, offline.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "vendor"
# The swap plugin writes this key; it runs in the suites' environment and cannot be imported here.
MADE = "clients made by warmroute"
WORKERS = "2"
RUN_TIMEOUT_S = 1800

# fmt: off
TEST_TOOLS = (
    "pytest", "pytest-asyncio", "pytest-xdist", "inline-snapshot", "dirty-equals", "time-machine", "respx",
    "rich", "trio", "griffe", "hypothesis", "http-snapshot[httpx]==0.1.9", "importlib-metadata", "packaging",
    "opentelemetry-sdk", "Pillow", "azure-identity", "boto3-stubs", "types-requests", "pandas-stubs", "ruff",
    "nest-asyncio2",
)
# fmt: on


class CannotFetch(RuntimeError):
    """A source distribution or a test tool could not be had; the message is the installer's own."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One vendor's suite. `core` are the paths of the quick run; fewer passes than `least_passed` are a fault."""

    vendor: str
    extras: str
    core: tuple[str, ...]
    least_passed: int
    api: tuple[str, ...] = ()
    """The tests of the API's resources that a router answers, run against a real server in strict mode."""
    api_only: str = ""
    """The value of pytest's `-k` for these. Left out is what the vendor stores, which no stand-in answers."""
    left_out: tuple[str, ...] = ("tests/api_resources",)  # they need a mock server


SUITES = {
    "openai": Suite(
        vendor="openai",
        extras="aiohttp,realtime,bedrock,datalib",
        core=(
            "tests/test_client.py",
            "tests/test_streaming.py",
            "tests/test_response.py",
            "tests/test_legacy_response.py",
            "tests/lib/chat",
            "tests/lib/responses",
        ),
        least_passed=1000,
        api=(
            "tests/api_resources/chat/test_completions.py",
            "tests/api_resources/test_responses.py",
            "tests/api_resources/test_embeddings.py",
            "tests/api_resources/test_models.py",
        ),
        # Strict types refuse the vendor's own base64 embeddings, which is how its SDK asks for them.
        api_only=(
            "create and not Embeddings or (test_models and (list or retrieve))"
            " or Embeddings and (loose or with_all_params)"
        ),
        # The second one asks the network for a package.
        left_out=("tests/api_resources", "tests/lib/test_fine_tuning_positional_arguments.py"),
    ),
    "anthropic": Suite(
        vendor="anthropic",
        extras="aiohttp,aws,bedrock,mcp,vertex,webhooks",
        core=(
            "tests/test_client.py",
            "tests/test_streaming.py",
            "tests/test_response.py",
            "tests/test_middleware.py",
            "tests/lib/streaming",
            "tests/lib/test_credentials.py",
            "tests/lib/test_client_copy.py",
        ),
        least_passed=500,
        api=(
            "tests/api_resources/test_messages.py",
            "tests/api_resources/test_models.py",
            "tests/api_resources/beta/test_messages.py",
            "tests/api_resources/beta/test_models.py",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Run:
    """How each test ended, by test id, and how many clients of ours were constructed."""

    outcomes: dict[str, str]
    made: int

    def count(self, outcome: str) -> int:
        return sum(each == outcome for each in self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Comparison:
    """One suite with the vendor's classes and with ours; `differing` maps test id to both outcomes."""

    suite: Suite
    theirs: Run
    ours: Run
    differing: dict[str, tuple[str, str]]

    def faults(self) -> list[str]:
        """Why the comparison does not hold; empty when it does."""
        found = [f"{test}: {pair[0]}, with our classes {pair[1]}" for test, pair in self.differing.items()]
        passed, least = self.theirs.count("passed"), self.suite.least_passed
        if passed < least:
            found.append(f"only {passed} tests passed, at least {least} expected")
        if self.ours.made == 0 or self.theirs.made != 0:
            found.append(f"{MADE}: {self.ours.made} in the swapped run, {self.theirs.made} in the plain one")
        return found


def compare(suite: Suite, *, full: bool) -> Comparison:
    """Run a suite twice and compare. A difference counts when it shows again with these tests run alone."""
    with _alone():
        python, source = _environment(), _source(suite.vendor)
    paths = ("tests", *(f"--ignore={path}" for path in suite.left_out)) if full else suite.core
    theirs = _run(suite, python, source, paths, swapped=False)
    ours = _run(suite, python, source, paths, swapped=True)
    differing = differences(theirs, ours)
    if differing:
        again = tuple(differing)
        theirs_again = _run(suite, python, source, again, swapped=False)
        differing = differences(theirs_again, _run(suite, python, source, again, swapped=True))
    return Comparison(suite, theirs, ours, differing)


def run_against(suite: Suite, base_url: str) -> Run:
    """The vendor's own tests of its API, with the vendor's own classes, against a server."""
    with _alone():
        python, source = _environment(), _source(suite.vendor)
    chosen = ("-k", suite.api_only) if suite.api_only else ()
    return _run(suite, python, source, (*suite.api, *chosen), swapped=False, base_url=base_url)


def model_names(suite: Suite) -> set[str]:
    """The models that the vendor's tests ask for by name, and page by."""
    with _alone():
        source = _source(suite.vendor)
    text = "".join((source / path).read_text() for path in suite.api if path.endswith("test_models.py"))
    return set(_NAMED.findall(text))


_NAMED = re.compile(r'(?:retrieve\(|model_id=|after_id=|before_id=)\s*"([^"]+)"')


def differences(theirs: Run, ours: Run) -> dict[str, tuple[str, str]]:
    """The tests that did not end the same way, with both outcomes; "absent" is one that did not run."""
    tests = sorted({*theirs.outcomes, *ours.outcomes})
    pairs = {test: (theirs.outcomes.get(test, "absent"), ours.outcomes.get(test, "absent")) for test in tests}
    return {test: pair for test, pair in pairs.items() if pair[0] != pair[1]}


def _run(
    suite: Suite, python: Path, source: Path, paths: tuple[str, ...], *, swapped: bool, base_url: str = ""
) -> Run:
    report = CACHE / f"{suite.vendor}-{'api' if base_url else 'ours' if swapped else 'theirs'}.json"
    report.unlink(missing_ok=True)
    settings = {"OUTCOMES_FILE": str(report), "SWAP_VENDOR": suite.vendor if swapped else ""}
    settings |= {"TEST_API_BASE_URL": base_url} if base_url else {}
    search = os.pathsep.join([str(ROOT / "tests" / "client"), str(ROOT / "client")])
    options = ("-p", "swap_vendor", "-n", WORKERS, "-q", "--tb=no")
    command = [str(python), "-m", "pytest", *options, *paths]
    done = subprocess.run(
        command,
        cwd=source,
        env={**_clean_environment(), **settings, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    if not report.exists():
        said = done.stdout[-3000:] + done.stderr[-3000:]
        raise RuntimeError(f"the {suite.vendor} suite did not run:\n{said}")
    document = json.loads(report.read_text())
    return Run(document["outcomes"], document[MADE])


def _clean_environment() -> dict[str, str]:
    # The suites expect no vendor's settings, and the comparison needs ours to be absent.
    ours_and_theirs = ("OPENAI_", "ANTHROPIC_", "WARMROUTE_", "PYTEST_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours_and_theirs)}


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time fetches and installs; the others find everything there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _source(vendor: str) -> Path:
    """The unpacked source distribution of the installed version, fetched if it is not there."""
    name = f"{vendor}-{version(vendor)}"
    if not (CACHE / name).is_dir():
        options = ("--no-deps", "--no-binary", vendor, "--dest", str(CACHE))
        _pip(sys.executable, "download", *options, f"{vendor}=={version(vendor)}")
        with tarfile.open(CACHE / f"{name}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return CACHE / name


def _environment() -> Path:
    """The Python of the suites' own environment, made anew when the list of what it needs has changed."""
    vendors = [f"{suite.vendor}[{suite.extras}]=={version(suite.vendor)}" for suite in SUITES.values()]
    wanted = [*vendors, *TEST_TOOLS]
    home = CACHE / f"venv-{hashlib.sha256(repr((sys.version, wanted)).encode()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        _pip(str(python), "install", *wanted)
        (home / "complete").touch()
    return python


def _pip(python: str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check", *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotFetch(done.stderr.strip()[-1000:])


def _print(comparison: Comparison) -> None:
    shown = ("passed", "failed", "error", "skipped")
    for label, run in (("theirs", comparison.theirs), ("ours", comparison.ours)):
        counts = "  ".join(f"{run.count(name):>6} {name}" for name in shown)
        print(f"{comparison.suite.vendor:<10} {label:<7} {counts}  {run.made:>6} {MADE}")
    for fault in comparison.faults():
        print(f"  FAULT {fault}")


def main() -> int:
    """Exit 0 when every test ends the same with our classes, 1 when not, 3 when the suites cannot be had."""
    parser = argparse.ArgumentParser(prog="scripts/vendor_suites", description=main.__doc__)
    parser.add_argument("vendors", nargs="*", choices=[*SUITES, []], help="default: both")
    parser.add_argument("--full", action="store_true", help="the whole offline suite, not its core")
    arguments = parser.parse_args()
    faulty = False
    for vendor in arguments.vendors or SUITES:
        try:
            comparison = compare(SUITES[vendor], full=arguments.full)
        except CannotFetch as error:
            print(f"cannot fetch the {vendor} suite: {error}", file=sys.stderr)
            return 3
        _print(comparison)
        faulty = faulty or bool(comparison.faults())
    return int(faulty)


if __name__ == "__main__":
    sys.exit(main())
