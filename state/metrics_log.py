"""The text of metrics.log: one row of R2 for each point of a training; written by the worker, read by the driver."""

from __future__ import annotations

import math
from collections.abc import Iterator

from state.metrics import traced
from state.records import TrajectoryPoint


def header() -> str:
    """The first line."""
    return ",".join(("epoch", "iteration", *(trace.column for trace in traced().values()), "phase"))


def row(point: TrajectoryPoint) -> str:
    """One further line; an undefined R2 is written as nan."""
    columns = [getattr(point, trace.column, None) for trace in traced().values()]
    values = ",".join("nan" if value is None else f"{value:.6f}" for value in columns)
    return f"{point.epoch},{point.iteration},{values},{point.phase}"


def read_column(text: str, column: str) -> Iterator[tuple[int, float | None]]:
    """Iteration and value of one column, row by row; None is undefined. What is no whole row ends the reading."""
    lines = text.splitlines(keepends=True)
    names = lines[0].strip().split(",") if lines else []
    if "iteration" not in names or column not in names:
        return
    at, place = names.index("iteration"), names.index(column)
    for line in lines[1:]:
        fields = line.strip().split(",")
        if not line.endswith("\n") or len(fields) != len(names):
            return
        try:
            iteration, value = int(fields[at]), float(fields[place])
        except ValueError:
            return
        yield iteration, value if math.isfinite(value) else None
