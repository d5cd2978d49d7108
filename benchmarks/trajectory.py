"""Draws metrics.log of slots, a row of curves each: `python -m benchmarks.trajectory SLOT_FOLDER... --out FILE.png`."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from matplotlib.figure import Figure

COLUMNS = {"connectivity_r2": "connectivity", "tau_r2": "tau", "vrest_r2": "V_rest"}


def read(folder: Path) -> list[dict[str, str]]:
    """The rows of FOLDER/metrics.log."""
    with (folder / "metrics.log").open(newline="") as file:
        return list(csv.DictReader(file))


def draw(folders: list[Path], out: Path) -> None:
    """R2 over iterations, phases shaded; one row of axes a folder."""
    figure = Figure(figsize=(9, 2.8 * len(folders)), layout="constrained")
    axes = figure.subplots(len(folders), 1, squeeze=False, sharex=True)[:, 0]
    for axis, folder in zip(axes, folders, strict=True):
        rows = read(folder)
        x = [int(row["iteration"]) for row in rows]
        for column, name in COLUMNS.items():
            axis.plot(x, [float(row[column]) for row in rows], marker=".", label=name)
        before = [0, *x[:-1]]
        for start, end, row in zip(before, x, rows, strict=True):
            if row["phase"] == "V_rest":
                axis.axvspan(start, end, color="0.92", lw=0)
        axis.set(ylim=(0, 1), xlabel="iteration", ylabel="R2", title=f"{folder.name} (grey: V_rest phase)")
        axis.grid(alpha=0.3)
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(out, dpi=110)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("trajectory.png"))
    given = parser.parse_args()
    draw(given.folders, given.out)


if __name__ == "__main__":
    main()
