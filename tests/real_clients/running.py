"""Runs a client's driver as its user would: in the client's own environment, in a folder, with a fresh home.

A driver is a small program. It finds in its environment where the router is (`ROUTER`), a key for it (`KEY`), the
dialect to speak (`SURFACE`), a model's name (`MODEL`) and what to say (`PROMPT`), and in its working directory
`secret.txt`. It lets its client do the task, once as a whole and once streamed where the client can do both, and
prints the client's final text.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.real_clients import Client

DRIVERS = Path(__file__).parent / "drivers"
LAUNCHERS = {".py": "python", ".mjs": "node", ".sh": "bash"}
SECRET_FILE = "secret.txt"
PROMPT = f"Read the file {SECRET_FILE} with your tool, then tell me exactly what it says."
TIMEOUT_S = 120

# Nobody listens there: a client that wants anything from the network is told so at once.
NOWHERE = "http://127.0.0.1:9"
QUIET = {
    "AIDER_ANALYTICS_DISABLE": "true",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "true",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "true",
    "OPENCODE_DISABLE_MODELS_FETCH": "true",
}


@dataclass(frozen=True, slots=True)
class Done:
    """How a driver ended. `status` is None when it had to be stopped."""

    status: int | None
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"exit {self.status}\n--- stdout\n{self.stdout[-6000:]}\n--- stderr\n{self.stderr[-6000:]}"


def run(client: Client, driver: str, folder: Path, secret: str, settings: Mapping[str, str]) -> Done:
    """Lets the driver do the task in a new folder below `folder`."""
    work, home, beside = (folder / name for name in ("work", "home", "driver"))
    for new in (work, home / "tmp", beside):
        new.mkdir(parents=True)
    (work / SECRET_FILE).write_text(secret + "\n")
    # A copy, so that a driver called like its library does not import itself and Node finds the client's modules.
    program = shutil.copy(DRIVERS / driver, beside / f"driver{Path(driver).suffix}")
    if client.manager == "npm":
        (beside / "node_modules").symlink_to(client.home / "node_modules")
    command = [LAUNCHERS[Path(driver).suffix], str(program)]
    environment = _environment(client, home) | {"PROMPT": PROMPT, "BESIDE": str(beside), **settings}
    return _communicate(command, work, environment)


def _environment(client: Client, home: Path) -> dict[str, str]:
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {
        "PATH": f"{client.path}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **{name: NOWHERE for upper in proxies for name in (upper, upper.lower())},
        **QUIET,
    }


def _communicate(command: list[str], work: Path, environment: dict[str, str]) -> Done:
    """Its group of processes ends with it: some agents leave servers behind."""
    with subprocess.Popen(
        command,
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT_S)
            status = process.returncode
        except subprocess.TimeoutExpired:
            _end_group(process.pid)
            stdout, stderr = process.communicate()
            status = None
        _end_group(process.pid)
    return Done(status, stdout, stderr)


def _end_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
