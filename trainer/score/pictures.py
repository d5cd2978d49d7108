"""activity.png of a slot, and how its pictures are drawn: without a display, the same everywhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps, rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.fly.connectome import Connectome

N_TRACES = 12
N_SHOWN = 250  # steps of the rollout that are drawn
DPI = 110


def type_colours(n_types: int) -> NDArray[np.float64]:
    """One colour a cell type [n_types, 4]; neighbours in the list differ in hue."""
    hues = (np.arange(n_types) * 0.618034) % 1.0
    found: NDArray[np.float64] = np.asarray(colormaps["hsv"](hues)) * np.array([0.85, 0.8, 0.85, 1.0])
    return found


def draw_activity(path: Path, truth: Connectome, true: Tensor, learned: Tensor, delta_t: float) -> None:
    """Held-out rollout: the voltages of all neurons, true and of the trained network, and traces of twelve types."""
    x, y = (t[:N_SHOWN].float().cpu().numpy() for t in (true, learned))
    with plain_style():
        figure = Figure(figsize=(14, 6), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
        _heat_map(left, "True voltage, held-out stimulus, no noise", truth, x, x, delta_t)
        image = _heat_map(middle, "Rollout of the trained network, same colours", truth, x, y, delta_t)
        left.set_ylabel("neuron, sorted by cell type")
        middle.tick_params(labelleft=False)
        figure.colorbar(image, ax=[left, middle], label="voltage (a.u.); white: not a number", shrink=0.8)
        _traces(right, truth, x, y, delta_t)
        save(figure, path)


def _heat_map(
    axes: Axes, title: str, truth: Connectome, x: NDArray[np.float32], shown: NDArray[np.float32], delta_t: float
) -> AxesImage:
    """``shown`` in the colours of the true voltages ``x``, both [T, N]."""
    order = np.argsort(truth.type_index, kind="stable")
    low, high = np.quantile(x, [0.01, 0.99])
    extent = (0.0, len(x) * delta_t, x.shape[1], 0.0)
    image = axes.imshow(
        shown[:, order].T, aspect="auto", extent=extent, vmin=low, vmax=max(high, low + 1e-6), cmap="viridis"
    )
    axes.set_xlabel("time (s)")
    axes.set_title(title, fontsize=10)
    return image


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


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=DPI, format="png")


def plain_style() -> AbstractContextManager[None]:
    """Other packages (flyvis among them) change matplotlib's defaults; the pictures shall look the same everywhere."""
    return rc_context({key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")})
