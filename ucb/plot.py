"""Picture of the exploration tree as PNG bytes: time runs right, each branch has lanes of its own. Knows no files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from state.records import Role
from ucb.entry import SHORT_NAMES
from ucb.grammar import show_scalar
from ucb.tree import TreeNode

MARKERS: dict[Role, str] = {
    "baseline": "p",
    "exploit": "o",
    "explore": "D",
    "principle-test": "^",
    "replicate": "s",
    "fallback": "P",
}
_INK, _FAINT, _EDGE, _BAND, _FAILED = "#22262b", "#5d6670", "#b3bac2", "#f2f4f7", "#c1272d"
_SHORT = {key.rpartition(".")[2]: short for key, short in SHORT_NAMES.items()}
_ALL_LABELLED = 60
_BEST_LABELLED = 12


@dataclass(frozen=True)
class _Layout:
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


def plot_tree(
    nodes: Iterable[TreeNode], *, n_parallel: int, n_iter_block: int, title: str = "", dpi: int = 110
) -> bytes:
    """The tree as PNG: a node's colour is its connectivity_R2, its shape its role; failed slots are crosses.

    Columns are batches of ``n_parallel`` iterations, bands are blocks of ``n_iter_block``. Up to 60 nodes all are
    labelled, above that the best ones. Parents must have smaller ids than their children.
    """
    kept = sorted(nodes, key=lambda node: node.id)
    layout = _place(kept, n_parallel)
    width, height = layout.column * (layout.batches + 1) + 1.2, layout.lane * layout.lanes + 1.5
    figure = Figure(figsize=(max(width, 7.0), max(height, 3.2)), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_frame(axes, layout, n_iter_block / n_parallel, title)
    _draw_edges(axes, kept, layout)
    _draw_nodes(axes, kept, layout)
    _draw_keys(figure, axes, kept)
    figure.draw_without_rendering()
    _draw_labels(figure, axes, kept, layout)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _place(nodes: Sequence[TreeNode], n_parallel: int) -> _Layout:
    """Leaves take lanes in depth-first order, a parent stands midway between its outer children: nothing crosses."""
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
    return _Layout(x, {node.id: y[node.id] for node in nodes}, root, batches, max(lanes, 1), *sizes)


def _sizes(nodes: int, batches: int, lanes: int) -> tuple[float, float, float]:
    """Column, lane and marker: room for every label in a small tree, a page's width and height for a large one."""
    if nodes <= _ALL_LABELLED:
        return 1.4, 0.38, 210.0
    column, lane = min(0.8, 15 / batches), min(0.35, 11 / lanes)
    return column, lane, float(np.clip(3600 * min(column, lane) ** 2, 16, 120))


def _draw_frame(axes: Axes, layout: _Layout, batches_per_block: float, title: str) -> None:
    """Bands of the blocks, the time axis, and nothing else of a frame."""
    axes.set_xlim(-0.25, layout.batches + 0.95)
    axes.set_ylim(layout.lanes - 0.4, -0.75)
    for block in range(int(np.ceil(layout.batches / batches_per_block))):
        left = 0.5 + block * batches_per_block
        right = min(left + batches_per_block, layout.batches + 0.95)
        axes.axvspan(left, right, color=_BAND if block % 2 == 0 else "white", lw=0, zorder=0)
        if batches_per_block * layout.column > 0.5:
            top = axes.get_xaxis_transform()
            axes.text(left + 0.06, 0.995, f"block {block + 1}", color=_FAINT, fontsize=8, va="top", transform=top)
    step = max(1, round(layout.batches / 20))
    axes.set_xticks([1, *range(step if step > 1 else 2, layout.batches + 1, step)])
    axes.set_xlabel("batch")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=_FAINT)
    axes.set_title(title, loc="left", fontsize=11, color=_INK)


def _draw_edges(axes: Axes, nodes: Sequence[TreeNode], layout: _Layout) -> None:
    """A line from each parent to each child: to the child's lane at once, where no other branch is, then level."""
    curves = []
    for node in nodes:
        x0, y0 = (0.0, layout.root) if node.parent is None else (layout.x[node.parent], layout.y[node.parent])
        x1, y1 = layout.x[node.id], layout.y[node.id]
        bend = [(x0, y0), (x0 + 0.35, y0), (x0 + 0.25, y1), (x0 + 0.6, y1), (x1, y1)]
        curves.append(Path(bend, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO]))
    width = 1.2 if layout.marker > 60 else 0.7
    axes.add_collection(PathCollection(curves, facecolors="none", edgecolors=_EDGE, linewidths=width, zorder=1))
    axes.plot(0, layout.root, "o", color=_INK, markersize=6 if layout.marker > 60 else 4, zorder=3)
    axes.annotate("root", (0, layout.root), (0, 7), textcoords="offset points", ha="center", color=_FAINT, fontsize=8)


