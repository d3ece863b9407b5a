"""Builds in a copy of the project, so that a test can change sources, and looks into what came out."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.infra.stack import ROOT

PARTS = ("client", "functions", "infra", "scripts", "pyproject.toml", "README.md", "LICENSE")
# What the platform itself brings: the standard library and boto3.
PROVIDED = sys.stdlib_module_names | {"boto3", "botocore"}
TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}
AARCH64 = 183  # e_machine of an ELF file


def copy_project(to: Path) -> None:
    """The sources, with this machine's tools linked in beside them."""
    if not (ROOT / ".tools" / "sam" / "bin" / "sam").exists():
        pytest.skip("the SAM CLI is not installed: scripts/sam --version installs it")
    for part in PARTS:
        source, target = ROOT / part, to / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "warmroute.yaml"))
        elif source.exists():
            shutil.copy(source, target)
    (to / ".tools").symlink_to(ROOT / ".tools")
    # The running environment, wherever it is: a link to its python would lose the environment.
    (to / ".venv").symlink_to(Path(sys.prefix))
    (to / "warmroute.yaml").write_text("providers: []\n")


def build(project: Path, *arguments: str, **env: str) -> str:
    """Run `scripts/build`; returns all that it printed."""
    command = [str(project / "scripts" / "build"), *arguments]
    done = subprocess.run(
        command,
        cwd="/",
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def missing_imports(zip_root: Path, *packages: str) -> set[str]:
    """Top-level names that our own modules import and the zip's python could not find."""
    sources = [file for package in packages for file in (zip_root / package).rglob("*.py")]
    wanted = {name for file in sources for name in imports(file)}
    there = {path.name.split(".")[0] for path in zip_root.iterdir()}
    return {name for name in wanted if name not in there | PROVIDED}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def missing_requirements(zip_root: Path) -> set[str]:
    """What the libraries in the zip require on the platform, and the zip has not, or not in a fitting version."""
    found = list(distributions(path=[str(zip_root)]))
    versions = {canonicalize_name(one.name): one.version for one in found}
    return {
        f"{one.name} wants {requirement}"
        for one in found
        for requirement in requirements(one)
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    }


def requirements(distribution: Distribution) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(TARGET | {"extra": ""}):
            yield requirement


def machines(zip_root: Path) -> dict[str, int]:
    """Each compiled extension's file name and the machine it is for."""
    return {file.name: int.from_bytes(file.read_bytes()[18:20], "little") for file in zip_root.rglob("*.so*")}
