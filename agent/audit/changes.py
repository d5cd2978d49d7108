"""Mutations against the Config lines of parent and child, and configs that repeat."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence

from agent.audit.assume import Assumptions
from agent.audit.entry import Entry
from agent.audit.findings import Finding
from agent.audit.mutation import Change, Mutation
from agent.audit.values import Value, comparable, same, show

_DECLARED = re.compile(r"\bduplicate of (?:(?:iter|node|iteration) {0,2})?([0-9]{1,9})", re.IGNORECASE)


def find_parents(entries: Sequence[Entry]) -> dict[int, Entry]:
    """Line of an entry -> the entry its parent id means: the last one of that id above it, else the first below.

    A parent from the future means none.
    """
    by_id: dict[int, Entry] = {}
    found: dict[int, Entry] = {}
    for entry in entries:
        if entry.parent in by_id and _is_before(entry):
            found[entry.line] = by_id[entry.parent or 0]
        for number in (entry.id, entry.iteration):
            by_id[number] = entry
    first: dict[int, Entry] = {}
    for entry in entries:
        for number in (entry.iteration, entry.id):
            first.setdefault(number, entry)
    for entry in entries:
        if entry.line not in found and entry.parent in first and _is_before(entry):
            found[entry.line] = first[entry.parent or 0]
    return found


def _is_before(entry: Entry) -> bool:
    return entry.parent is not None and 0 < entry.parent < entry.iteration and entry.parent != entry.id


def check_mutations(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Each mutation against its own Config line and, where the parent is known, against the parent's."""
    parents = find_parents(entries)
    for entry in entries:
        if entry.mutation is None:
            continue
        parent = parents.get(entry.line)
        yield from _against_child(entry, entry.mutation)
        if parent is not None:
            yield from _against_parent(entry, entry.mutation, parent)
            yield from _undeclared(entry, entry.mutation, parent)
        if entry.mutation.rerun_of and entry.parent is not None and entry.mutation.rerun_of != entry.parent:
            found = f"a re-run of {entry.mutation.rerun_of} with parent={entry.parent or 'root'}"
            lines = entry.lines("Node", "Mutation")
            yield Finding("rerun-of-other", entry.iteration, lines, found, f"parent={entry.mutation.rerun_of}")


def _against_child(entry: Entry, mutation: Mutation) -> Iterator[Finding]:
    for change in mutation.changes:
        if change.old is not None and change.new is not None and same(change.old, change.new):
            found = f"`{change.key}: {show(change.old)} -> {show(change.new)}`, which changes nothing"
            yield Finding("no-op-mutation", entry.iteration, entry.lines("Mutation"), found, "a change, or `[none]`")
        own = entry.config.get(change.key)
        if own is None or change.new is None or not comparable(own, change.new) or same(own, change.new):
            continue
        found = f"the mutation sets {change.key} to {show(change.new)}, the Config line says {show(own)}"
        yield Finding(
            "mutation-contradicts-child",
            entry.iteration,
            entry.lines("Config", "Mutation"),
            found,
            f"{change.key}={show(change.new)} in the Config line, or another mutation",
        )


def _against_parent(entry: Entry, mutation: Mutation, parent: Entry) -> Iterator[Finding]:
    for change in mutation.changes:
        before = parent.config.get(change.key)
        if before is None or change.old is None or not comparable(before, change.old) or same(before, change.old):
            continue
        found = f"the mutation starts from {change.key}={show(change.old)}, parent {parent.id} has {show(before)}"
        if _keeps(change, parent):
            found += ": nothing changed"
        lines = (*parent.lines("Config"), *entry.lines("Mutation"))
        expected = f"`{change.key}: {show(before)} -> ...`"
        yield Finding("mutation-contradicts-parent", entry.iteration, lines, found, expected)


def _keeps(change: Change, parent: Entry) -> bool:
    before = parent.config.get(change.key)
    return before is not None and change.new is not None and same(before, change.new)


def _undeclared(entry: Entry, mutation: Mutation, parent: Entry) -> Iterator[Finding]:
    """Keys whose value differs from the parent's, unless the mutation names them (or, in prose, their name)."""
    if mutation.kind == "baseline":
        return
    declared = {change.key for change in mutation.changes}
    declared |= {key for key, value in mutation.mentions if key in entry.config and same(value, entry.config[key])}
    changed = [
        key
        for key, value in entry.config.items()
        if key in parent.config
        and key not in declared
        and comparable(value, parent.config[key])
        and not same(value, parent.config[key])
        and not (mutation.kind == "prose" and key.casefold() in mutation.text.casefold())
    ]
    for change in _elsewhere(mutation, entry, parent):
        twin = next((key for key in changed if _is(change, parent.config[key], entry.config[key])), None)
        if twin is not None:
            changed.remove(twin)
    if changed:
        told = ", ".join(f"{key}: {show(parent.config[key])} -> {show(entry.config[key])}" for key in changed)
        lines = (*parent.lines("Config"), *entry.lines("Config", "Mutation"))
        found = f"`{told}` between parent {parent.id} and {entry.iteration}, not in the mutation"
        yield Finding("undeclared-change", entry.iteration, lines, found, "every change in the mutation")


def _elsewhere(mutation: Mutation, entry: Entry, parent: Entry) -> list[Change]:
    """Declared changes under names that neither Config has: if values agree, another name of a change there is."""
    return [change for change in mutation.changes if change.key not in entry.config and change.key not in parent.config]


def _is(change: Change, old: Value, new: Value) -> bool:
    return change.old is not None and change.new is not None and same(change.old, old) and same(change.new, new)


def check_repeats(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """Entries that ran what an earlier one ran: the same Config, Seeds and mutation of keys that Config lacks.

    Without seeds only entries of one block are compared; an entry with a code modification is left out.
    """
    first: dict[Hashable, Entry] = {}
    for entry in entries:
        if match := _DECLARED.search(f"{entry.title} ; {entry.mutation.text if entry.mutation else ''}"):
            found = f"entry {entry.iteration} says that it repeats {match[1]}"
            yield Finding("declared-duplicate", entry.iteration, (entry.line,), found, "a new run, or new seeds")
        if not entry.config or "CODE MODIFICATION" in entry.fields:
            continue
        earlier = first.setdefault(_identity(entry, assumed.block), entry)
        if earlier is entry or earlier.iteration == entry.iteration:
            continue
        lines = (*earlier.lines("Config"), *entry.lines("Config"))
        if entry.mutation and entry.mutation.kind == "none" and not entry.seeds:
            found = f"entry {entry.iteration} repeats the config of {earlier.iteration} and says so, without seeds"
            yield Finding("declared-duplicate", entry.iteration, lines, found, "a `Seeds:` line that tells them apart")
            continue
        what = "config and seeds" if entry.seeds else "config"
        found = f"entry {entry.iteration} has the {what} of entry {earlier.iteration}"
        yield Finding("identical-config", entry.iteration, lines, found, "a change, or another seed")


def _identity(entry: Entry, block: Callable[[int], int]) -> Hashable:
    """Equal for entries that, as far as the log tells, ran the same thing."""
    mutation = entry.mutation
    hidden = ""
    if mutation and (mutation.kind == "prose" or any(change.key not in entry.config for change in mutation.changes)):
        hidden = " ".join(mutation.text.casefold().split())
    where = 0 if entry.seeds else block(entry.iteration)
    config = frozenset((key, type(value), value) for key, value in entry.config.items())
    return where, config, frozenset(entry.seeds.items()), hidden
