"""The arrows between rooms: docs/architecture.md draws them, and the code has those and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PICTURE = (ROOT / "docs" / "architecture.md").read_text().split("## Rooms")[1].split("```")[1]
LINE = re.compile(r"^  (\w+)(?:/|\.py) {2,}\S.*? {2,}(\S.*)$", re.MULTILINE)


def drawn(package: str) -> dict[str, set[str]]:
    """Room -> rooms that it may import, from the top of the picture down."""
    lines = LINE.findall(next(part for part in PICTURE.split("\n\n") if part.lstrip().startswith(f"{package}/")))
    return {room: set() if arrows == "-" else set(arrows.split()) for room, arrows in lines}


def found(package: str) -> dict[str, set[str]]:
    """Room -> other rooms of its package that any of its files imports, wherever in the file."""
    rooms: dict[str, set[str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        if room != "__init__":
            rooms.setdefault(room, set()).update(imported(path, package) - {room})
    return rooms


def imported(path: Path, package: str) -> set[str]:
    """The rooms of ``package`` that one file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written with their whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


@pytest.mark.parametrize("package", ["agent", "trainer"])
def test_the_picture_is_the_code(package: str) -> None:
    assert len(drawn(package)) > 5
    assert drawn(package) == found(package)


@pytest.mark.parametrize("package", ["agent", "trainer"])
def test_a_room_stands_above_all_that_it_imports(package: str) -> None:
    order = list(drawn(package))
    for place, room in enumerate(order):
        assert drawn(package)[room] <= set(order[place + 1 :]), room


def test_the_driver_knows_only_the_engines_of_the_trainer() -> None:
    rooms = {room for path in (ROOT / "agent").rglob("*.py") for room in imported(path, "trainer")}
    assert rooms == {"engines"}


def test_the_picture_fits_a_screen() -> None:
    lines = PICTURE.strip("\n").splitlines()
    assert len(lines) <= 32
    assert max(map(len, lines)) <= 120
