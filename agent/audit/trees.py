"""The tree that a log tells of, under each reading of `parent`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from agent.audit.assume import Assumptions
from agent.audit.entry import ROOT, Entry
from agent.audit.findings import Finding
from state.metrics import REWARD
from ucb.tree import TreeNode

# node: the `Node:` line. next-slot: `Next:` of the entry one batch earlier, in the same slot (the addendum's meaning).
# next-entry: `Next:` of the entry just before (what the predecessor's program read). A `Next:` that is not there
# leaves the parent of the `Node:` line.
Reading = Literal["node", "next-slot", "next-entry"]
READINGS: tuple[Reading, ...] = get_args(Reading)


@dataclass(frozen=True)
class Difference:
    """An entry whose parent is another one under ``reading`` than its `Node:` line says; ROOT is 0."""

    reading: Reading
    iteration: int
    line: int
    node: int
    next: int


def parents_of(entries: Sequence[Entry], reading: Reading, assumed: Assumptions) -> dict[int, int]:
    """Node id -> parent id or ROOT; of entries with one id the last counts, as in the predecessor's program."""
    parents = {entry.id: entry.parent or ROOT for entry in entries}
    if reading == "node":
        return parents
    stride = assumed.n_parallel if reading == "next-slot" else 1
    following = {entry.iteration: entry.next_parent for entry in entries if entry.next_parent is not None}
    return {node: following.get(node - stride, parent) for node, parent in parents.items()}


def differences(entries: Sequence[Entry], assumed: Assumptions) -> list[Difference]:
    """Where a `Next:` reading gives another parent than the `Node:` line.

    A block may begin at root whatever the block before it said, so root in the first batch of a block is no difference.
    Ids that appear twice are left out: which entry is meant cannot be told.
    """
    found = []
    uses = Counter(entry.id for entry in entries)
    by_node = parents_of(entries, "node", assumed)
    lines = {entry.id: entry.line for entry in entries}
    for reading in READINGS[1:] if assumed.n_parallel > 1 else ("next-entry",):
        for node, parent in parents_of(entries, reading, assumed).items():
            starts = assumed.starts_block(node)
            if uses[node] == 1 and parent != by_node[node] and not (starts and by_node[node] == ROOT):
                found.append(Difference(reading, node, lines[node], by_node[node], parent))
    return found


def check_readings(found: Sequence[Difference], entries: int, assumed: Assumptions) -> list[Finding]:
    """One warning for the reading that the `Next:` lines are meant to have."""
    meant = [d for d in found if d.reading == "next-slot" or assumed.n_parallel == 1]
    if not meant:
        return []
    told = f"`Node:` and `Next:` (read as {meant[0].reading}) give another parent for {len(meant)} of {entries} entries"
    return [Finding("readings-differ", None, tuple(d.line for d in meant), told, "`Node:` as announced by `Next:`")]


def tree_nodes(entries: Sequence[Entry], parents: dict[int, int], reward: str = REWARD) -> list[TreeNode]:
    """Nodes to score under ``parents``, sorted by id, their reward in the place of connectivity_R2; what has no status
    counts as partial."""
    latest = {entry.id: entry for entry in entries}
    return [_node(entry, parents.get(number, ROOT), reward) for number, entry in sorted(latest.items())]


def _node(entry: Entry, parent: int, reward: str) -> TreeNode:
    return TreeNode(
        id=entry.id,
        parent=parent or None,
        role="explore",
        status=entry.outcome or "partial",
        mutation=entry.mutation.text if entry.mutation else "",
        metrics=entry.metrics if reward == REWARD else {**entry.metrics, REWARD: entry.metrics.get(reward)},
    )
