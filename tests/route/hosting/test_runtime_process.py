"""The wrapper script and the runtime as a real process."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from route.hosting import runtime
from tests.route.hosting.runtime_stand_in import RuntimeStandIn, listening, url_event

SOURCES = Path(runtime.__file__).parents[1]
APP_OF_THE_SUBPROCESS = """
import logging, sys
sys.stdout.write("a line that a full buffer would keep\\n")
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        sys.stdout.write("lifespan over\\n")
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in (body, b" and more"):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})
def create_app(settings=None):
    return app
"""
SETTINGS_OF_THE_SUBPROCESS = "def configure_logging(level): pass\n"
CONFIG = """
providers:
  - name: acme
    kind: openai_compat
    base_url: http://127.0.0.1:9/v1
    models: [{model: small}]
profiles: {default: {routes: [acme/small]}}
default_profile: default
"""


@pytest.fixture
def task_root(tmp_path: Path) -> Path:
    """A folder like /var/task: this runtime, its bootstrap, and a small app in the router's place."""
    package = tmp_path / "task" / "route"
    package.mkdir(parents=True)
    for name in ("__init__.py", "bootstrap"):
        shutil.copy(SOURCES / name, package / name)
    shutil.copytree(SOURCES / "hosting", package / "hosting")
    (package / "app.py").write_text(APP_OF_THE_SUBPROCESS)
    (package / "settings.py").write_text(SETTINGS_OF_THE_SUBPROCESS)
    return package.parent


@asynccontextmanager
async def bootstrapped(
    task_root: Path, api: RuntimeStandIn, **env: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The wrapper as the platform starts it: the stock command line as arguments, in another folder."""
    async with listening(api) as address:
        process = await asyncio.create_subprocess_exec(
            task_root / "route" / "bootstrap",
            sys.executable,
            "/var/runtime/bootstrap.py",
            cwd="/",
            env={
                "AWS_LAMBDA_RUNTIME_API": address,
                "LAMBDA_TASK_ROOT": str(task_root),
                "PATH": os.environ["PATH"],
            }
            | env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def test_the_wrapper_starts_this_runtime_and_sigterm_ends_it(task_root: Path) -> None:
    """The real process: bootstrap, interpreter, two events with four pollers, then a clean end on SIGTERM."""
    api = RuntimeStandIn()
    async with bootstrapped(task_root, api, AWS_LAMBDA_MAX_CONCURRENCY="4") as process:
        answers = [(await api.invoke(url_event(body=body))).answer for body in ("one", "two")]
        await api.until(lambda: api.waiting == 4)
        assert process.stdout
        assert await process.stdout.readline() == b"a line that a full buffer would keep\n"  # before the end
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert answers == [b"one and more", b"two and more"]
    assert (process.returncode, out, err) == (0, b"lifespan over\n", b"")


async def test_a_router_that_cannot_be_imported_is_an_init_error(task_root: Path) -> None:
    """A zip without a library must say so to the platform, not vanish with an exit status."""
    (task_root / "route" / "app.py").write_text("import a_library_that_is_not_there\n")
    api = RuntimeStandIn()
    async with bootstrapped(task_root, api) as process:
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert [sent.path for sent in api.sent] == ["/2018-06-01/runtime/init/error"]
    assert "a_library_that_is_not_there" in json.loads(err)["detail"]


async def test_the_router_itself_answers_through_the_wrapper(tmp_path: Path) -> None:
    """The real app, started by the wrapper: healthy, and 401 in the dialect for who has no key."""
    (tmp_path / "warmroute.yaml").write_text(CONFIG)
    env = {"WARMROUTE_CONFIG": str(tmp_path / "warmroute.yaml"), "AWS_REGION": "eu-central-1"}
    api = RuntimeStandIn()
    async with bootstrapped(SOURCES.parent, api, **env) as process:
        healthy = await api.invoke(url_event("/healthz", method="GET"))
        refused = await api.invoke(url_event("/v1/messages", body="{}"))
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    assert (healthy.head["statusCode"], json.loads(healthy.answer)) == (200, {"status": "ok"})
    assert refused.head["statusCode"] == 401
    assert json.loads(refused.answer)["error"]["type"] == "authentication_error"
    assert process.returncode == 0
