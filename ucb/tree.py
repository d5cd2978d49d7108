"""The exploration tree, built from log entries or from the journal's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import networkx as nx

from state.config import Scalar
from state.errors import RunError
from state.metrics import REWARD, recorded
from state.records import NodeRole, Planned, SlotResult, Status
from ucb.entry import LogEntry
from ucb.grammar import leaves, show_node
from ucb.imported import ImportedEntry

ROOT = "root"


class TreeError(RunError):
    """Nodes that do not form a tree, or not the tree that is known."""


@dataclass(frozen=True)
class TreeNode:
    """One iteration in the tree. ``changes`` maps leaf keys to (parent's, own value); a failed slot has no metrics.

    Nor has an imported node, whose figures nobody here has measured; its ``mutation`` is as its log words it.
    """

    id: int
    parent: int | None
    role: NodeRole
    status: Status
    failure: str | None = None
    mutation: str = ""
    changes: Mapping[str, tuple[Scalar, Scalar]] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def connectivity_R2(self) -> float | None:
        """The reward; None when the slot failed or the metric is undefined."""
        return self.metrics.get(REWARD)


def node_from_entry(entry: LogEntry | ImportedEntry) -> TreeNode:
    """The node an entry describes: its parent stands in the `Node:` line, `Next:` is about another node."""
    if isinstance(entry, ImportedEntry):
        return TreeNode(entry.iteration, entry.parent, "imported", entry.status, mutation=entry.mutation)
    return TreeNode(
        id=entry.iteration,
        parent=entry.parent,
        role=entry.role,
        status=entry.status,
        failure=entry.failure.kind if entry.failure else None,
        mutation=entry.mutation,
        changes=entry.changes,
        metrics=entry.metrics or {},
    )


def node_from_record(planned: Planned, result: SlotResult, status: Status) -> TreeNode:
    """The node of a finished slot as the journal holds it."""
    return TreeNode(
        id=planned.iteration,
        parent=planned.parent,
        role=planned.role,
        status=status,
        failure=result.failure.kind if result.failure else None,
        mutation=planned.mutation,
        changes=leaves(planned.changes),
        metrics={} if result.failure else recorded(result.metrics),
    )


def new_tree() -> nx.DiGraph:
    """A tree that holds the root alone; edges will point from parent to child."""
    tree = nx.DiGraph()
    tree.add_node(ROOT)
    return tree


def grow(tree: nx.DiGraph, nodes: Iterable[TreeNode]) -> None:
    """Add ``nodes``, parents before children; the cost does not depend on the size of ``tree``.

    Each graph node is an id whose attribute `node` is its TreeNode; the edge to it has its `changes`.
    TreeError when an id is taken or a parent absent.
    """
    for node in nodes:
        if node.id in tree:
            raise TreeError(f"node {node.id} appears twice, expected each id once")
        parent = ROOT if node.parent is None else node.parent
        if parent not in tree:
            raise TreeError(f"node {node.id} has parent {parent}, expected root or a node listed before it")
        tree.add_node(node.id, node=node)
        tree.add_edge(parent, node.id, changes=node.changes)


def build_tree(entries: Iterable[LogEntry]) -> nx.DiGraph:
    """The tree that the log tells of."""
    tree = new_tree()
    grow(tree, map(node_from_entry, entries))
    return tree


def nodes_of(tree: nx.DiGraph) -> list[TreeNode]:
    """Every node but the root, in the order in which they were added."""
    return [data["node"] for _, data in tree.nodes(data=True) if "node" in data]


def same_tree(a: nx.DiGraph, b: nx.DiGraph) -> str | None:
    """None when both trees are equal, else the first difference as a sentence."""
    left, right = ({node.id: node for node in nodes_of(tree)} for tree in (a, b))
    for number in sorted(left.keys() | right.keys()):
        if number not in left or number not in right:
            return f"node {number} is only in the {'first' if number in left else 'second'} tree"
        if difference := _difference(left[number], right[number]):
            return difference
    return None


def _difference(a: TreeNode, b: TreeNode) -> str | None:
    for name in (spec.name for spec in fields(TreeNode)):
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            show = show_node if name == "parent" else repr
            return f"node {a.id} has {name} {show(one)} in the first tree and {show(other)} in the second"
    return None
