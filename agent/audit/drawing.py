"""The tree of a log as shapes for its page."""

from __future__ import annotations

from typing import Any

from agent.audit.audit import Audit
from agent.audit.trees import parents_of, tree_nodes
from ucb.grammar import one_line
from ucb.layout import place
from ucb.tree import TreeNode

_COLUMN, _LANE, _EDGE = 64, 24, 40


def draw(audit: Audit) -> dict[str, Any]:
    """Nodes (id, x, y, kind, line, title) and edges (x and y of parent and child, x between), in pixels.

    The parents are those of the `Node:` lines; one that is not an earlier node is drawn as the root.
    """
    places, root, width, height = _places(audit)
    latest = {entry.id: entry for entry in audit.entries}
    nodes = [
        {
            "id": number,
            "x": x,
            "y": y,
            "kind": latest[number].outcome or "unknown",
            "line": latest[number].line,
            "title": one_line(f"{number}: {latest[number].title[:200]}"),
        }
        for number, (x, y, _) in places.items()
    ]
    edges = []
    for x, y, parent in places.values():
        px, py = root if parent is None else places[parent][:2]
        edges.append((px, py, x, y, (px + x) // 2))
    return {"nodes": nodes, "edges": edges, "width": width, "height": height}


def _places(audit: Audit) -> tuple[dict[int, tuple[int, int, int | None]], tuple[int, int], int, int]:
    """Id -> x, y and parent; then the root's place, width and height. Nodes take columns in their order, gaps none."""
    read = tree_nodes(audit.entries, parents_of(audit.entries, "node", audit.assumed))
    rank = {node.id: at for at, node in enumerate(read, 1)}
    parents = {n.id: n.parent if n.parent in rank and n.parent < n.id else None for n in read}
    ranked = [
        TreeNode(rank[n.id], None if (parent := parents[n.id]) is None else rank[parent], n.role, n.status)
        for n in read
    ]
    layout = place(ranked, audit.assumed.n_parallel)
    places = {
        number: (_EDGE + int(_COLUMN * layout.x[at]), _EDGE + int(_LANE * layout.y[at]), parents[number])
        for number, at in rank.items()
    }
    width = 2 * _EDGE + int(_COLUMN * (layout.batches + 1))
    return places, (_EDGE, _EDGE + int(_LANE * layout.root)), width, 2 * _EDGE + _LANE * layout.lanes
