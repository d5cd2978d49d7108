"""Answers slots at once, in the driver's own process, from the surrogate; for `trainer: surrogate` only."""

from __future__ import annotations

from dataclasses import dataclass, field

from state.config import SlotConfig
from state.files import read_yaml, write_atomic
from state.paths import SlotPaths
from state.schema import validate
from state.surrogate import SurrogateConfig
from trainer.engines.contract import Ended, Job
from trainer.engines.surrogate import PEAK, surrogate_result


@dataclass
class InlineEngine:
    """Keeps the engines' contract: a result file appears whole, and the job is then reported as ended."""

    surface: SurrogateConfig = PEAK
    _ended: list[Ended] = field(default_factory=list)

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Compute the results."""
        for job in jobs:
            paths = SlotPaths(job.folder)
            config = validate(SlotConfig, read_yaml(paths.config), str(paths.config))
            result = surrogate_result(config, job.run_id, self.surface)
            write_atomic(paths.result, result.model_dump_json() + "\n")
            self._ended.append(Ended(job, 0))
        return jobs

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """Everything submitted has ended."""
        ended, self._ended = self._ended, []
        return [], ended

    def cancel(self, run_id: str) -> None:
        """Nothing runs, so nothing can be ended."""

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Nothing outlives the driver."""
        return []

    def close(self) -> None:
        """Nothing to end."""
