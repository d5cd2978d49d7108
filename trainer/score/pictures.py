"""The two pictures of a slot, activity.png and embedding.png, drawn without a display."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps, rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.fly.connectome import Connectome
    from trainer.score.evaluate import Evaluation

Panel = tuple[str, float | None, NDArray[np.float32], NDArray[np.float64]]

N_TRACES = 12
N_SHOWN = 250  # steps of the rollout that are drawn
DPI = 110


def type_colours(n_types: int) -> NDArray[np.float64]:
    """One colour a cell type [n_types, 4]; neighbours in the list differ in hue."""
    hues = (np.arange(n_types) * 0.618034) % 1.0
    found: NDArray[np.float64] = np.asarray(colormaps["hsv"](hues)) * np.array([0.85, 0.8, 0.85, 1.0])
    return found


def draw_activity(path: Path, truth: Connectome, true: Tensor, learned: Tensor, delta_t: float) -> None:
    """Held-out rollout: the true voltages of all neurons, and traces of twelve types against the trained network's."""
    x, y = (t[:N_SHOWN].float().cpu().numpy() for t in (true, learned))
    with _plain_style():
        figure = Figure(figsize=(12, 6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _heat_map(figure, left, truth, x, delta_t)
        _traces(right, truth, x, y, delta_t)
        _save(figure, path)


def _heat_map(figure: Figure, axes: Axes, truth: Connectome, x: NDArray[np.float32], delta_t: float) -> None:
    order = np.argsort(truth.type_index, kind="stable")
    low, high = np.quantile(x, [0.01, 0.99])
    extent = (0.0, len(x) * delta_t, x.shape[1], 0.0)
    image = axes.imshow(
        x[:, order].T, aspect="auto", extent=extent, vmin=low, vmax=max(high, low + 1e-6), cmap="viridis"
    )
    figure.colorbar(image, ax=axes, label="voltage (a.u.)")
    axes.set(xlabel="time (s)", ylabel="neuron, sorted by cell type", title="True voltage, held-out stimulus, no noise")


def _traces(axes: Axes, truth: Connectome, x: NDArray[np.float32], y: NDArray[np.float32], delta_t: float) -> None:
    chosen = np.linspace(0, len(truth.type_names) - 1, N_TRACES).round().astype(int)
    colours, time = type_colours(len(truth.type_names)), np.arange(len(x)) * delta_t
    ticks = []
    for row, kind in enumerate(chosen):
        members = np.flatnonzero(truth.type_index == kind)
        if not len(members):
            continue
        neuron = members[len(members) // 2]
        base, span = x[:, neuron].mean(), max(float(np.ptp(x[:, neuron])), 1e-3)
        for values, style in ((x, {"color": "0.55", "lw": 2.5}), (y, {"color": colours[kind], "lw": 1.1})):
            axes.plot(time, np.clip((values[:, neuron] - base) / span, -0.7, 0.7) - row, **style)
        ticks.append((-row, f"{truth.type_names[kind]} ({span:.2f})"))
    axes.set_yticks([t[0] for t in ticks], [t[1] for t in ticks])
    axes.set(xlabel="time (s)", ylabel="cell type (range of the true trace, a.u.)")
    axes.set_title("True (grey) and trained network (colour)")


def draw_embedding(path: Path, truth: Connectome, embedding: NDArray[np.float64], result: Evaluation) -> None:
    """The learned embedding [N, D] by cell type, and learned against true W, tau and V_rest."""
    with _plain_style():
        figure = Figure(figsize=(13, 7.5), layout="constrained")
        grid = figure.add_gridspec(3, 5)
        _scatter_embedding(figure.add_subplot(grid[:, :4]), truth, embedding)
        for row, panel in enumerate(_panels(truth, result)):
            _against_truth(figure.add_subplot(grid[row, 4]), *panel)
        _save(figure, path)


def _panels(truth: Connectome, result: Evaluation) -> list[Panel]:
    found, metrics = result.found, result.metrics
    if found is None:
        return []
    return [
        ("W", metrics.get("connectivity_R2"), truth.weight, found.W),
        ("tau (s)", metrics.get("tau_R2"), truth.tau, found.tau),
        ("V_rest (a.u.)", metrics.get("V_rest_R2"), truth.V_rest, found.V_rest),
    ]


def _scatter_embedding(axes: Axes, truth: Connectome, embedding: NDArray[np.float64]) -> None:
    x, y, labels = embedding[:, 0], np.asarray(truth.type_index, float), ("a[0]", "cell type (index)")
    if embedding.shape[1] > 1:
        y, labels = embedding[:, 1], ("a[0]", "a[1]")
    axes.scatter(x, y, s=9, c=type_colours(len(truth.type_names))[truth.type_index], linewidths=0)
    for kind, name in enumerate(truth.type_names):
        members = truth.type_index == kind
        if members.any():
            axes.annotate(name, (np.median(x[members]), np.median(y[members])), fontsize=6.5, ha="center")
    axes.set(xlabel=f"{labels[0]} (a.u.)", ylabel=f"{labels[1]} (a.u.)")
    axes.set_title(f"Learned embedding of {len(x)} neurons, coloured and labelled by cell type")


def _against_truth(
    axes: Axes, name: str, r2: float | None, true: NDArray[np.float32], learned: NDArray[np.float64]
) -> None:
    stride = max(1, len(true) // 20_000)
    true, learned = true[::stride], learned[::stride]
    finite = np.isfinite(learned)
    low, high = float(true.min()), float(true.max())
    pad = 0.1 * max(high - low, 1e-6)
    axes.scatter(true[finite], np.clip(learned[finite], low - pad, high + pad), s=3, alpha=0.4, linewidths=0)
    axes.plot([low, high], [low, high], color="0.3", lw=0.8, ls="--")
    axes.set(
        xlabel=f"true {name}", ylabel=f"learned {name}", xlim=(low - pad, high + pad), ylim=(low - pad, high + pad)
    )
    axes.set_title("R2 undefined" if r2 is None else f"R2 = {r2:.3f}", fontsize=9)
    axes.tick_params(labelsize=7)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=DPI, format="png")


def _plain_style() -> AbstractContextManager[None]:
    """Other packages (flyvis among them) change matplotlib's defaults; the pictures shall look the same everywhere."""
    return rc_context({key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")})
