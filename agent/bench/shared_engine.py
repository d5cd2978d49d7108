"""An engine that trains nothing twice in one night of a bench: equal config and seeds have the result of the first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from state.config import SlotConfig
from state.files import read_yaml, write_atomic
from state.paths import SlotPaths
from state.records import TAKEN_OVER, SlotResult
from state.schema import validate
from trainer.engines.contract import Dispatcher, Ended, Job, collect


class SharedEngine:
    """Keeps the contract of ``engine``; ``folder`` holds what the explorers of this night have trained."""

    def __init__(self, engine: Dispatcher, folder: Path, explorer: str) -> None:
        self._engine, self._folder, self._explorer = engine, folder, explorer
        self._ended: list[Ended] = []

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Queue the jobs of which no result is there; the others have ended."""
        known = [job for job in jobs if self._copied(job)]
        self._ended += [Ended(job, 0) for job in known]
        return known + self._engine.submit([job for job in jobs if job not in known])

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """As the engine says; what it has trained is kept for the others."""
        began, ended = self._engine.poll()
        for one in ended:
            self._keep(one)
        known, self._ended = self._ended, []
        return began, known + ended

    def cancel(self, run_id: str) -> None:
        """End a job of the engine."""
        self._engine.cancel(run_id)

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Jobs of an earlier driver that the engine still runs."""
        return self._engine.reattach(jobs)

    def close(self) -> None:
        """End every job of the engine."""
        self._engine.close()

    def _copied(self, job: Job) -> bool:
        """Lay the result of an equal training into the job's folder, with a word on whose it is."""
        source, target = SlotPaths(self._folder / _key(job)), SlotPaths(job.folder)
        if not source.result.exists():
            return False
        result = SlotResult.model_validate_json(source.result.read_bytes())
        own = result.model_copy(update={"run_id": job.run_id, "config_hash": job.config_hash})
        for path in source.root.iterdir():
            if path != source.result:
                shutil.copy(path, target.root / path.name)
        write_atomic(target.result, own.model_dump_json() + "\n")
        return True

    def _keep(self, ended: Ended) -> None:
        paths, place = SlotPaths(ended.job.folder), self._folder / _key(ended.job)
        result = collect(ended)
        if result.status != "done" or place.exists():
            return
        half = place.with_name(f"{place.name}.{os.getpid()}")
        half.mkdir(parents=True, exist_ok=True)
        for path in (paths.metrics_log, *paths.pictures):
            if path.exists():
                shutil.copy(path, half / path.name)
        told = result.model_copy(update={"device": f"{result.device}{TAKEN_OVER}{self._explorer}"})
        write_atomic(SlotPaths(half).result, told.model_dump_json() + "\n")
        try:
            half.rename(place)
        except OSError:
            # Another explorer has trained the same meanwhile.
            shutil.rmtree(half)


def _key(job: Job) -> str:
    paths = SlotPaths(job.folder)
    config = validate(SlotConfig, read_yaml(paths.config), str(paths.config))
    return f"{config.identity()}-{config.simulation.seed}-{config.training.seed}"
