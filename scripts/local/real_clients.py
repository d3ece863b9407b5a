"""Real clients, each in an environment of its own below `.cache/clients`: installs them, then runs their tests.

A client that cannot be installed here is no failure: its tests skip, with the reason.
"""

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "clients"
INSTALL_TIMEOUT_S = 1200
MOST_OF_A_REASON = 1500


class CannotInstall(RuntimeError):
    """Why a client cannot be had on this machine; the message is the installer's own."""


@dataclass(frozen=True, slots=True)
class Client:
    """What one client consists of, pinned. `python` is the range of versions that it runs on."""

    name: str
    manager: str  # "pip" or "npm"
    packages: tuple[str, ...]
    python: tuple[tuple[int, int], tuple[int, int]] = ((3, 11), (3, 13))

    @property
    def home(self) -> Path:
        """Another list of packages is another folder, so an outdated installation is never used."""
        wanted = hashlib.sha256(repr((self.manager, self.packages, self.python)).encode()).hexdigest()
        return CACHE / self.name / wanted[:8]

    @property
    def is_installed(self) -> bool:
        return (self.home / "complete").exists()

    @property
    def missing(self) -> str:
        """The reason for a skip; empty when it is installed."""
        return "" if self.is_installed else f"{self.name} is not installed: scripts/real_clients {self.name}"

    @property
    def path(self) -> Path:
        """Where its programs are."""
        return self.home / ("bin" if self.manager == "pip" else "node_modules/.bin")


def _pip(name: str, *packages: str, newest_python: tuple[int, int] = (3, 13)) -> Client:
    return Client(name, "pip", packages, ((3, 11), newest_python))


def _npm(name: str, *packages: str) -> Client:
    return Client(name, "npm", packages)


CLIENTS = {
    client.name: client
    for client in (
        _npm("claude-code", "@anthropic-ai/claude-code@2.1.329"),
        _npm("codex", "@openai/codex@0.169.0"),
        _npm("opencode", "opencode-ai@1.18.33"),
        _pip("aider", "aider-chat==0.86.2", newest_python=(3, 12)),
        _pip("llm", "llm==0.36", "llm-anthropic==0.30"),
        _pip("openai-agents", "openai-agents==0.24.0"),
        _pip("langchain", "langchain-openai==1.7.3", "langchain-anthropic==1.7.7"),
        _pip("pydantic-ai", "pydantic-ai-slim[openai,anthropic]==2.68.0"),
        _pip("instructor", "instructor[anthropic]==1.17.0"),
        _pip("litellm", "litellm==1.106.2", "mcp==2.3.0"),
        _npm(
            "ai-sdk",
            "ai@7.0.173",
            "@ai-sdk/openai@4.0.118",
            "@ai-sdk/anthropic@4.0.105",
            "@ai-sdk/openai-compatible@3.0.92",
            "zod@4.6.7",
        ),
        _npm(
            "langchain-js",
            "@langchain/openai@1.6.0",
            "@langchain/anthropic@1.5.11",
            "@langchain/core@1.2.13",
            "zod@4.6.7",
        ),
        _npm("openai-js", "openai@7.55.0"),
        _pip("anthropic-py", "anthropic==2.11.0"),
        _npm("anthropic-js", "@anthropic-ai/sdk@1.11.0"),
        _npm("openai-agents-js", "@openai/agents@0.20.0", "zod@4.6.7"),
    )
}


def install(client: Client) -> None:
    """Makes the client's environment anew; returns at once when it is complete. Raises CannotInstall."""
    with _alone(client):
        if client.is_installed:
            return
        shutil.rmtree(client.home.parent, ignore_errors=True)  # earlier versions with it
        client.home.mkdir(parents=True)
        (_install_with_pip if client.manager == "pip" else _install_with_npm)(client)
        (client.home / "complete").touch()


def _install_with_pip(client: Client) -> None:
    python = _python_between(*client.python)
    _run([python, "-m", "venv", "--clear", str(client.home)])
    options = ("--quiet", "--disable-pip-version-check", "--no-input")
    _run([str(client.path / "python"), "-m", "pip", "install", *options, *client.packages])


def _install_with_npm(client: Client) -> None:
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise CannotInstall("node and npm are needed")
    (client.home / "package.json").write_text('{"private": true, "type": "module"}\n')
    options = ("--prefix", str(client.home), "--no-audit", "--no-fund", "--no-update-notifier", "--save-exact")
    _run([npm, "install", *options, *client.packages])


def _python_between(oldest: tuple[int, int], newest: tuple[int, int]) -> str:
    """An interpreter of one of these versions: this one, one on the path, or one that pyenv keeps."""
    minors = range(newest[1], oldest[1] - 1, -1)
    candidates = [sys.executable, *(f"python3.{minor}" for minor in minors), *_pythons_of_pyenv()]
    for candidate in candidates:
        # A version manager's shim may have no version behind it, or one without venv: ask each.
        asked = "import sys, ensurepip; print(sys.version_info[:2])"
        try:
            done = subprocess.run([candidate, "-c", asked], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        if done.returncode == 0 and done.stdout.strip() in {f"(3, {minor})" for minor in minors}:
            return candidate
    raise CannotInstall(f"no Python {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]} was found")


def _pythons_of_pyenv() -> list[str]:
    pyenv = shutil.which("pyenv")
    if not pyenv:
        return []
    root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
    return sorted(map(str, Path(root).glob("versions/*/bin/python"))) if root else []


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"not done after {INSTALL_TIMEOUT_S} s: {' '.join(command[:4])}") from error
    if done.returncode != 0:
        raise CannotInstall((done.stderr.strip() or done.stdout.strip())[-MOST_OF_A_REASON:])


@contextmanager
def _alone(client: Client) -> Iterator[None]:
    """One process at a time installs a client; the others find it there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{client.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_all(names: list[str]) -> dict[str, str]:
    """The reasons of those that could not be installed, by name; says how it goes."""
    reasons = {}
    for at, name in enumerate(names, 1):
        client, began = CLIENTS[name], time.monotonic()
        print(f"[{at}/{len(names)}] {name}: {', '.join(client.packages)} … ", end="", flush=True)
        was_there = client.is_installed
        try:
            install(client)
        except CannotInstall as reason:
            reasons[name] = str(reason)
            print("cannot be installed")
            continue
        print("is there" if was_there else f"installed in {time.monotonic() - began:.0f} s")
    return reasons


def main() -> int:
    """Exit 0 when every test of the installed clients passes; a client that cannot be installed is only named."""
    parser = argparse.ArgumentParser(prog="scripts/real_clients", description=main.__doc__)
    parser.add_argument("names", nargs="*", choices=[*CLIENTS, []], metavar="name", help=", ".join(CLIENTS))
    parser.add_argument("--install-only", action="store_true")
    given = parser.parse_args()
    reasons = _install_all(given.names or list(CLIENTS))
    for name, reason in reasons.items():
        print(f"\n{name} cannot be installed here:\n{reason}", file=sys.stderr)
    if given.install_only:
        return 0
    chosen = ["-k", " or ".join(f"[{name}:" for name in given.names)] if given.names else []
    options = ["--real-clients", "-rs", "--numprocesses", "2", "tests/real_clients", *chosen]
    return subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
