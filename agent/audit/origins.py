"""Entries that hang from root although their mutation starts from what another node ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.audit.assume import Assumptions
from agent.audit.entry import ROOT, Entry
from agent.audit.findings import Finding
from agent.audit.mutation import Mutation
from agent.audit.values import Value, same, show


def check_origins(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """A warning where root is known to have another value than the mutation starts from, and an earlier node has that.

    Root's values are those of its baselines and those that the mutations of the first batch start from; the first
    batch of a block may start from anything.
    """
    roots = _values_of_root(entries, assumed)
    latest: dict[tuple[str, Value], Entry] = {}
    for entry in entries:
        if entry.parent == ROOT and entry.mutation is not None and not assumed.starts_block(entry.iteration):
            yield from _starts_elsewhere(entry, entry.mutation, roots, latest)
        latest.update(((key, value), entry) for key, value in entry.config.items())


def _starts_elsewhere(
    entry: Entry, mutation: Mutation, roots: dict[str, list[Value]], latest: dict[tuple[str, Value], Entry]
) -> Iterator[Finding]:
    """At most one finding: the first change whose old value is not root's but that of the latest node which has it."""
    for change in mutation.changes:
        source = None if change.old is None else latest.get((change.key, change.old))
        known = roots.get(change.key, [])
        if change.old is None or source is None or not known or any(same(change.old, value) for value in known):
            continue
        found = f"parent=root, but the mutation starts from {change.key}={show(change.old)}"
        expected = f"parent={source.id}, which has that value; root has {show(known[0])}"
        lines = (*source.lines("Config"), *entry.lines("Node", "Mutation"))
        yield Finding("root-doubtful", entry.iteration, lines, found, expected)
        return


def _values_of_root(entries: Sequence[Entry], assumed: Assumptions) -> dict[str, list[Value]]:
    known: dict[tuple[str, Value], None] = {}
    for entry in entries:
        if entry.parent != ROOT or entry.mutation is None:
            continue
        before = {change.key: change.old for change in entry.mutation.changes}
        if entry.mutation.kind in ("none", "baseline"):
            known |= dict.fromkeys(entry.config.items())
        elif assumed.batch(entry.iteration) == 1:
            known |= {(key, old): None for key, old in before.items() if old is not None}
            known |= {(key, value): None for key, value in entry.config.items() if key not in before}
    values: dict[str, list[Value]] = {}
    for key, value in known:
        values.setdefault(key, []).append(value)
    return values
