"""What a running slot tells the people watching it: progress.json and metrics.log. Nothing is decided from these."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from state.files import write_atomic
from state.metrics_log import header, row
from state.records import TrajectoryPoint

MIN_INTERVAL_S = 0.5


@dataclass(frozen=True)
class Progress:
    """How far a slot is. ``stage``: connectome, simulation, training, evaluation, done.

    ``metrics``: the last measured of those followed. ``undefined`` says which of them are not there, and why.
    """

    stage: str = "connectome"
    epoch: int = 0
    phase: str = ""
    iteration: int = 0
    total: int = 0
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    eta_s: float | None = None
    time: float = 0.0
    undefined: str = ""


Listener = Callable[[Progress], None]


class Reporter:
    """Keeps the current progress, rewrites progress.json at most every MIN_INTERVAL_S, and tells a listener."""

    def __init__(self, path: Path, listener: Listener | None = None) -> None:
        self.now = Progress(time=time.time())
        self._path, self._listener = path, listener
        self._written = float("-inf")
        self._stage_start, self._first = time.monotonic(), 0

    def stage(self, name: str, total: int = 0, first: int = 0) -> None:
        """A new stage begins, with ``first`` of its ``total`` steps done earlier; always written."""
        self._stage_start, self._first = time.monotonic(), first
        self.now = replace(self.now, stage=name, iteration=first, total=total, eta_s=None)
        self._publish(force=True)

    def advance(self, iteration: int, total: int, epoch: int = 0, phase: str = "") -> None:
        """Steps done of the stage; the time left is linear in those of this attempt."""
        spent, done = time.monotonic() - self._stage_start, iteration - self._first
        eta = spent * (total - iteration) / done if done > 0 else None
        self.now = replace(self.now, iteration=iteration, total=total, epoch=epoch, phase=phase, eta_s=eta)
        self._publish()

    def undefined(self, reasons: str) -> None:
        """Why some R2 of the row that comes next are undefined, '' when all are there."""
        self.now = replace(self.now, undefined=reasons)

    def point(self, point: TrajectoryPoint) -> None:
        """A row of metrics was measured."""
        self.now = replace(self.now, metrics=point.values())
        self._publish(force=True)

    def _publish(self, force: bool = False) -> None:
        self.now = replace(self.now, time=time.time())
        clock = time.monotonic()
        if force or clock - self._written >= MIN_INTERVAL_S:
            self._written = clock
            write_atomic(self._path, json.dumps(asdict(self.now)) + "\n")
            if self._listener is not None:
                self._listener(self.now)


class MetricsLog:
    """metrics.log, one row at a time; an undefined R2 is written as nan."""

    def __init__(self, path: Path) -> None:
        self._path = path
        write_atomic(path, f"{header()}\n")

    def append(self, point: TrajectoryPoint) -> None:
        """Add one row; it is complete on disk when this returns."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{row(point)}\n")
