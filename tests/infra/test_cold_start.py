"""What an environment loads before its first request: each module once, and nothing that may never be needed."""

import json
import subprocess
import sys

from tests.infra.stack import ROOT

LOADED = """
import json, os, runpy, sys
sys.path.insert(0, {functions!r})
os.environ.pop("AWS_LAMBDA_RUNTIME_API", None)
try:
    runpy.run_module("route.hosting.runtime", run_name="__main__", alter_sys=True)  # as the wrapper starts it
except KeyError:
    pass  # no Runtime API to ask
import route.app
ours = [(name, getattr(module, "__file__", None)) for name, module in sys.modules.items()]
print(json.dumps(ours))
"""


def _loaded() -> list[tuple[str, str]]:
    """Names and files of the modules of a process that has started as the function does."""
    code = LOADED.format(functions=str(ROOT / "functions"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [(name, file or "") for name, file in json.loads(done.stdout)]


def test_a_cold_start_loads_only_what_every_request_needs() -> None:
    """boto3 and botocore (60 to 300 ms) wait until a secret lies in AWS or a call must be signed."""
    names = {name.partition(".")[0] for name, _ in _loaded()}
    assert {"route", "ledger", "aiohttp", "pydantic", "yaml"} <= names
    assert not names & {"boto3", "botocore", "urllib3", "requests", "httpx", "openai", "anthropic", "uvicorn"}


def test_no_module_is_loaded_twice() -> None:
    """No file has two names: neither one of ours, started as `__main__`, nor a library's."""
    ours, libraries = str(ROOT / "functions"), "site-packages"
    files = [file for _, file in _loaded() if file.startswith(ours) or libraries in file]
    assert len(files) > 200
    assert sorted(files) == sorted(set(files))
