"""Draws docs/pictures/statistics.png: the best of many equal configs, and its fresh runs."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "statistics.png"
CONFIGS, RUNS, PAIRS = 20, 3, 8
LEVEL, DATA, TRAINING = 0.5, 0.03, 0.02
GREY, RED, BLUE = "#9aa0a6", "#b3261e", "#1a5fb4"


def draw(out: Path = OUT) -> int:
    """Draw with a fixed seed; returns which of the configs, all equal, came out best."""
    rng = np.random.default_rng(11)
    runs = LEVEL + rng.normal(0, np.hypot(DATA, TRAINING), (CONFIGS, RUNS))
    best = int(runs.mean(axis=1).argmax())
    data = rng.normal(0, DATA, PAIRS)
    baseline, fresh = (LEVEL + data + rng.normal(0, TRAINING, PAIRS) for _ in range(2))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 3.6), width_ratios=(1.6, 1), sharey=True, layout="constrained"
    )
    _many(left, runs, best)
    _fresh(right, baseline, fresh)
    figure.savefig(out, dpi=110)
    plt.close(figure)
    return best


def _many(axes: Axes, runs: NDArray[np.float64], best: int) -> None:
    for n, values in enumerate(runs):
        colour = RED if n == best else GREY
        axes.plot([n + 1] * RUNS, values, "o", ms=3.5, color=colour, alpha=0.7)
        axes.plot([n + 0.7, n + 1.3], [values.mean()] * 2, color=colour, lw=2.5)
    axes.axhline(LEVEL, color="black", lw=0.8, ls="--")
    axes.set_xlabel(f"{CONFIGS} configs that are all alike, {RUNS} runs each")
    axes.set_ylabel("V_rest_R2")
    axes.set_title("The leader leads by luck", loc="left", fontsize=11)


def _fresh(axes: Axes, baseline: NDArray[np.float64], fresh: NDArray[np.float64]) -> None:
    for n, (a, b) in enumerate(zip(baseline, fresh, strict=True), 1):
        axes.plot([n, n], [a, b], color=GREY, lw=1)
    axes.plot(range(1, PAIRS + 1), baseline, "s", ms=5, color=BLUE, label="baseline")
    axes.plot(range(1, PAIRS + 1), fresh, "o", ms=5, color=RED, label="leader, fresh runs")
    gap = float((fresh - baseline).mean())
    axes.set_xlabel(f"the same {PAIRS} data seeds: mean difference {gap:+.3f}")
    axes.set_title("Fresh runs on the baseline's data", loc="left", fontsize=11)
    axes.legend(fontsize=8, loc="lower right")


if __name__ == "__main__":
    draw()
