"""`scripts/deploy` against an emulator of AWS: the real template, the real SAM CLI, no account."""

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.infra.building import copy_project
from tests.infra.stack import REGION

pytestmark = [pytest.mark.sam, pytest.mark.xdist_group("sam")]

LISTENING = "0A"  # the state's name in /proc/net/tcp
LOOPBACK = "0100007F"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A ministack of our own, and the environment that leads every AWS client to it."""
    pytest.importorskip("ministack", reason="ministack is not installed")
    folder, port = tmp_path_factory.mktemp("ministack"), free_port()
    own = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # Both have listeners of their own, on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(folder),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], cwd=folder, env=os.environ | own, stdout=log, stderr=log
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/_ministack/health", process)
            assert addresses(process.pid) <= {LOOPBACK}
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": REGION,
                "AWS_REGION": REGION,
            }
        finally:
            process.terminate()
            process.wait(20)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the emulator ended"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the emulator does not answer")


def addresses(pid: int) -> set[str]:
    """The local addresses on which a process listens, as /proc writes them; empty where there is no /proc."""
    if not Path(f"/proc/{pid}/net/tcp").exists():
        return set()
    own = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return {row[1].split(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in own}


def deploy(project: Path, *arguments: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `scripts/deploy` without any setting of AWS but these: no test may reach the developer's account."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [str(project / "scripts" / "deploy"), *arguments]
    return subprocess.run(
        command, cwd="/", env=clean | env, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def deployed(emulator: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The stack's resources by logical id, and clients for the emulator."""
    project = tmp_path_factory.mktemp("deploy")
    copy_project(project)
    done = deploy(project, "--stack-name", "ours", env=emulator)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.items():
            patch.setenv(name, value)
        resources = boto3.client("cloudformation").describe_stack_resources(StackName="ours")["StackResources"]
        yield {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}


def test_the_tables_are_there_with_their_indexes(deployed: dict[str, str]) -> None:
    """A deployed ledger has its keys and both indexes, and the functions know both tables by name."""
    table = boto3.client("dynamodb").describe_table(TableName=deployed["FactsTable"])["Table"]
    assert sorted(index["IndexName"] for index in table["GlobalSecondaryIndexes"]) == ["by_minute", "by_session"]
    for name in ("RouteFunction", "RollupFunction"):
        function = boto3.client("lambda").get_function_configuration(FunctionName=deployed[name])
        variables = function["Environment"]["Variables"]
        assert variables["WARMROUTE_FACTS_TABLE"] == deployed["FactsTable"]
        assert variables["WARMROUTE_VIEWS_TABLE"] == deployed["ViewsTable"]


def test_the_url_streams_and_the_schedule_fires_at_the_rollup(deployed: dict[str, str]) -> None:
    """What the platform calls, as the platform has it."""
    url = boto3.client("lambda").get_function_url_config(FunctionName=deployed["RouteFunction"])
    assert (url["InvokeMode"], url["AuthType"]) == ("RESPONSE_STREAM", "NONE")
    scheduler = boto3.client("scheduler")
    (found,) = scheduler.list_schedules()["Schedules"]
    schedule = scheduler.get_schedule(Name=found["Name"])
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 minute)", "ENABLED")
    assert schedule["Target"]["Arn"].endswith(f":{deployed['RollupFunction']}")


def test_anyone_may_call_the_url_with_both_permissions(deployed: dict[str, str]) -> None:
    """The function's own policy names everyone twice: the URL, and the function through it."""
    policy = json.loads(boto3.client("lambda").get_policy(FunctionName=deployed["RouteFunction"])["Policy"])
    actions = sorted(statement["Action"] for statement in policy["Statement"])
    assert actions == ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]


def test_the_router_may_not_call_bedrock_unless_asked_for(deployed: dict[str, str]) -> None:
    """Deployed without a parameter, the router's role has its own policy and no second one."""
    policies = boto3.client("iam").list_role_policies(RoleName=deployed["RouteFunctionRole"])["PolicyNames"]
    assert len(policies) == 1
    assert "CallBedrock" not in policies


def test_the_wrapper_is_executable_in_the_zip_that_was_uploaded(deployed: dict[str, str]) -> None:
    """The platform cannot start a wrapper whose bit was lost between the build and the bucket."""
    location = boto3.client("lambda").get_function(FunctionName=deployed["RouteFunction"])["Code"]["Location"]
    with (
        urllib.request.urlopen(location, timeout=30) as answer,
        zipfile.ZipFile(io.BytesIO(answer.read())) as code,
    ):
        assert (code.getinfo("route/bootstrap").external_attr >> 16) & 0o111 == 0o111


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "copy warmroute.example.yaml"),
        ("providers:\n  - api_key: env:ACME_KEY # from the shell\n", "api_key: ssm:/warmroute/NAME"),
    ],
)
def test_a_config_that_cannot_work_there_is_refused(tmp_path: Path, config: str | None, said: str) -> None:
    """Keys from environment variables exist here but not in the function, where the router would not start."""
    copy_project(tmp_path)
    (tmp_path / "warmroute.yaml").unlink()
    if config:
        (tmp_path / "warmroute.yaml").write_text(config)
    done = deploy(tmp_path, env={"HOME": str(tmp_path)})
    assert (done.returncode, said in done.stderr) == (2, True)
    assert not (tmp_path / ".aws-sam").exists()


def test_without_credentials_nothing_is_built(tmp_path: Path) -> None:
    """A deployment that cannot work says so at once, with what to do."""
    copy_project(tmp_path)
    nobody = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION}
    done = deploy(tmp_path, env=nobody)
    assert done.returncode == 2
    assert "no usable AWS credentials" in done.stderr
    assert "set AWS_PROFILE" in done.stderr
    assert not (tmp_path / ".aws-sam").exists()
