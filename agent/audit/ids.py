"""Ids, parents and `Next:` lines checked against the list of entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from agent.audit.assume import Assumptions
from agent.audit.entry import Entry
from agent.audit.findings import Finding, excerpt, ranges

_NEEDED = ("Node", "Config", "Metrics", "Mutation")


def check_ids(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Duplicates, gaps, disorder, and headers that name another id than the `Node:` line."""
    yield from _duplicates(entries)
    numbers = {entry.iteration for entry in entries}
    for before, after in pairwise(sorted(numbers)):
        if after > before + 1:
            gap = str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}"
            lines = tuple(entry.line for entry in entries if entry.iteration in (before, after))
            yield Finding("missing-id", None, lines, f"no entry {gap}", f"every id from {before} to {after}")
    if entries and (first := min(numbers)) > 1:
        yield Finding("missing-id", None, (entries[0].line,), f"the first entry is {first}", "a log that begins at 1")
    for earlier, later in pairwise(entries):
        if later.iteration < earlier.iteration:
            found = f"entry {later.iteration} after entry {earlier.iteration}"
            yield Finding("out-of-order", later.iteration, (later.line,), found, "entries in the order of their ids")
    for entry in entries:
        if entry.node is not None and entry.node != entry.iteration:
            lines = (entry.line, *entry.lines("Node"))
            found = f"`Iter {entry.iteration}` with `Node: id={entry.node}`"
            yield Finding("header-node-differ", entry.iteration, lines, found, f"id={entry.iteration}")


def _duplicates(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Once a header number, once a node id; entries that share both are told once."""
    by_header: dict[int, Entry] = {}
    by_node: dict[int, Entry] = {}
    for entry in entries:
        first = by_header.setdefault(entry.iteration, entry)
        if first is not entry:
            found = f"a second `Iter {entry.iteration}`, the first is on line {first.line}"
            lines = (first.line, entry.line)
            yield Finding("duplicate-id", entry.iteration, lines, found, "each id once")
        if entry.node is None:
            continue
        same = by_node.setdefault(entry.node, entry)
        if same is not entry and same.iteration != entry.iteration:
            found = f"id={entry.node} in Iter {same.iteration} and in Iter {entry.iteration}"
            both = (*same.lines("Node"), *entry.lines("Node"))
            yield Finding("duplicate-id", entry.iteration, both, found, "each id once")


def check_parents(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """Parents that are missing, in the future, the entry itself, or of the batch it ran in."""
    known = {entry.iteration for entry in entries} | {entry.id for entry in entries}
    first = min(known, default=1)
    for entry in entries:
        if not entry.parent:
            continue
        parent, own = entry.parent, entry.iteration
        lines = entry.lines("Node")
        found = f"parent={parent} in entry {own}"
        if parent in (own, entry.node):
            yield Finding("parent-own", own, lines, found, "a node that finished before, or root")
        elif parent not in known and parent > first:
            yield Finding("parent-missing", own, lines, f"{found}, which the log does not hold", "an id of the log")
        elif parent > max(own, entry.id):
            yield Finding("parent-future", own, lines, found, f"a node before {own}, or root")
        elif assumed.n_parallel > 1 and assumed.batch(parent) == assumed.batch(own):
            start = (assumed.batch(own) - 1) * assumed.n_parallel + 1
            batch = f"{start}-{start + assumed.n_parallel - 1}"
            expected = f"a node of an earlier batch, or root: {batch} were dispatched together"
            code = "parent-same-batch" if assumed.batches_known else "parent-batch-doubtful"
            yield Finding(code, own, lines, found, expected)


def check_next(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """`Next:` may name root or a node of this or an earlier batch, but never the id that comes next."""
    lasts: dict[int, int] = {}
    for entry in entries:
        batch = assumed.batch(entry.iteration)
        lasts[batch] = max(lasts.get(batch, 0), entry.iteration, entry.id)
    known = {entry.iteration for entry in entries} | {entry.id for entry in entries}
    first = min(known, default=1)
    for entry in entries:
        parent = entry.next_parent
        if not parent:
            continue
        last = lasts[assumed.batch(entry.iteration)]
        found = f"`Next: parent={parent}` in entry {entry.iteration}"
        if parent == entry.id + 1:
            expected = f"another node, or root: read as the parent of entry {parent}, it would be its own"
            yield Finding("next-id-plus-one", entry.iteration, entry.lines("Next"), found, expected)
        elif parent > last:
            expected = f"a node up to {last}, or root"
            yield Finding("next-missing-node", entry.iteration, entry.lines("Next"), f"{found}, yet to come", expected)
        elif parent not in known and parent > first:
            found += ", which the log does not hold"
            yield Finding("next-missing-node", entry.iteration, entry.lines("Next"), found, "an id of the log")


def check_presence(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """Entries without a line or a status, those that most of the log lacks in one finding; the last batch needs no
    `Next:`."""
    newest = max((assumed.batch(entry.iteration) for entry in entries), default=0)
    without = [e for e in entries if "Next" not in e.fields and assumed.batch(e.iteration) != newest]
    if without:
        lines = tuple(entry.line for entry in without)
        found = f"no `Next:` line in {len(without)} of {len(entries)} entries: {ranges(e.iteration for e in without)}"
        yield Finding("line-absent", None, lines, found, "`Next: parent=P`, except in the last batch")
    absent = {label: [entry for entry in entries if _lacks(entry, label)] for label in _NEEDED}
    common = [label for label in _NEEDED if _is_common(absent[label], entries)]
    for label in common:
        lines = tuple(entry.line for entry in absent[label])
        found = f"no line {label} in {len(lines)} of {len(entries)} entries"
        yield Finding("line-missing", None, lines, found, "each of Node, Config, Metrics, Mutation in every entry")
    for entry in entries:
        if missing := [label for label in _NEEDED if label not in common and _lacks(entry, label)]:
            found = f"an entry without the line{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            yield Finding(
                "line-missing", entry.iteration, (entry.line,), found, "each of Node, Config, Metrics, Mutation"
            )
    yield from _without_status(entries)


def _lacks(entry: Entry, label: str) -> bool:
    """Metrics may stand in slots or in a table, and a failed or cut slot needs none."""
    if label == "Metrics" and (entry.metrics or entry.outcome in ("failed", "cut")):
        return False
    return label not in entry.fields


def _is_common(without: Sequence[Entry], entries: Sequence[Entry]) -> bool:
    return len(without) > 2 and 2 * len(without) > len(entries)


def _without_status(entries: Sequence[Entry]) -> Iterator[Finding]:
    without = [entry for entry in entries if entry.outcome is None]
    expected = "converged, partial or failed; or a class of several runs, from Stable-Robust to DISQUALIFIED"
    if _is_common(without, entries):
        words = Counter(excerpt(entry.title.split("(")[0].strip()[:40]) for entry in without)
        told = ", ".join(f"`{word}`" for word, _ in words.most_common(5))
        found = f"the statuses of {len(without)} of {len(entries)} entries, such as {told}"
        yield Finding("status-unknown", None, tuple(entry.line for entry in without), found, expected)
        return
    for entry in without:
        found = f"the status `{excerpt(entry.title)}`"
        yield Finding("status-unknown", entry.iteration, (entry.line,), found, expected)
