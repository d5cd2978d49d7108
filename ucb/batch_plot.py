"""Picture of a batch as PNG bytes: its trajectories over one another, and all runs of the night by config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from state.metrics import main, traced
from state.records import TrajectoryPoint
from ucb.plot import png
from ucb.variance import ConfigStats

_GREY, _INK, _BAND, _FAILED = "#9aa3ad", "#22262b", "#e8ecf1", "#c1272d"
DPI = 110


@dataclass(frozen=True)
class Slot:
    """A slot of the batch: what its curve is called, and its trajectory; empty where it failed before the first row."""

    label: str
    iteration: int
    points: Sequence[TrajectoryPoint]


def plot_batch(slots: Sequence[Slot], configs: Sequence[ConfigStats], baseline: ConfigStats | None) -> bytes:
    """Above, each R2 along the training, a colour a slot, V_rest phases shaded; below, every run of ``configs``.

    The band is the mean of the ``baseline``'s runs with one standard deviation to each side. A run of this batch has
    its slot's colour, and one that failed is a cross at 0.
    """
    figure = Figure(figsize=(14, 8.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 6)
    colours = [colormaps["tab10"](number % 10) for number in range(len(slots))]
    for place, (metric, trace) in enumerate(list(traced().items())[:3]):
        axes = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        _curves(axes, metric, trace.column, slots, colours)
        _band(axes, baseline, metric)
        if place == 0:
            axes.legend(fontsize=8, loc="lower right")
    mine = {slot.iteration: colour for slot, colour in zip(slots, colours, strict=True)}
    for place, metric in enumerate(row.name for row in main()[:2]):
        axes = figure.add_subplot(grid[1, 3 * place : 3 * place + 3])
        _strip(axes, metric, configs, mine)
        _band(axes, baseline, metric)
    return png(figure)


def _curves(axes: Axes, metric: str, column: str, slots: Sequence[Slot], colours: Sequence[tuple[float, ...]]) -> None:
    for start, end in _vrest_spans(max((slot.points for slot in slots), key=len, default=())):
        axes.axvspan(start, end, color=_BAND, lw=0, zorder=0)
    for slot, colour in zip(slots, colours, strict=True):
        known = [(p.iteration, value) for p in slot.points if (value := getattr(p, column)) is not None]
        axes.plot([x for x, _ in known], [y for _, y in known], "-o", ms=3, lw=1.4, color=colour, label=slot.label)
    axes.set_title(
        f"{metric} along the training" + ("; shaded: V_rest phase" if metric == "V_rest_R2" else ""), fontsize=9
    )
    axes.set_xlabel("training iteration")
    axes.set_ylim(top=1.02)
    axes.grid(axis="y", lw=0.3)


def _vrest_spans(points: Sequence[TrajectoryPoint]) -> list[tuple[int, int]]:
    """First and last iteration of each V_rest phase, as far as the rows tell: from the row before its first one."""
    spans: list[tuple[int, int]] = []
    before = 0
    for number, point in enumerate(points):
        if point.phase == "V_rest":
            goes_on = number > 0 and points[number - 1].phase == "V_rest"
            spans.append((spans.pop()[0] if goes_on else before, point.iteration))
        before = point.iteration
    return spans


def _band(axes: Axes, baseline: ConfigStats | None, metric: str) -> None:
    spread = baseline.spreads.get(metric) if baseline is not None else None
    if spread is not None and spread.mean is not None:
        std = spread.std or 0.0
        axes.axhspan(spread.mean - std, spread.mean + std, color="#f5c77e", alpha=0.35, lw=0, zorder=0)
        axes.axhline(spread.mean, color="#b9770e", lw=0.8, ls="--", zorder=1)


def _strip(axes: Axes, metric: str, configs: Sequence[ConfigStats], mine: Mapping[int, tuple[float, ...]]) -> None:
    for place, stats in enumerate(configs):
        for number, run in enumerate(stats.runs):
            x, value = place + 0.22 * ((number * 0.618034) % 1.0 - 0.5), run.value(metric)
            colour, size = (mine[run.iteration], 34) if run.iteration in mine else (_GREY, 16)
            if run.metrics is None:
                axes.scatter(x, 0.0, marker="x", color=_FAILED, s=size, zorder=3)
            elif value is not None:
                axes.scatter(x, value, color=[colour], s=size, linewidths=0, zorder=3 if run.iteration in mine else 2)
        if (mean := stats.spreads[metric].mean) is not None:
            axes.plot([place - 0.25, place + 0.25], [mean, mean], color=_INK, lw=1.2, zorder=4)
    names = [f"{stats.config_id} ({len(stats.runs)})" for stats in configs]
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 8 else 0, fontsize=7)
    axes.set_xlim(-0.6, max(len(names), 1) - 0.4)
    axes.set_title(f"{metric} of every run by config (runs), in the order of the table; band: baseline", fontsize=9)
    axes.grid(axis="y", lw=0.3)
