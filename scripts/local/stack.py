"""An embedded AWS on loopback, with the tables that infra/template.yaml declares."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from aiodynamo.client import Client
from aiodynamo.errors import ResourceInUse, TableNotFound

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"
START_TIMEOUT_S = 120
"""For a busy machine: on an idle one nothing here takes longer than a second or two."""


class TagReader(yaml.SafeLoader):
    """Reads CloudFormation's short tags, such as `!Ref`, as plain values, whatever they point to."""


TagReader.add_multi_constructor("!", lambda loader, _suffix, node: getattr(node, "value", None))


def table_properties(logical_id: str) -> dict[str, Any]:
    """The `Properties` of a table resource: the template is the one place that says what a table is."""
    template = yaml.load(TEMPLATE.read_text(), TagReader)  # noqa: S506 - a SafeLoader that knows tags
    properties: dict[str, Any] = template["Resources"][logical_id]["Properties"]
    return properties


async def create_tables(client: Client, facts: str, views: str) -> None:
    """Both tables under these names, where they are not there yet."""
    for name, logical_id in ((facts, "FactsTable"), (views, "ViewsTable")):
        try:
            await client.describe_table(name)
            continue
        except TableNotFound:
            pass
        properties = table_properties(logical_id)
        wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        payload = {"TableName": name} | {k: properties[k] for k in wanted if k in properties}
        with suppress(ResourceInUse):  # another process was quicker
            await client.send_request(action="CreateTable", payload=payload)


def free_port() -> int:
    """A TCP port of loopback that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, process: subprocess.Popen[Any], what: str) -> None:
    """Returns once `url` answers anything at all. RuntimeError when the process ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    # Loopback is never behind the proxy that the environment may name.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with exit code {process.returncode} before it served")
        try:
            direct.open(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{what} did not serve within {START_TIMEOUT_S} s")


def stop(process: subprocess.Popen[Any]) -> None:
    """Ends a process that we started, gently first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def embedded_aws(log: Path | None = None) -> Iterator[str]:
    """Ministack on a free port of loopback, in memory. Yields its URL."""
    port = free_port()
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "dynamodb",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    output = log.open("wb") if log else subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"], env=environment, stdout=output, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, "the embedded AWS (ministack)")
        yield url
    finally:
        stop(process)
        if log:
            output.close()  # type: ignore[union-attr]
