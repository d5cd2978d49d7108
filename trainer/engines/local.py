"""Slots as subprocesses of this machine: process groups, each pinned to a GPU or a share of the cores."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from state.files import write_atomic
from state.paths import SlotPaths
from trainer.engines.contract import STACK_BROKE, Ended, Job, stderr_tail
from trainer.engines.processes import age, device_of, find_workers, process_start, signal_group

KILL_AFTER_S = 10.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
WORKER = (sys.executable, "-m", "trainer.slot")


@dataclass(eq=False)
class _Worker:
    """A process that this engine or an earlier driver has started; ``log``: where it speaks, if that is known."""

    place: int
    pid: int
    start: str
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    term_at: float | None = None

    def ended(self) -> tuple[bool, int | None]:
        """Whether it is over, and its exit code if we are its parent."""
        if self.process is not None:
            code = self.process.poll()
            return code is not None, code
        return process_start(self.pid) != self.start, None

    def end(self) -> None:
        """TERM, and KILL after a while; to be called until it is over."""
        now = time.monotonic()
        if self.term_at is None:
            self.term_at = now
            signal_group(self.pid, signal.SIGTERM)
        elif now - self.term_at > KILL_AFTER_S:
            signal_group(self.pid, signal.SIGKILL)


@dataclass
class _Running:
    job: Job
    worker: _Worker
    deadline: float
    timed_out: bool = False
    cancelled: bool = False

    @property
    def paths(self) -> SlotPaths:
        return SlotPaths(self.job.folder)

    def must_end(self) -> bool:
        """Whether its time is over, or somebody has cancelled it."""
        over = self.cancelled or time.monotonic() > self.deadline
        self.timed_out = over and not self.cancelled
        return over


@dataclass
class LocalEngine:
    """Runs at most ``places`` workers at once; ``gpus`` lists CUDA devices to pin to in turn, empty = CPU.

    Where jobs outnumber the places, up to ``stack`` of them share a worker, until one has failed of that. ``cores`` are
    shared out among the places, none to two; where there are too few for that or for its ``threads``, nobody is held to
    any.
    """

    places: int
    threads: int
    gpus: Sequence[str] = ()
    cores: Sequence[int] = ()
    worker: Sequence[str] = WORKER
    stack: int = 1
    _queue: deque[Job] = field(default_factory=deque)
    _running: dict[str, _Running] = field(default_factory=dict)
    _cancelled: list[Ended] = field(default_factory=list)

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Queue ``jobs`` and start as many as there are free places; at the next poll where others may share them."""
        self._queue.extend(jobs)
        return self._fill() if self.stack == 1 else []

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """Reap, enforce time limits, and start queued jobs on the places that became free."""
        over, self._cancelled = self._cancelled, []
        for worker in self._workers():
            over += self._look_at(worker)
        return self._fill(), over

    def cancel(self, run_id: str) -> None:
        """End a queued or running job."""
        for job in [job for job in self._queue if job.run_id == run_id]:
            self._queue.remove(job)
            self._cancelled.append(Ended(job, None, cancelled=True))
        if run_id in self._running:
            self._running[run_id].cancelled = True
            self._end_what_must(self._running[run_id].worker)

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Adopt the processes of an earlier driver that still work in the very same folders."""
        workers, adopted = find_workers(self.worker[-1]), dict[int, _Worker]()
        for job in jobs:
            pid = workers.get(str(job.folder))
            start = process_start(pid) if pid is not None else None
            if pid is not None and start is not None:
                if pid not in adopted:
                    adopted[pid] = _Worker(self._place_of(pid), pid, start)
                deadline = time.monotonic() + job.time_limit_s - age(start)
                self._running[job.run_id] = _Running(job, adopted[pid], deadline)
        return [job for job in jobs if job.run_id in self._running]

    def close(self) -> None:
        """TERM every job, KILL what is left after a while."""
        self._queue.clear()
        for run in self._running.values():
            run.cancelled = True
        while self._running:
            self.poll()
            time.sleep(0.02)

    def _workers(self) -> list[_Worker]:
        return list(dict.fromkeys(run.worker for run in self._running.values()))

    def _runs_of(self, worker: _Worker) -> list[_Running]:
        return [run for run in self._running.values() if run.worker is worker]

    def _look_at(self, worker: _Worker) -> list[Ended]:
        """Which jobs of a worker are over: all when it is; before, those with a result, but for the last one."""
        runs = over = self._runs_of(worker)
        done, code = worker.ended()
        if done:
            signal_group(worker.pid, signal.SIGKILL)  # what is left of its group
            self._learn_from(worker, runs, code)
        else:
            over = [run for run in runs if run.paths.result.exists()][: len(runs) - 1]
        for run in over:
            del self._running[run.job.run_id]
        if not done:
            self._end_what_must(worker)
        return [Ended(run.job, code, run.timed_out, run.cancelled) for run in over]

    def _end_what_must(self, worker: _Worker) -> None:
        """End a worker whose jobs must all end, else ask for those that must alone."""
        runs = self._runs_of(worker)
        ending = [run for run in runs if run.must_end()]
        if len(ending) == len(runs):
            worker.end()
        else:
            for run in ending:
                run.paths.leave.touch()

    def _learn_from(self, worker: _Worker, runs: list[_Running], code: int | None) -> None:
        """After a worker's end: no more stacks where its own broke, and what it said last beside each of its jobs."""
        if code == STACK_BROKE:
            self.stack = 1
        for run in runs:
            log = run.paths.stderr
            if worker.log not in (None, log) and not run.paths.result.exists() and not stderr_tail(log):
                write_atomic(log, stderr_tail(worker.log))

    def _fill(self) -> list[Job]:
        started = []
        while self._queue and (free := self.places - len(self._workers())) > 0:
            jobs = self._next(free)
            self._start(jobs)
            started += jobs
        return started

    def _next(self, free: int) -> list[Job]:
        """What the next of ``free`` places gets: the queue is shared out evenly, up to ``stack`` jobs a place."""
        most = min(self.stack, math.ceil(len(self._queue) / free))
        jobs = [self._queue.popleft()]
        while len(jobs) < most and self._queue and _may_share(jobs[0], self._queue[0]):
            jobs.append(self._queue.popleft())
        return jobs

    def _start(self, jobs: list[Job]) -> None:
        place = self._free_place()
        for job in jobs:
            paths = SlotPaths(job.folder)
            paths.result.unlink(missing_ok=True)
            paths.leave.unlink(missing_ok=True)
            paths.stderr.write_bytes(b"")
        words = SlotPaths(jobs[0].folder).stderr
        with words.open("ab") as log:
            process = subprocess.Popen(
                [*self.worker, *(str(job.folder) for job in jobs)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(jobs[0], place),
                start_new_session=True,
            )
        if cores := self._cores(place):
            # Before it has begun any thread; one that ends at once is none to hold.
            with contextlib.suppress(OSError):
                os.sched_setaffinity(process.pid, cores)
        worker = _Worker(place, process.pid, "", process, words)
        for job in jobs:
            self._running[job.run_id] = _Running(job, worker, time.monotonic() + job.time_limit_s)

    def _free_place(self) -> int:
        """The free place whose GPU has the fewest slots; beyond ``places``, for adopted processes, the next number."""
        taken = {run.worker.place for run in self._running.values()}
        busy = Counter(self._device(n) for n in taken)
        free = [n for n in range(max(self.places, len(taken) + 1)) if n not in taken]
        return min(free, key=lambda n: (n >= self.places, busy[self._device(n)], n))

    def _place_of(self, pid: int) -> int:
        """The place of an adopted process: the free one with its GPU, so that no other job is pinned there."""
        taken, device = {run.worker.place for run in self._running.values()}, device_of(pid)
        free = [n for n in range(self.places) if n not in taken and self._device(n) == device]
        with contextlib.suppress(OSError):
            held = os.sched_getaffinity(pid)
            free.sort(key=lambda n: self._cores(n) != held)
        return next(iter(free), self._free_place())

    def _device(self, place: int) -> str:
        return self.gpus[place % len(self.gpus)] if self.gpus else ""

    def _cores(self, place: int) -> set[int]:
        """The cores of a place alone; empty = wherever there is room."""
        share = len(self.cores) // self.places
        if self.threads > share:
            return set()
        return set(self.cores[place * share : (place + 1) * share])

    def _environment(self, job: Job, place: int) -> dict[str, str]:
        threads = str(job.threads or self.threads)
        own = dict.fromkeys(THREAD_VARIABLES, threads)
        own["CUDA_VISIBLE_DEVICES"] = self._device(place)
        # The worker imports the driver's own packages, wherever the driver was started.
        root = str(Path(__file__).resolve().parents[2])
        own["PYTHONPATH"] = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        return os.environ | own


def _may_share(one: Job, other: Job) -> bool:
    """Whether two jobs may be trained by one worker."""
    return not (one.alone or other.alone) and one.threads == other.threads
