"""Answers slots at once, in the driver's own process, from the surrogate; for `trainer: surrogate` only."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from state.config import SlotConfig
from state.files import read_yaml, write_atomic
from state.metrics_log import header, row
from state.paths import SlotPaths
from state.records import SlotResult, TrajectoryPoint
from state.schema import validate
from state.surrogate import SurrogateConfig
from trainer.engines.contract import Ended, Job
from trainer.engines.surrogate import PEAK, surrogate_result


@dataclass
class InlineEngine:
    """Keeps the engines' contract: a result file appears whole, and the job is then reported as ended.

    With ``curves`` a slot leaves a metrics.log and counts as training until the next poll, so that it can be cut.
    """

    surface: SurrogateConfig = PEAK
    curves: bool = False
    _ended: list[Ended] = field(default_factory=list)
    _training: list[tuple[Job, SlotResult]] = field(default_factory=list)

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Compute the results."""
        for job in jobs:
            paths = SlotPaths(job.folder)
            config = validate(SlotConfig, read_yaml(paths.config), str(paths.config))
            result = surrogate_result(config, job.run_id, self.surface)
            if self.curves and result.trajectory:
                paths.result.unlink(missing_ok=True)
                _write_curve(paths, result.trajectory)
                self._training.append((job, result))
            else:
                self._finish(job, result)
        return jobs

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """Everything submitted has ended."""
        for job, result in self._training:
            self._finish(job, result)
        self._training.clear()
        ended, self._ended = self._ended, []
        return [], ended

    def cancel(self, run_id: str) -> None:
        """End a slot that trains; what has a result has ended already."""
        for job, result in [one for one in self._training if one[0].run_id == run_id]:
            self._training.remove((job, result))
            self._ended.append(Ended(job, None, cancelled=True))

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Nothing outlives the driver."""
        return []

    def close(self) -> None:
        """Nothing to end."""

    def _finish(self, job: Job, result: SlotResult) -> None:
        write_atomic(SlotPaths(job.folder).result, result.model_dump_json() + "\n")
        self._ended.append(Ended(job, 0))


def _write_curve(paths: SlotPaths, trajectory: list[TrajectoryPoint]) -> None:
    write_atomic(paths.metrics_log, "\n".join([header(), *map(row, trajectory), ""]))
    write_atomic(paths.progress, json.dumps({"stage": "training", "total": trajectory[-1].iteration}) + "\n")
