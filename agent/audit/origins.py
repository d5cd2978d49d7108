"""Entries that hang from root although their mutation starts from what another node ran. Knows no metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.audit.assume import Assumptions
from agent.audit.entry import ROOT, Entry
from agent.audit.findings import Finding
from agent.audit.mutation import Change
from agent.audit.values import Value, same, show


def check_origins(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """A warning where root is known to have another value than the mutation starts from, and an earlier node has that.

    Root's values are those of its baselines and those that the mutations of the first batch start from; the first
    batch of a block may start from anything.
    """
    roots = _values_of_root(entries, assumed)
    for at, entry in enumerate(entries):
        if entry.parent != ROOT or entry.mutation is None or assumed.starts_block(entry.iteration):
            continue
        for change in entry.mutation.changes:
            source = _source(entries[:at], change)
            known = roots.get(change.key, [])
            if change.old is None or source is None or not known or any(same(change.old, value) for value in known):
                continue
            found = f"parent=root, but the mutation starts from {change.key}={show(change.old)}"
            expected = f"parent={source.id}, which has that value; root has {show(known[0])}"
            lines = (*source.lines("Config"), *entry.lines("Node", "Mutation"))
            yield Finding("root-doubtful", entry.iteration, lines, found, expected)
            break


def _values_of_root(entries: Sequence[Entry], assumed: Assumptions) -> dict[str, list[Value]]:
    known: dict[str, list[Value]] = {}
    for entry in entries:
        if entry.parent != ROOT or entry.mutation is None:
            continue
        if entry.mutation.kind in ("none", "baseline"):
            for key, value in entry.config.items():
                known.setdefault(key, []).append(value)
        elif assumed.batch(entry.iteration) == 1:
            changed = {change.key for change in entry.mutation.changes}
            for change in entry.mutation.changes:
                if change.old is not None:
                    known.setdefault(change.key, []).append(change.old)
            for key, value in entry.config.items():
                if key not in changed:
                    known.setdefault(key, []).append(value)
    return known


def _source(earlier: Sequence[Entry], change: Change) -> Entry | None:
    """The latest entry before that has the old value of ``change``."""
    if change.old is None:
        return None
    fitting = (e for e in reversed(earlier) if change.key in e.config and same(e.config[change.key], change.old))
    return next(fitting, None)
