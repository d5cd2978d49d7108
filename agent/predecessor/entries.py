"""The entries of a predecessor's log as nodes of a tree; a log that tells of no tree is refused, and says where."""

from __future__ import annotations

from collections.abc import Iterator

from agent.audit.entry import ROOT, Entry, read_entry
from agent.audit.read import read_document
from state.errors import UserError

LARGEST_ID = 9_999
_ADVICE = "mend a copy of the log; `nightfly audit` names such places"


def read_entries(log: bytes, name: str) -> list[Entry]:
    """The entries of the log ``name`` by ascending id, parents before children.

    UserError when there is none, and when an id or a parent is missing, double, or no earlier node.
    """
    document = read_document(log)
    entries = [read_entry(section)[0] for section in document.sections]
    if not entries:
        raise UserError(
            f"{name}: holds no `## Iter N: status` section in {document.lines} lines; give a log such as analysis.md"
        )
    if faults := list(_faults(entries)):
        more = f" (and {len(faults) - 1} more such)" if len(faults) > 1 else ""
        raise UserError(f"{name} {faults[0]}{more}; {_ADVICE}")
    return sorted(entries, key=lambda entry: entry.id)


def parent_of(entry: Entry) -> int | None:
    """The parent's id; None is root."""
    return None if entry.parent == ROOT else entry.parent


def _faults(entries: list[Entry]) -> Iterator[str]:
    lines: dict[int, int] = {}
    for entry in entries:
        where = f"line {entry.lines('Node')[0]}: Iter {entry.iteration}"
        if entry.node is None or entry.parent is None:
            yield f"{where} has no `Node: id=N, parent=P` that can be read"
        elif entry.id in lines:
            yield f"{where} has the id {entry.id}, as the entry on line {lines[entry.id]} has"
        elif entry.node != entry.iteration:
            yield f"{where} has the id {entry.node}, expected {entry.iteration}, the number of its heading"
        elif entry.id > LARGEST_ID:
            yield f"{where} has an id above {LARGEST_ID:,}, the largest that can be imported"
        lines.setdefault(entry.id, entry.line)
    for entry in entries:
        if entry.parent and (entry.parent not in lines or entry.parent >= entry.id):
            where = f"line {entry.lines('Node')[0]}: Iter {entry.iteration}"
            yield f"{where} has the parent {entry.parent}, expected root or a node with an entry and a smaller id"
