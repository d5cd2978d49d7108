"""What somebody else wrote into a log: whether it tells another tree, and the first line that was changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

# The lines that nodes, parents, changes and configs are read from; a heading counts for its number alone.
_TREE = re.compile(r"(## Iter [0-9]+|(?:Node|Seeds|Config|Mutation):.*)")
_HEADING = re.compile(r"## Iter ([0-9]+)")
_SHOWN = 120


def tree_edit(made: str, found: str, name: str = "analysis.md") -> str | None:
    """The first line in which ``found`` tells another tree than ``made``, as a sentence; None when there is none."""
    ours, theirs = list(_tree_lines(made)), list(_tree_lines(found))
    for (_, node, want), (place, _, told) in zip(ours, theirs, strict=False):
        if want != told:
            return f"{name} line {place}: node {node} stands there as {_short(told)}, the journal has {_short(want)}"
    if len(theirs) > len(ours):
        line, node, told = theirs[len(ours)]
        return f"{name} line {line}: node {node} stands there with {_short(told)}, the journal has nothing of it"
    if len(ours) > len(theirs):
        line, node, want = ours[len(theirs)]
        return f"{name} line {line}: node {node} is missing from there, the journal has {_short(want)}"
    return None


def first_edit(made: str, found: str, name: str = "analysis.md") -> str:
    """The first line in which ``found`` differs from ``made``, as a sentence; how many do, and near which node."""
    ours, theirs = made.split("\n"), found.split("\n")
    pairs = enumerate(zip(ours, theirs, strict=False))
    at = next((number for number, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    same_end = 0
    while same_end < min(len(ours), len(theirs)) - at and ours[-1 - same_end] == theirs[-1 - same_end]:
        same_end += 1
    held, want = (_short(rows[at]) if at < len(rows) else "nothing" for rows in (theirs, ours))
    near = next((match[1] for row in reversed(ours[: at + 1]) if (match := _HEADING.match(row))), None)
    where = f" (node {near})" if near else ""
    changed = max(len(ours), len(theirs)) - at - same_end
    more = f"; {changed} lines from there on differ" if changed > 1 else ""
    return f"{name} line {at + 1}{where} held {held}, the journal has {want}{more}"


def _tree_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, node, text) of the lines that a tree is read from."""
    node = "0"
    for number, row in enumerate(text.split("\n"), start=1):
        if match := _TREE.match(row):
            node = heading[1] if (heading := _HEADING.match(row)) else node
            yield number, node, match[1]


def _short(text: str) -> str:
    return f"`{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'}`"
