"""The shape of the source: rooms with one duty, names with one meaning, pages that can be read."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import ROOT

FUNCTIONS = ROOT / "functions"
MOST_FILES = 14
MOST_LINES = 400
WRITTEN_BY_A_TEST = {"dialects.md"}
DOCUMENTS = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in WRITTEN_BY_A_TEST),
]
LONGEST_CELL = 120


def modules(folder: Path = FUNCTIONS) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.py"))


def test_few_files_stand_outside_of_rooms() -> None:
    """Directly under the router there are at most eight: what every room may use, and where it is put together."""
    assert len(list((FUNCTIONS / "route").glob("*.py"))) <= 8


def test_a_room_that_grows_gets_a_wall() -> None:
    """No folder of the functions holds more modules than can be seen at once."""
    rooms: dict[Path, int] = defaultdict(int)
    for module in modules():
        rooms[module.parent.relative_to(FUNCTIONS)] += 1
    assert {
        room: count for room, count in rooms.items() if count > MOST_FILES and "dialects" not in room.parts
    } == {}


def test_every_room_says_its_duty() -> None:
    """In the docstring of its package, in one sentence or two."""
    packages = [module for module in modules() if module.name == "__init__.py"]
    assert [str(p) for p in packages if not ast.get_docstring(ast.parse(p.read_text()))] == []


def test_no_class_name_has_two_meanings() -> None:
    """Outside the dialects' packages, which are built alike on purpose, a name of a class is defined once."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules():
        is_dialect = "dialects" in module.parts
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef) and not (is_dialect and node.name.startswith("_")):
                places[node.name].append(str(module.relative_to(FUNCTIONS)))
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if not all("dialects" in file for file in files)} == {}


@pytest.mark.parametrize("folder", ["functions", "client", "scripts", "tests"])
def test_no_file_is_too_long_to_read(folder: str) -> None:
    """400 lines at most, wherever it stands."""
    lengths = {path: len(path.read_text().splitlines()) for path in modules(ROOT / folder)}
    assert {str(path): n for path, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_cells_of_tables_can_be_read(document: Path) -> None:
    """A cell is a phrase or a sentence; what needs more is text."""
    rows = [line for line in document.read_text().splitlines() if line.startswith("|")]
    cells = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)]
    assert [cell for cell in cells if len(cell) > LONGEST_CELL] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """Each file, and each heading in it, that a page points to is there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), f"{document.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{document.name}: {target}"