def _colours() -> ScalarMappable:
    """viridis is told apart by colour-blind eyes; the power spreads 0.8 to 1, where the campaign happens."""
    return ScalarMappable(PowerNorm(2.5, 0.0, 1.0), colormaps["viridis"])


def _draw_nodes(axes: Axes, nodes: Sequence[TreeNode], layout: _Layout) -> None:
    colours = _colours()
    best = max((node for node in nodes if node.connectivity_R2 is not None), key=_reward, default=None)
    for node in nodes:
        where = layout.x[node.id], layout.y[node.id]
        if node.failure:
            axes.scatter(*where, marker="X", s=layout.marker * 0.7, color=_FAILED, linewidths=0, zorder=4)
            continue
        r2 = node.connectivity_R2
        face = "white" if r2 is None else colours.to_rgba(np.asarray(r2))
        ring = (_INK, 2.2) if node is best else ("#ffffff" if r2 is not None else _FAINT, 0.6)
        area = layout.marker * (0.8 if node.role in ("replicate", "explore") else 1.0)
        axes.scatter(
            *where, marker=MARKERS[node.role], s=area, color=[face], edgecolors=ring[0], linewidths=ring[1], zorder=4
        )


def _reward(node: TreeNode) -> float:
    return -1.0 if node.connectivity_R2 is None else node.connectivity_R2


def _draw_keys(figure: Figure, axes: Axes, nodes: Sequence[TreeNode]) -> None:
    """Colour bar and, for the shapes that occur, a legend."""
    bar = figure.colorbar(_colours(), ax=axes, label="connectivity_R2", pad=0.01, fraction=0.03, aspect=25)
    bar.set_ticks([0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    bar.outline.set_visible(False)
    roles = [role for role in MARKERS if any(node.role == role and not node.failure for node in nodes)]
    keys = [_key(MARKERS[role], role, _FAINT) for role in roles]
    if any(node.failure for node in nodes):
        keys.append(_key("X", "failed slot", _FAILED))
    keys.append(Line2D([], [], ls="", marker="o", mfc="none", mec=_INK, mew=2, label="best so far"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)


def _key(marker: str, label: str, colour: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, color=colour, label=label)


def _draw_labels(figure: Figure, axes: Axes, nodes: Sequence[TreeNode], layout: _Layout) -> None:
    """Ids in the markers, mutations and values beside them in a small tree; ids and values of the best in a large one.

    A label that would cover another or a marker is left out, the worst nodes' first.
    """
    small = len(nodes) <= _ALL_LABELLED
    radius = layout.marker**0.5 / 2
    points = {node.id: axes.transData.transform((layout.x[node.id], layout.y[node.id])) for node in nodes}
    reach = radius * figure.dpi / 72
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in points.values()]
    by_reward = sorted(nodes, key=_reward, reverse=True)
    for node in by_reward if small else by_reward[:_BEST_LABELLED]:
        where = layout.x[node.id], layout.y[node.id]
        if small and not node.failure:
            _draw_id(axes, node, where)
        for text, above, colour in _beside(node) if small else [(f"{node.id}: {_reward(node):.3f}", True, _INK)]:
            label = axes.annotate(
                text,
                where,
                (radius + 2, 1.5 if above else -1.5),
                textcoords="offset points",
                va="bottom" if above else "top",
                color=colour,
                fontsize=7 if small else 8,
                linespacing=1.0,
                path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.85)],
                zorder=5,
            )
            box = label.get_window_extent()
            if box.count_overlaps(taken):
                label.remove()
            else:
                taken.append(box)


def _draw_id(axes: Axes, node: TreeNode, where: tuple[float, float]) -> None:
    colour = "white" if node.connectivity_R2 is not None and node.connectivity_R2 < 0.88 else _INK
    drop = (0, -2) if MARKERS[node.role] == "^" else (0, 0)
    label = axes.annotate(str(node.id), where, drop, textcoords="offset points", ha="center", va="center", zorder=6)
    label.set(color=colour, fontsize=7)


def _beside(node: TreeNode) -> list[tuple[str, bool, str]]:
    """(text, whether above the line, colour) of what stands to the right of a node."""
    if node.failure:
        return [*_mutation(node), (f"{node.id} {node.failure}", False, _FAILED)]
    value = "R2 undefined" if node.connectivity_R2 is None else f"{node.connectivity_R2:.3f}"
    return [*_mutation(node), (value, False, _FAINT)]


def _mutation(node: TreeNode) -> list[tuple[str, bool, str]]:
    changes = [
        f"{_SHORT.get(key, key)} {show_scalar(old)}→{show_scalar(new)}" for key, (old, new) in node.changes.items()
    ]
    more = [f"+{len(changes) - 2} more"] if len(changes) > 2 else []
    return [("\n".join(changes[:2] + more), True, _INK)] if changes else []
