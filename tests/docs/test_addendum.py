"""docs/addendum.md: its words stand in the addendum, its functions and tests exist, and no part of it is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDENDUM = ROOT.parent / "shared" / "seed" / "parallel_addendum.md"
TEXT = (ROOT / "docs" / "addendum.md").read_text()
ROW = re.compile(r"^\| (.+?) \| `([^`|]+):([^`|]+)` \| `([^`|]+):([^`|]+)` \| .*\|$")
ROWS = [match.groups() for row in TEXT.splitlines() if (match := ROW.match(row))]


@cache
def names(file: str) -> frozenset[str]:
    """Functions and classes of a file, methods as Class.method."""
    found = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return frozenset(found)


def test_every_row_of_the_table_is_read() -> None:
    assert len(ROWS) == sum(row.startswith("| ") for row in TEXT.splitlines()) - TEXT.count("| the addendum says |")
    assert len(ROWS) > 60


@pytest.mark.parametrize(("words", "file", "function", "test_file", "test"), ROWS)
def test_what_a_row_names_exists(words: str, file: str, function: str, test_file: str, test: str) -> None:
    assert function in names(file), f"{file} has no {function}: say where `{words}` is kept now"
    assert test in names(test_file), f"{test_file} has no {test}: say which test fails if `{words}` is not kept"
    assert test.startswith("test_")


@pytest.mark.skipif(not ADDENDUM.exists(), reason="the addendum is not here")
def test_the_words_and_the_sections_are_the_addendums() -> None:
    addendum = ADDENDUM.read_text()
    for words, *_ in ROWS:
        assert words.replace("\\|", "|") in addendum, words
    wanted = re.findall(r"^#{1,3} (.+)$", addendum.split("```markdown")[0], re.MULTILINE)
    wanted = [title for title in wanted if not title.startswith("Iter N")]
    told = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert [title.partition(" — ")[0] for title in wanted] == told[: len(wanted)]
    rest = re.findall(r"^## (.+)$", addendum.split("```markdown")[1], re.MULTILINE)
    assert told[len(wanted) :] == rest
