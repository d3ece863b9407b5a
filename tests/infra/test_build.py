"""`scripts/build` with the real SAM CLI: what is in the zips, and that the cache ships nothing stale."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.building import AARCH64, build, copy_project, machines, missing_imports, missing_requirements

pytestmark = [pytest.mark.sam, pytest.mark.xdist_group("sam")]

ZIPS = {"RouteFunction": "route", "RollupFunction": "rollup"}
EXECUTABLE = 0o111


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, built once."""
    root = tmp_path_factory.mktemp("project")
    copy_project(root)
    tests = root / "functions" / "ledger" / "tests"
    tests.mkdir()
    (tests / "test_x.py").write_text("")
    (root / "said").write_text(build(root, "--no-wheel"))
    return root


@pytest.fixture(params=ZIPS)
def zip_root(request: pytest.FixtureRequest, project: Path) -> Path:
    return project / ".aws-sam" / "build" / str(request.param)


def test_a_zip_holds_the_ledger_and_its_own_folder(zip_root: Path) -> None:
    """Shared code and the function's own; not the other function, no tests, no build files."""
    own = ZIPS[zip_root.name]
    (other,) = set(ZIPS.values()) - {own}
    assert (zip_root / "ledger" / "__init__.py").exists()
    assert (zip_root / own).is_dir()
    assert not (zip_root / other).exists()
    unwanted = [*zip_root.rglob("tests"), *zip_root.rglob("requirements.*"), *zip_root.rglob("Makefile")]
    assert unwanted == []


def test_the_router_has_its_wrapper_and_config(project: Path) -> None:
    """The platform executes the wrapper, so it must be executable; the config is the one that was asked for."""
    route = project / ".aws-sam" / "build" / "RouteFunction"
    assert (route / "route" / "bootstrap").stat().st_mode & EXECUTABLE == EXECUTABLE
    assert (route / "warmroute.yaml").read_text() == "providers: []\n"


def test_the_router_has_what_it_knows_of_models(project: Path, tmp_path: Path) -> None:
    """The table of capabilities is found beside the code in the zip, and libyaml is there to read it."""
    route = project / ".aws-sam" / "build" / "RouteFunction"
    (extension,) = (route / "yaml").glob("_yaml.*.so")
    assert b"yaml_parser_initialize" in extension.read_bytes()  # linked in, not looked for on the platform
    for own in ("ledger", "route"):  # the zip's libraries are for another machine
        (tmp_path / own).symlink_to(route / own)
    code = "from route.config.capabilities import BUNDLED, load_bundled; print(BUNDLED, len(load_bundled()))"
    command = [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    where, rules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert (where, int(rules) > 50) == (str(tmp_path / "route" / "config" / "data" / "capabilities.yaml"), True)


def test_a_build_says_how_large_the_zips_are(project: Path) -> None:
    """Far below the platform's limits (50 MB as an upload, 250 MB unpacked), and a growth shows."""
    line = re.compile(r"^(\w+Function): ([\d.]+) MB zipped, ([\d.]+) MB unpacked$", re.MULTILINE)
    sizes = {
        name: (float(zipped), float(raw)) for name, zipped, raw in line.findall((project / "said").read_text())
    }
    assert sizes.keys() == ZIPS.keys()
    for zipped, unpacked in sizes.values():
        assert 1 < zipped < 20
        assert zipped < unpacked < 60


def test_everything_that_is_imported_is_there(zip_root: Path) -> None:
    """Our modules' imports and the libraries' requirements are met inside the zip, boto3 apart."""
    assert missing_imports(zip_root, "ledger", ZIPS[zip_root.name]) == set()
    assert missing_requirements(zip_root) == set()


def test_a_missing_library_would_be_noticed(zip_root: Path, tmp_path: Path) -> None:
    """The check above fails for a zip without one of its libraries."""
    copy = tmp_path / "zip"
    shutil.copytree(zip_root, copy)
    shutil.rmtree(copy / "multidict")
    shutil.rmtree(next(copy.glob("multidict-*.dist-info")))
    (copy / "ledger" / "new.py").write_text("import multidict, json, boto3\n")
    assert missing_imports(copy, "ledger") == {"multidict"}
    assert any("multidict" in line for line in missing_requirements(copy))


def test_extensions_are_for_the_platform(zip_root: Path) -> None:
    """Compiled parts are for arm64 and CPython 3.13, whatever machine built the zip."""
    found = machines(zip_root)
    assert {"cpython-313-aarch64" in name for name in found} == {True}
    assert set(found.values()) == {AARCH64}


def test_modules_are_compiled_for_a_place_that_cannot_cache(zip_root: Path) -> None:
    """unchecked-hash .pyc of 3.13, whose tracebacks name the path on the platform."""
    compiled = list((zip_root / "ledger").rglob("*.pyc"))
    if not compiled:
        pytest.skip("no python 3.13 on this machine: zips have no .pyc")
    assert {file.name.split(".")[-2] for file in compiled} == {"cpython-313"}
    assert {file.read_bytes()[4:8] for file in compiled} == {b"\1\0\0\0"}
    assert b"/var/task/ledger/" in (zip_root / "ledger" / "__pycache__" / "keys.cpython-313.pyc").read_bytes()
    assert str(zip_root).encode() not in b"".join(file.read_bytes() for file in compiled)


@pytest.fixture(scope="module")
def rebuilt(project: Path) -> Path:
    """Built again with the cache, after a change in shared code, with another config, and with the wheel."""
    (project / "functions" / "ledger" / "brand_new.py").write_text("FRESH = True\n")
    (project / "other.yaml").write_text("providers: [] # other\n")
    build(project, "--config", str(project / "other.yaml"))
    return project


def test_a_cached_build_ships_every_change(rebuilt: Path) -> None:
    """Shared code and the config are not the function's own folder, but no cache may forget them."""
    for name in ZIPS:
        built = rebuilt / ".aws-sam" / "build" / name
        assert (built / "ledger" / "brand_new.py").read_text() == "FRESH = True\n"
    assert "# other" in (rebuilt / ".aws-sam" / "build" / "RouteFunction" / "warmroute.yaml").read_text()


def test_the_wheel_holds_the_client_only(rebuilt: Path, tmp_path: Path) -> None:
    """`pip install` brings the client, none of the functions."""
    (wheel,) = (rebuilt / "dist").glob("warmroute-*.whl")
    shutil.unpack_archive(wheel, tmp_path, "zip")
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"warmroute"}


def test_a_config_that_is_not_there_is_a_clear_error(project: Path) -> None:
    """Wrong arguments end with what to do, before anything is built."""
    with pytest.raises(AssertionError, match=r"no config at nowhere\.yaml; name one with --config"):
        build(project, "--config", "nowhere.yaml")


@pytest.mark.parametrize("script", ["build", "deploy"])
def test_help_has_examples(project: Path, script: str) -> None:
    """`--help` costs no build and shows a command to copy."""
    command = [f"{project}/scripts/{script}", "--help"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith(f"usage: scripts/{script} ")
    assert f"\n  scripts/{script} --" in out
