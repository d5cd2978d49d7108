"""Picture of the exploration tree as PNG bytes: time runs right, each branch has lanes of its own."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import PowerNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ucb.entry import SHORT_NAMES
from ucb.grammar import show_scalar
from ucb.layout import ALL_LABELLED, SHAPES, Layout, place
from ucb.score import block_of
from ucb.tree import TreeNode

MARKERS: dict[str, str] = {role: marker for role, (marker, _) in SHAPES.items()}
_INK, _FAINT, _EDGE, _BAND, _FAILED = "#22262b", "#5d6670", "#b3bac2", "#f2f4f7", "#c1272d"
_SHORT = {key.rpartition(".")[2]: short for key, short in SHORT_NAMES.items()}
_BEST_LABELLED = 12


def plot_tree(
    nodes: Iterable[TreeNode],
    *,
    n_parallel: int,
    n_iter_block: int,
    title: str = "",
    dpi: int = 110,
    best: int | None = None,
    first: int = 1,
) -> bytes:
    """The tree as PNG: a node's colour is its connectivity_R2, its shape its role; failed slots are crosses.

    Columns are batches of ``n_parallel`` iterations, bands are blocks: see `block_of`. Up to 60 nodes all are
    labelled, above that the best ones. Parents must have smaller ids than their children. ``best``: the node that gets
    the ring (None: that of the highest connectivity_R2). ``first``: the run's first own iteration; imported nodes, in
    the columns before it, are hollow and belong to no batch or block.
    """
    kept = sorted(nodes, key=lambda node: node.id)
    layout = place(kept, n_parallel)
    width, height = layout.column * (layout.batches + 1) + 1.2, layout.lane * layout.lanes + 1.5
    figure = Figure(figsize=(max(width, 7.0), max(height, 3.2)), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    before = (first - 1) // n_parallel
    _draw_frame(axes, layout, title, before)
    _draw_blocks(axes, layout, n_iter_block, n_parallel, before)
    _draw_edges(axes, kept, layout)
    _draw_nodes(axes, kept, layout, best)
    _draw_keys(figure, axes, kept)
    figure.draw_without_rendering()
    _draw_labels(figure, axes, kept, layout)
    return png(figure)


def png(figure: Figure) -> bytes:
    """``figure`` as PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_frame(axes: Axes, layout: Layout, title: str, before: int) -> None:
    """The time axis, and nothing else of a frame; ``before`` columns belong to no batch."""
    axes.set_xlim(-0.25, layout.batches + 0.95)
    axes.set_ylim(layout.lanes - 0.4, -0.75)
    step = max(1, round(layout.batches / 20))
    batches = [1, *range(step if step > 1 else 2, layout.batches - before + 1, step)]
    axes.set_xticks([before + batch for batch in batches], [str(batch) for batch in batches])
    axes.set_xlabel("batch")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=_FAINT)
    axes.set_title(title, loc="left", fontsize=11, color=_INK)


def _draw_blocks(axes: Axes, layout: Layout, n_iter_block: int, n_parallel: int, done: int) -> None:
    """A band for each block, from its first batch to its last; the first ``done`` columns have none."""
    while done < layout.batches:
        block = block_of(done * n_parallel + 1, n_iter_block, n_parallel)
        left, done = done + 0.5, block.last // n_parallel
        right = min(done + 0.5, layout.batches + 0.95)
        axes.axvspan(left, right, color=_BAND if block.number % 2 else "white", lw=0, zorder=0)
        if (done + 0.5 - left) * layout.column > 0.5:
            top = axes.get_xaxis_transform()
            axes.text(left + 0.06, 0.995, f"block {block.number}", color=_FAINT, fontsize=8, va="top", transform=top)


def _draw_edges(axes: Axes, nodes: Sequence[TreeNode], layout: Layout) -> None:
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


def _draw_nodes(axes: Axes, nodes: Sequence[TreeNode], layout: Layout, ringed: int | None) -> None:
    """One scatter a shape; the best node gets a ring."""
    imported = [node for node in nodes if node.role == "imported"]
    _scatter(axes, imported, layout, marker="o", s=layout.marker * 0.7, color="white", edgecolors=_FAINT, linewidths=1)
    nodes = [node for node in nodes if node.role != "imported"]
    failed = [node for node in nodes if node.failure]
    for colour, is_cut in ((_FAILED, False), (_FAINT, True)):
        crosses = [node for node in failed if (node.status == "cut") == is_cut]
        _scatter(axes, crosses, layout, marker="X", s=layout.marker * 0.7, color=colour, linewidths=0)
    for role, marker in MARKERS.items():
        group = [node for node in nodes if node.role == role and not node.failure]
        area = layout.marker * {"s": 0.8, "D": 0.8, "^": 1.5, "v": 1.5}.get(marker, 1.0)
        _scatter(
            axes, group, layout, marker=marker, s=area, color=[*map(_face, group)], edgecolors="white", linewidths=0.6
        )
    best = max(nodes, key=lambda node: (node.id == ringed, _reward(node)), default=None)
    if best is not None and best.connectivity_R2 is not None:
        _scatter(axes, [best], layout, marker="o", s=layout.marker * 1.7, color="none", edgecolors=_INK, linewidths=2)


