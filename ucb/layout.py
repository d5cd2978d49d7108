"""Where the nodes of the tree stand in its picture: time runs right, each branch has lanes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from state.records import Role
from ucb.tree import TreeNode

ALL_LABELLED = 60
# The shape of a node by its role, as matplotlib and as plotly call it: tree.png and the report have one legend.
SHAPES: dict[Role, tuple[str, str]] = {
    "baseline": ("p", "pentagon"),
    "exploit": ("o", "circle"),
    "explore": ("D", "diamond"),
    "principle-test": ("^", "triangle-up"),
    "screening": ("h", "hexagon"),
    "replicate": ("s", "square"),
    "fallback": ("P", "cross"),
    "standard-baseline": ("v", "triangle-down"),
    "control": ("h", "hexagon"),
}


@dataclass(frozen=True)
class Layout:
    """Where each node stands, x = its batch (1, 2, ...) and y = its lane from the top, and how large things are drawn.

    ``column`` and ``lane`` in inches, ``marker`` in square points.
    """

    x: dict[int, float]
    y: dict[int, float]
    root: float
    batches: int
    lanes: int
    column: float
    lane: float
    marker: float


def place(nodes: Sequence[TreeNode], n_parallel: int) -> Layout:
    """Leaves take lanes in depth-first order, a parent stands midway between its outer children: nothing crosses.

    ``nodes`` by ascending id, each parent among them and before its children.
    """
    children: dict[int | None, list[int]] = {None: []}
    for node in nodes:
        children[node.id] = []
        children[node.parent].append(node.id)
    y: dict[int | None, float] = {}
    stack, lanes = list(reversed(children[None])), 0
    while stack:
        node_id = stack.pop()
        stack.extend(reversed(children[node_id]))
        if not children[node_id]:
            y[node_id] = lanes
            lanes += 1
    for parent in [*(node.id for node in reversed(nodes)), None]:
        if children[parent]:
            y[parent] = (y[children[parent][0]] + y[children[parent][-1]]) / 2
    x = {node.id: 1.0 + (node.id - 1) // n_parallel for node in nodes}
    batches = int(max(x.values(), default=1))
    root = y.pop(None, 0.0)
    sizes = _sizes(len(nodes), batches, max(lanes, 1))
    return Layout(x, {node.id: y[node.id] for node in nodes}, root, batches, max(lanes, 1), *sizes)


def _sizes(nodes: int, batches: int, lanes: int) -> tuple[float, float, float]:
    """Column, lane and marker: room for every label in a small tree, a page's width and height for a large one."""
    if nodes <= ALL_LABELLED:
        return 1.4, 0.38, 210.0
    column, lane = min(0.8, 15 / batches), min(0.35, 11 / lanes)
    return column, lane, min(120.0, max(16.0, 3600 * min(column, lane) ** 2))
