"""embedding.png of a slot: the learned embedding, and what was recovered against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.score.pictures import plain_style, save, type_colours

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome
    from trainer.score.evaluate import Evaluation

Array = NDArray[np.float64]
Panel = tuple[str, float | None, NDArray[np.float32], Array]

N_POINTS = 20_000  # of a scatter; more are thinned out
BIGGEST = 0.98  # quantile of |true mean weight| that the darkest colour of the heat maps stands for


def draw_embedding(path: Path, truth: Connectome, embedding: Array, result: Evaluation) -> None:
    """The embedding [N, D] by cell type; learned against true W, tau and V_rest; weights by type; g_phi by type."""
    with plain_style():
        figure = Figure(figsize=(14, 10.5), layout="constrained")
        grid = figure.add_gridspec(3, 4, height_ratios=(1, 1, 1.1))
        _scatter_embedding(figure.add_subplot(grid[:2, :3]), truth, embedding)
        panels = _panels(truth, result)
        for place, panel in zip((grid[0, 3], grid[1, 3], grid[2, 3]), panels, strict=False):
            _against_truth(figure.add_subplot(place), *panel)
        if result.found is not None:
            maps = [figure.add_subplot(grid[2, column]) for column in (0, 1)]
            _weights_by_type(figure, maps, truth, result.found.W)
        _signals(figure.add_subplot(grid[2, 2]), truth, result)
        save(figure, path)


def _panels(truth: Connectome, result: Evaluation) -> list[Panel]:
    found, metrics = result.found, result.metrics
    if found is None:
        return []
    return [
        ("W", metrics.get("connectivity_R2"), truth.weight, found.W),
        ("tau (s)", metrics.get("tau_R2"), truth.tau, found.tau),
        ("V_rest (a.u.)", metrics.get("V_rest_R2"), truth.V_rest, found.V_rest),
    ]


def _scatter_embedding(axes: Axes, truth: Connectome, embedding: Array) -> None:
    x, y, labels = embedding[:, 0], np.asarray(truth.type_index, float), ("a[0]", "cell type (index)")
    if embedding.shape[1] > 1:
        y, labels = embedding[:, 1], ("a[0]", "a[1]")
    axes.scatter(x, y, s=9, c=type_colours(len(truth.type_names))[truth.type_index], linewidths=0)
    _label_types(axes, truth, x, y)
    axes.set(xlabel=f"{labels[0]} (a.u.)", ylabel=f"{labels[1]} (a.u.)")
    axes.set_title(f"Learned embedding of {len(x)} neurons, coloured and labelled by cell type")


def _label_types(axes: Axes, truth: Connectome, x: Array, y: Array) -> None:
    """The name of each type near its median, moved apart, with a line where it had to move far."""
    texts, places = [], []
    for kind, name in enumerate(truth.type_names):
        members = truth.type_index == kind
        if members.any() and np.isfinite(x[members]).all() and np.isfinite(y[members]).all():
            places.append((np.median(x[members]), np.median(y[members])))
            texts.append(axes.text(*places[-1], name, fontsize=7, ha="center"))
    if len(texts) < 2:
        return
    line = {"arrowstyle": "-", "color": "0.6", "lw": 0.5}
    adjust_text(texts, *np.array(places).T, ax=axes, arrowprops=line, iter_lim=60, ensure_inside_axes=True)


def _against_truth(axes: Axes, name: str, r2: float | None, true: NDArray[np.float32], learned: Array) -> None:
    """Points outside the frame are drawn at its edge as red triangles, and counted: a few of them decide an R2."""
    low, high = float(true.min()), float(true.max())
    pad = 0.1 * max(high - low, 1e-6)
    finite = np.isfinite(learned)
    above, below = (finite & (learned > high + pad), finite & (learned < low - pad))
    inside = np.flatnonzero(finite & ~above & ~below)
    inside = inside[:: max(1, len(inside) // N_POINTS)]
    axes.scatter(true[inside], learned[inside], s=3, alpha=0.4, linewidths=0)
    for outside, edge, marker in ((above, high + pad, "^"), (below, low - pad, "v")):
        edges = np.full(int(outside.sum()), edge)
        axes.scatter(true[outside], edges, s=22, marker=marker, color="tab:red", linewidths=0, clip_on=False, zorder=3)
    axes.plot([low, high], [low, high], color="0.3", lw=0.8, ls="--")
    axes.set(
        xlabel=f"true {name}", ylabel=f"learned {name}", xlim=(low - pad, high + pad), ylim=(low - pad, high + pad)
    )
    axes.set_title(_title(r2, int((above | below).sum()), int((~finite).sum())), fontsize=9)
    axes.tick_params(labelsize=7)


def _title(r2: float | None, outside: int, broken: int) -> str:
    words = ["R2 undefined" if r2 is None else f"R2 = {r2:.3f}"]
    words += [f"{outside:,} outside the frame"] if outside else []
    words += [f"{broken:,} not finite"] if broken else []
    return "; ".join(words)


def _weights_by_type(figure: Figure, maps: list[Axes], truth: Connectome, learned: Array) -> None:
    """Mean weight of the edges from one type to another, true and learned, in the same colours."""
    pairs = [_mean_by_type(truth, np.asarray(truth.weight, np.float64)), _mean_by_type(truth, learned)]
    top = float(np.nanquantile(np.abs(pairs[0]), BIGGEST)) or 1.0
    for axes, values, title in zip(maps, pairs, ("True mean W", "Learned mean W, same colours"), strict=True):
        image = axes.imshow(values, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="from cell type", ylabel="to cell type")
        ticks = np.arange(0, len(truth.type_names), max(1, len(truth.type_names) // 13))
        names = [truth.type_names[tick] for tick in ticks]
        axes.set_xticks(ticks, names, rotation=90, fontsize=6)
        axes.set_yticks(ticks, names, fontsize=6)
    figure.colorbar(image, ax=maps, shrink=0.7, extend="both")


def _mean_by_type(truth: Connectome, weight: Array) -> Array:
    """[n_types, n_types], row = to; NaN where no edge is."""
    n = len(truth.type_names)
    pair = truth.type_index[truth.target] * n + truth.type_index[truth.source]
    count = np.bincount(pair, minlength=n * n)
    total = np.bincount(pair, weights=np.nan_to_num(weight, posinf=0.0, neginf=0.0), minlength=n * n)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(n, n)


def _signals(axes: Axes, truth: Connectome, result: Evaluation) -> None:
    """What each type sends at a voltage, scaled as `recover` scales it, against the true max(v, 0)."""
    axes.set_title("Learned signal g_phi² by type; dashed: the truth", fontsize=9)
    axes.set(xlabel="voltage (a.u.)", ylabel="signal / its slope (a.u.)")
    if result.signals is None:
        return
    v, signals = (part.double().cpu().numpy() for part in result.signals)
    colours, top = type_colours(len(truth.type_names)), max(float(v.max()), 1e-3)
    for kind in range(len(truth.type_names)):
        if (members := truth.type_index == kind).any():
            axes.plot(v, signals[:, members].mean(1), color=colours[kind], lw=0.8)
    axes.plot(v, np.maximum(v, 0.0), color="0.2", lw=1.2, ls="--")
    axes.set_ylim(-0.15 * top, 1.5 * top)