def _scatter(axes: Axes, nodes: Sequence[TreeNode], layout: Layout, **style: Any) -> None:
    axes.scatter([layout.x[node.id] for node in nodes], [layout.y[node.id] for node in nodes], zorder=4, **style)


def _face(node: TreeNode) -> tuple[float, ...]:
    """Colour of a node; an undefined R2 has none and is grey."""
    if node.connectivity_R2 is None:
        return to_rgba("#d5d9de")
    return tuple(_colours().to_rgba(np.array([node.connectivity_R2]))[0])


def _reward(node: TreeNode) -> float:
    return -1.0 if node.connectivity_R2 is None else node.connectivity_R2


def _draw_keys(figure: Figure, axes: Axes, nodes: Sequence[TreeNode]) -> None:
    """Colour bar and, for the shapes that occur, a legend."""
    bar = figure.colorbar(_colours(), ax=axes, label="connectivity_R2", pad=0.01, fraction=0.03, aspect=25)
    bar.set_ticks([0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    bar.outline.set_visible(False)
    roles = [role for role in MARKERS if any(node.role == role and not node.failure for node in nodes)]
    keys = [_key(MARKERS[role], role, _FAINT) for role in roles]
    if any(node.failure and node.status != "cut" for node in nodes):
        keys.append(_key("X", "failed slot", _FAILED))
    if any(node.role == "imported" for node in nodes):
        keys.append(Line2D([], [], ls="", marker="o", mfc="white", mec=_FAINT, label="imported, unverified"))
    if any(node.status == "cut" for node in nodes):
        keys.append(_key("X", "cut", _FAINT))
    keys.append(Line2D([], [], ls="", marker="o", mfc="none", mec=_INK, mew=2, label="best so far"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)


def _key(marker: str, label: str, colour: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, color=colour, label=label)


def _draw_labels(figure: Figure, axes: Axes, nodes: Sequence[TreeNode], layout: Layout) -> None:
    """Ids in the markers, mutations and values beside them in a small tree; ids and values of the best in a large one.

    A label that would cover another or a marker is left out, the worst nodes' first.
    """
    small = len(nodes) <= ALL_LABELLED
    radius = layout.marker**0.5 / 2
    points = {node.id: axes.transData.transform((layout.x[node.id], layout.y[node.id])) for node in nodes}
    reach = radius * figure.dpi / 72
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in points.values()]
    by_reward = sorted(nodes, key=_reward, reverse=True)
    for node in by_reward if small else by_reward[:_BEST_LABELLED]:
        where = layout.x[node.id], layout.y[node.id]
        if small and not node.failure:
            _draw_id(axes, node, where)
        for text, above, colour in _beside(node) if small else _id_and_value(node):
            label = _annotate(axes, text, where, (radius + 2, 1.5 if above else -1.5), colour)
            box = label.get_window_extent()
            if box.count_overlaps(taken):
                label.remove()
            else:
                taken.append(box)


def _annotate(
    axes: Axes, text: str, where: tuple[float, float], offset: tuple[float, float], colour: str
) -> Annotation:
    """``text`` on a pale halo, ``offset`` points from a node, above or below the line that leaves it."""
    label = axes.annotate(text, where, offset, textcoords="offset points", va="bottom" if offset[1] > 0 else "top")
    label.set(color=colour, fontsize=7, linespacing=1.0, zorder=5)
    label.set_path_effects([withStroke(linewidth=2.5, foreground="white", alpha=0.85)])
    return label


def _draw_id(axes: Axes, node: TreeNode, where: tuple[float, float]) -> None:
    colour = "white" if node.connectivity_R2 is not None and node.connectivity_R2 < 0.88 else _INK
    drop = (0, {"^": -2, "v": 2}.get(MARKERS.get(node.role, ""), 0))
    label = axes.annotate(str(node.id), where, drop, textcoords="offset points", ha="center", va="center", zorder=6)
    label.set(color=colour, fontsize=7)


def _id_and_value(node: TreeNode) -> list[tuple[str, bool, str]]:
    return [] if node.connectivity_R2 is None else [(f"{node.id}: {node.connectivity_R2:.3f}", True, _INK)]


def _beside(node: TreeNode) -> list[tuple[str, bool, str]]:
    """(text, whether above the line, colour) of what stands to the right of a node."""
    if node.role == "imported":
        return []
    if node.failure:
        return [*_mutation(node), (f"{node.id} {node.failure}", False, _FAINT if node.status == "cut" else _FAILED)]
    value = "R2 undefined" if node.connectivity_R2 is None else f"{node.connectivity_R2:.3f}"
    return [*_mutation(node), (value, False, _FAINT)]


def _mutation(node: TreeNode) -> list[tuple[str, bool, str]]:
    changes = [
        f"{_SHORT.get(key, key)} {show_scalar(old)}→{show_scalar(new)}" for key, (old, new) in node.changes.items()
    ]
    more = [f"+{len(changes) - 2} more"] if len(changes) > 2 else []
    return [("\n".join(changes[:2] + more), True, _INK)] if changes else []
