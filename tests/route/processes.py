"""Routers in processes of their own over one store, as a fleet is: what one knows another has to read."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from local.stack import ROOT, stop
from tests.fakes import Provider
from tests.route.house import ALICE, House, config_document

OPERATOR_KEY = "sk-operator"


@contextmanager
def fleet(
    dynamodb_url: str,
    home: Path,
    providers: Mapping[str, Provider],
    /,
    *,
    rollup_every: float = 0.5,
    **config: Any,
) -> Iterator[list[House]]:
    """Two routers, of which the first has the rollup beside it; each as a `House` with the same tables."""
    file = home / "warmroute.yaml"
    file.write_text(yaml.safe_dump(config_document(providers, {}, **config)))
    tables = (f"facts-{uuid4().hex[:12]}", f"views-{uuid4().hex[:12]}")
    with ExitStack() as stack:
        houses = []
        for number, every in enumerate((rollup_every, 0)):
            url = stack.enter_context(_router(dynamodb_url, file, tables, every, home / f"router{number}.log"))
            houses.append(House(url, dynamodb_url, tables, providers))
        yield houses


@contextmanager
def _router(dynamodb_url: str, config: Path, tables: tuple[str, str], every: float, log: Path) -> Iterator[str]:
    arguments = ["--port", "0", "--config", str(config), "--dynamodb-url", dynamodb_url]
    arguments += ["--facts-table", tables[0], "--views-table", tables[1], "--rollup-every", str(every)]
    arguments += ["--caller-key", f"alice={ALICE}", "--operator-key", OPERATOR_KEY]
    path = os.pathsep.join(str(ROOT / part) for part in ("client", "functions", "scripts"))
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.dev", *arguments],
            env=os.environ | {"PYTHONPATH": path, "K": "sk-provider"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline().split()
            assert line[:1] == ["ready"], log.read_text()
            yield line[1]
        finally:
            stop(process)
            if process.stdout:
                process.stdout.close()
