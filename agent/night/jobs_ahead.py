"""The jobs of a driver that train ahead of their batch, and what has ended of them before it was planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from state.history import Iteration
from trainer.engines.contract import Dispatcher, Ended, Job


class JobsAhead:
    """The jobs ahead that the engine of this driver has, and their ends, which wait until their batch is planned.

    None of it is a fact: another driver finds the jobs again through its engine, and the results in their folders.
    """

    def __init__(self) -> None:
        self._jobs: set[str] = set()
        self._ended: dict[str, Ended] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._jobs

    def begun(self, run_id: str) -> None:
        """The engine has a job."""
        self._jobs.add(run_id)

    def trains(self, run_id: str | None) -> bool:
        """Whether a job has begun and not ended."""
        return run_id in self._jobs and run_id not in self._ended

    def adopt(self, engine: Dispatcher, jobs: Iterable[Job]) -> set[str]:
        """Of ``jobs``, those that the engine has or finds still at work."""
        jobs = list(jobs)
        found = engine.reattach([job for job in jobs if job.run_id not in self])
        return {job.run_id for job in found} | {job.run_id for job in jobs if job.run_id in self}

    def ends(self, polled: Iterable[Ended], waiting: Mapping[str, Iteration]) -> list[Ended]:
        """What has ended of the runs that are ``waiting``; the end of a run ahead is kept until it is one of them."""
        self._ended |= {one.job.run_id: one for one in polled}
        over = [self._ended.pop(run_id) for run_id in list(self._ended) if run_id in waiting]
        self._jobs -= {one.job.run_id for one in over}
        return over
